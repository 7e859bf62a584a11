"""What a catalog shows to a peer's anti-entropy. Implements `sync.Replica`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.document import EMPTY_UPDATE, DocumentFault, MapDocument
from photonic.crdt.keys import DROPPED, HELD, Holding
from photonic.crdt.retelling import to_believe
from photonic.crdt.updates import first_part, for_peers
from photonic.ids import ChangeId
from photonic.journal.journal import CHANGES, HOLDINGS


class CatalogReplica:
    """One catalog as its peers see it. For the catalog's thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog, self._documents = catalog, catalog.documents

    def root_digest(self) -> bytes:
        return self._catalog.digests.root()

    def document_digests(self) -> dict[tuple[int, int], bytes]:
        return self._catalog.digests.documents()

    def vector(self, shard: int, document: int) -> bytes:
        return self._documents.get(shard, document).vector()

    def missing_for(self, shard: int, document: int, vector: bytes) -> tuple[bytes, bool]:
        """Return what a replica with `vector` lacks; nothing if that is no vector."""
        try:
            update = self._documents.get(shard, document).missing_for(vector)
        except DocumentFault:
            return EMPTY_UPDATE, False
        fit = for_peers(update) if document == CHANGES else update
        part, is_all = first_part(fit, limits.UPDATE_PART_BYTES_MAX)
        return part, not is_all

    def receive(self, shard: int, document: int, update: bytes, peer: bytes) -> bool:
        return self._catalog.receive(shard, document, update, peer)

    def change_ids(self, shard: int, after: bytes, limit: int) -> Sequence[ChangeId]:
        there = (signed.id for signed in self._catalog.directory.shard(shard))
        return nsmallest(limit, (name for name in there if name > after))

    def read_changes(self, shard: int, ids: Collection[ChangeId]) -> Sequence[bytes]:
        found = (self._catalog.directory.change(shard, name) for name in ids)
        return [data for data in found if data is not None]

    def adopt(self, changes: Sequence[bytes], peer: bytes) -> int:
        return self._catalog.adopt(changes, peer)

    def holdings(self, shard: int) -> Iterable[Holding]:
        """Return all that is said of a shard's blobs, as far as it is durable."""
        return (Holding(*said) for said in self._catalog.directory.holdings(shard))

    def believe(self, shard: int, some: Sequence[Holding], peer: bytes) -> bool:
        """Write entries that a document can not bring, by the same door as everything else."""
        believed = to_believe(some, self._catalog.directory.said(shard, some), peer)
        if not believed:
            return True
        there = self._documents.get(shard, HOLDINGS)
        scribe = MapDocument([there.snapshot()], self._catalog.new_client_id())
        update = scribe.insert({k: HELD if held else DROPPED for k, held in believed.items()})
        return self._catalog.receive(shard, HOLDINGS, update, peer)

    def note_agreement(self, peer: bytes) -> None:
        self._catalog.upkeep.note_agreement(peer)

"""What a catalog shows to a peer's anti-entropy. Implements `sync.Replica`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from heapq import nsmallest

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.document import EMPTY_UPDATE, DocumentFault
from photonic.crdt.updates import first_part, for_peers
from photonic.ids import ChangeId
from photonic.journal.journal import CHANGES


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

    def note_agreement(self, peer: bytes) -> None:
        self._catalog.upkeep.note_agreement(peer)

"""Questions to the index about originals that are here: what could leave, the oldest first."""

from __future__ import annotations

from dataclasses import dataclass

from photonic.crdt.acts import ActsQuery
from photonic.crdt.listing import Listing
from photonic.crdt.wants import Wants
from photonic.ids import BlobId, NodeId
from photonic.search.criteria import Is, Not, Sort, all_of

_OLDEST = Sort(oldest_first=True)
_HERE = all_of(Is("held"), Not(Is("trashed")))


@dataclass(frozen=True, slots=True)
class LocalOriginal:
    """A photo whose original is here; `holders`: all that say to hold it, a hint."""

    photo: BlobId
    name: str
    size_bytes: int
    place: int
    holders: frozenset[NodeId]


class CandidateQuery(ActsQuery):
    """See the module."""

    def local_originals(self, limit: int, after: int | None = None) -> list[LocalOriginal]:
        """Return the oldest photos whose originals are here, behind a place, without the trash."""
        behind = None if after is None else (after, 0)
        with self._reading() as read:
            columns = "n, photo, name, size_bytes"
            rows = Listing(read, _HERE).rows(columns, limit, behind, _OLDEST)
            holders = Wants(read).holders([BlobId(photo) for _, photo, _, _ in rows])
        return [
            LocalOriginal(
                BlobId(photo), name, size_bytes, place, holders.get(BlobId(photo), frozenset())
            )
            for place, photo, name, size_bytes in rows
        ]

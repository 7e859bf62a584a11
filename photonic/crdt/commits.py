"""What a catalog's flush made durable: what may be told to peers, and what must be shown anew."""

from __future__ import annotations

from dataclasses import dataclass, field

from photonic.crdt.changes import SignedChange
from photonic.ids import BlobId, ChangeId, NodeId, Subject


@dataclass(frozen=True, slots=True)
class Announcement:
    """A durable update that connected peers should hear of; not the one who sent it."""

    shard: int
    document: int
    data: bytes
    origin: NodeId | None


@dataclass(slots=True)
class Committed:
    """What a flush made durable."""

    announcements: list[Announcement] = field(default_factory=list)
    subjects: dict[Subject, NodeId | None] = field(default_factory=dict)  # and who brought it
    fresh: list[SignedChange] = field(default_factory=list)  # changes that are known since now
    blobs: set[BlobId] = field(default_factory=set)  # whose holders changed
    roster_changed: bool = False
    display_changed: bool = False  # contested fields may be shown otherwise
    keys_changed: bool = False  # who has which library key, or which of them are here
    index_caught_up: bool = False  # what lagged behind is in the index now, whatever it was
    refold: frozenset[NodeId] = frozenset()  # authors whose rights are others than before

    @property
    def changes(self) -> list[ChangeId]:
        return [signed.id for signed in self.fresh]

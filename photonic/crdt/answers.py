"""What the index answers, as values."""

from __future__ import annotations

from dataclasses import dataclass

from photonic.crdt.rows import ListedPhoto
from photonic.ids import BlobId, NodeId


@dataclass(frozen=True, slots=True)
class Listed:
    """A photo of a page, with whether this node holds it."""

    row: ListedPhoto
    is_held: bool


@dataclass(frozen=True, slots=True)
class Page:
    items: tuple[Listed, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many photos; there are more where it is not exact."""

    count: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is, and how much of it this node's store has."""

    photos: int
    contested: int
    wanted: int
    held: int
    held_bytes: int


@dataclass(frozen=True, slots=True)
class AlbumItem:
    """An album; `conflicts` are names of its contested fields with spaces between them."""

    album: bytes
    name: str
    query: str | None
    conflicts: str


@dataclass(frozen=True, slots=True)
class EditItem:
    """A change after a subject's first."""

    change: bytes
    kind: str
    key: bytes
    act: bytes | None
    author: bytes
    at: int


@dataclass(frozen=True, slots=True)
class ActRow(EditItem):
    """An act by one of its changes; `count` of them are known, up to ACT_COUNT_MAX."""

    count: int


@dataclass(frozen=True, slots=True)
class ActPage:
    items: tuple[ActRow, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class AtRisk:
    """Photos with too few copies, and the bytes of the copies that they lack.

    `only_here`: of how many this node has the only one; `nowhere`: of how many there is none. What
    a member holds that may not keep copies is none. `copies`: the most that one of them is to have.
    """

    photos: int
    lacking_bytes: int
    only_here: int = 0
    nowhere: int = 0
    copies: int = 0

    def and_also(self, other: AtRisk) -> AtRisk:
        """Return both together; no photo is in both."""
        return AtRisk(
            self.photos + other.photos,
            self.lacking_bytes + other.lacking_bytes,
            self.only_here + other.only_here,
            self.nowhere + other.nowhere,
            max(self.copies, other.copies),
        )


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Originals that one node says to hold; `only_there`: of how many no other copy counts."""

    originals: int
    bytes: int
    only_there: int


@dataclass(frozen=True, slots=True)
class RemovalRow:
    """A photo that somebody put into the trash; `since_ms`: when this node first knew of it."""

    photo: BlobId
    author: NodeId
    at_ms: int
    since_ms: int
    held: bool

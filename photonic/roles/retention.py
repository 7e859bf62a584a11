"""What may be evicted, in which order and when: facts in, verdicts with reasons out. Pure.

A copy may go when enough *other* members that keep things for good have just promised to hold
theirs. What the catalog says of holdings is a hint whom to ask, and never counts. Whoever cannot
prove it keeps the photo.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from photonic import limits
from photonic.ids import BlobId, NodeId
from photonic.roles.presets import ROLES


@dataclass(frozen=True, slots=True)
class Floor:
    """What must be elsewhere before this node's copy of a photo may go."""

    copies: int  # on other nodes, of lasting roles
    roles: Mapping[str, int] = field(default_factory=dict)  # of these, so many on these roles
    rank: int = 0  # the least goes first
    stays: bool = False  # somebody wants it here


class Floors(Protocol):
    """Says what is to be kept of photos. Blocks."""

    def of(self, photos: Sequence[BlobId]) -> Mapping[BlobId, Floor]:
        """Return the floor of each of these photos; one that is lacking stays."""
        ...


@dataclass(frozen=True, slots=True)
class SameFloor:
    """The same for every photo: what the setting `min_copies` says."""

    copies: int

    def of(self, photos: Sequence[BlobId]) -> Mapping[BlobId, Floor]:
        return dict.fromkeys(photos, Floor(self.copies))


class Reason(enum.StrEnum):
    """Why a copy may go, or not."""

    PROVEN = "proven"
    STAYS = "wanted-here"
    PROMISED = "promised-to-others"
    OPENED = "opened-lately"
    TOO_FEW = "too-few-promises"
    NO_ROLE = "role-is-lacking"
    ABSENT = "not-here"


@dataclass(frozen=True, slots=True)
class Witness:
    """An attestation that counts: who gave it, in which role the roster has it."""

    node: NodeId
    role: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a copy may go; if not, in words what it lacks."""

    reason: Reason
    lacks: str = ""

    @property
    def may_go(self) -> bool:
        return self.reason is Reason.PROVEN


def is_lasting(role: str) -> bool:
    """Whether nodes of a role keep what they promise for good; of a role nobody knows, none."""
    known = ROLES.get(role)
    return known is not None and known.is_lasting


def judge(floor: Floor | None, me: NodeId, witnesses: Iterable[Witness]) -> Verdict:
    """Decide whether this node's copy may go.

    Each node counts once, however often it promised; this one does not, nor do others that do not
    keep things for good.
    """
    if floor is None or floor.stays:
        return Verdict(Reason.STAYS, "it is to be here")
    counted = {w.node: w.role for w in witnesses if w.node != me and is_lasting(w.role)}
    needed = max(1, floor.copies)
    if len(counted) < needed:
        return Verdict(Reason.TOO_FEW, f"{len(counted)} of {needed} nodes prove that they hold it")
    roles = Counter(counted.values())
    for role, least in sorted(floor.roles.items()):
        if roles[role] < least:
            return Verdict(Reason.NO_ROLE, f"{roles[role]} of {least} on the role {role}")
    return Verdict(Reason.PROVEN)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A photo whose original is here; `place` grows with when it was taken."""

    photo: BlobId
    size_bytes: int
    place: int
    name: str = ""
    holders: frozenset[NodeId] = frozenset()  # others that say to hold it, of lasting roles


def ordered(candidates: Iterable[Candidate], floors: Mapping[BlobId, Floor]) -> list[Candidate]:
    """Return what may go at all, in the order in which it goes: by rank, then the oldest."""
    going = [c for c in candidates if c.photo in floors and not floors[c.photo].stays]
    return sorted(going, key=lambda c: (floors[c.photo].rank, c.place, c.photo))


# --- the buffer ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Level:
    """How full the buffer is. The marks are shares of it."""

    used_bytes: int
    size_bytes: int
    high: float
    low: float

    @property
    def share(self) -> float:
        return self.used_bytes / self.size_bytes if self.size_bytes > 0 else 1.0

    @property
    def is_high(self) -> bool:
        return self.share >= self.high

    @property
    def to_free_bytes(self) -> int:
        """How much must go until the low mark; 0 below it."""
        return max(0, self.used_bytes - int(self.size_bytes * self.low))

    @property
    def below_high_bytes(self) -> int:
        """How much may come in below the high mark."""
        return max(0, int(self.size_bytes * self.high) - self.used_bytes)

    @property
    def stroke_bytes(self) -> int:
        """How much goes at a time: from the high mark down to the low one."""
        return int(self.size_bytes * (self.high - self.low))

    def full_in_s(self, rate_bytes_s: float) -> float | None:
        """Return when it is full if things come in at this rate; None: not in sight."""
        left = max(0, self.size_bytes - self.used_bytes)
        if left == 0:
            return 0.0
        return left / rate_bytes_s if rate_bytes_s > 0 else None

    def pause_s(self) -> float:
        """Return how long to wait before the next file is taken in: longer, the fuller it is.

        Nothing below the high mark; at the end the store refuses, and this does not.
        """
        if not self.is_high:
            return 0.0
        over = (self.share - self.high) / max(1e-9, 1.0 - self.high)
        return limits.INGEST_PAUSE_S_MAX * min(1.0, over)


def level_of(
    *,
    stored_bytes: int,
    free_bytes: int,
    buffer_bytes: int | None,
    reserve_bytes: int,
    high_percent: int,
    low_percent: int,
) -> Level:
    """Return how full the buffer is: what was set for it, or less where the disk has less room."""
    room_bytes = stored_bytes + max(0, free_bytes - reserve_bytes)
    size_bytes = room_bytes if buffer_bytes is None else min(buffer_bytes, room_bytes)
    low_percent = min(low_percent, high_percent - 1)
    return Level(stored_bytes, size_bytes, high_percent / 100, low_percent / 100)

"""What of the originals that are here could go, part by part, and what must stay of each elsewhere.

The oldest photos come first, and most runs look no further. Where none of them may go (they are
pinned, or rules want more copies of them than there are) younger ones behind them may, so whoever
lacks something goes on with the next part. Rank counts within a part. Methods block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from photonic import limits
from photonic.crdt.query import PhotoQuery
from photonic.ids import BlobId, NodeId
from photonic.roles.retention import Candidate, Floor, Floors, Verdict, ordered
from photonic.world import Clock


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the originals that are here; `end`: behind which place the next ones are."""

    line: tuple[Candidate, ...]  # in the order in which they go
    floors: Mapping[BlobId, Floor]
    end: int | None  # None: there are no others


@dataclass(frozen=True, slots=True)
class Judged:
    """One candidate, and what came of it."""

    candidate: Candidate
    verdict: Verdict
    nodes: tuple[NodeId, ...] = ()


@dataclass(frozen=True, slots=True)
class Deep:
    """What a look behind the oldest part found for so many bytes: dear, so it counts a while."""

    judged: list[Judged]
    need_bytes: int
    until_s: float


def going_bytes(judged: Iterable[Judged]) -> int:
    """Return what is freed by those that may go, or went."""
    return sum(one.candidate.size_bytes for one in judged if one.verdict.may_go)


class Prospects:
    """See the module."""

    def __init__(self, query: PhotoQuery, me: NodeId, floors: Floors) -> None:
        self._query, self._me, self._floors = query, me, floors

    def part(self, after: int | None) -> Part:
        """Return the oldest originals that are here, or those behind a place."""
        rows = self._query.local_originals(limits.EVICTION_CANDIDATES_MAX, after)
        candidates = [
            Candidate(row.photo, row.size_bytes, row.place, row.name, row.holders - {self._me})
            for row in rows
        ]
        floors = self.floors([one.photo for one in candidates])
        is_full = len(rows) == limits.EVICTION_CANDIDATES_MAX
        end = rows[-1].place if rows and is_full else None
        return Part(tuple(ordered(candidates, floors)), floors, end)

    def parts(self, after: int | None) -> Iterator[Part]:
        """Yield what is behind a place, to the last."""
        end: int | None = after
        while end is not None:
            part = self.part(end)
            end = part.end
            yield part

    def floors(self, photos: Collection[BlobId]) -> Mapping[BlobId, Floor]:
        """Return what must stay elsewhere, by the rules of now."""
        return self._floors.of(list(photos))


class InVain:
    """What others refused to promise lately, though they are said to hold it.

    A plan that counts it says what is not so, and a run that asks for it again and again comes to
    nothing behind it. Used on the event loop's thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._until_s = clock, dict[BlobId, tuple[float, Verdict]]()

    def note(self, judged: Collection[Judged]) -> None:
        """Remember for a while what was asked and may not go."""
        now_s = self._clock.monotonic_s()
        self._until_s = {b: one for b, one in self._until_s.items() if one[0] > now_s}
        for one in judged:
            if not one.verdict.may_go:
                until_s = now_s + limits.EVICTION_VAIN_S
                self._until_s[one.candidate.photo] = (until_s, one.verdict)

    def verdict(self, photo: BlobId) -> Verdict | None:
        """Return why it could not go, if that is not long ago."""
        until_s, verdict = self._until_s.get(photo, (0.0, None))
        return verdict if until_s > self._clock.monotonic_s() else None

    def forget(self) -> None:
        """Ask for everything anew."""
        self._until_s.clear()

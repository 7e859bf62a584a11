"""Who is asked for what: a pure function from needs and peers to assignments.

In the order of the needs' priority, each piece that nobody is asked for yet goes to the holder that
will bring it soonest: what is ahead of it and the piece itself, by the holder's speed. A small blob
is one piece, a big one is its chunk list first and then runs of chunks, so that it comes from
several holders at a time. Bounds: bytes and questions in flight per peer, bytes in flight over all;
a peer whose breaker is half open is asked one question.

Promises (tests/p2p/test_planner.py): only holders are asked, nothing is asked twice, no budget is
exceeded by more than one piece, and while a peer with budget holds something that is needed, it is
asked.
Not here: sockets, disks, clocks. What a peer's past is worth says standing.py, how much is asked at
a time pacing.py, and what is asked of a second peer at the end endgame.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from photonic import limits
from photonic.blobs.chunks import ChunkList
from photonic.ids import BlobId, NodeId
from photonic.p2p.exchange import ChunksWanted, ListWanted, Wanted, WholeWanted, cost_bytes
from photonic.p2p.standing import NEW, Breaker, Score
from photonic.photos import BlobRef

Priority = tuple[int | float | str | bytes, ...]
Position = tuple[int, int]
"""Where a want stands in the list of all of them: the list is read in the order of positions."""

BEGINNING: Position = (-1, 0)
ORIGINAL = "original"  # what a want is of, unless it is said; for people, never for the planner


@dataclass(frozen=True, slots=True)
class Want:
    """A blob that this node wants and does not hold. The smallest priority comes first."""

    ref: BlobRef
    name: str
    priority: Priority
    holders: frozenset[NodeId]
    position: Position = BEGINNING
    kind: str = ORIGINAL


@dataclass(frozen=True, slots=True)
class WantsAsked:
    """What is asked of whoever knows the wants: those from `begin` on, about `limit` of them."""

    limit: int
    reachable: frozenset[NodeId]  # whose blobs can be had
    begin: Position = BEGINNING
    previews_first: bool = False  # for the link is slow


@dataclass(frozen=True, slots=True)
class WantPage:
    """All wants from where they were asked for up to before `following`; None: up to the end."""

    wants: tuple[Want, ...]
    following: Position | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What is left to be asked of one wanted blob.

    `missing` are the chunks that nobody is asked for, ascending; None while the chunk list is
    unknown. A need of which everything is on its way is not a need.
    """

    ref: BlobRef
    holders: frozenset[NodeId]
    chunks: ChunkList | None = None
    missing: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be asked of one peer, and what it is asked already."""

    free_bytes: int
    free_questions: int
    in_flight_bytes: int = 0
    score: Score = NEW
    batch_bytes: int = limits.REQUEST_BYTES_MAX  # in one question, or one chunk

    def is_worth_planning(self, questions_max: int) -> bool:
        """Whether there is so much room that it is worth looking for what to ask.

        Each arrival makes a little room; to plan for each would cost more than what is asked.
        """
        window_bytes = self.free_bytes + self.in_flight_bytes
        has_bytes = limits.PLAN_ROOM_SHARE * self.free_bytes >= window_bytes
        has_questions = limits.PLAN_ROOM_SHARE * self.free_questions >= questions_max
        return not self.in_flight_bytes or (has_bytes and has_questions)

    def has_room(self, now_s: float) -> bool:
        """Whether the peer may be asked anything now."""
        if self.free_questions <= 0 or self.free_bytes <= 0:
            return False
        breaker = self.score.breaker(now_s)
        return breaker is Breaker.CLOSED or (
            breaker is Breaker.HALF_OPEN and self.in_flight_bytes == 0
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """Ask this peer for this."""

    node: NodeId
    wanted: Wanted


def pieces(need: Need, batch_bytes: int = limits.REQUEST_BYTES_MAX) -> Iterator[Wanted]:
    """Yield what is to be asked of a need, each small enough for one question."""
    start: int | None = 0
    while start is not None:
        wanted, start = _piece(need, start, batch_bytes)
        yield wanted


def _piece(need: Need, start: int, batch_bytes: int) -> tuple[Wanted, int | None]:
    """Return the piece that begins at a place of `missing`, and where the next one does."""
    if need.chunks is None or need.missing is None:
        small = need.ref.size_bytes <= limits.SMALL_BLOB_BYTES
        return (WholeWanted(need.ref) if small else ListWanted(need.ref)), None
    chunks, size_bytes, end = need.chunks.chunks, 0, start
    most = min(len(need.missing), start + limits.CHUNKS_PER_REQUEST_MAX)
    while end < most:
        size_bytes += chunks[need.missing[end]].size_bytes
        if size_bytes > batch_bytes and end > start:
            break
        end += 1
    wanted = ChunksWanted(need.ref, need.chunks, need.missing[start:end])
    return wanted, end if end < len(need.missing) else None


def plan(
    needs: Iterable[Need],
    peers: Mapping[NodeId, Budget],
    now_s: float,
    free_bytes: int,
    able: set[NodeId] | None = None,
) -> list[Assignment]:
    """Assign pieces to peers; `needs` come in the order of priority, each blob once.

    A peer is given pieces until its budget is used up, the last of which may be larger than what
    was left of it (at most `limits.REQUEST_BYTES_MAX` more, or one chunk); the same holds for
    `free_bytes`, what may be asked for over all. Reads no further in `needs` than there is somebody
    to ask. `able` is always those who can be asked more, for whoever makes the needs as they are
    read.
    """
    able = set() if able is None else able
    left = {node: _Left(budget, now_s) for node, budget in peers.items() if budget.has_room(now_s)}
    able.clear()
    able.update(left)
    assignments: list[Assignment] = []
    for need in needs:
        start: int | None = 0
        while start is not None:
            if not able or free_bytes <= 0:
                return assignments
            nodes = need.holders & able
            if not nodes:
                break
            node = _soonest(nodes, left, _least_bytes(need, start))
            wanted, start = _piece(need, start, left[node].batch_bytes)
            size_bytes = cost_bytes(wanted)
            left[node].take(size_bytes)
            if left[node].is_spent:
                able.discard(node)
            free_bytes -= size_bytes
            assignments.append(Assignment(node, wanted))
    return assignments


def _least_bytes(need: Need, start: int) -> int:
    if need.chunks is None or need.missing is None:
        return need.ref.size_bytes
    return need.chunks.chunks[need.missing[start]].size_bytes


def _soonest(nodes: frozenset[NodeId], left: Mapping[NodeId, _Left], size_bytes: int) -> NodeId:
    if len(nodes) == 1:
        return next(iter(nodes))
    return min(nodes, key=lambda n: (left[n].done_s(size_bytes), left[n].in_flight_bytes, n))


class _Left:
    """What is left of a peer's budget in the middle of a plan."""

    __slots__ = ("batch_bytes", "free_bytes", "free_questions", "in_flight_bytes", "score")

    def __init__(self, budget: Budget, now_s: float) -> None:
        is_tried = budget.score.breaker(now_s) is Breaker.HALF_OPEN
        self.free_bytes, self.in_flight_bytes = budget.free_bytes, budget.in_flight_bytes
        self.free_questions = 1 if is_tried else budget.free_questions
        self.score, self.batch_bytes = budget.score, budget.batch_bytes

    def done_s(self, size_bytes: int) -> float:
        return self.score.wait_s(self.in_flight_bytes + size_bytes)

    @property
    def is_spent(self) -> bool:
        return self.free_bytes <= 0 or self.free_questions <= 0

    def take(self, size_bytes: int) -> None:
        self.free_bytes -= size_bytes
        self.in_flight_bytes += size_bytes
        self.free_questions -= 1


def in_order(wants: Iterable[Want]) -> list[Want]:
    """Return the wants by priority, each blob once."""
    unique: dict[BlobId, Want] = {}
    for want in sorted(wants, key=lambda w: (w.priority, w.ref.blob)):
        unique.setdefault(want.ref.blob, want)
    return list(unique.values())

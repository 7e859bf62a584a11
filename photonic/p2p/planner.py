"""Who is asked for what: a pure function from needs and peers to assignments.

In the order of the needs' priority, each piece that nobody is asked for yet goes to the holder that
will bring it soonest: the one with the least bytes ahead of it for its speed. A small blob is one
piece, a big one is its chunk list first and then runs of chunks, so that it comes from several
holders at a time. Bounds: bytes and questions in flight per peer, bytes in flight over all.

Promises (tests/p2p/test_planner.py): only holders are asked, nothing is asked twice, no budget is
exceeded by more than one piece, and while a peer with budget holds something that is needed, it is
asked.
Not here: sockets, disks, clocks. What a peer's failures cost it is `Score`, pure as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from photonic import limits
from photonic.blobs.chunks import ChunkList
from photonic.ids import BlobId, NodeId
from photonic.p2p.exchange import ChunksWanted, ListWanted, Wanted, WholeWanted, cost_bytes
from photonic.photos import BlobRef

Priority = tuple[int | float | str | bytes, ...]

_RATE_UNKNOWN = 20e6  # bytes per second: a new peer is tried before a slow one


@dataclass(frozen=True, slots=True)
class Want:
    """A blob that this node wants and does not hold. The smallest priority comes first."""

    ref: BlobRef
    name: str
    priority: Priority
    holders: frozenset[NodeId]


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
class Score:
    """What a peer's past says about asking it again."""

    failures: int = 0  # in a row
    corrupt: int = 0  # ever
    rate_bytes_s: float = _RATE_UNKNOWN
    retry_s: float = 0.0  # monotonic; after failures it is left alone until then
    barred_s: float = 0.0  # the same after lies, which good answers do not make good

    @property
    def not_before_s(self) -> float:
        return max(self.retry_s, self.barred_s)

    def failed(self, now_s: float, jitter: float) -> Score:
        """Count a failure and back off; `jitter` from 0 to 1 spreads the retries of many.

        What fails while the peer is left alone anyway is part of the same failure.
        """
        if now_s < self.not_before_s:
            return self
        wait_s = backoff_s(self.failures, jitter)
        return replace(self, failures=self.failures + 1, retry_s=now_s + wait_s)

    def lied(self, now_s: float) -> Score:
        """Count wrong bytes: the peer is left alone longer each time."""
        corrupt = self.corrupt + 1
        barred_s = now_s + limits.CORRUPT_PEER_PENALTY_S * corrupt
        return replace(self, corrupt=corrupt, barred_s=barred_s)

    def brought(self, size_bytes: int, elapsed_s: float) -> Score:
        """Count an answer: its speed, and that the peer is well."""
        rate = max(1.0, size_bytes / max(elapsed_s, 1e-3))
        smoothed = rate if self.failures else 0.8 * self.rate_bytes_s + 0.2 * rate
        return replace(self, failures=0, retry_s=0.0, rate_bytes_s=smoothed)


def backoff_s(failures: int, jitter: float) -> float:
    """Return how long to wait after so many failures in a row: doubling, capped, spread."""
    exponent = min(failures, limits.PEER_FAILURES_EXPONENT_MAX)
    full_s: float = min(limits.FETCH_RETRY_MAX_S, limits.FETCH_RETRY_MIN_S * 2**exponent)
    return full_s * (0.5 + 0.5 * jitter)


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be asked of one peer, and what it is asked already."""

    free_bytes: int
    free_questions: int
    in_flight_bytes: int = 0
    score: Score = Score()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Ask this peer for this."""

    node: NodeId
    wanted: Wanted


def pieces(need: Need) -> Iterable[Wanted]:
    """Yield what is to be asked of a need, each small enough for one question."""
    if need.chunks is None or need.missing is None:
        small = need.ref.size_bytes <= limits.SMALL_BLOB_BYTES
        yield WholeWanted(need.ref) if small else ListWanted(need.ref)
        return
    run: list[int] = []
    run_bytes = 0
    for index in need.missing:
        size_bytes = need.chunks.chunks[index].size_bytes
        over = run_bytes + size_bytes > limits.REQUEST_BYTES_MAX
        if run and (over or len(run) == limits.CHUNKS_PER_REQUEST_MAX):
            yield ChunksWanted(need.ref, need.chunks, tuple(run))
            run, run_bytes = [], 0
        run.append(index)
        run_bytes += size_bytes
    if run:
        yield ChunksWanted(need.ref, need.chunks, tuple(run))


def plan(
    needs: Iterable[Need],
    peers: Mapping[NodeId, Budget],
    now_s: float,
    free_bytes: int,
) -> list[Assignment]:
    """Assign pieces to peers; `needs` come in the order of priority, each blob once.

    A peer is given pieces until its budget is used up, the last of which may be larger than what
    was left of it (at most `limits.REQUEST_BYTES_MAX` more); the same holds for `free_bytes`, what
    may be asked for over all. A peer that is backing off gets nothing. Reads no further in `needs`
    than there is somebody to ask.
    """
    left = {
        node: _Left(budget.free_bytes, budget.free_questions, budget.in_flight_bytes, budget.score)
        for node, budget in peers.items()
        if budget.score.not_before_s <= now_s and budget.free_questions > 0 < budget.free_bytes
    }
    assignments: list[Assignment] = []
    for need in needs:
        for wanted in pieces(need):
            if not left or free_bytes <= 0:
                return assignments
            able = need.holders & left.keys()
            if not able:
                break
            node = min(able, key=lambda n: (left[n].delay_s, n))
            size_bytes = cost_bytes(wanted)
            left[node].take(size_bytes)
            if left[node].is_spent:
                del left[node]
            free_bytes -= size_bytes
            assignments.append(Assignment(node, wanted))
    return assignments


@dataclass(slots=True)
class _Left:
    """What is left of a peer's budget in the middle of a plan."""

    free_bytes: int
    free_questions: int
    in_flight_bytes: int
    score: Score

    @property
    def delay_s(self) -> float:
        return self.in_flight_bytes / self.score.rate_bytes_s

    @property
    def is_spent(self) -> bool:
        return self.free_bytes <= 0 or self.free_questions <= 0

    def take(self, size_bytes: int) -> None:
        self.free_bytes -= size_bytes
        self.in_flight_bytes += size_bytes
        self.free_questions -= 1


def is_too_slow(
    oldest_s: float, rate_bytes_s: float, others: Iterable[Score], now_s: float
) -> bool:
    """Tell whether to give up on a stream whose oldest question is `oldest_s` old.

    Only if somebody else who holds what was asked is well and has been much faster: a slow peer
    is better than none.
    """
    if oldest_s < limits.FETCH_SLOW_S:
        return False
    fast = limits.FETCH_SLOW_FACTOR * rate_bytes_s
    return any(other.not_before_s <= now_s and other.rate_bytes_s > fast for other in others)


def in_order(wants: Iterable[Want]) -> list[Want]:
    """Return the wants by priority, each blob once."""
    unique: dict[BlobId, Want] = {}
    for want in sorted(wants, key=lambda w: (w.priority, w.ref.blob)):
        unique.setdefault(want.ref.blob, want)
    return list(unique.values())

"""The end of a transfer: the last chunks are asked of a second peer if that brings them sooner.

When nothing is left to ask, whoever is done would wait for the slowest. So what a slow peer still
owes is asked of a faster one that holds it, too; whichever comes first counts, and what comes twice
is waste, bounded by `limits.ENDGAME_BYTES_MAX`. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from photonic import limits
from photonic.ids import BlobId, NodeId
from photonic.p2p.exchange import ChunksWanted, cost_bytes
from photonic.p2p.planner import Assignment, Budget
from photonic.p2p.standing import Breaker


@dataclass(frozen=True, slots=True)
class Owed:
    """A question that a peer has not answered yet."""

    node: NodeId
    wanted: ChunksWanted
    ahead_bytes: int  # what comes before it on the same way, and itself
    age_s: float


@dataclass(frozen=True, slots=True)
class Lacking:
    """What has not come yet of a blob, and who may be asked for it."""

    missing: Collection[int]
    holders: Collection[NodeId]


def endgame(
    owed: Sequence[Owed],
    blobs: Mapping[BlobId, Lacking],
    peers: Mapping[NodeId, Budget],
    now_s: float,
    free_bytes: int = limits.ENDGAME_BYTES_MAX,
) -> list[Assignment]:
    """Return what is to be asked of a second peer, the slowest first.

    Only chunks that did not come yet: nobody is asked for what it owes already, nothing is asked of
    a third peer, the second one has answered before and is well, and all that is on its way twice
    is no more than `free_bytes`.
    """
    late: list[tuple[float, Owed, ChunksWanted]] = []
    asked: dict[tuple[BlobId, int], set[NodeId]] = {}
    for one in owed:
        left = _left_of(one.wanted, blobs)
        if left is not None:
            late.append((_wait_s(one, peers), one, left))
            for index in left.indices:
                asked.setdefault((left.ref.blob, index), set()).add(one.node)
    free_bytes -= sum(cost_bytes(w) for _, _, w in late if len(_askers(w, asked)) > 1) // 2
    in_flight = {node: budget.in_flight_bytes for node, budget in peers.items()}
    questions = {node: budget.free_questions for node, budget in peers.items()}
    found: list[Assignment] = []
    for wait_s, one, left in sorted(late, key=lambda each: -each[0]):
        size_bytes, askers = cost_bytes(left), _askers(left, asked)
        if len(askers) > 1 or size_bytes > free_bytes:
            continue
        able = [
            node
            for node in blobs[left.ref.blob].holders
            if node in peers and node != one.node and questions[node] > 0
            and peers[node].score.is_measured
            and peers[node].score.breaker(now_s) is Breaker.CLOSED
        ]  # fmt: skip
        if not able:
            continue
        delays = {n: peers[n].score.wait_s(in_flight[n] + size_bytes) for n in able}
        node = min(able, key=lambda n: (delays[n], n))
        if limits.ENDGAME_FACTOR * delays[node] + limits.ENDGAME_S < wait_s:
            found.append(Assignment(node, left))
            for index in left.indices:
                asked[left.ref.blob, index].add(node)
            in_flight[node] += size_bytes
            questions[node] -= 1
            free_bytes -= size_bytes
    return found


def _left_of(wanted: ChunksWanted, blobs: Mapping[BlobId, Lacking]) -> ChunksWanted | None:
    """Return what of a question has not come yet; None if there is nothing, or nobody wants it."""
    lacking = blobs.get(wanted.ref.blob)
    if lacking is None:
        return None
    left = tuple(index for index in wanted.indices if index in lacking.missing)
    return ChunksWanted(wanted.ref, wanted.chunks, left) if left else None


def _askers(wanted: ChunksWanted, asked: Mapping[tuple[BlobId, int], set[NodeId]]) -> set[NodeId]:
    return set().union(*(asked[wanted.ref.blob, index] for index in wanted.indices))


def _wait_s(one: Owed, peers: Mapping[NodeId, Budget]) -> float:
    """Return how long a question will still take: one that is old already will not end soon."""
    budget = peers.get(one.node)
    return max(one.age_s, budget.score.wait_s(one.ahead_bytes) if budget else 0.0)

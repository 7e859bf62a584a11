"""At the end a second peer is asked for what the slowest owes; what comes twice is bounded."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.endgame import Lacking, Owed, endgame
from photonic.p2p.exchange import ChunksWanted, cost_bytes
from photonic.p2p.planner import Budget
from photonic.p2p.standing import Score
from photonic.photos import BlobRef

NOW_S = 1_000.0
NODES = [NodeId(digest(bytes([n]))) for n in range(4)]
CHUNKS = ChunkList(tuple(Chunk(digest(bytes([n])), limits.MIB) for n in range(64)))
REF = BlobRef(BlobId(bytes(32)), CHUNKS.size_bytes, CHUNKS.id)
EVERYBODY = {REF.blob: Lacking(range(64), NODES)}


def wanted(*indices: int) -> ChunksWanted:
    return ChunksWanted(REF, CHUNKS, indices)


def peer(rate: float, in_flight: int = 0, *, questions: int = 100, failed: bool = False) -> Budget:
    score = Score(rate_bytes_s=rate, is_measured=True, is_on_trial=failed)
    return Budget(1 << 30, questions, in_flight, score)


def test_what_a_slow_peer_owes_is_asked_of_a_fast_one() -> None:
    owed = [Owed(NODES[0], wanted(3), limits.MIB, 0.0)]
    peers = {NODES[0]: peer(1e4), NODES[1]: peer(1e8)}
    (one,) = endgame(owed, EVERYBODY, peers, NOW_S)
    assert (one.node, one.wanted) == (NODES[1], wanted(3))


def test_a_question_that_is_old_already_is_not_trusted_to_end() -> None:
    peers = {NODES[0]: peer(1e8), NODES[1]: peer(1e8)}
    assert not endgame([Owed(NODES[0], wanted(3), limits.MIB, 0.1)], EVERYBODY, peers, NOW_S)
    assert endgame([Owed(NODES[0], wanted(3), limits.MIB, 30.0)], EVERYBODY, peers, NOW_S)


def test_nobody_is_asked_who_is_no_better_or_not_well() -> None:
    owed = [Owed(NODES[0], wanted(3), limits.MIB, 0.0)]
    slow = {NODES[0]: peer(1e6)}
    for other in (peer(1.5e6), peer(1e9, failed=True), peer(1e9, questions=0), Budget(1, 1)):
        assert not endgame(owed, EVERYBODY, slow | {NODES[1]: other}, NOW_S)
    assert not endgame(owed, {}, slow | {NODES[1]: peer(1e9)}, NOW_S)


def test_what_came_meanwhile_is_not_asked_again() -> None:
    owed = [Owed(NODES[0], wanted(3, 4, 5), 3 * limits.MIB, 0.0)]
    peers = {NODES[0]: peer(1e4), NODES[1]: peer(1e8)}
    (one,) = endgame(owed, {REF.blob: Lacking({5}, NODES)}, peers, NOW_S)
    assert one.wanted == wanted(5)
    assert not endgame(owed, {REF.blob: Lacking((), NODES)}, peers, NOW_S)


def test_what_two_are_asked_for_is_not_asked_of_a_third() -> None:
    owed = [Owed(node, wanted(3), limits.MIB, 50.0) for node in NODES[:2]]
    peers = {NODES[0]: peer(1e4), NODES[1]: peer(1e4), NODES[2]: peer(1e8)}
    assert not endgame(owed, EVERYBODY, peers, NOW_S)
    part = [owed[0], Owed(NODES[1], wanted(3, 4), 2 * limits.MIB, 50.0)]
    assert not endgame(part, EVERYBODY, peers, NOW_S), "a part of it is asked of two"


def test_what_is_on_its_way_twice_is_bounded() -> None:
    owed = [Owed(NODES[0], wanted(n), (n + 1) * limits.MIB, 50.0) for n in range(20)]
    peers = {NODES[0]: peer(1e4), NODES[1]: peer(1e9)}
    found = endgame(owed, EVERYBODY, peers, NOW_S, 5 * limits.MIB)
    assert len(found) == 5
    doubled = [Owed(one.node, wanted(*one.wanted.indices), limits.MIB, 0.0) for one in found
               if isinstance(one.wanted, ChunksWanted)]  # fmt: skip
    assert not endgame([*owed, *doubled], EVERYBODY, peers, NOW_S, 5 * limits.MIB)


questions = st.builds(
    Owed,
    st.sampled_from(NODES),
    st.integers(0, 63).map(wanted),
    st.integers(limits.MIB, 64 * limits.MIB),
    st.floats(0, 100),
)
budgets = st.dictionaries(
    st.sampled_from(NODES),
    st.builds(peer, st.floats(1, 1e9), st.integers(0, 10**8), questions=st.integers(0, 9)),
)


@given(st.lists(questions, max_size=40), budgets, st.integers(0, 20 * limits.MIB))
def test_waste_is_bounded_and_nothing_is_asked_of_a_third(
    owed: list[Owed], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    found = endgame(owed, EVERYBODY, peers, NOW_S, free_bytes)
    assert sum(cost_bytes(one.wanted) for one in found) <= free_bytes
    before: dict[tuple[int, ...], set[NodeId]] = {}
    for one in owed:
        before.setdefault(one.wanted.indices, set()).add(one.node)
    twice = {indices for indices, nodes in before.items() if len(nodes) > 1}
    for second in found:
        assert isinstance(second.wanted, ChunksWanted)
        assert second.wanted.indices not in twice
        assert second.node not in before[second.wanted.indices]
    assert all(count == 1 for count in Counter(one.wanted for one in found).values())
    for node, count in Counter(one.node for one in found).items():
        assert count <= peers[node].free_questions

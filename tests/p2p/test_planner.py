"""Plans ask holders only, nothing twice, within budgets, and leave nobody idle who could help."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.exchange import ChunksWanted, ListWanted, Wanted, WholeWanted, cost_bytes
from photonic.p2p.planner import (
    Assignment,
    Budget,
    Need,
    Want,
    in_order,
    pieces,
    plan,
)
from photonic.p2p.standing import Breaker, Score
from photonic.photos import BlobRef

NODES = [NodeId(digest(bytes([n]))) for n in range(4)]
NOW_S = 1_000.0
some_nodes = st.frozensets(st.sampled_from(NODES))


def chunk_list(count: int, size_bytes: int) -> ChunkList:
    return ChunkList(tuple(Chunk(digest(bytes([n])), size_bytes) for n in range(count)))


@st.composite
def needs(draw: st.DrawFn) -> list[Need]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        blob = BlobId(digest(b"blob %d" % number))
        holders = draw(some_nodes)
        kind = draw(st.sampled_from(["small", "unknown", "known"]))
        if kind == "known":
            chunks = chunk_list(draw(st.integers(1, 100)), draw(st.integers(1, 2 * limits.MIB)))
            missing = draw(st.sets(st.integers(0, len(chunks) - 1), min_size=1))
            ref = BlobRef(blob, chunks.size_bytes, chunks.id)
            found.append(Need(ref, holders, chunks, tuple(sorted(missing))))
        else:
            most = limits.SMALL_BLOB_BYTES
            low, high = (0, most) if kind == "small" else (most + 1, 1 << 33)
            ref = BlobRef(blob, draw(st.integers(low, high)), bytes(32))
            found.append(Need(ref, holders))
    return found


scores = st.builds(
    Score,
    failures=st.integers(0, 5),
    rate_bytes_s=st.floats(1.0, 1e9),
    retry_s=st.sampled_from([0.0, NOW_S, NOW_S + 1]),
    barred_s=st.sampled_from([0.0, NOW_S + 1]),
    corrupt=st.integers(0, 3),
    is_on_trial=st.booleans(),
)
budgets = st.dictionaries(
    st.sampled_from(NODES),
    st.builds(
        Budget,
        free_bytes=st.integers(-1_000, 40_000_000),
        free_questions=st.integers(-1, 20),
        in_flight_bytes=st.just(0) | st.integers(0, 40_000_000),
        score=scores,
        batch_bytes=st.integers(1, limits.REQUEST_BYTES_MAX),
    ),
)
free = st.integers(-10, 100_000_000)


def cost(assignments: Sequence[Assignment]) -> int:
    return sum(cost_bytes(assignment.wanted) for assignment in assignments)


@given(needs(), budgets, free)
def test_only_holders_that_are_well_are_asked(
    some: list[Need], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    holders = {need.ref.blob: need.holders for need in some}
    for assignment in plan(some, peers, NOW_S, free_bytes):
        assert assignment.node in holders[assignment.wanted.ref.blob]
        assert peers[assignment.node].score.not_before_s <= NOW_S


@given(needs(), budgets, free)
def test_nothing_is_asked_twice_and_nothing_that_is_not_needed(
    some: list[Need], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    asked: Counter[tuple[BlobId, int | None]] = Counter()
    needed: set[tuple[BlobId, int | None]] = set()
    for need in some:
        indices: Sequence[int | None] = (None,) if need.missing is None else need.missing
        needed |= {(need.ref.blob, index) for index in indices}
    for assignment in plan(some, peers, NOW_S, free_bytes):
        wanted = assignment.wanted
        asked.update(
            (wanted.ref.blob, index)
            for index in (wanted.indices if isinstance(wanted, ChunksWanted) else (None,))
        )
    assert set(asked) <= needed
    assert all(count == 1 for count in asked.values())


@given(needs(), budgets, free)
def test_budgets_are_kept_to_one_piece(
    some: list[Need], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    assignments = plan(some, peers, NOW_S, free_bytes)
    if assignments:
        assert cost(assignments[:-1]) < free_bytes
    for node, budget in peers.items():
        own = [assignment for assignment in assignments if assignment.node == node]
        assert len(own) <= max(0, budget.free_questions)
        if own:
            assert cost(own[:-1]) < budget.free_bytes


@given(needs(), budgets, free)
def test_nobody_is_idle_who_holds_what_is_needed(
    some: list[Need], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    assignments = plan(some, peers, NOW_S, free_bytes)
    if cost(assignments) >= free_bytes:
        return
    asked = {piece for a in assignments for piece in parts_of(a.wanted)}
    able = set()
    for node, budget in peers.items():
        own = [assignment for assignment in assignments if assignment.node == node]
        has_room = cost(own) < budget.free_bytes and len(own) < budget.free_questions
        if has_room and budget.score.breaker(NOW_S) is Breaker.CLOSED:
            able.add(node)
    for need in some:
        if need.holders & able:
            assert {part for wanted in pieces(need) for part in parts_of(wanted)} <= asked


def parts_of(wanted: Wanted) -> list[tuple[BlobId, int | None]]:
    """Return the chunks that a question is for; None is the list, or the whole."""
    indices = wanted.indices if isinstance(wanted, ChunksWanted) else (None,)
    return [(wanted.ref.blob, index) for index in indices]


@given(needs(), budgets, free)
def test_a_peer_on_trial_is_asked_one_question_at_a_time(
    some: list[Need], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    count = Counter(assignment.node for assignment in plan(some, peers, NOW_S, free_bytes))
    for node, budget in peers.items():
        if budget.score.breaker(NOW_S) is Breaker.HALF_OPEN:
            assert count[node] <= (1 if budget.in_flight_bytes == 0 else 0)


def test_a_peer_on_trial_is_asked_for_one_file_and_a_well_one_for_all() -> None:
    some = [
        Need(BlobRef(BlobId(digest(b"%d" % n)), 1_000, bytes(32)), frozenset(NODES))
        for n in range(5)
    ]
    for score, many in ((Score(is_on_trial=True), 1), (Score(), 5)):
        peers = {NODES[0]: Budget(1 << 20, 9, score=score)}
        assert len(plan(some, peers, NOW_S, 1 << 20)) == many
        asked = {NODES[0]: Budget(1 << 20, 9, 500, score)}
        assert len(plan(some, asked, NOW_S, 1 << 20)) == (0 if many == 1 else 5)


@given(needs(), budgets)
def test_a_question_is_as_large_as_the_peer_answers_soon(
    some: list[Need], peers: dict[NodeId, Budget]
) -> None:
    for one in plan(some, peers, NOW_S, 1 << 40):
        if isinstance(one.wanted, ChunksWanted) and len(one.wanted.indices) > 1:
            assert cost_bytes(one.wanted) <= peers[one.node].batch_bytes


@given(needs(), budgets, free)
def test_who_can_still_be_asked_is_known_while_the_needs_are_read(
    some: list[Need], peers: dict[NodeId, Budget], free_bytes: int
) -> None:
    able: set[NodeId] = set()
    read: list[frozenset[NodeId]] = []

    def needs_of_the_able() -> Iterator[Need]:
        for need in some:
            read.append(frozenset(able))
            if need.holders & able:
                yield need

    assert plan(needs_of_the_able(), peers, NOW_S, free_bytes, able) == plan(
        some, peers, NOW_S, free_bytes
    )
    assert all(later <= before for before, later in pairwise(read))


def test_of_two_holders_the_one_that_lied_once_comes_second() -> None:
    need = Need(BlobRef(BlobId(bytes(32)), 1_000, bytes(32)), frozenset(NODES[:2]))
    liar, honest = Score(corrupt=1), Score()
    for first, second in ((NODES[0], NODES[1]), (NODES[1], NODES[0])):
        peers = {first: Budget(1 << 20, 5, score=liar), second: Budget(1 << 20, 5, score=honest)}
        assert [one.node for one in plan([need], peers, NOW_S, 1 << 20)] == [second]


@given(needs())
def test_pieces_fit_into_a_question_and_make_up_the_need(some: list[Need]) -> None:
    for need in some:
        together: list[int] = []
        for wanted in pieces(need):
            match wanted:
                case ChunksWanted(_, _, indices):
                    assert len(indices) <= limits.CHUNKS_PER_REQUEST_MAX
                    assert cost_bytes(wanted) <= limits.REQUEST_BYTES_MAX
                    together += indices
                case WholeWanted(ref):
                    assert ref.size_bytes <= limits.SMALL_BLOB_BYTES
                case ListWanted(ref):
                    assert ref.size_bytes > limits.SMALL_BLOB_BYTES
        assert tuple(together) == (need.missing or ())


def test_what_is_most_urgent_is_asked_first() -> None:
    peer = {NODES[0]: Budget(1, 5)}
    holders = frozenset(NODES)
    first, second = (
        Need(BlobRef(BlobId(digest(b"%d" % n)), 1_000, bytes(32)), holders) for n in (1, 2)
    )
    assert [a.wanted.ref for a in plan([first, second], peer, NOW_S, 9_999)] == [first.ref]
    assert [a.wanted.ref for a in plan([second, first], peer, NOW_S, 9_999)] == [second.ref]


def test_a_big_blob_is_spread_over_its_holders_by_their_speed() -> None:
    chunks = chunk_list(100, limits.MIB)
    need = Need(
        BlobRef(BlobId(bytes(32)), chunks.size_bytes, chunks.id),
        frozenset(NODES[:3]),
        chunks,
        tuple(range(100)),
    )
    rates = {NODES[0]: 40e6, NODES[1]: 10e6, NODES[2]: 10e6}
    peers = {n: Budget(1 << 30, 500, score=Score(rate_bytes_s=r)) for n, r in rates.items()}
    count = Counter(assignment.node for assignment in plan([need], peers, NOW_S, 1 << 40))
    assert sum(count.values()) == 50
    assert count[NODES[0]] > 2.5 * count[NODES[1]] > 0
    assert abs(count[NODES[1]] - count[NODES[2]]) <= 1


def test_a_plan_reads_no_further_than_there_is_somebody_to_ask() -> None:
    def endless() -> Iterator[Need]:
        while True:
            yield Need(BlobRef(BlobId(bytes(32)), 10, bytes(32)), frozenset(NODES))

    assert len(plan(endless(), {NODES[0]: Budget(100, 3)}, NOW_S, 1_000)) == 3


def test_wants_are_ordered_and_each_blob_is_there_once() -> None:
    one = Want(BlobRef(BlobId(bytes(32)), 1, bytes(32)), "a", (2, "b"), frozenset())
    other = replace(one, ref=BlobRef(BlobId(b"\1" * 32), 1, bytes(32)), priority=(1, "z"))
    assert in_order([one, other, replace(one, priority=(3, ""))]) == [other, one]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 256))
def test_a_peer_is_not_planned_for_until_it_has_some_room(
    free: int, in_flight: int, questions: int
) -> None:
    budget = Budget(free, questions, in_flight)
    is_worth = budget.is_worth_planning(256)
    if not in_flight:
        assert is_worth, "a peer that brings nothing is asked, however little it may be"
    else:
        share = 1 / limits.PLAN_ROOM_SHARE
        assert is_worth == (free >= share * (free + in_flight) and questions >= share * 256)

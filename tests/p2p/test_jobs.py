"""Jobs: what is asked comes back once, and a plan costs what can be asked, not what there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList
from photonic.errors import StoreFull
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.askable import Askable
from photonic.p2p.exchange import ChunksWanted, ListWanted, Wanted
from photonic.p2p.jobs import Jobs
from photonic.p2p.lane_streams import CarriedPartial
from photonic.p2p.planner import Budget, Want, plan
from photonic.p2p.refusals import Refusals
from photonic.photos import BlobRef

NODES = [NodeId(digest(bytes([n]))) for n in range(3)]
CHUNKS = ChunkList(tuple(Chunk(digest(bytes([n])), limits.MIB) for n in range(6)))


def ref_of(number: int, *, big: bool = False) -> BlobRef:
    blob = BlobId(digest(b"%d" % number))
    return BlobRef(blob, CHUNKS.size_bytes if big else 1_000, CHUNKS.id)


def want(number: int, holders: frozenset[NodeId], *, big: bool = False) -> Want:
    return Want(ref_of(number, big=big), f"{number}", (number,), holders, (0, number))


def jobs_of(wants: list[Want], now_s: float = 0.0) -> Jobs:
    jobs = Jobs()
    jobs.update(wants, {one.ref.blob: None for one in wants}, now_s)
    return jobs


def budget(questions: int = 5) -> Budget:
    return Budget(1 << 30, questions)


# --- what a plan costs ---------------------------------------------------------------------------


def test_a_plan_reads_only_what_somebody_can_be_asked() -> None:
    here, idle = NODES[0], NODES[1]
    jobs = jobs_of([want(n, frozenset({here})) for n in range(2_000)])
    read: list[BlobId] = []

    def needs(able: set[NodeId]) -> Iterator[object]:
        for need in jobs.needs(0.0, able):
            read.append(need.ref.blob)
            yield need

    able: set[NodeId] = set()
    budgets = {here: budget(3), idle: budget()}
    asked = plan(needs(able), budgets, 0.0, 1 << 30, able)  # type: ignore[arg-type]
    assert len(asked) == 3
    assert len(read) == 3, "one peer is full, and nobody is asked of the other"
    for one in asked:
        jobs.asked(one.node, one.wanted, 0.0)
    read.clear()
    assert plan(needs(able), {idle: budget()}, 0.0, 1 << 30, able) == []  # type: ignore[arg-type]
    assert read == []


def test_what_can_be_asked_comes_in_order_whatever_the_holders() -> None:
    groups = [frozenset({NODES[n % 3]}) | frozenset({NODES[n % 2]}) for n in range(30)]
    jobs = jobs_of([want(n, group) for n, group in enumerate(groups)])
    found = [need.ref for need in jobs.needs(0.0, set(NODES))]
    assert found == [ref_of(n) for n in range(30)]
    only = [need.ref for need in jobs.needs(0.0, {NODES[2]})]
    assert only == [ref_of(n) for n in range(30) if NODES[2] in groups[n]]


@settings(max_examples=60)
class AskableMachine(RuleBasedStateMachine):
    """The same as a sorted list of everything, filtered."""

    def __init__(self) -> None:
        super().__init__()
        self.askable, self.model = Askable(), dict[BlobId, tuple[int, frozenset[NodeId]]]()

    @rule(
        number=st.integers(0, 15),
        priority=st.integers(0, 9),
        holders=st.frozensets(st.sampled_from(NODES), min_size=1),
    )
    def put(self, number: int, priority: int, holders: frozenset[NodeId]) -> None:
        blob = BlobId(digest(b"%d" % number))
        self.askable.put(blob, (priority,), holders)
        self.model[blob] = (priority, holders)

    @rule(number=st.integers(0, 15))
    def drop(self, number: int) -> None:
        blob = BlobId(digest(b"%d" % number))
        self.askable.drop(blob)
        self.model.pop(blob, None)

    @invariant()
    def agrees(self) -> None:
        assert len(self.askable) == len(self.model)
        for able in ({NODES[0]}, {NODES[1], NODES[2]}, set(NODES), set[NodeId]()):
            some = sorted((p, blob) for blob, (p, nodes) in self.model.items() if nodes & able)
            assert list(self.askable.blobs(able)) == [blob for _, blob in some]


TestAskable = AskableMachine.TestCase


# --- questions come back -------------------------------------------------------------------------


def begun(jobs: Jobs, number: int = 0) -> list[ChunksWanted]:
    """Let the chunk list come and ask for all chunks, two at a time."""
    ref = ref_of(number, big=True)
    jobs.asked(NODES[0], ListWanted(ref), 0.0)
    jobs.began(ref, CarriedPartial(ref, CHUNKS, range(len(CHUNKS))), 0.0)
    jobs.ended(NODES[0], ListWanted(ref), 0.0)
    questions = [ChunksWanted(ref, CHUNKS, (n, n + 1)) for n in range(0, len(CHUNKS), 2)]
    for one in questions:
        jobs.asked(NODES[0], one, 0.0)
    return questions


def unasked(jobs: Jobs, node: NodeId = NODES[1]) -> tuple[int, ...]:
    return next((need.missing or () for need in jobs.needs(0.0, {node})), ())


def test_what_was_not_answered_is_asked_again_and_nothing_else() -> None:
    jobs = jobs_of([want(0, frozenset(NODES), big=True)])
    first, second, third = begun(jobs)
    assert not jobs.has_askable
    jobs.stored(first.ref, (0,), 0.0)
    jobs.ended(NODES[0], first, 0.0)
    assert unasked(jobs) == (1,)
    jobs.ended(NODES[0], third, 0.0)
    assert unasked(jobs) == (1, 4, 5)
    jobs.ended(NODES[0], second, 0.0)
    assert unasked(jobs) == (1, 2, 3, 4, 5)


def test_what_two_peers_are_asked_for_is_asked_again_when_both_failed() -> None:
    jobs = jobs_of([want(0, frozenset(NODES), big=True)])
    first, *_ = begun(jobs)
    jobs.asked(NODES[1], first, 0.0, is_second=True)
    jobs.ended(NODES[0], first, 0.0)
    assert unasked(jobs) == (), "the other may still bring it"
    jobs.ended(NODES[1], first, 0.0)
    assert unasked(jobs) == (0, 1)


def test_what_is_here_of_originals_that_too_few_hold_is_counted() -> None:
    two, one = frozenset(NODES[:2]), frozenset(NODES[:1])
    preview = replace(want(2, one, big=True), kind="preview")
    jobs = jobs_of([want(0, one, big=True), want(1, two, big=True), preview])
    assert jobs.underway_bytes(3) == 0
    for number in range(3):
        job = jobs.get(ref_of(number).blob)
        assert job is not None
        job.done_bytes = 1 + number
    assert (jobs.underway_bytes(2), jobs.underway_bytes(3)) == (1, 3)


def test_a_chunk_that_comes_twice_counts_once() -> None:
    jobs = jobs_of([want(0, frozenset(NODES), big=True)])
    first, *_ = begun(jobs)
    jobs.asked(NODES[1], first, 0.0, is_second=True)
    for node in NODES[:2]:
        jobs.stored(first.ref, (0, 1), 0.0)
        jobs.ended(node, first, 0.0)
    job = jobs.get(first.ref.blob)
    assert job is not None and job.done_bytes == 2 * limits.MIB
    assert unasked(jobs) == ()


def test_a_blocked_job_waits_and_then_goes_on() -> None:
    jobs = jobs_of([want(0, frozenset(NODES))])
    job = next(iter(jobs))
    jobs.block(job, StoreFull("x", 1, 0), 10.0, 3.0)
    assert list(jobs.needs(12.9, set(NODES))) == []
    assert len(list(jobs.needs(13.0, set(NODES)))) == 1


# --- who says not to have it ---------------------------------------------------------------------


def test_who_refused_is_asked_later_and_others_now() -> None:
    jobs = jobs_of([want(0, frozenset(NODES[:2]))])
    jobs.refused(ref_of(0), NODES[0], set(NODES[:2]), 0.0, 1.0)
    assert list(jobs.needs(0.1, {NODES[0]})) == []
    assert len(list(jobs.needs(0.1, {NODES[1]}))) == 1
    assert len(list(jobs.needs(limits.FETCH_RETRY_MIN_S, {NODES[0]}))) == 1


def test_what_everybody_refused_leaves_the_view_and_is_known_to_be_refused() -> None:
    jobs = jobs_of([want(0, frozenset(NODES[:2]))])
    jobs.refused(ref_of(0), NODES[0], {NODES[0]}, 0.0, 1.0)
    assert len(jobs) == 0, "the other holder cannot be reached"
    assert jobs.refusals.is_refused_by_all(ref_of(0).blob, {NODES[0]}, 0.1)
    assert not jobs.refusals.is_refused_by_all(ref_of(0).blob, {NODES[0], NODES[1]}, 0.1)
    assert not jobs.refusals.is_refused_by_all(ref_of(0).blob, {NODES[0]}, 1.0)


def test_refusals_are_remembered_ever_longer_and_within_bounds() -> None:
    refusals = Refusals(most=100)
    blob, node, now_s, waits = BlobId(digest(b"x")), NODES[0], 0.0, list[float]()
    for _ in range(30):
        refusals.note(blob, node, now_s, 1.0)
        _, next_s = refusals.able(blob, frozenset({node}), now_s)
        assert next_s is not None
        waits.append(next_s - now_s)
        now_s = next_s
    assert waits == sorted(waits)
    assert waits[-1] == limits.REFUSAL_S_MAX
    for number in range(1_000):
        refusals.note(BlobId(digest(b"%d" % number)), node, now_s, 1.0)
    assert len(refusals) == 100
    assert blob not in refusals


# --- the list ------------------------------------------------------------------------------------


def test_a_part_of_the_list_says_nothing_of_the_others() -> None:
    everybody = frozenset(NODES)
    jobs = jobs_of([want(n, everybody) for n in range(10)])
    jobs.update([want(4, everybody)], {}, 0.0, (0, 3), (0, 7))
    assert sorted(int(job.want.name) for job in jobs) == [0, 1, 2, 4, 7, 8, 9]


def test_what_is_under_way_ends_with_its_questions() -> None:
    jobs = jobs_of([want(0, frozenset(NODES), big=True)])
    questions: list[Wanted] = [*begun(jobs)]
    jobs.update([], {}, 0.0)
    jobs.leave()
    assert len(jobs) == 1
    for one in questions:
        jobs.ended(NODES[0], one, 0.0)
    jobs.update([], {}, 0.0)
    assert len(jobs) == 0
    assert not jobs.has_askable


def test_the_last_of_the_list_have_no_room() -> None:
    jobs = jobs_of([want(n, frozenset(NODES)) for n in range(10)])
    assert jobs.trim(10) is None
    assert jobs.trim(7) == (0, 7)
    assert [job.want.name for job in jobs.first(99)] == [str(n) for n in range(7)]
    assert len(list(jobs.needs(0.0, set(NODES)))) == 7

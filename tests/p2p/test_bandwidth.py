"""Limits hold over any interval, peers get equal shares, nobody waits for ever. Virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.bandwidth import Bucket, Gate, Pass, keep_parallel, open_needs
from photonic.p2p.exchange import WholeWanted
from photonic.p2p.planner import Assignment, Need
from photonic.p2p.rates import Bandwidth
from photonic.photos import BlobRef

MB = 1_000_000
PEERS = [NodeId(digest(bytes([n]))) for n in range(6)]
A, B, C = PEERS[:3]

rates = st.integers(limits.RATE_BYTES_S_MIN, 200 * MB)


@dataclass
class Hour:
    """Drives a gate through virtual time, and writes down what passed when."""

    gate: Gate = field(default_factory=Gate)
    now_s: float = 1_000.0
    passed: list[tuple[float, Pass]] = field(default_factory=list)

    def ask(self, peer: NodeId, size_bytes: int) -> Pass:
        wanted = Pass(peer, size_bytes, lambda: self.passed.append((self.now_s, wanted)))
        self.gate.ask(wanted)
        return wanted

    def run_until(self, end_s: float) -> None:
        """Let time pass, looking only when the gate says so."""
        for _ in range(1_000_000):
            wait_s = self.gate.admit(self.now_s)
            if wait_s is None or self.now_s + wait_s > end_s:
                break
            assert wait_s > 0
            self.now_s += wait_s
        else:
            raise AssertionError("it asks to be called again and again, and admits nothing")
        self.now_s = max(self.now_s, end_s)

    def run(self) -> None:
        self.run_until(float("inf") if self.gate.admit(self.now_s) is None else 1e12)


def assert_within(
    passed: Sequence[tuple[float, int]], bytes_s: float, burst_bytes: float, pieces: int
) -> None:
    """Between any two moments no more than rate x time and a burst passed.

    `pieces` is for the byte that rounding may forgive each of them.
    """
    for first in range(len(passed)):
        total = 0
        for at_s, size_bytes in passed[first:]:
            total += size_bytes
            time_s = at_s - passed[first][0]
            assert total <= bytes_s * time_s + burst_bytes + pieces + 1


asked = st.lists(
    st.tuples(st.floats(0, 0.5), st.sampled_from(PEERS[:4]), st.integers(1, 2 * MB)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(asked, rates, st.dictionaries(st.sampled_from(PEERS[:4]), rates))
def test_over_any_interval_no_more_than_rate_and_burst_passes(
    asked: list[tuple[float, NodeId, int]], bytes_s: int, own: dict[NodeId, int]
) -> None:
    hour = Hour()
    hour.gate.set_rates(bytes_s, own, hour.now_s)
    for pause_s, peer, size_bytes in asked:
        hour.run_until(hour.now_s + pause_s)
        piece = hour.gate.slice_bytes(peer)
        assert piece is not None
        for start in range(0, min(size_bytes, 40 * piece), piece):  # as throttle.py does
            hour.ask(peer, min(piece, size_bytes - start))
    hour.run()
    sizes = [(at_s, one.size_bytes) for at_s, one in hour.passed][:400]
    assert_within(sizes, bytes_s, Bucket(bytes_s, 0).burst_bytes, len(sizes))
    for peer, rate in own.items():
        theirs = [(at_s, one.size_bytes) for at_s, one in hour.passed if one.peer == peer][:400]
        assert_within(theirs, rate, Bucket(rate, 0).burst_bytes, len(theirs))
    assert all(one.is_admitted for _, one in hour.passed)


@settings(deadline=None)
@given(st.lists(st.integers(1, 3 * MB), min_size=1, max_size=60), rates)
def test_a_pass_larger_than_a_burst_is_made_up_for(sizes: list[int], bytes_s: int) -> None:
    hour = Hour()
    hour.gate.set_rates(bytes_s, {}, hour.now_s)
    for size_bytes in sizes:
        hour.ask(A, size_bytes)
    hour.run()
    assert len(hour.passed) == len(sizes), "never negative for ever"
    moved = [(at_s, one.size_bytes) for at_s, one in hour.passed]
    assert_within(moved, bytes_s, max(Bucket(bytes_s, 0).burst_bytes, *sizes), len(sizes))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=4),
    st.lists(st.integers(1_000, 400_000), min_size=1, max_size=5),
    rates,
)
def test_peers_that_wait_get_equal_shares_however_many_passes_each_asks(
    queues: list[int], sizes: list[int], bytes_s: int
) -> None:
    """Each keeps `n` passes waiting all the time; peers have different sizes of them."""
    hour = Hour()
    hour.gate.set_rates(bytes_s, {}, hour.now_s)
    size_of = {peer: sizes[n % len(sizes)] for n, peer in enumerate(PEERS[: len(queues)])}
    for peer, waiting in zip(PEERS, queues, strict=False):
        for _ in range(waiting):
            hour.ask(peer, size_of[peer])
    had: Counter[NodeId] = Counter()
    seen = 0
    for _ in range(200):
        wait_s = hour.gate.admit(hour.now_s)
        for _, one in hour.passed[seen:]:
            had[one.peer] += one.size_bytes
            hour.ask(one.peer, one.size_bytes)
        seen = len(hour.passed)
        hour.now_s += wait_s or 0.0
        if seen > 20 * len(queues):
            # What is admitted in one go is asked anew only after it, so a queue may run dry there.
            burst = Bucket(bytes_s, 0).burst_bytes
            slack = 2 * max(size_of.values()) + burst
            assert max(had[p] for p in size_of) - min(had[p] for p in size_of) <= slack


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PEERS[1:]), st.integers(1, MB)), max_size=60),
    st.integers(1, MB),
    rates,
)
def test_nobody_starves(crowd: list[tuple[NodeId, int]], size_bytes: int, bytes_s: int) -> None:
    """One who comes last waits for one pass of each other peer and its own, not for all."""
    hour = Hour()
    hour.gate.set_rates(bytes_s, {}, hour.now_s)
    for peer, size in crowd:
        hour.ask(peer, size)
    hour.gate.admit(hour.now_s)  # the burst is gone, and somebody is ahead
    asked_s = hour.now_s
    late = hour.ask(A, size_bytes)
    for _ in range(2_000):
        if late.is_admitted:
            break
        wait_s = hour.gate.admit(hour.now_s)
        hour.now_s += wait_s or 0.0
        for peer, size in crowd[:1]:
            hour.ask(peer, size)  # and the crowd never ends
    assert late.is_admitted
    # Each other peer comes at most twice before: what it began, and one that is as far as A.
    largest = max([size for _, size in crowd], default=0)
    others = len({peer for peer, _ in crowd})
    burst = Bucket(bytes_s, 0).burst_bytes
    assert hour.now_s - asked_s <= (2 * others * largest + size_bytes + burst) / bytes_s + 1


def test_a_peer_behind_its_own_limit_holds_up_nobody_and_saves_up_nothing() -> None:
    hour = Hour()
    hour.gate.set_rates(10 * MB, {A: MB}, hour.now_s)
    for _ in range(400):
        hour.ask(A, 50_000)
        hour.ask(B, 50_000)
    hour.run_until(hour.now_s + 2.0)
    had = Counter(dict.fromkeys((A, B), 0))
    for _, one in hour.passed:
        had[one.peer] += one.size_bytes
    assert 2.0 * MB <= had[A] <= 2.3 * MB
    assert had[A] + had[B] >= 19 * MB, "the other one has all the rest"
    # Without its limit the peer gets half from now on, not what it did not get before.
    hour.gate.set_rates(10 * MB, {}, hour.now_s)
    hour.passed.clear()
    for _ in range(400):
        hour.ask(B, 50_000)
    hour.run_until(hour.now_s + 1.0)
    halves = Counter[NodeId]()
    for _, one in hour.passed:
        halves[one.peer] += one.size_bytes
    assert abs(halves[A] - halves[B]) <= 200_000


def test_who_comes_later_gets_its_share_and_not_what_it_did_not_ask_for_before() -> None:
    hour = Hour()
    hour.gate.set_rates(10 * MB, {}, hour.now_s)
    for _ in range(1_000):
        hour.ask(A, 50_000)
    hour.run_until(hour.now_s + 2)
    hour.passed.clear()
    for _ in range(400):
        hour.ask(B, 50_000)
    hour.run_until(hour.now_s + 2)
    had = Counter(one.peer for _, one in hour.passed)
    assert abs(had[A] - had[B]) <= 2


def test_rates_change_while_somebody_waits() -> None:
    hour = Hour()
    hour.gate.set_rates(limits.RATE_BYTES_S_MIN, {}, hour.now_s)
    waiting = [hour.ask(A, 16_000) for _ in range(100)]
    hour.run_until(hour.now_s + 5)
    slow = sum(one.is_admitted for one in waiting)
    assert slow <= 5
    hour.gate.set_rates(100 * MB, {}, hour.now_s)
    hour.run_until(hour.now_s + 0.1)
    assert all(one.is_admitted for one in waiting)
    # A lower rate does not let the old burst through.
    hour.run_until(hour.now_s + 5)
    hour.gate.set_rates(limits.RATE_BYTES_S_MIN, {}, hour.now_s)
    more = [hour.ask(A, 16_000) for _ in range(100)]
    hour.gate.admit(hour.now_s)
    assert sum(one.is_admitted for one in more) == 1
    hour.gate.set_rates(None, {}, hour.now_s)
    assert hour.gate.admit(hour.now_s) is None
    assert all(one.is_admitted for one in more)


def test_without_limits_all_pass_at_once_and_no_peer_is_remembered() -> None:
    hour = Hour()
    for peer in PEERS:
        hour.ask(peer, 10**12)
    assert hour.gate.admit(hour.now_s) is None
    assert len(hour.passed) == len(PEERS)
    hour.gate.set_rates(MB, {}, hour.now_s)
    for n in range(500):
        hour.ask(NodeId(digest(n.to_bytes(4, "big"))), 100)
        hour.run_until(hour.now_s + 1)
    assert len(hour.gate._flows) <= 1


def test_who_gives_up_waiting_takes_nothing() -> None:
    hour = Hour()
    hour.gate.set_rates(MB, {}, hour.now_s)
    first, second, third = (hour.ask(A, 150_000) for _ in range(3))
    hour.gate.admit(hour.now_s)
    assert first.is_admitted
    hour.gate.withdraw(second)
    hour.run()
    assert not second.is_admitted
    assert third.is_admitted
    assert hour.passed[-1][0] < 1_000.2
    hour.gate.withdraw(third)  # it was admitted: nothing happens


@given(rates, st.lists(st.floats(-1, 1), min_size=5, max_size=40))
def test_what_passed_is_settled_whatever_was_guessed(bytes_s: int, beside: list[float]) -> None:
    """Guesses are wrong by as much as themselves; what really passed keeps to the rate."""
    hour = Hour()
    hour.gate.set_rates(bytes_s, {A: 2 * bytes_s}, hour.now_s)
    piece = hour.gate.slice_bytes(A) or 0
    went: list[tuple[float, int]] = []
    for share in beside:
        one = hour.ask(A, piece)
        while not one.is_admitted:
            hour.now_s += hour.gate.admit(hour.now_s) or 0.0
        more_bytes = int(piece * share)
        hour.gate.settle(A, more_bytes, hour.now_s)
        went.append((hour.now_s, piece + more_bytes))
    burst_bytes = Bucket(bytes_s, 0.0).burst_bytes
    # Whatever passes beyond its guess passes at once, and is made up for by the next.
    assert_within(went, bytes_s, burst_bytes + piece, 2 * len(beside))
    took_s, all_bytes = went[-1][0] - went[0][0], sum(size for _, size in went)
    # ... and hardly less than the rate: of fewer bytes than were guessed the rest is there again.
    assert took_s <= (all_bytes + piece) / bytes_s + 1e-3 * len(beside)


def test_settling_saves_up_no_more_than_a_burst() -> None:
    bucket = Bucket(MB, 0.0)
    bucket.settle(-(10**12), 0.0)
    bucket.take(200_000, 0.0)
    assert 0.19 < bucket.delay_s(200_000, 0.0) < 0.21


# --- how many files at one time ------------------------------------------------------------------

REFS = [BlobRef(BlobId(digest(bytes([9, n]))), 1_000, digest(b"list")) for n in range(6)]
indices = st.lists(st.integers(0, 5), unique=True)


@given(indices, st.lists(st.integers(0, 5)), st.none() | st.integers(1, 6))
def test_no_more_files_are_begun_than_allowed(
    busy: list[int], planned: list[int], parallel: int | None
) -> None:
    under_way = {REFS[n].blob for n in busy}
    needs = [Need(ref, frozenset((A,))) for ref in REFS]
    open_refs = [need.ref for need in open_needs(needs, under_way, Bandwidth(parallel=parallel))]
    assignments = [Assignment(A, WholeWanted(REFS[n])) for n in planned if REFS[n] in open_refs]
    kept = [one.wanted.ref.blob for one in keep_parallel(assignments, under_way, parallel)]
    if parallel is None:
        assert (open_refs, len(kept)) == (REFS, len(planned))
        return
    assert len(under_way | set(kept)) <= max(parallel, len(under_way))
    assert under_way <= {ref.blob for ref in open_refs}, "what is under way goes on"
    if len(under_way) < parallel:
        assert open_refs == REFS
        assert bool(kept) == bool(planned), "and while there is room, somebody begins"
    else:
        assert {ref.blob for ref in open_refs} == under_way


def test_priority_decides_who_begins() -> None:
    assignments = [Assignment(A, WholeWanted(ref)) for ref in REFS]
    kept = [one.wanted.ref for one in keep_parallel(assignments, (), 2)]
    assert kept == REFS[:2]
    assert all(a is not b for a, b in pairwise(kept))

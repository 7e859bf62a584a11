"""Windows follow bandwidth x delay; rates, slow links and estimates are calm and honest."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.p2p.holders import LANES_WIDE
from photonic.p2p.pacing import (
    LinkPace,
    Meter,
    Outlook,
    batch_bytes,
    eta_s,
    way_s,
    window_bytes,
)
from photonic.p2p.standing import Score

rates = st.floats(1.0, 1e10)
latencies = st.floats(0.0, 2.0)
MOST = 16 * limits.MIB


def measured(rate: float) -> Score:
    return Score(rate_bytes_s=rate, is_measured=True)


@given(rates, latencies, st.integers(1, 200))
def test_a_window_covers_two_round_trips_within_its_bounds(
    rate: float, latency_s: float, peers: int
) -> None:
    window = window_bytes(measured(rate), latency_s, MOST, peers)
    assert limits.WINDOW_BYTES_MIN <= window <= MOST
    share = limits.FETCH_BYTES_IN_FLIGHT_MAX // peers
    assert window <= max(limits.WINDOW_BYTES_MIN, share), "others hold what this one does not"
    if limits.WINDOW_BYTES_MIN < window < min(MOST, share):
        assert window >= 2 * latency_s * rate


@given(rates, rates, latencies)
def test_a_faster_peer_never_has_the_smaller_window_or_batch(
    one: float, other: float, latency_s: float
) -> None:
    slow, fast = sorted((one, other))
    windows = [window_bytes(measured(rate), latency_s, MOST, 1) for rate in (slow, fast)]
    batches = [batch_bytes(measured(rate), latency_s) for rate in (slow, fast)]
    assert windows == sorted(windows)
    assert batches == sorted(batches)


def test_a_gigabit_over_a_tenth_of_a_second_is_filled() -> None:
    rate, latency_s = 125e6, 0.1
    assert 2 * window_bytes(measured(rate), latency_s, MOST, 2) >= rate * latency_s * 2


@given(rates, latencies)
def test_a_question_is_answered_soon(rate: float, latency_s: float) -> None:
    batch = batch_bytes(measured(rate), latency_s)
    assert 1 <= batch <= limits.REQUEST_BYTES_MAX
    assert batch <= max(1.0, rate * max(limits.BATCH_S, 2 * latency_s))


# --- rates ---------------------------------------------------------------------------------------


@given(st.floats(1e3, 1e9), st.floats(0.01, 0.4), st.integers(20, 400))
def test_what_comes_evenly_is_told_right(rate: float, step_s: float, steps: int) -> None:
    meter, now_s = Meter(0.0), 0.0
    for _ in range(steps):
        now_s += step_s
        meter.add(round(rate * step_s), now_s)
    if now_s >= 0.1 * meter.span_s:
        assert 0.8 * rate <= meter.rate(now_s) <= 1.5 * rate


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10**9)), max_size=50))
def test_a_rate_falls_to_nothing_when_nothing_comes(came: Sequence[tuple[float, int]]) -> None:
    meter, now_s = Meter(0.0), 0.0
    for wait_s, size_bytes in came:
        now_s += wait_s
        meter.add(size_bytes, now_s)
    assert meter.rate(now_s + 60 * meter.span_s) == 0.0
    later = [meter.rate(now_s + n) for n in range(10)]
    assert later == sorted(later, reverse=True)


# --- slow links ----------------------------------------------------------------------------------


def test_a_link_is_slow_below_one_rate_and_fast_above_a_higher_one() -> None:
    between = (limits.LINK_SLOW_BYTES_S + limits.LINK_FAST_BYTES_S) / 2
    pace, now_s = LinkPace(), 0.0

    def run(rate: float, seconds: int) -> bool:
        nonlocal pace, now_s
        for _ in range(seconds):
            now_s += 1.0
            pace = pace.judged(rate, True, now_s)
        return pace.is_slow

    assert not run(limits.LINK_SLOW_BYTES_S - 1, 5), "it is not judged at once"
    assert run(limits.LINK_SLOW_BYTES_S - 1, 20)
    assert run(between, 100), "it stays slow"
    assert not run(limits.LINK_FAST_BYTES_S, 20)
    assert not run(between, 100), "it stays fast"


@given(st.lists(st.tuples(st.floats(0, 1e9), st.booleans()), min_size=2, max_size=200))
def test_a_link_is_not_judged_again_and_again(looks: Sequence[tuple[float, bool]]) -> None:
    pace, changed_s = LinkPace(), [0.0]
    for now_s, (rate, is_busy) in enumerate(looks, 1):
        before = pace.is_slow
        pace = pace.judged(rate, is_busy, float(now_s))
        if pace.is_slow != before:
            changed_s.append(float(now_s))
    gaps = [later - sooner for sooner, later in pairwise(changed_s)]
    assert all(gap >= limits.LINK_JUDGED_S for gap in gaps)


def test_a_link_without_work_is_not_slow() -> None:
    pace = LinkPace()
    for now_s in range(100):
        pace = pace.judged(0.0, now_s % 5 != 0, float(now_s))
    assert not pace.is_slow


# --- when it is done -----------------------------------------------------------------------------


def test_nobody_is_told_a_guess() -> None:
    assert eta_s(1_000, 0.0) is None
    assert eta_s(10**15, 1.0) is None
    assert eta_s(0, 0.0) == 0.0
    assert eta_s(1_000, 100.0) == 10.0


def looked(outlook: Outlook, left: float, rate: float, now_s: float) -> Outlook:
    return outlook.looked(round(left), rate, now_s)


def test_an_outlook_is_calm_while_it_holds_and_gone_when_nothing_moves() -> None:
    outlook, told = Outlook(), []
    for second in range(60):
        rate = 1e6 * (1.1 if second % 2 else 0.9)  # it is never quite even
        outlook = looked(outlook, 1e9 - second * 1e6, rate, float(second))
        told.append(outlook.done_s)
    assert told[0] is told[2] is None, "nobody is told at once"
    assert len(set(told[4:])) == 1, "a moment that was told and holds stays"
    assert outlook.eta_s(59.0) is not None
    still = looked(outlook, 9e8, 0.0, 60.0)
    assert still.eta_s(60.0) is not None, "a pause for breath"
    assert looked(still, 9e8, 0.0, 59 + limits.OUTLOOK_PATIENCE_S).eta_s(90.0) is None


@given(
    st.lists(st.tuples(st.floats(0.1, 10), st.integers(0, 10**12), st.floats(0, 1e9)), max_size=60)
)
def test_an_outlook_is_never_far_from_what_is_true(
    looks: Sequence[tuple[float, int, float]],
) -> None:
    outlook, now_s, still_s = Outlook(), 0.0, 0.0
    for wait_s, left, rate in looks:
        now_s += wait_s
        still_s = 0.0 if rate > 0 else still_s + wait_s
        outlook = outlook.looked(left, rate, now_s)
        told = outlook.eta_s(now_s)
        if left == 0:
            assert told == 0.0
        elif told is not None and rate > 0:
            true = left / rate
            most = limits.OUTLOOK_CHANGE / (1 - limits.OUTLOOK_CHANGE) * 1.01
            assert abs(told - true) <= most * max(told, true) + 1e-6
        elif told is not None:
            assert still_s < limits.OUTLOOK_PATIENCE_S + 10


def test_over_a_long_way_more_lanes_share_what_the_kernel_keeps_for_each() -> None:
    near, far = LANES_WIDE.at(0.001), LANES_WIDE.at(0.1)
    assert (near.streams, far.streams) == (limits.LANES_PER_PEER_MAX, limits.LANES_FAR_MAX)
    kept_bytes = 2_900_000  # of ours, in the 4 MiB that Linux keeps for a socket by default
    assert far.streams * kept_bytes / 0.1 > 125_000_000, "a gigabit over 100 ms is full"
    assert near.window_bytes == far.window_bytes


def test_a_busy_process_does_not_make_a_peer_far() -> None:
    ping_s = 0.05
    assert way_s(ping_s, []) == way_s(ping_s, [None]) == 0.0, "a few lanes are enough to begin"
    assert way_s(ping_s, [0.0002, None]) == 0.0002
    assert way_s(ping_s, [0.0]) == ping_s, "nobody measured it: a ping is all there is"
    assert way_s(0.1, [0.1, 0.12]) == 0.1

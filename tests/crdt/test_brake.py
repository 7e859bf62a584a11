"""The deletion brake holds bursts, on every node alike, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.crdt.brake import Removal, bursts, held, limit_for
from photonic.ids import BlobId, digest

_HOUR = limits.BRAKE_WINDOW_MS


def _removals(count: int, *, first_ms: int = 10, step_ms: int = 1_000) -> list[Removal]:
    return [
        Removal(BlobId(digest(b"%d" % number)), first_ms + number * step_ms)
        for number in range(count)
    ]


def test_what_a_person_removes_by_hand_is_not_held() -> None:
    assert held(_removals(limits.BRAKE_PHOTOS_MIN), 0, lambda _: 100) == frozenset()
    assert held(_removals(200), 0, lambda _: 1_000_000) == frozenset()


def test_a_burst_is_held_whole_and_what_was_removed_long_before_is_not() -> None:
    burst = _removals(201)
    before = [Removal(BlobId(bytes([number]) * 32), -_HOUR - number) for number in range(5)]
    assert held([*burst, *before], -10 * _HOUR, lambda _: 1_000_000) == {r.photo for r in burst}


def test_a_twentieth_of_a_small_library_is_a_burst() -> None:
    assert limit_for(1_000) == 50
    assert held(_removals(50), 0, lambda _: 1_000) == frozenset()
    assert len(held(_removals(51), 0, lambda _: 1_000)) == 51


def test_slow_removals_are_no_burst_however_many() -> None:
    slow = _removals(2_000, step_ms=_HOUR // 100)
    assert held(slow, 0, lambda _: 1_000_000) == frozenset()


def test_a_confirmation_releases_what_was_removed_until_then_and_nothing_later() -> None:
    burst = _removals(300)
    assert held(burst, burst[-1].at_ms, lambda _: 1_000) == frozenset()
    assert len(held(burst, burst[99].at_ms, lambda _: 1_000)) == 200


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3 * _HOUR), max_size=120), st.integers(0, 3 * _HOUR), st.randoms())
def test_every_node_holds_the_same_in_whatever_order_it_heard(
    moments: list[int], confirmed_ms: int, random: Random
) -> None:
    some = [Removal(BlobId(digest(b"%d" % n)), at) for n, at in enumerate(moments)]
    expected = {
        one.photo
        for one in some
        if one.at_ms > confirmed_ms
        and any(
            sum(begin <= other.at_ms < begin + _HOUR for other in some) > limit_for(600)
            for begin in {r.at_ms for r in some if one.at_ms - _HOUR < r.at_ms <= one.at_ms}
        )
    }
    random.shuffle(some)
    assert held(some, confirmed_ms, lambda _: 600) == expected


@settings(max_examples=300)
@given(
    st.lists(st.integers(0, 3 * _HOUR), max_size=400).map(sorted),
    st.sampled_from([0, 100, 500, 1_000, 100_000]),
)
def test_bursts_are_apart_in_order_and_what_every_window_of_an_hour_says(
    moments: list[int], photos: int
) -> None:
    spans = bursts(moments, lambda _: photos)
    assert all(left[1] < right[0] for left, right in pairwise(spans))
    in_a_burst = set()
    for end in moments:
        window = [at for at in moments if end - _HOUR < at <= end]
        # Of equal moments the last one sees the others: the window is the same for all of them.
        if len(window) > max(limits.BRAKE_PHOTOS_MIN, limit_for(photos)):
            in_a_burst.update(window)
    assert in_a_burst == {at for at in moments if any(a <= at <= b for a, b in spans)}

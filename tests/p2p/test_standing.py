"""Failures and lies cost a peer time and then a trial; answers tell how fast it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.p2p.standing import Breaker, Score, backoff_s, is_too_slow

NOW_S = 1_000.0


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_backing_off_doubles_within_its_bounds(failures: int, jitter: float) -> None:
    wait_s = backoff_s(failures, jitter)
    assert limits.FETCH_RETRY_MIN_S / 2 <= wait_s <= limits.FETCH_RETRY_MAX_S
    assert backoff_s(failures + 1, jitter) >= wait_s


def test_a_peer_that_fails_is_left_alone_and_forgiven_when_it_brings_something() -> None:
    failed = Score().failed(NOW_S, 1.0)
    assert failed.not_before_s == NOW_S + limits.FETCH_RETRY_MIN_S
    assert failed.failed(NOW_S, 1.0) == failed  # the same failure, seen by another stream
    again = failed.failed(failed.not_before_s, 1.0)
    assert again.not_before_s - failed.not_before_s == 2 * limits.FETCH_RETRY_MIN_S
    assert again.brought(1_000, 1.0, again.not_before_s).not_before_s == 0.0


def test_a_peer_that_lied_is_not_forgiven_by_what_it_brings() -> None:
    liar = Score().lied(NOW_S)
    assert liar.brought(1_000, 1.0, NOW_S).not_before_s == NOW_S + limits.CORRUPT_PEER_PENALTY_S
    assert liar.lied(NOW_S).not_before_s == NOW_S + 2 * limits.CORRUPT_PEER_PENALTY_S


def test_a_slow_peer_is_left_only_for_one_that_is_faster_and_well() -> None:
    fast, busy = Score(rate_bytes_s=1e7), Score(rate_bytes_s=1e7, retry_s=NOW_S + 5)
    assert is_too_slow(limits.FETCH_SLOW_S, 1e3, [fast], NOW_S)
    assert not is_too_slow(limits.FETCH_SLOW_S - 1, 1e3, [fast], NOW_S)
    assert not is_too_slow(limits.FETCH_SLOW_S, 1e3, [busy], NOW_S)
    assert not is_too_slow(limits.FETCH_SLOW_S, 5e6, [fast], NOW_S)
    assert not is_too_slow(limits.FETCH_SLOW_S, 0.0, [], NOW_S)


def test_a_breaker_opens_is_tried_and_closes() -> None:
    score = Score()
    assert score.breaker(NOW_S) is Breaker.CLOSED
    failed = score.failed(NOW_S, 1.0)
    assert failed.breaker(NOW_S) is Breaker.OPEN
    assert failed.breaker(failed.retry_s) is Breaker.HALF_OPEN
    again = failed.failed(failed.retry_s, 1.0)
    assert again.breaker(failed.retry_s) is Breaker.OPEN
    assert again.brought(10, 1.0, again.retry_s).breaker(again.retry_s) is Breaker.CLOSED


def test_what_a_liar_still_sends_while_it_is_barred_is_no_trial() -> None:
    liar = Score().lied(NOW_S)
    late = liar.brought(1_000, 1.0, NOW_S + 1)
    assert late.breaker(NOW_S + 2) is Breaker.OPEN
    assert late.breaker(late.barred_s) is Breaker.HALF_OPEN
    assert late.brought(1_000, 1.0, late.barred_s).breaker(late.barred_s) is Breaker.CLOSED


@given(st.lists(st.sampled_from(["fail", "lie", "bring", "wait"]), max_size=40))
def test_a_peer_is_never_asked_much_after_the_last_it_did_was_wrong(deeds: list[str]) -> None:
    score, now_s = Score(), NOW_S
    was_wrong = False
    for deed in deeds:
        before = score.breaker(now_s)
        if deed == "wait":
            now_s += 20.0
        elif deed == "fail":
            score, was_wrong = score.failed(now_s, 0.5), was_wrong or before is not Breaker.OPEN
        elif deed == "lie":
            score, was_wrong = score.lied(now_s), True
        else:
            was_wrong = was_wrong and now_s < score.barred_s
            score = score.brought(1_000, 0.1, now_s)
        assert (score.breaker(now_s) is Breaker.CLOSED) <= (not was_wrong)
        assert score.not_before_s <= now_s + limits.CORRUPT_PEER_PENALTY_S * 40


@given(st.integers(1, 1 << 30), st.floats(1e-6, 1e3))
def test_the_first_answer_tells_the_rate_and_others_smooth_it(size: int, elapsed_s: float) -> None:
    first = Score().brought(size, elapsed_s, NOW_S)
    assert first.is_measured
    assert first.rate_bytes_s == max(1.0, size / max(elapsed_s, 1e-3))
    second = first.brought(size * 2, elapsed_s, NOW_S)
    assert first.rate_bytes_s <= second.rate_bytes_s <= 2 * first.rate_bytes_s + 1

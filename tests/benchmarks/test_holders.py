"""What is made of the looks at two holders' wires. A look each 10 ms; MB are 1e6 bytes."""

from __future__ import annotations

import pytest

from benchmarks.holders import Look, judge, silence_s
from simulations.ends import Failed

SIZE = 600_000_000


def looks(*rates_mb_s: tuple[float, float, float]) -> list[Look]:
    """Return looks over spans of so many seconds, and what each holder sends in it."""
    found = [Look(0.0, 0, 0)]
    for seconds, stays, goes in rates_mb_s:
        for _ in range(round(seconds * 100)):
            at_s, a, b = found[-1]
            found.append(Look(at_s + 0.01, a + round(stays * 1e4), b + round(goes * 1e4)))
    return found


def test_a_loss_that_changes_nothing_for_the_other_is_no_wait() -> None:
    loss = judge("killed", looks((1, 0, 0), (4, 48, 48), (8, 48, 0)), 5.0, 50, SIZE)
    assert loss.before_mb_s == pytest.approx(96, rel=0.02)
    assert loss.flows_s < 0.05 and loss.silent_s < 0.05
    assert loss.again_s == pytest.approx(1.0, abs=0.1)  # a second tells it
    assert loss.seconds == pytest.approx(12, abs=0.1)
    assert loss.moved_share == pytest.approx(768 / 600)


def test_a_silence_at_once_is_the_time_until_bytes_flow() -> None:
    loss = judge("killed", looks((5, 48, 48), (7, 0, 0), (5, 48, 0)), 5.0, 50, SIZE)
    assert loss.flows_s == pytest.approx(7, abs=0.1)
    assert loss.silent_s == pytest.approx(7, abs=0.1)
    assert loss.again_s == pytest.approx(8, abs=0.3)


def test_a_silence_that_comes_later_is_seen_too() -> None:
    loss = judge("killed", looks((5, 48, 48), (1, 48, 0), (9, 0.0001, 0), (1, 48, 0)), 5, 50, SIZE)
    assert loss.flows_s < 0.1 and loss.silent_s == pytest.approx(9, abs=0.1)


def test_a_few_questions_are_no_flow() -> None:
    quiet = looks((5, 48, 48), (3, 0.01, 0))
    with pytest.raises(Failed, match="nothing came from the other"):
        judge("killed", quiet, 5.0, 50, SIZE)
    assert silence_s([look for look in quiet if look.at_s > 5]) > 2.9


def test_one_that_never_gives_all_that_it_may_is_told() -> None:
    assert judge("killed", looks((5, 48, 48), (20, 20, 0)), 5.0, 50, SIZE).again_s is None


def test_holders_that_give_more_than_they_may_prove_nothing() -> None:
    with pytest.raises(Failed, match="may give 50 MB/s each gave 1"):
        judge("killed", looks((5, 90, 90), (5, 90, 0)), 5.0, 50, SIZE)

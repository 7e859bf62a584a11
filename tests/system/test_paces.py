"""What a flood costs is found out on a machine that others load, and noise excuses nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.system.paces import ATTEMPTS_MAX, ROUNDS, SLOWER_MAX, Lasts, measure


def rounds_of(*medians: float) -> Callable[[], Lasts]:
    """Rounds with these medians, the last one again and again."""

    def made() -> Iterator[Lasts]:
        yield from ([0.9 * one, one, 1.3 * one] for one in medians)
        while True:
            yield [medians[-1]] * 3

    return made().__next__


def test_on_a_quiet_machine_a_few_rounds_say_it() -> None:
    paces = measure(rounds_of(10), rounds_of(15))
    assert len(paces.rounds) == ROUNDS
    assert paces.ratio == pytest.approx(1.5)


def test_a_round_beside_which_the_machine_changed_is_taken_again_and_not_counted() -> None:
    paces = measure(rounds_of(10, 10, 40, 10), rounds_of(15, 90, 90, 15))
    assert len(paces.rounds) == ROUNDS + 2
    assert paces.ratio == pytest.approx(1.5)


def test_where_the_calm_rounds_agree_nothing_excuses_a_slow_flood() -> None:
    paces = measure(rounds_of(10, 11, 12), rounds_of(30))
    assert len(paces.rounds) == ROUNDS, "there is no further attempt"
    assert paces.ratio > SLOWER_MAX


def test_a_machine_that_never_stands_still_is_judged_all_the_same() -> None:
    paces = measure(rounds_of(*[10, 40] * ATTEMPTS_MAX), rounds_of(200))
    assert len(paces.rounds) == ATTEMPTS_MAX
    assert paces.ratio > SLOWER_MAX

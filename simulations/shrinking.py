"""Makes a failing history small: the fewest acts that still break the same promise.

Delta debugging: take out halves, then quarters, and so on down to single acts, for as long as what
is left still fails in the same way. An act that cannot be done any more is passed over, so every
part of a history is a history.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from simulations.acts import Act
from simulations.histories import History
from simulations.outcomes import Outcome
from simulations.play import play
from simulations.scenario import Scenario

Acts = tuple[Act, ...]


def shrink(
    scenario: Scenario, history: History, tell: Callable[[str], object] = lambda _: None
) -> tuple[Acts, Outcome] | None:
    """Return the smallest acts found that fail as `history` does; None if it does not fail."""
    first = _outcome(scenario, history, history.acts)
    if first.is_good:
        return None
    kinds, best = _kinds(first), (history.acts, first)
    pieces = 2
    while len(best[0]) >= 1 and pieces <= 2 * len(best[0]):
        smaller = _without_one_piece(scenario, history, best[0], pieces, kinds)
        if smaller is not None:
            best, pieces = smaller, max(2, pieces - 1)
            tell(f"{len(best[0])} acts are left")
        else:
            pieces *= 2
    return best


def _without_one_piece(
    scenario: Scenario, history: History, acts: Acts, pieces: int, kinds: frozenset[str]
) -> tuple[Acts, Outcome] | None:
    step = max(1, len(acts) // pieces)
    for start in range(0, len(acts), step):
        some = acts[:start] + acts[start + step :]
        outcome = _outcome(scenario, history, some)
        if kinds & _kinds(outcome):
            return some, outcome
    return None


def _outcome(scenario: Scenario, history: History, acts: Acts) -> Outcome:
    return play(scenario, msgspec.structs.replace(history, acts=acts))[0]


def _kinds(outcome: Outcome) -> frozenset[str]:
    """Return how a history fails: the promises that it breaks, or that it broke off."""
    broken = {violation.checker for violation in outcome.violations}
    return frozenset(broken | ({"error"} if outcome.error else set()))

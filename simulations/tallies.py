"""What many histories came to, as figures: faults, promises that did not hold, how long it took.

Pure: outcomes in, frozen values out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import ceil

import msgspec

from simulations.outcomes import Outcome

CONVERGED, SAFE, SAFE_SLOWEST = "converged_s", "safe_s_median", "safe_s_max"
MOVED, IDEAL = "moved_bytes", "ideal_bytes"


class Spread(msgspec.Struct, frozen=True):
    """The middle and the edge of some values."""

    values: tuple[float, ...]  # sorted

    def quantile(self, share: float) -> float:
        """Return the smallest value that so many are not above. There must be one."""
        assert self.values, "a quantile of nothing"
        return self.values[max(0, ceil(share * len(self.values)) - 1)]

    @property
    def median(self) -> float:
        return self.quantile(0.5)

    @property
    def p99(self) -> float:
        return self.quantile(0.99)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """All histories of one scenario. `outcomes`: those that failed first, then by seed."""

    scenario: str
    outcomes: tuple[Outcome, ...]
    faults: dict[str, int]
    checkers: dict[str, int]  # what did not hold: in how many histories
    spreads: dict[str, Spread]  # of every figure
    acts_done: int
    passed_over: int
    events: int
    virtual_s: float
    cpu_s: float

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.is_good)


def tally(outcomes: Iterable[Outcome]) -> list[Tally]:
    """Return the sum of each scenario, by its name. A history that is there twice counts once."""
    groups = defaultdict[str, dict[tuple[int, str], Outcome]](dict)
    for outcome in outcomes:
        groups[outcome.scenario][outcome.seed, outcome.trace] = outcome
    return [_sum(name, list(groups[name].values())) for name in sorted(groups)]


def _sum(scenario: str, outcomes: Sequence[Outcome]) -> Tally:
    faults, checkers = Counter[str](), Counter[str]()
    figures = defaultdict[str, list[float]](list)
    for outcome in outcomes:
        faults.update(outcome.faults)
        checkers.update({violation.checker for violation in outcome.violations})
        if outcome.error:
            checkers["the simulator itself"] += 1
        for name, value in outcome.figures.items():
            figures[name].append(value)
    return Tally(
        scenario=scenario,
        outcomes=tuple(sorted(outcomes, key=lambda one: (one.is_good, one.seed))),
        faults=dict(faults),
        checkers=dict(checkers),
        spreads={name: Spread(tuple(sorted(values))) for name, values in figures.items()},
        acts_done=sum(one.acts - one.passed_over for one in outcomes),
        passed_over=sum(one.passed_over for one in outcomes),
        events=sum(one.events for one in outcomes),
        virtual_s=sum(one.virtual_s for one in outcomes),
        cpu_s=sum(one.cpu_s for one in outcomes),
    )

"""Many histories, added up: what failed comes first, quantiles are values that were there."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from simulations.outcomes import Outcome
from simulations.report import html
from simulations.tallies import Spread, tally

_HOSTILE = '"><script>alert(1)</script>'


def outcome(seed: int, **facts: Any) -> Outcome:
    """Return an outcome that is good, but for `facts`."""
    some = {
        "scenario": "everyday", "seed": seed, "trace": f"{seed:032x}", "events": 10, "acts": 5,
        "passed_over": 1, "virtual_s": 60.0, "cpu_s": 0.5, "faults": {"kill": 1, "rot": 2},
        "figures": {"converged_s": float(seed), "safe_s_median": 0.2},
    }  # fmt: skip
    return msgspec.convert({**some, **facts}, Outcome)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_quantiles_are_values_with_so_many_not_above(values: list[float]) -> None:
    spread = Spread(tuple(sorted(values)))
    for share in (0.5, 0.99):
        found = spread.quantile(share)
        assert sum(value <= found for value in values) >= share * len(values)
        assert sum(value < found for value in values) < share * len(values)


def test_histories_that_failed_come_first_each_with_the_line_that_plays_it_again() -> None:
    broken = {"violations": [{"at_s": 1.0, "checker": "I6", "text": _HOSTILE}]}
    outcomes = [outcome(1), outcome(2, **broken), outcome(3, error="it\nRuntimeError: fell"),
                outcome(1)]  # fmt: skip
    (found,) = tally(outcomes)
    assert [one.seed for one in found.outcomes] == [2, 3, 1]
    assert found.faults == {"kill": 3, "rot": 6}
    assert found.checkers == {"I6": 1, "the simulator itself": 1}
    assert found.spreads["converged_s"].median == 2.0
    page = html([], [found]).decode()
    assert "python -m simulations replay 2 everyday" in page
    assert "python -m simulations replay 3 everyday" in page
    assert "RuntimeError: fell" in page
    assert "<script" not in page


def test_of_very_many_seeds_the_page_says_how_many_are_left_out() -> None:
    page = html([], tally(outcome(seed) for seed in range(250))).decode()
    assert "50 more histories, all of them good" in page

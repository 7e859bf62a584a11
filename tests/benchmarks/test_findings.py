"""The judgement over what was measured: budgets, growth, and the table."""

from __future__ import annotations

import pytest

from benchmarks.findings import Finding, Growth, complaints, exponent, percentiles, plain, table


def row(growth: Growth, small: float, large: float, noise: float = 0.0) -> list[str]:
    found = {
        size: [Finding("it", value, "ms", growth=growth, noise=noise)]
        for size, value in ((1_000, small), (10_000, large))
    }
    return complaints(found)


@pytest.mark.parametrize(
    ("growth", "small", "large", "is_fine"),
    [
        (Growth.LINEAR, 10.0, 100.0, True),
        (Growth.LINEAR, 10.0, 120.0, True),  # machines are noisy
        (Growth.LINEAR, 10.0, 200.0, False),
        (Growth.FLAT, 10.0, 12.0, True),
        (Growth.FLAT, 10.0, 20.0, False),
        (Growth.FREE, 10.0, 9_000.0, True),
        (Growth.FLAT, 10.0, 1.0, True),
    ],
)
def test_growth_is_judged_by_what_the_figure_may_do(
    growth: Growth, small: float, large: float, is_fine: bool
) -> None:
    assert (row(growth, small, large) == []) is is_fine


def test_what_is_small_on_both_sides_is_not_judged() -> None:
    assert row(Growth.FLAT, 0.1, 4.0, noise=5.0) == []
    assert row(Growth.FLAT, 0.1, 40.0, noise=5.0) != []


def test_a_missed_budget_is_told_whichever_way_it_points() -> None:
    slow = Finding("a page", 31.0, "ms", must=30.0)
    few = Finding("photos", 3.0, "/s", must=4.0, at_least=True)
    said = complaints({1_000: [slow, few, Finding("fine", 2.0, must=2.0)]})
    assert said == [
        "a page at 1,000 photos: 31.0 ms, must be at most 30.0 ms",
        "photos at 1,000 photos: 3.00 /s, must be at least 4.00 /s",
    ]


def test_percentiles_are_of_the_times_in_milliseconds() -> None:
    median, slow = percentiles("it", [part / 1000 for part in range(1, 301)], must=5.0)
    assert (median.name, round(median.value), median.must) == ("it, p50", 151, None)
    assert (slow.name, round(slow.value), slow.must) == ("it, p99", 297, 5.0)


def test_the_exponent_is_that_of_a_power() -> None:
    assert exponent((10, 3.0), (1_000, 300.0)) == pytest.approx(1.0)
    assert exponent((10, 3.0), (1_000, 3.0)) == 0.0
    assert exponent((10, 0.0), (1_000, 3.0)) == 0.0


def test_the_table_has_a_line_for_each_figure_and_a_column_for_each_size() -> None:
    found = {
        10_000: [Finding("start", 1.0, "s", must=3.0)],
        100_000: [Finding("start", 2.5, "s", must=3.0), Finding("only here", 1.0)],
    }
    lines = table(found).splitlines()
    assert len(lines) == 3
    assert "10,000" in lines[0] and "100,000" in lines[0] and "x10" in lines[0]
    assert "x2.50" in lines[1] and "n^0.40" in lines[1] and "pass (0.83 of it)" in lines[1]


def test_json_says_the_same() -> None:
    (one,) = plain({10: [Finding("it", 1.5, "s", growth=Growth.FLAT)]})
    assert (one["photos"], one["name"], one["value"], one["growth"]) == (10, "it", 1.5, "flat")

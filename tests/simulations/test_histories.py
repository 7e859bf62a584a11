"""Thousands of histories hold what is promised: committed ones and fresh ones, in every test run.

`tox -e simulate` plays ten thousand. A failure prints the line that plays it again.
"""

from __future__ import annotations

import os
import secrets

import pytest

from simulations import scenario as scenarios
from simulations.fleet import MIX, Fleet, mixed, replay_line
from simulations.regressions import Regression, committed

FRESH = int(os.environ.get("PHOTONIC_HISTORIES", "300"))
JOBS = min(4, os.cpu_count() or 1)


@pytest.mark.parametrize("one", committed(), ids=lambda one: f"{one.scenario}-{one.seed}")
def test_what_failed_once_holds(one: Regression) -> None:
    fleet = Fleet()
    with fleet.playing([(scenarios.load(one.scenario), one.seed)], jobs=1) as outcomes:
        [outcome] = outcomes
    assert outcome.is_good, (outcome.violations[:3], outcome.error, replay_line(outcome))


def test_fresh_histories_hold() -> None:
    first = secrets.randbelow(10**9)
    fleet, failures = Fleet(), list[str]()
    with fleet.playing(mixed(range(first, first + FRESH)), JOBS) as outcomes:
        for outcome in outcomes:
            if not outcome.is_good:
                what = [f"{v.checker}: {v.text}" for v in outcome.violations[:2]]
                failures.append(f"{replay_line(outcome)}: {what} {outcome.error[-500:]}")
    assert not failures, "\n".join(failures)
    assert fleet.is_good, fleet.summary()  # their memory was bounded, too
    assert fleet.count == FRESH
    assert fleet.acts > 2 * fleet.passed_over, "most acts are done"
    for fault in ("kill", "kill fsync", "partition", "one-way partition", "rollback", "rot"):
        assert fleet.faults[fault] > 0, f"no {fault} in {FRESH} histories"
    for kind in ("evicted", "refused", "promised"):  # else nothing was held against the floor
        assert fleet.kept[kind] > 0, f"nothing was {kind} in {FRESH} histories"


@pytest.mark.parametrize("name", sorted({*scenarios.names()} - {*MIX, "founding-story"}))
def test_a_fresh_history_of_each_written_scenario_holds(name: str) -> None:
    seed, fleet = secrets.randbelow(10**9), Fleet()
    with fleet.playing([(scenarios.load(name), seed)], jobs=1) as outcomes:
        [outcome] = outcomes
    assert outcome.is_good, (outcome.violations[:3], outcome.error, replay_line(outcome))


def test_the_mix_has_every_scenario_of_chance() -> None:
    played = {scenario.name for scenario, _ in mixed(range(100))}
    assert played == set(MIX)
    assert all(scenarios.load(name).workload.acts for name in MIX)

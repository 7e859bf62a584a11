"""Scenarios with real daemons on a real network: what must hold holds, and soon after healing.

Three of them run always; with PHOTONIC_LONG (`tox -e real`) all that are made for real daemons.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulations.clocks import find_faketime
from simulations.histories import draw
from simulations.promises import all_checkers
from simulations.real import RealOutcome, play
from simulations.real_main import told
from simulations.scenario import load, names
from simulations.trace import Trace, read

pytestmark = pytest.mark.root("ip", "tc", "nft")

CONVERGES_S_MAX = 5.0  # after healing
ALWAYS = ("bad-wifi", "partition-heal", "power-cut")
LONG = tuple(name for name in names() if load(name).netns and name not in ALWAYS)
SKEWED = {"wrong-clock"}


def played(name: str, folder: Path) -> tuple[RealOutcome, list[str]]:
    """Play a scenario; return what it came to, and the kinds of all that happened."""
    scenario, file = load(name), folder / "trace.jsonl"
    with file.open("wb") as out:
        outcome = play(scenario, draw(scenario, 0), folder, all_checkers(scenario), Trace(file=out))
    print(told(scenario, outcome, 0.0))
    return outcome, [event.kind for event in read(file)]


def check(outcome: RealOutcome, kinds: list[str]) -> None:
    assert outcome.violations == []
    assert outcome.passed_over == [] and outcome.refused == [], "every act was done"
    assert outcome.figures["converge_s"] <= CONVERGES_S_MAX
    assert kinds[0] == "began" and kinds[-1] == "ended"
    assert "accepted" in kinds and "converged" in kinds
    assert outcome.heard_bytes > 100_000, "the stranger was there when all was said"


@pytest.mark.parametrize("name", ALWAYS)
def test_a_scenario_holds_with_real_daemons(name: str, tmp_path: Path) -> None:
    outcome, kinds = played(name, tmp_path)
    check(outcome, kinds)
    assert kinds.count("killed") == (2 if name == "power-cut" else 0)


@pytest.mark.skipif("PHOTONIC_LONG" not in os.environ, reason="long: tox -e real")
@pytest.mark.parametrize("name", LONG)
def test_a_longer_scenario_holds_with_real_daemons(name: str, tmp_path: Path) -> None:
    if name in SKEWED and find_faketime() is None:
        pytest.skip("faketime is missing (as root: apt install faketime)")
    outcome, kinds = played(name, tmp_path)
    check(outcome, kinds)

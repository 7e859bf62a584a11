"""One history played for somebody who wants to watch: what held, and a page that draws it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from simulations import report
from simulations import scenario as scenarios
from simulations.histories import draw
from simulations.play import play
from simulations.scenario import ScenarioInvalid

_SEED_MAX = 10**9


class Watched(NamedTuple):
    """A history that was played. `broken` has a line for each promise that did not hold."""

    seed: int
    title: str
    nodes: int
    acts: int
    virtual_s: float
    faults: Mapping[str, int]
    broken: tuple[str, ...]


def titles() -> dict[str, str]:
    """Return what can be watched: the name of each scenario, and what it is about."""
    return {name: scenarios.load(name).title for name in scenarios.names()}


def watch(name: str, seed: int | None, out: Path) -> Watched:
    """Play one history of a scenario (its name, or the path of a TOML file) and draw it to `out`.

    Without a seed it is any. Raises ValueError for a scenario that cannot be read, OSError.
    """
    try:
        scenario = scenarios.load(name)
    except ScenarioInvalid as error:
        raise ValueError(str(error)) from error
    number = secrets.randbelow(_SEED_MAX) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="photonic-simulation-") as folder:
        trace = Path(folder, "trace.jsonl")
        with trace.open("wb") as file:
            outcome, _ = play(scenario, draw(scenario, number), file=file)
        stories, _ = report.load([trace])
    out.write_bytes(report.html(stories, ()))
    broken = [f"{violation.checker}: {violation.text}" for violation in outcome.violations]
    if outcome.error:
        broken.append(outcome.error.strip().splitlines()[-1])
    done = outcome.acts - outcome.passed_over
    return Watched(
        number,
        scenario.title,
        len(scenario.nodes),
        done,
        outcome.virtual_s,
        outcome.faults,
        tuple(broken),
    )

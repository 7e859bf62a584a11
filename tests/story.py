"""`python -m tests.story`: make the pictures of the founding story in docs/ anew, by playing it."""

from __future__ import annotations

from pathlib import Path

from simulations.histories import draw
from simulations.play import play
from simulations.report import write_pictures
from simulations.scenario import load
from simulations.story import tell

TARGET = Path(__file__).parents[1] / "docs"
SCENARIO, SEED = "founding-story", 1


def main(scenario: str = SCENARIO, seed: int = SEED, target: Path = TARGET) -> list[Path]:
    """Play a history and write its pictures; return their paths."""
    plan = load(scenario)
    _, trace = play(plan, draw(plan, seed), keep=True)
    return write_pictures(tell(trace.events), target)


if __name__ == "__main__":
    main()

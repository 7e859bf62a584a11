"""`python -m simulations real [SCENARIO ...]`: scenarios with real daemons on a real network."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from simulations.ends import LeftOut
from simulations.histories import draw
from simulations.promises import all_checkers
from simulations.real import RealOutcome, play
from simulations.scenario import Scenario, load, names
from simulations.trace import Trace


def add_parser(commands: Any) -> None:
    """Add the verb `real` to the subparsers of the command line."""
    parser = commands.add_parser("real", help="play scenarios with real daemons; needs root")
    parser.add_argument("scenarios", nargs="*", help="by name or file; else all of real daemons")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn by chance")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write down what happened")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the nodes' folders there")
    parser.set_defaults(work=main)


def main(wanted: argparse.Namespace) -> int:
    """Play what is named, else all that are short enough. 1 if something did not hold, 2 if
    nothing was played."""
    plans = [load(name) for name in wanted.scenarios] or [
        plan for name in names() if (plan := load(name)).netns
    ]
    played, broken = 0, 0
    for plan in plans:
        began_s = time.monotonic()
        try:
            outcome = _play(plan, wanted.seed, wanted.keep, wanted.trace)
        except LeftOut as reason:
            sys.stdout.write(f"{plan.name}: left out, it {reason}\n")
            continue
        sys.stdout.write(told(plan, outcome, time.monotonic() - began_s))
        sys.stdout.flush()
        played += 1
        broken += bool(outcome.violations)
    return 1 if broken else 0 if played else 2


def _play(plan: Scenario, seed: int, keep: Path | None, trace_file: Path | None) -> RealOutcome:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="photonic-real-", dir=keep))
        if keep is None:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        file = stack.enter_context(trace_file.open("ab")) if trace_file else None
        trace = Trace(file=file)
        return play(plan, draw(plan, seed), folder, all_checkers(plan), trace)


def told(plan: Scenario, outcome: RealOutcome, seconds: float) -> str:
    """Say in a few lines what a scenario came to."""
    figures = ", ".join(f"{name} {value:g}" for name, value in sorted(outcome.figures.items()))
    lines = [f"{plan.name}: {len(outcome.violations)} violations in {seconds:.0f} s; {figures}"]
    lines += [f"  {v.checker} at {v.at_s:.1f} s: {v.text}" for v in outcome.violations]
    lines += [f"  passed over: {text}" for text in outcome.passed_over]
    lines += [f"  refused: {text}" for text in outcome.refused]
    return "\n".join(lines) + "\n"

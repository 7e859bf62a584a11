"""`python -m simulations`: play histories, play one again, make a failing one small.

    python -m simulations run [SCENARIO] [--seed N] [--seeds 1000] [--jobs 2]
    python -m simulations replay SEED [SCENARIO] [--acts FILE] [--trace FILE]
    python -m simulations shrink SEED [SCENARIO]
    python -m simulations mutants [NAME ...] [--seeds 1000] [--jobs 2]
    python -m simulations real [SCENARIO ...]
    python -m simulations report FILE... [--out FILE] [--pictures FOLDER]
    python -m simulations scenarios

Whatever fails prints one line that plays it again. Exit status: 0 all is well, 1 something does
not hold, 2 nothing was played.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from simulations import hunt, real_main, report
from simulations import scenario as scenarios
from simulations.acts import Act
from simulations.fleet import Fleet, mixed, replay_line
from simulations.histories import History, draw
from simulations.outcomes import Outcome, line
from simulations.play import play
from simulations.scenario import ScenarioInvalid
from simulations.shrinking import shrink
from simulations.units import readable_time

_DEFAULT = "everyday"


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m simulations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="play many histories")
    run.add_argument(
        "scenario", nargs="?", help="all scenarios of chance in turn, if there is none"
    )
    run.add_argument("--seed", type=int, default=0, help="the first seed")
    run.add_argument("--seeds", type=int, default=1, help="how many")
    run.add_argument("--jobs", type=int, default=1, help="processes")
    run.add_argument("--out", type=Path, help="append outcomes to this file, as JSON lines")
    run.set_defaults(work=_run)
    replay = commands.add_parser("replay", help="play one history and tell what happens")
    replay.add_argument("seed", type=int)
    replay.add_argument("scenario", nargs="?", default=_DEFAULT)
    replay.add_argument("--acts", type=Path, help="play these acts (JSON) instead of those drawn")
    replay.add_argument("--trace", type=Path, help="write the trace here, as JSON lines")
    replay.set_defaults(work=_replay)
    small = commands.add_parser("shrink", help="find the smallest history that still fails")
    small.add_argument("seed", type=int)
    small.add_argument("scenario", nargs="?", default=_DEFAULT)
    small.add_argument("--acts", type=Path, help="begin with these acts (JSON)")
    small.set_defaults(work=_shrink)
    hunt.add_parser(commands)
    real_main.add_parser(commands)
    report.add_parser(commands)
    commands.add_parser("scenarios", help="list the scenarios").set_defaults(work=_list)
    wanted = parser.parse_args(words)
    try:
        status: int = wanted.work(wanted)
    except ScenarioInvalid as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return status


def _run(wanted: argparse.Namespace) -> int:
    seeds = range(wanted.seed, wanted.seed + wanted.seeds)
    if wanted.scenario is None:
        histories = mixed(seeds)
    else:
        histories = [(scenarios.load(wanted.scenario), seed) for seed in seeds]
    fleet = Fleet()
    with fleet.playing(histories, wanted.jobs) as outcomes:
        for outcome in outcomes:
            if wanted.out is not None:
                with wanted.out.open("ab") as file:
                    file.write(line(outcome))
            if not outcome.is_good:
                _tell(outcome)
    sys.stdout.write(fleet.summary() + "\n")
    return 0 if fleet.is_good else 1


def _tell(outcome: Outcome, acts: Path | None = None) -> None:
    """Say what does not hold, and how to see it again."""
    for violation in outcome.violations[:5]:
        moment = readable_time(violation.at_s)
        sys.stdout.write(f"  {moment} {violation.checker}: {violation.text[:300]}\n")
    if outcome.error:
        sys.stdout.write(f"{outcome.error}\n")
    sys.stdout.write(f"again: {replay_line(outcome, acts)}\n")
    sys.stdout.flush()  # whoever ends a long run early has what it found


def _history(wanted: argparse.Namespace) -> History:
    scenario = scenarios.load(wanted.scenario)
    history = draw(scenario, wanted.seed)
    if wanted.acts is not None:
        acts = msgspec.json.decode(wanted.acts.read_bytes(), type=tuple[Act, ...])
        history = msgspec.structs.replace(history, acts=acts)
    return history


def _replay(wanted: argparse.Namespace) -> int:
    scenario, history = scenarios.load(wanted.scenario), _history(wanted)
    file = wanted.trace.open("wb") if wanted.trace is not None else None
    try:
        outcome, trace = play(scenario, history, keep=True, file=file)
    finally:
        if file is not None:
            file.close()
    for event in trace.events:
        if event.kind != "message":
            facts = " ".join(
                f"{k}={v}" for k, v in event.facts.items() if k not in ("at_s", "node")
            )
            moment = readable_time(event.at_s)
            sys.stdout.write(f"{moment} {event.node:8} {event.kind}: {facts[:300]}\n")
    sys.stdout.write(f"trace {outcome.trace}, {outcome.events} events, {outcome.cpu_s} CPU s\n")
    if not outcome.is_good:
        _tell(outcome, wanted.acts)
    return 0 if outcome.is_good else 1


def _shrink(wanted: argparse.Namespace) -> int:
    scenario, history = scenarios.load(wanted.scenario), _history(wanted)
    smallest = shrink(scenario, history, lambda text: sys.stderr.write(text + "\n"))
    if smallest is None:
        sys.stdout.write("this history does not fail\n")
        return 2
    acts, outcome = smallest
    path = Path(f"{scenario.name}-{wanted.seed}.json")
    path.write_bytes(msgspec.json.format(msgspec.json.encode(acts), indent=1) + b"\n")
    for act in acts:
        sys.stdout.write(f"{readable_time(act.at_s)} {act.words()}\n")
    _tell(outcome, path)
    return 1


def _list(_: argparse.Namespace) -> int:
    for name in scenarios.names():
        sys.stdout.write(f"{name:18} {scenarios.load(name).title}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

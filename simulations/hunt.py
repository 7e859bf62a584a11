"""Looks for a history that shows each planted bug, and writes down which one did.

Each mutation is played in a process of its own (`planting.py`), seed after seed, until a promise is
broken; then the same seed is played without it, for a history that fails anyway shows nothing.
What was found is kept in `caught.json`, so that the suite can play those histories again, and told
in docs/simulator-mutants.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from simulations import mutations
from simulations.mutations import Mutation, MutationInvalid
from simulations.outcomes import Outcome
from simulations.planting import AS_IT_IS

CAUGHT = Path(__file__).with_name("caught.json")
PAGE = Path(__file__).parents[1] / "docs" / "simulator-mutants.md"
_TEXT_CHARS_MAX = 120

_HEAD = """\
<!-- Made by `python -m simulations mutants`. -->
# Planted bugs that the simulator finds

What nobody ever sees fail may not work. So each of these bugs is planted in the product, one at a
time, in a process of its own; then histories are played, seed after seed, until a promise of the
simulator is broken. The same history without the bug must break none. `simulations/mutations.toml`
has the bugs as text; the suite plays each with the seed that is named here, and
`tox -e mutants` looks for all of them anew.
"""


class Caught(msgspec.Struct, frozen=True):
    """The history that showed a bug."""

    scenario: str
    seed: int
    checker: str
    text: str
    histories: int  # played until then
    seconds: float


def add_parser(commands: Any) -> None:
    """Add `python -m simulations mutants`."""
    verb = commands.add_parser("mutants", help="find bugs that are planted in the product")
    verb.add_argument("names", nargs="*", metavar="NAME", help="these; else all")
    verb.add_argument("--seeds", type=int, default=1_000, help="how many histories at most")
    verb.add_argument("--jobs", type=int, default=1, help="processes")
    verb.set_defaults(work=main)


def main(wanted: argparse.Namespace) -> int:
    """Look for the mutations that are named; return 1 if one survives, 2 if one cannot be."""
    try:
        some = mutations.load(wanted.names)
        for mutation in some:
            mutation.check()
    except MutationInvalid as error:
        sys.stderr.write(f"{error}\n")
        return 2
    found = read() if wanted.names else {}
    survivors = 0
    with ThreadPoolExecutor(wanted.jobs) as pool:
        hunts = {pool.submit(find, mutation, wanted.seeds): mutation for mutation in some}
        for hunt in as_completed(hunts):
            mutation, caught = hunts[hunt], hunt.result()
            found.pop(mutation.name, None)
            if caught is None:
                survivors += 1
                sys.stdout.write(f"{mutation.name} SURVIVES {wanted.seeds} histories\n")
            else:
                found[mutation.name] = caught
                sys.stdout.write(f"{mutation.name}: {told(caught)}\n")
            sys.stdout.flush()
    every = mutations.load()
    found = {each.name: found[each.name] for each in every if each.name in found}
    CAUGHT.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    PAGE.write_text(page(every, found), encoding="utf-8")
    sys.stdout.write(f"{len(found)} of {len(every)} are caught\n")
    return 1 if survivors else 0


def read() -> dict[str, Caught]:
    """Return which history showed each bug the last time."""
    if not CAUGHT.exists():
        return {}
    return msgspec.json.decode(CAUGHT.read_bytes(), type=dict[str, Caught])


def find(mutation: Mutation, seeds: int) -> Caught | None:
    """Return the first history that shows a bug; None if none of so many does."""
    began_s, played, seed = time.monotonic(), 0, 0
    while seed < seeds:
        bad = None
        for outcome in play(mutation.name, mutation.scenario, seed, seeds - seed):
            played += 1
            seed = outcome.seed + 1
            if not outcome.is_good:
                bad = outcome
        if bad is None:
            return None
        if bad.violations and is_sound(bad.scenario, bad.seed):
            first = bad.violations[0]
            seconds = round(time.monotonic() - began_s, 1)
            return Caught(bad.scenario, bad.seed, first.checker, first.text, played, seconds)
        what = "breaks off" if bad.error else "fails without it, too"
        sys.stderr.write(f"{mutation.name}: {bad.scenario} {bad.seed} {what}\n{bad.error}\n")
    return None


def is_sound(scenario: str, seed: int) -> bool:
    """Whether a history breaks no promise without any bug."""
    (outcome,) = play(AS_IT_IS, scenario, seed, 1)
    return outcome.is_good


def play(name: str, scenario: str, seed: int, count: int) -> Iterator[Outcome]:
    """Yield what histories come to with a bug: up to `count`, or to the first that fails."""
    command = [sys.executable, "-m", "simulations.planting", name, scenario, str(seed), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PAGE.parents[1]) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield msgspec.json.decode(line, type=Outcome)
        finally:
            process.kill()
    if process.returncode > 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")


def told(caught: Caught) -> str:
    """Return in one line what was found, and where."""
    return (
        f"{caught.scenario} {caught.seed}, {caught.checker}: {shortened(caught.text)}"
        f" ({caught.histories} histories, {caught.seconds:.0f} s)"
    )


def shortened(text: str) -> str:
    return text if len(text) <= _TEXT_CHARS_MAX else f"{text[:_TEXT_CHARS_MAX]} …"


def page(every: Iterable[Mutation], found: Mapping[str, Caught]) -> str:
    """Return docs/simulator-mutants.md."""
    rows = [("mutation", "what it would cost", "scenario", "seed", "promise", "what it says")]
    for each in every:
        caught = found.get(each.name)
        if caught is None:
            rows.append((each.name, each.why, each.scenario, "", "", "**not found**"))
            continue
        text = shortened(caught.text).replace("|", "\\|")
        rows.append((each.name, each.why, caught.scenario, str(caught.seed), caught.checker, text))
    return f"{_HEAD}\n{_table(rows)}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |\n" for row in rows)
    return "".join((head, f"|{'---|' * len(rows[0])}\n", *body))

"""`python -m benchmarks.catalog [--photos 10000,100000,1000000] [--only PHASES] [--json FILE]`

Builds made-up libraries of several sizes through the real catalog and measures them beside the
budgets of DESIGN section 9: building, disk, a cold start, every kind of query, one edit, two nodes
that meet, a new node, the index made again. Then it says how each figure grows with the library:
nothing that a user waits for may grow faster than linearly, and one edit's cost not at all.

`--keep DIR` leaves the libraries there and takes them from there the next time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from benchmarks.findings import Finding, complaints, plain, shown, table
from benchmarks.phases import PHASES
from benchmarks.stage import SESSIONS, open_stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if something is not as promised."""
    wanted = _parse(arguments)
    found: dict[int, list[Finding]] = {}
    with tempfile.TemporaryDirectory(dir=wanted.work) as scratch:
        for photos in wanted.photos:
            folder = (wanted.keep or Path(scratch)) / f"library-{photos}"
            found[photos] = trio.run(_measure, folder, photos, wanted)
    said = complaints(found)
    _say(table(found))
    _say("\n".join(f"NOT AS PROMISED: {line}" for line in said) or "Everything is as promised.")
    if wanted.json is not None:
        report = {"machine": _machine(), "findings": plain(found), "complaints": said}
        wanted.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if said else 0


async def _measure(folder: Path, photos: int, wanted: argparse.Namespace) -> list[Finding]:
    _say(f"--- {photos:,} photos")
    began_s = time.monotonic()
    stage = await open_stage(
        folder,
        photos,
        seed=wanted.seed,
        sessions=wanted.sessions,
        questions=wanted.questions,
        repeats=wanted.repeats,
    )
    _say(f"    the library is there after {time.monotonic() - began_s:.0f} s")
    found: list[Finding] = []
    for name in wanted.only:
        began_s = time.monotonic()
        some = await PHASES[name](stage)
        for finding in some:
            _say(f"    {finding.name}: {shown(finding)} {finding.note}".rstrip())
        _say(f"    ({name}: {time.monotonic() - began_s:.0f} s)")
        found += some
    return found


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalog", description=__doc__)
    parser.add_argument("--photos", type=_numbers, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--only", type=_phases, default=list(PHASES), help=",".join(PHASES))
    parser.add_argument("--work", type=Path, help="where to work; several GB for a million photos")
    parser.add_argument("--keep", type=Path, help="build here, or take what was built here")
    parser.add_argument("--json", type=Path, help="write the findings to this file too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="lives of the daemon")
    parser.add_argument("--questions", type=int, default=300, help="asked of each kind")
    parser.add_argument("--repeats", type=int, default=50, help="of what takes longer")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return sorted(int(part.replace("_", "")) for part in text.split(","))


def _phases(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PHASES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no phase is called {', '.join(unknown)}")
    return names


def _machine() -> dict[str, object]:
    return {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.system(),
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

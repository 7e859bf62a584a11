"""`python -m benchmarks.replicate [--work DIR] [--small]`: replication beside others, one run.

The same files through photonic (two daemons: authenticated, encrypted, verified by BLAKE3,
fsynced), plaintext `rsync --daemon` (neither verified nor fsynced) and Syncthing, both ends on this
machine. photonic's time goes from the moment when the new member is up until its last original is
durable and announced; the catalog and the previews come within that time. Absolute figures move
with the machine; the ratios are what is promised.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.files import make_files
from benchmarks.rivals import rsync_s, syncthing_s
from simulations.daemons import daemons, join, photonic

_SETS = {"large": (80, 25_000_000), "small": (5_000, 200_000)}
_QUICK_SETS = {"large": (8, 25_000_000), "small": (300, 200_000)}


def photonic_s(source: Path, work: Path) -> float:
    """Time two photonic daemons."""
    with daemons(work / "a", work / "b") as (first, second):
        first.start()
        photonic(first.home, "import", str(source), check=False, within_s=1_800)
        count = first.status()["photos"]
        join(first, second)
        second.start("--peer", first.listen[0])
        began_s = time.monotonic()
        second.wait_until(
            lambda: second.status()["holdings"]["held"] == count,
            within_s=1_800,
            not_more_often_than_s=0.2,
        )
        taken_s = time.monotonic() - began_s
        first.stop()
        second.stop()
        return taken_s


_CONTENDERS: dict[str, Callable[[Path, Path], float | None]] = {
    "photonic": photonic_s,
    "rsync --daemon": rsync_s,
    "syncthing": syncthing_s,
}


def measure(name: str, count: int, size_bytes: int, work: Path) -> list[dict[str, object]]:
    """Run every contender on the same files, one after another."""
    source = make_files(work / "source", count, size_bytes)
    megabytes, rows = count * size_bytes / 1e6, []
    for contender, run in _CONTENDERS.items():
        place = work / contender.split()[0]
        seconds = run(source, place)
        shutil.rmtree(place, ignore_errors=True)
        row: dict[str, object] = {"set": name, "files": count, "who": contender}
        if seconds is None:
            row["left_out"] = "not installed"
        else:
            row |= {
                "seconds": round(seconds, 2),
                "MB_per_s": round(megabytes / seconds, 1),
                "files_per_s": round(count / seconds, 1),
            }
        rows.append(row)
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
    shutil.rmtree(source)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replicate", description=__doc__)
    parser.add_argument("--work", type=Path, help="where to work; a tmpfs shows the code's limits")
    parser.add_argument("--quick", action="store_true", help="a tenth of the files")
    wanted = parser.parse_args()
    for name, (count, size_bytes) in (_QUICK_SETS if wanted.quick else _SETS).items():
        with tempfile.TemporaryDirectory(dir=wanted.work) as folder:
            rows = measure(name, count, size_bytes, Path(folder))
        ours = rows[0].get("MB_per_s")
        for row in rows[1:]:
            theirs = row.get("MB_per_s")
            if isinstance(ours, float) and isinstance(theirs, float):
                sys.stdout.write(f"{name}: photonic / {row['who']} = {ours / theirs:.2f}\n")


if __name__ == "__main__":
    main()

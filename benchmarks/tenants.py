"""What a further library of one daemon costs in memory: `python -m benchmarks.tenants [1 2 4]`.

Real daemons with so many empty libraries, each idle once it serves. PSS: what processes share (the
program, mostly) counts once. RSS counts it in each of them. Linux only.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.meter import tree
from simulations.daemons import Daemon, daemons, photonic
from simulations.ends import wait_for

_COUNTS = (1, 2, 4)


def carriers(pids: list[int]) -> int:
    words = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
    return sum(b"photonic.p2p.carrier" in line for line in words)


def memory_mb(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def measure(machine: Daemon, libraries: int) -> str:
    """Serve so many libraries and say what they need."""
    machine.start("--no-upnp")
    for number in range(1, libraries):
        photonic(machine.home, "library", "add", f"further-{number}")
    assert machine.process is not None
    pid = machine.process.pid
    wait_for(lambda: carriers(tree(pid)) == libraries, 60)
    pids = tree(pid)
    pss, rss = (sum(memory_mb(each, field) for each in pids) for field in ("Pss:", "Rss:"))
    return (
        f"{libraries} libraries: PSS {pss:.0f} MB, RSS {rss:.0f} MB in {len(pids)} processes;"
        f" the daemon alone {memory_mb(pid, 'Rss:'):.0f} MB"
    )


def main() -> None:
    for libraries in map(int, sys.argv[1:] or _COUNTS):
        with (
            tempfile.TemporaryDirectory(prefix="photonic-") as place,
            daemons(Path(place)) as (node,),
        ):
            print(measure(node, libraries), flush=True)


if __name__ == "__main__":
    main()

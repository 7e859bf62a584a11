"""`python -m benchmarks.relayed`: originals to a node that cannot be reached, in one run.

Three daemons in network namespaces, each time with the same files on tmpfs: on one switch
("direct", lanes), behind NATs that let a hole be punched ("punched", streams), and behind NATs that
do not ("relayed", lanes that a third member splices). The clock runs from the moment when the taker
has the catalog and no original until it holds all. Needs root.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.meter import Meter, Taken
from benchmarks.ours import OurNode, our_nodes
from benchmarks.samples import Sample
from simulations.ends import wait_for
from simulations.nats import Homes, Nat, homes
from simulations.rooms import lan

_WITHIN_S = 300.0
_MEMORY = Path("/dev/shm")


@contextmanager
def _switch() -> Iterator[Homes]:
    with lan(3) as rooms:
        yield Homes(*rooms)


WORLDS: dict[str, Callable[[], AbstractContextManager[Homes]]] = {
    "direct": _switch,
    "punched": lambda: homes(Nat.PRESERVING),
    "relayed": lambda: homes(Nat.CHANGING),
}
LINKS = {"direct": "lan", "punched": "punched", "relayed": "relayed"}


def measure(name: str, source: Path, work: Path) -> Taken:
    """Time one world."""
    with WORLDS[name]() as world, our_nodes(work, *world) as (relay, giver, taker):
        relay.role, giver.role, taker.role = "mobile", "mobile", "central"
        relay.start("--relay", "on")
        for node in (giver, taker):
            relay.invite(node)
        giver.start("--peer", relay.listen[0])
        giver.take_in(source)
        taker.start("--peer", relay.listen[0])
        taker.hold_originals(is_held=True)
        wait_for(lambda: _link(taker, giver) == LINKS[name], _WITHIN_S)
        wait_for(lambda: taker.counts()[0] == giver.counts()[0], _WITHIN_S)
        with Meter(giver=giver.pid, taker=taker.pid, relay=relay.pid) as meter:
            taker.hold_originals(is_held=False)
            wait_for(lambda: taker.counts() == giver.counts(), _WITHIN_S)
        meter.taken.own_bytes = taker.fetched_bytes()
        meter.taken.note = _link(taker, giver)
    return meter.taken


def _link(node: OurNode, other: OurNode) -> str:
    me = other.status()["node"]["id"]
    links = [peer["link"] for peer in node.get("/peers")["items"] if peer["id"] == me]
    return str(links[0]) if links else "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--megabytes", type=int, default=25, help="of each file")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    sample = Sample("files", asked.files, asked.megabytes * 1_000_000)
    print(f"{asked.files} files of {asked.megabytes} MB")
    print("| link | seconds | MB/s | CPU s/GB giver, taker, relay | peak MB of the relay |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        source = sample.make(Path(folder) / "source")
        for _ in range(asked.rounds):
            for name in WORLDS:
                work = Path(folder) / name
                taken = measure(name, source, work)
                shutil.rmtree(work)
                cpu = [taken.cpu_s[end] * 1e9 / sample.bytes for end in ("giver", "taker", "relay")]
                print(
                    f"| {name} | {taken.seconds:.1f} | {sample.bytes / 1e6 / taken.seconds:.0f} |"
                    f" {', '.join(f'{each:.1f}' for each in cpu)} | {taken.peak_mb['relay']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""How the library of a scenario begins: founded by one node, which admits the others.

That is the same in all histories of a scenario, whatever their seeds: it is played once in each
process, by the real founding and enrolment, and every history begins with copies of the homes. Who
joins later does so in the history.
"""

from __future__ import annotations

import atexit
import shutil
from pathlib import Path

import msgspec
import trio
import trio.testing
from msgspec.structs import replace

from simulations.checkers import Panel
from simulations.cluster import Cluster
from simulations.disks import copy_tree
from simulations.sandbox import make_memory_folder, sandbox
from simulations.scenario import Scenario
from simulations.threads import threads_in
from simulations.trace import Trace
from simulations.works import invite, join

_FOUNDED: dict[bytes, Path] = {}  # by what the scenario's nodes are
_KEPT_IN: list[Path | None] = [None]  # None: in folders that go with this process


def keep_in(folder: Path) -> None:
    """Keep homes below a folder that somebody else removes: a worker of a pool ends abruptly."""
    _KEPT_IN[0] = folder


def founded(scenario: Scenario) -> Path:
    """Return the folder with a home for each member, as it is when all have joined."""
    key = msgspec.json.encode((scenario.name, scenario.nodes, scenario.places, scenario.rules))
    if key not in _FOUNDED:
        kept = make_memory_folder(_KEPT_IN[0])
        if _KEPT_IN[0] is None:
            atexit.register(shutil.rmtree, kept, ignore_errors=True)
        with sandbox(f"{scenario.name} founding") as folder:
            clock = trio.testing.MockClock(autojump_threshold=0)
            trio.run(_found, scenario, folder, kept, clock=clock)
        _FOUNDED[key] = kept
    return _FOUNDED[key]


def found_anew() -> None:
    """Forget what was founded: whoever watches what a history runs is to see the founding, too."""
    _FOUNDED.clear()


async def _found(scenario: Scenario, folder: Path, kept: Path) -> None:
    """Let the first member found the library, and admit the others, while all clocks are right:
    a code is not good for a machine that lives in another day."""
    plans = {name: replace(plan, clock="0s", drift=0.0) for name, plan in scenario.nodes.items()}
    scenario = replace(scenario, nodes=plans)
    members = [name for name, plan in scenario.nodes.items() if plan.joins]
    members.sort(key=lambda name: scenario.nodes[name].role == "mobile")
    async with trio.open_nursery() as nursery:
        cluster = Cluster(scenario, -1, folder, Trace(), Panel([]), nursery)
        with threads_in(nursery), cluster.databases():
            nursery.start_soon(cluster.network.run)
            for name in members:
                cluster.network.place[name] = scenario.nodes[members[0]].place
            first = cluster.machines[members[0]]
            await first.start().wait()
            if not first.is_running:
                raise RuntimeError(f"{first.name} did not start: {first.error!r}")
            if scenario.rules:
                await first.ask(lambda node: node.placements.set(scenario.rules))
            for name in members[1:]:
                code = await invite(cluster, first.name, scenario.nodes[name].role)
                assert code is not None, "the founder may invite"
                why = await join(cluster.machines[name], code)
                if why is not None:
                    raise RuntimeError(f"{name}: {why}")
            await trio.sleep(1)
            for name in members:
                await cluster.machines[name].stop()
                copy_tree(cluster.machines[name].disk.root / "home", kept / name)
            nursery.cancel_scope.cancel()

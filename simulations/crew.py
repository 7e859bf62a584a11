"""The real daemons of a scenario: each in its machine, with a home folder and a wall clock.

`Crew` starts, kills and spoils them; it knows no act and no checker. What it holds of a node is
what a person could: the home folder, and REST on that machine's loopback.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from simulations.clocks import WrongClock, find_faketime
from simulations.ends import LeftOut, wait_for
from simulations.netns import RealNetwork
from simulations.residents import Resident, kept
from simulations.scenario import NodePlan, Scenario
from simulations.units import seconds

_PORT = 4310
_BEGUN_BYTES, _BEGINS_WITHIN_S = 400_000, 20.0  # of a transfer
_MEETS_WITHIN_S = 60.0


class Crew:
    """A context with daemons that are not started yet. `network` must be open, and outlive it."""

    def __init__(self, scenario: Scenario, network: RealNetwork, folder: Path) -> None:
        self._scenario, self._folder, self.network = scenario, folder, network
        self.plans = scenario.nodes
        self._clocks: dict[str, WrongClock] = {}
        self._ids: dict[str, str] = {}  # name by peer id
        self._stack = ExitStack()
        self.nodes: dict[str, Resident] = {}
        self.members: list[str] = []  # admitted, and not revoked; the first one founded it
        self.running: set[str] = set()

    def __enter__(self) -> Self:
        for name, plan in self._scenario.nodes.items():
            self.nodes[name] = self._make(name, plan)
        self._stack.enter_context(kept(list(self.nodes.values())))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _make(self, name: str, plan: NodePlan) -> Resident:
        node = Resident(self._folder / name, self.network.machines[name].room)
        node.role, node.discovery, node.port = plan.role, True, _PORT
        jumps = any(act.do == "skew" and act.node == name for act in self._scenario.timeline)
        may_jump = self._scenario.workload.weights.get("skew", 0) > 0
        if seconds(plan.clock) or jumps or may_jump:
            library = find_faketime()
            if library is None:
                raise LeftOut("needs faketime for clocks that are wrong (apt install faketime)")
            node.home.mkdir(parents=True, exist_ok=True)
            clock = self._clocks[name] = WrongClock(library, self._folder / f"{name}.clock")
            clock.jump(seconds(plan.clock))
            node.prefix = (*node.prefix, *clock.prefix)
        if plan.settings:
            node.home.mkdir(parents=True, exist_ok=True)
            (node.home / "photonic.yaml").write_text(yaml.safe_dump(plan.settings))
        return node

    # --- what becomes of the daemons ---------------------------------------------------------

    def found(self) -> None:
        """Make the library, its members, and start whoever runs at first."""
        plans = self._scenario.nodes
        names = [name for name, plan in plans.items() if plan.joins]
        founder, *others = names
        self.start(founder)
        self.members.append(founder)
        for name in others:
            self.admit(founder, name)
        for name in names:
            self.start(name)  # each of them once, so that it is known by its peer id
        for name in names:
            if not plans[name].runs:
                self.stop(name)

    def admit(self, inviter: str, joiner: str) -> bool:
        """Have a node that runs invite one that does not; False if that is not how they are."""
        if inviter not in self.running or joiner in self.running or joiner in self.members:
            return False
        node = self.nodes[inviter]
        code = node.run("invite", "--role", self.nodes[joiner].role).strip()
        self.nodes[joiner].run("join", code, "--node-name", joiner)
        self.members.append(joiner)
        return True

    def start(self, name: str) -> bool:
        if name in self.running:
            return False
        options = ["--name", name, "--no-upnp", "--min-copies", str(self._scenario.min_copies)]
        self.nodes[name].start(*options)
        self.running.add(name)
        self._ids[self.nodes[name].status()["node"]["id"]] = name
        return True

    def stop(self, name: str) -> bool:
        if name not in self.running:
            return False
        self.running.discard(name)
        self.nodes[name].stop()
        return True

    def kill(self, name: str) -> bool:
        """kill -9, whatever it does."""
        if name not in self.running:
            return False
        self.running.discard(name)
        self.nodes[name].kill()
        return True

    def kill_in_transfer(self, name: str) -> bool:
        """kill -9 as soon as photos move to or from it. Raises Failed if none do for a while."""
        room = self.network.machines[name].room
        begun = room.moved_bytes() + _BEGUN_BYTES
        wait_for(lambda: room.moved_bytes() > begun, _BEGINS_WITHIN_S, share=0, least_s=0.002)
        return self.kill(name)

    def save(self, name: str) -> bool:
        """Copy the data folder, as whoever backs it up with the daemon stopped."""
        return self._away(name, lambda: _copy(self.nodes[name].home, self._saved(name)))

    def roll_back(self, name: str) -> bool:
        """Put the copy in the data folder's place; False if there is none."""
        if not self._saved(name).exists():
            return False
        return self._away(name, lambda: _copy(self._saved(name), self.nodes[name].home))

    def _saved(self, name: str) -> Path:
        return self._folder / f"{name}.saved"

    def _away(self, name: str, act: Callable[[], None]) -> bool:
        was_running = self.stop(name)
        act()
        if was_running:
            self.start(name)
        return True

    def rot(self, name: str, photo: str) -> bool:
        """Turn a bit in the middle of a stored original; False if it is not there as a file."""
        path = next((self.nodes[name].home / "blobs").rglob(photo), None)
        if path is None or not path.is_file():
            return False
        before = path.stat()
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(before.st_size // 2)
            byte = file.read(1)[0]
            file.seek(before.st_size // 2)
            file.write(bytes((byte ^ 1,)))
        path.chmod(before.st_mode)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        return True

    def skew(self, name: str, by_s: float) -> bool:
        self._clocks[name].jump(by_s)
        return True

    # --- what can be seen of them ------------------------------------------------------------

    def active(self) -> Iterator[tuple[str, Resident]]:
        """Yield the members that run."""
        return ((n, self.nodes[n]) for n in self.members if n in self.running)

    def name_of(self, peer: str) -> str:
        """Return how the scenario calls a peer; its id if it is none of its nodes."""
        return self._ids.get(peer, peer)

    def peer_of(self, name: str) -> str:
        return next(peer for peer, known in self._ids.items() if known == name)

    def connected(self, name: str) -> set[str]:
        peers = self.nodes[name].get("/peers")["items"]
        return {self.name_of(peer["id"]) for peer in peers if peer["link"] not in ("none", "")}

    def wait_met(self) -> float:
        """Wait until every two members that run, one of which reaches the other, are connected."""
        began_s = time.monotonic()
        wait_for(self.have_met, _MEETS_WITHIN_S, share=0, least_s=0.1)
        return time.monotonic() - began_s

    def have_met(self) -> bool:
        active = [name for name, _ in self.active()]
        for name in active:
            within = {n for n in active if n != name and self._reach_each_other(n, name)}
            if not within <= self.connected(name):
                return False
        return True

    def _reach_each_other(self, one: str, other: str) -> bool:
        return self.network.reaches(one, other) or self.network.reaches(other, one)


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)

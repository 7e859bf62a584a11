"""A simulated machine: a disk, two clocks, and the daemon on it while it runs.

The daemon is `photonic.startup.run_node`, the same call that `photonic node` makes, with the world
and the parts of a simulated machine.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import trio
from anyio.abc import TaskStatus

from photonic.config import Settings
from photonic.node import Node
from photonic.startup import run_node
from photonic.views import StatusView
from photonic.world import World
from simulations.connections import Ether
from simulations.disks import Disk, copy_tree
from simulations.parts import SimulatedParts
from simulations.scenario import NodePlan
from simulations.units import seconds
from simulations.world import MachineClock, SeededEntropy

_SYNCS_WITHIN_S = 15.0  # a node that does nothing syncs nothing, and keeps its power

T = TypeVar("T")
Tell = Callable[[str, str, dict[str, Any]], None]  # node, kind, facts


class Machine:
    """One machine of a history. `tell` is the trace."""

    def __init__(
        self, name: str, plan: NodePlan, folder: Path, seed: str, ether: Ether, tell: Tell
    ) -> None:
        self.name, self.plan, self._ether, self._tell = name, plan, ether, tell
        dice = random.Random(f"{seed} disk {name}")
        self.clock = MachineClock(seconds(plan.clock), plan.drift)
        self._entropy = SeededEntropy(f"{seed} entropy {name}")
        self.disk = Disk(folder / name, dice, plan.disk_bytes, ether.scale)
        self.disk.on_cut = lambda: self.kill("fsync")
        self.card = folder / name / "card"  # what the camera wrote
        self.card.mkdir()
        self.node: Node | None = None
        self.on_serving: Callable[[Machine, Node], None] = lambda _, __: None
        self.saved_s: float | None = None  # when somebody copied its data folder
        self.is_member = False  # admitted, and not revoked, as far as the history goes
        self.error: Exception | None = None  # why it could not start, or ended
        self._life: _Life | None = None

    @property
    def is_running(self) -> bool:
        return self.node is not None

    @property
    def is_busy(self) -> bool:
        """Whether it runs, or is about to."""
        return self._life is not None

    async def wait_dead(self) -> None:
        """Wait until the power goes, if it is about to."""
        if self._life is not None and self.disk.cut_at_sync is not None:
            with trio.move_on_after(_SYNCS_WITHIN_S):
                await self._life.is_dead.wait()
            self.disk.cut_at_sync = None

    @property
    def has_home(self) -> bool:
        """Whether there is a library on its disk."""
        return (self.disk.root / "home" / "library.json").exists()

    async def ask(self, work: Callable[[Node], Awaitable[T]]) -> T | None:
        """Have the node do something; None if it does not run, or dies meanwhile."""
        return (await self.ask_surely(work))[1]

    async def ask_surely(self, work: Callable[[Node], Awaitable[T]]) -> tuple[bool, T | None]:
        """Have the node do something; whether it said so, and what.

        A node that was stopped or died leaves it open whether it was done. Raises what `work` does.
        """
        life, node = self._life, self.node
        if life is None or node is None:
            return False, None
        with trio.CancelScope() as scope:
            life.asked[scope] = None
            try:
                answer: tuple[bool, T | None] = (True, await work(node))
            finally:
                life.asked.pop(scope, None)
        return (False, None) if scope.cancelled_caught else answer

    def begin(self, home: Path) -> trio.Event:
        """Start the daemon with a copy of this home, which it had before the history."""
        copy_tree(home, self.disk.root / "home")
        return self.start()

    def start(self, join: str | None = None) -> trio.Event:
        """Start the daemon; the event says that it serves, or failed."""
        assert self._life is None, "it runs"
        self._life = life = _Life(self, self._settings(join))
        self._ether.nursery.start_soon(life.run, name=self.name)
        return life.is_settled

    def _settings(self, join: str | None) -> Settings:
        return Settings(
            home=self.disk.root / "home",
            role=cast("Any", self.plan.role),  # judged there
            name=self.name,
            library_name="Simulated",
            http="127.0.0.1:0",
            listen=(),
            upnp=False,
            workers=1,
            join=join,
            log_level="error",
            **{"relay": "off", **self.plan.settings},
        )

    def world(self) -> World:
        return World(self.clock, self._entropy, self.disk.files, self.name)

    def kill(self, how: str = "") -> None:
        """Take the power away. What was not durable may be lost."""
        if self._life is None:
            return
        life, self._life, self.node = self._life, None, None
        life.die()
        lost_bytes = self.disk.cut_power()
        self._tell(self.name, "killed", {"lost": lost_bytes, "how": how})

    async def stop(self) -> None:
        """End the daemon cleanly, as `systemctl stop` does."""
        if self._life is None:
            return
        life = self._life
        life.stop.set()
        await life.is_over.wait()

    def note_serving(self, life: _Life, node: Node) -> None:
        if life is self._life:
            self.node, self.error = node, None
            self._tell(self.name, "started", {})
            self.on_serving(self, node)

    def note_over(self, life: _Life, error: Exception | None) -> None:
        if life is self._life:
            self._life, self.node, self.error = None, None, error
            facts = {} if error is None else {"error": repr(error)}
            self._tell(self.name, "stopped", facts)

    def look(self) -> None:
        """The network is another one now."""
        if self._life is not None:
            self._life.look()


class _Life:
    """From one start of a daemon to its end."""

    def __init__(self, machine: Machine, settings: Settings) -> None:
        self._machine, self._settings = machine, settings
        self._parts = SimulatedParts(machine._ether, machine.name)
        self._world = machine.world()
        self._scope = trio.CancelScope()
        self.asked: dict[trio.CancelScope, None] = {}  # what is being asked of it
        self.is_dead = trio.Event()
        self.stop, self.is_settled, self.is_over = trio.Event(), trio.Event(), trio.Event()

    async def run(self) -> None:
        error: Exception | None = None
        try:
            with self._scope:
                await run_node(
                    self._settings, face=self._face, ready=self._ready, stop=self.stop,
                    world=self._world, parts=self._parts,
                )  # fmt: skip
        except* Exception as group:  # noqa: BLE001 - it is told as the end of this life
            error = group.exceptions[0] if len(group.exceptions) == 1 else group
        self._forsake()
        self._machine.note_over(self, error)
        self.is_settled.set()
        self.is_over.set()

    async def _face(
        self, node: Node, host: str, port: int, *, task_status: TaskStatus[str]
    ) -> None:
        """Stand for the HTTP face: nobody comes that way, acts call the node itself."""
        del host, port
        task_status.started("http://127.0.0.1:1")
        self._node = node
        await trio.sleep_forever()

    def _ready(self, status: StatusView) -> None:
        del status
        self._machine.note_serving(self, self._node)
        self.is_settled.set()

    def look(self) -> None:
        for transport in self._parts.transports:
            transport.look()

    def die(self) -> None:
        for transport in self._parts.transports:
            transport.die()
        self._scope.cancel()
        self._forsake()
        self.is_dead.set()
        self.is_settled.set()

    def _forsake(self) -> None:
        for scope in list(self.asked):
            scope.cancel()

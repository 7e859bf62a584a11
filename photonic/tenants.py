"""Several libraries in one daemon: each a whole node with a home, keys, journal, store and peers of
its own, so that nothing needs to be checked for one not to reach into another.

What they share is the process, its event loop, the disk, and the porch: the one HTTP address, where
each has a face of its own. A library that fails is told and tried again, and the others go on. Only
what no library can do without ends the daemon: its home folder, its HTTP address, and, where there
is only one library, that one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol

import anyio
import trio
from anyio.abc import TaskGroup, TaskStatus

from photonic import limits
from photonic.config import Settings
from photonic.errors import HomeInUse, PhotonicError
from photonic.lodging import FIRST, Lodging
from photonic.running import Face
from photonic.startup import run_node
from photonic.supervise import unwrapped
from photonic.views import StatusView

log = logging.getLogger(__name__)

State = Literal["starting", "serving", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a library does not serve, and what to do about it."""

    code: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class TenantView:
    """One library of the daemon, as its owner sees it at the machine."""

    name: str  # "" for the first
    path: str  # where page and REST of it are
    library: str  # what its members call it; "" until it served
    state: State
    problem: Failure | None = None


class Porch(Protocol):
    """The HTTP address that all libraries share."""

    @property
    def can_open(self) -> bool:
        """Whether it listens, or nobody has found yet that it cannot."""
        ...

    def face(self, name: str) -> Face:
        """Return what serves the node of one library there, and only that one."""
        ...

    def path(self, name: str) -> str:
        """Return the path below which a library is served; it ends with a slash."""
        ...


@dataclass(slots=True)
class _Tenant:
    """One library while the daemon keeps it running."""

    lodging: Lodging | None  # None: the first
    stop: trio.Event = field(default_factory=trio.Event)
    library: str = ""
    state: State = "starting"
    problem: Failure | None = None


class Tenants:
    """The libraries of one home folder. See the module."""

    def __init__(
        self,
        find: Callable[[], list[Lodging]],
        settings_of: Callable[[Lodging | None], Settings],
        porch: Porch,
        ready: Callable[[StatusView], None],
        stop: trio.Event,
    ) -> None:
        """`find` says which further libraries there are; `settings_of` is asked at every start of
        one, None for the first, and may raise ConfigInvalid; `ready` hears of each that serves."""
        self._find, self._settings_of, self._porch = find, settings_of, porch
        self._ready, self._stop = ready, stop
        self._tenants: dict[str, _Tenant] = {}
        self._over: dict[str, Lodging] = {}  # those that were told to stop, as they were then
        self._changed = trio.Event()

    def views(self) -> list[TenantView]:
        """Return all libraries that are served, or should be; the first one first."""
        views = [
            TenantView(name, self._porch.path(name), one.library, one.state, one.problem)
            for name, one in self._tenants.items()
        ]
        views += [TenantView(name, self._porch.path(name), "", "stopped") for name in self._over]
        return sorted(views, key=lambda view: view.name)

    async def run(self) -> None:
        """Serve all libraries until `stop`, or until every one was told to stop.

        Raises HomeInUse, what keeps the porch from opening, and what ends the only library.
        """
        with unwrapped():
            async with anyio.create_task_group() as tasks:
                first = self._tenants[FIRST] = _Tenant(None)
                tasks.start_soon(self._stop_all)
                await tasks.start(self._keep, FIRST, first)
                await self._follow(tasks)
                tasks.cancel_scope.cancel()

    async def _stop_all(self) -> None:
        await self._stop.wait()
        for one in self._tenants.values():
            one.stop.set()
        self._note_change()

    def _note_change(self) -> None:
        self._changed.set()

    async def _follow(self, tasks: TaskGroup) -> None:
        """Start and stop libraries as their lodgings say, while there is one to serve."""
        while True:
            self._changed = trio.Event()
            if not self._stop.is_set():
                found = await trio.to_thread.run_sync(self._find)
                self._settle(tasks, {one.name: one for one in found if one.serves})
            if not self._tenants:
                return
            with trio.move_on_after(limits.LIBRARIES_LOOK_S):
                await self._changed.wait()

    def _settle(self, tasks: TaskGroup, wanted: dict[str, Lodging]) -> None:
        for name, one in self._tenants.items():
            if name != FIRST and name not in wanted:
                one.stop.set()
        self._over = {name: was for name, was in self._over.items() if wanted.get(name) == was}
        for name, lodging in wanted.items():
            has_room = len(self._tenants) < limits.LIBRARIES_MAX
            if name not in self._tenants and name not in self._over and has_room:
                tenant = self._tenants[name] = _Tenant(lodging)
                keep = partial(self._keep, name, tenant, task_status=anyio.TASK_STATUS_IGNORED)
                tasks.start_soon(keep)

    async def _keep(self, name: str, tenant: _Tenant, *, task_status: TaskStatus[None]) -> None:
        """Run one library until it is told to stop; try again, later and later, when it fails.

        Reports when it serves for the first time, or has failed for the first time.
        """
        pause_s = limits.RECONNECT_MIN_S
        has_reported = False

        def report() -> None:
            nonlocal has_reported
            if not has_reported:
                has_reported = True
                task_status.started()

        try:
            while not tenant.stop.is_set():
                began_s = trio.current_time()
                if await self._run_once(name, tenant, report):
                    if tenant.lodging is not None and not tenant.stop.is_set():
                        self._over[name] = tenant.lodging
                    break
                report()
                if trio.current_time() - began_s > limits.RECONNECT_MAX_S:
                    pause_s = limits.RECONNECT_MIN_S  # it ran well; this is new trouble
                with trio.move_on_after(pause_s):
                    await tenant.stop.wait()
                pause_s = min(2 * pause_s, limits.RECONNECT_MAX_S)
        finally:
            del self._tenants[name]
            self._note_change()
        report()

    async def _run_once(self, name: str, tenant: _Tenant, report: Callable[[], None]) -> bool:
        """Run one library to its end; tell whether it ended because somebody told it to."""

        def note_ready(status: StatusView) -> None:
            tenant.state, tenant.problem = "serving", None
            tenant.library = status.library.name
            self._ready(status)
            report()

        tenant.state = "starting"
        try:
            settings = await trio.to_thread.run_sync(self._settings_of, tenant.lodging)
            await run_node(
                settings, face=self._porch.face(name), ready=note_ready, stop=tenant.stop
            )
        except PhotonicError as error:
            if self._is_fatal(name, error):
                raise
            told = error
        except Exception:
            if self._is_alone(name):
                raise
            log.exception("the library %s failed", name or "(the first)")
            told = PhotonicError("it failed in a way that nobody foresaw; the log has it")
        else:
            return True
        tenant.state, tenant.problem = "failed", Failure(told.code, told.message, told.fix)
        log.error("the library %s does not serve: %s: %s → %s",
                  name or "(the first)", told.code, told.message, told.fix)  # fmt: skip
        return False

    def _is_fatal(self, name: str, error: PhotonicError) -> bool:
        """Whether the daemon cannot go on without this library."""
        is_in_use = name == FIRST and isinstance(error, HomeInUse)
        return is_in_use or self._is_alone(name) or not self._porch.can_open

    def _is_alone(self, name: str) -> bool:
        """Whether this is the first library, and there is no other."""
        served = {one.name for one in self._find() if one.serves}
        return name == FIRST and not (served | set(self._tenants)) - {FIRST}

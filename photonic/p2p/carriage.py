"""The carrier as its node sees it: started, told what to do, heard, and ended.

One process for a node. What it reports is given on in the order in which it came; when it dies,
whoever waits for it hears of that, and its owner starts another.
"""

from __future__ import annotations

import array
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

import photonic
from photonic import limits, wire
from photonic.errors import CarrierDied
from photonic.p2p.lane_messages import Begin, Echo, Echoed, Listening, Order, Report

# Chunks come and go all the time: memory that held one is kept for the next, not given back to the
# kernel and asked for again, page by page. Bounded by what is under way at one time.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(16 * limits.MIB),
    "MALLOC_TRIM_THRESHOLD_": str(64 * limits.MIB),
    "MALLOC_ARENA_MAX": "2",
}


class Carriage:
    """One life of a carrier. `run` owns the process; `order` may be called while it runs."""

    def __init__(
        self, begin: Begin, heard: Callable[[Report], None], ready: Callable[[], None]
    ) -> None:
        """`ready` is called on the event loop's thread when it listens, `heard` for each report
        after that."""
        self._begin, self._heard, self._ready = begin, heard, ready
        self._channel: trio.socket.SocketType | None = None
        self._orders: list[tuple[bytes, socket.socket | None]] = []
        self._has_orders = trio.Event()
        self._echoes: dict[int, trio.Event] = {}  # by the number that was asked for
        self._numbers = 0
        self.is_ready = False
        self.port = 0  # where lanes come in; 0: nowhere
        self.pid = 0

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run a carrier until cancelled; started when it listens. Raises CarrierDied."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await trio.lowlevel.open_process(
                # Never a module from whatever folder the node was started in.
                [sys.executable, "-P", "-m", "photonic.p2p.carrier", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={
                    **os.environ,
                    **_MEMORY,
                    "PYTHONPATH": str(Path(photonic.__file__).parents[1]),
                },
            )
        self.pid = process.pid
        self._channel = trio.socket.from_stdlib_socket(ours)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send)
                self.order(self._begin)
                with suppress(OSError):  # it died while something was on its way
                    await self._hear(task_status)
                nursery.cancel_scope.cancel()
            raise CarrierDied("the process that moves files ended")
        finally:
            self.port, self.is_ready = 0, False
            self._channel.close()
            for _, passed in self._orders:
                if passed is not None:
                    passed.close()
            with trio.CancelScope(shield=True):
                # It ends with its socket; what hangs in a disk does not.
                with trio.move_on_after(limits.CARRIER_STOP_S):
                    await process.wait()
                process.kill()
                await process.wait()

    def order(self, order: Order, passed: socket.socket | None = None) -> None:
        """Tell the carrier something, with a socket for it to have; never waits."""
        self._orders.append((wire.frame(wire.encode(order)), passed))
        self._has_orders.set()

    async def wait_done(self) -> None:
        """Wait until it has done what it was told so far, within bounds."""
        if not self.is_ready:
            return
        self._numbers += 1
        number, done = self._numbers, trio.Event()
        self._echoes[number] = done
        self.order(Echo(number))
        try:
            with trio.move_on_after(limits.CARRIER_START_S):
                await done.wait()
        finally:
            del self._echoes[number]

    async def _send(self) -> None:
        with suppress(OSError):  # it died; whoever hears, hears its end
            while True:
                await self._has_orders.wait()
                self._has_orders = trio.Event()
                waiting, self._orders = self._orders, []
                for data, passed in waiting:
                    await self._send_one(data, passed)

    async def _send_one(self, data: bytes, passed: socket.socket | None) -> None:
        assert self._channel is not None
        view = memoryview(data)
        if passed is not None:
            rights = array.array("i", [passed.fileno()]).tobytes()
            with passed:
                sent = await self._channel.sendmsg(
                    [view], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                )
            view = view[sent:]
        while view:
            view = view[await self._channel.send(view) :]

    async def _hear(self, task_status: TaskStatus[None]) -> None:
        assert self._channel is not None
        reader = wire.FrameReader()
        while data := await self._channel.recv(limits.READ_BYTES):
            for body in reader.feed(data):
                report: Report = wire.decode(body, Report)  # type: ignore[arg-type]
                if isinstance(report, Listening):
                    self.port, self.is_ready = report.port, True
                    self._ready()
                    with suppress(RuntimeError):  # nobody waits for it
                        task_status.started()
                elif isinstance(report, Echoed):
                    if report.number in self._echoes:
                        self._echoes[report.number].set()
                else:
                    self._heard(report)

"""Nodes with real transports and real carriers on loopback, of which some know no address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from anyio.abc import TaskStatus

from photonic.blobs.files import FileStore
from photonic.errors import CarrierDied
from photonic.events import Event
from photonic.identity import Identity
from photonic.ids import NodeId
from photonic.p2p.circuits import RELAYS
from photonic.p2p.connector import Connector
from photonic.p2p.lane_messages import LANE_PROTOCOL, Report
from photonic.p2p.lanes import Lanes
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import BLOB_PROTOCOL, Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.planner import Want
from photonic.p2p.reach import Attempt
from photonic.p2p.reaching import Ways
from photonic.p2p.transfers import Transfers
from photonic.p2p.transport import Admission, PeerDown, PeerEvent, PeerMoved, PeerUp, Stream
from photonic.p2p.ways import Way
from photonic.photos import BlobRef
from photonic.world import World
from tests.p2p.peer import ECHO, echo, read_all
from tests.p2p.transfer_cluster import BRISK, ListedWants

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
WORLD = World()


class ReachNode:
    """One node: transport, carrier, transfers, and all ways to others."""

    def __init__(self, folder: Path, *, relays: bool = False, listens: bool = True) -> None:
        self.identity = Identity.generate(WORLD)
        self.node = self.identity.node
        self.folder, self.relays = folder, relays
        listen = (LOOPBACK,) if listens else ()
        self.transport = Libp2pTransport(self.identity, listen, WORLD)
        self.store = FileStore.open(folder, WORLD)
        self.book = PeerBook(self.node)
        self.admissions: dict[NodeId, Admission] = {}
        self.members: list[NodeId] = []
        self.events: list[PeerEvent] = []
        self.told: list[Event] = []
        self.reports: list[Report] = []
        self.wants = ListedWants()
        self.changed = trio.Event()
        self.lanes = Lanes(
            self.transport, self.identity, folder, [LOOPBACK] if listens else [], WORLD,
            lambda node: self.ways.lane_address(node),  # noqa: PLW0108
            lambda report: self.ways.hear(report),  # noqa: PLW0108
        )  # fmt: skip
        self.ways = Ways(
            self.transport, self.book, self.lanes, self.gate, lambda _: None, WORLD,
            lambda: self.relays, self._report, self._move,
        )  # fmt: skip
        self.transfers = Transfers(
            self.transport, self.store, self.wants, WORLD, self._announce, BRISK, lanes=self.lanes
        )
        self.connector = Connector(
            self.transport, self.book, lambda: self.members, WORLD, self.ways.attempts,
            self.ways.networks, self.ways.circuits.relays,
        )  # fmt: skip

    def gate(self, node: NodeId) -> Admission:
        return self.admissions.get(node, Admission.MEMBER)

    def _announce(self, event: Event) -> None:
        self.told.append(event)
        self.tell()

    def _report(self, report: Report) -> None:
        self.reports.append(report)
        self.transfers.hear(report)

    def _move(self, node: NodeId) -> None:
        self.transfers.move(node)

    def tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def on_peer(self, event: PeerEvent) -> None:
        """What `Sessions` and the node do with it."""
        self.events.append(event)
        now_s = WORLD.clock.monotonic_s()
        if isinstance(event, PeerUp):
            self.book.note_up(event.node, event.address, 0, event.footing, now_s)
        elif isinstance(event, PeerMoved):
            self.book.note_moved(event.node, event.footing, now_s)
        elif isinstance(event, PeerDown):
            self.book.note_down(event.node, 0, now_s)
        self.ways.note(event)
        self.connector.wake()
        self.transfers.wake()
        self.tell()

    def meet(self, *others: ReachNode) -> None:
        """Know who the others are, and which of them relay, as from their greetings."""
        for other in others:
            hello = Hello(
                name="x", host="x", role="central", state="x", mode="x", version="1", addresses=(),
                capabilities=(RELAYS,) if other.relays else (),
            )  # fmt: skip
            self.book.note_hello(other.node, hello)
            self.members.append(other.node)

    def way(self, other: ReachNode) -> Way | None:
        footing = self.transport.footing(other.node)
        return footing.way if footing else None

    def want(self, refs: Sequence[BlobRef], holder: ReachNode) -> None:
        self.wants.wants += [
            Want(ref, f"{number}.jpg", (number,), frozenset({holder.node}), (0, number))
            for number, ref in enumerate(refs)
        ]
        self.transfers.wake()

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so; looked at when something happens here, and on a timer."""
        while not is_so():
            with trio.move_on_after(0.02):
                await self.changed.wait()

    async def dial(self, other: ReachNode) -> None:
        await self.transport.dial(other.node, other.transport.addresses())

    async def reach(self, other: ReachNode) -> None:
        await self.ways.circuits.reach(self.book.get(other.node))

    async def punch(self, other: ReachNode) -> None:
        await self.ways.attempts[Attempt.PUNCH](self.book.get(other.node))

    async def ask(self, other: ReachNode, data: bytes) -> bytes:
        stream: Stream = await self.transport.open(other.node, ECHO)
        try:
            await stream.send(data)
            await stream.close()
            return await read_all(stream)
        finally:
            await stream.close()

    async def run(self, *, connects: bool = False, task_status: TaskStatus[Any]) -> None:
        handlers = {
            ECHO: echo, BLOB_PROTOCOL: self.transfers.serve, LANE_PROTOCOL: self.lanes.serve,
            **self.ways.handlers,
        }  # fmt: skip
        async with trio.open_nursery() as nursery:

            async def listen(*, task_status: TaskStatus[Any]) -> None:
                await self.transport.run(
                    handlers, {}, self.gate, self.on_peer, task_status=task_status
                )

            async def fetch(*, task_status: TaskStatus[Any]) -> None:
                await self.transfers.run(task_status=task_status)

            async def carry(*, task_status: TaskStatus[Any]) -> None:
                while True:
                    with suppress(CarrierDied):
                        await self.lanes.run(task_status=task_status)

            await nursery.start(listen)
            await nursery.start(fetch)
            await nursery.start(carry)
            if connects:
                nursery.start_soon(self.connector.run)
            task_status.started()


@asynccontextmanager
async def running(*nodes: ReachNode, connects: bool = False) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for node in nodes:

            async def run(node: ReachNode, *, task_status: TaskStatus[Any]) -> None:
                await node.run(connects=connects, task_status=task_status)

            await nursery.start(run, node)
        yield
        nursery.cancel_scope.cancel()


def play(story: Callable[[], Awaitable[None]], limit_s: float = 60.0) -> None:
    async def main() -> None:
        with trio.fail_after(limit_s):
            await story()

    trio.run(main)

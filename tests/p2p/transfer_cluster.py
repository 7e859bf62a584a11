"""Nodes that fetch blobs from each other inside one process, over the memory transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from photonic import wire
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import BlobStore
from photonic.errors import CarrierDied
from photonic.events import Event
from photonic.identity import Identity
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.blob_messages import Answer
from photonic.p2p.lane_messages import LANE_PROTOCOL
from photonic.p2p.lanes import Lanes
from photonic.p2p.memory_transport import MemoryNetwork, MemoryTransport
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.planner import Want, WantPage, WantsAsked
from photonic.p2p.transfers import Pace, Transfers
from photonic.p2p.transport import Admission, StreamHandler
from photonic.photos import BlobRef
from photonic.world import World
from tests.blobs.samples import jpeg, noise

BIG = [jpeg(noise(30_000, n), noise(3_000_000, n)) for n in range(4)]
SMALL = [noise(20_000 + n, n) for n in range(40)]
BRISK = Pace(stall_s=1.0, tick_s=0.02, disk_recheck_s=0.05)
# For tests that count: on a busy machine an honest peer is silent for longer than a second.
PATIENT = Pace(stall_s=15.0, tick_s=0.02, disk_recheck_s=0.05)


@dataclass
class ListedWants:
    """Wants that somebody wrote down; what arrived is struck out."""

    wants: list[Want] = field(default_factory=list)
    arrivals: list[BlobRef] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    async def wanted(self, asked: WantsAsked) -> WantPage:
        known = [want for want in self.wants if want.holders & asked.reachable]
        rest = sorted(
            (want for want in known if want.position >= asked.begin),
            key=lambda want: want.position,
        )
        page, behind = rest[: asked.limit], rest[asked.limit :]
        return WantPage(tuple(page), behind[0].position if behind else None)

    async def arrived(self, refs: Sequence[BlobRef]) -> None:
        self.arrivals.extend(refs)
        here = {ref.blob for ref in refs}
        self.wants = [want for want in self.wants if want.ref.blob not in here]
        self.tell()

    def tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()


@dataclass
class TransferNode:
    """One node of the cluster."""

    transport: MemoryTransport
    store: BlobStore
    wants: ListedWants
    transfers: Transfers
    events: list[Event]
    scope: anyio.CancelScope
    ended: anyio.Event = field(default_factory=anyio.Event)
    lanes: Lanes | None = None

    @property
    def node(self) -> NodeId:
        return self.transport.node

    def want(self, refs: Iterable[BlobRef], holders: Iterable[TransferNode | NodeId]) -> None:
        """Want these blobs from these nodes, in the order given."""
        nodes = frozenset(h if isinstance(h, bytes) else h.node for h in holders)
        start = len(self.wants.wants)
        self.wants.wants += [
            Want(ref, f"{number}.jpg", (number,), nodes, (0, number))
            for number, ref in enumerate(refs, start)
        ]
        self.transfers.wake()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; looked at again whenever something happened here."""
        while not condition():
            await self.wants.changed.wait()

    async def wait_for_all(self) -> None:
        await self.wait_for(lambda: not self.wants.wants)


@dataclass(frozen=True)
class LaneSettings:
    """Where a node's carrier keeps blobs, and where the others are reached (None: nowhere)."""

    folder: Path
    address: str | None = "/ip4/127.0.0.1/tcp/1"
    listen: str = "/ip4/127.0.0.1/tcp/0"  # empty: nowhere
    port: int | None = None


class TransferCluster:
    """Makes nodes; a node ends when its scope is cancelled or the cluster ends."""

    def __init__(self, tasks: TaskGroup) -> None:
        self.network = MemoryNetwork()
        self.started: list[TransferNode] = []
        self._tasks = tasks

    async def start(
        self,
        name: str,
        store: BlobStore,
        *,
        serve: StreamHandler | None = None,
        pace: Pace = BRISK,
        world: World | None = None,
        lanes: LaneSettings | None = None,
    ) -> TransferNode:
        """Start a node; `serve` replaces its honest way of answering.

        `lanes`: blobs go over lanes, carried by a process; `store` is that of the same folder.
        """
        identity = Identity(digest(name.encode()))
        transport = self.network.transport(identity.node)
        wants, events = ListedWants(), list[Event]()

        def announce(event: Event) -> None:
            events.append(event)
            wants.tell()

        carried: Lanes | None = None
        if lanes is not None:
            carried = Lanes(
                transport,
                identity,
                lanes.folder,
                [lanes.listen] if lanes.listen else [],
                World(),
                lambda node: lanes.address,
                lambda report: transfers.hear(report),  # noqa: PLW0108 - it comes next
                lanes.port,
            )
        transfers = Transfers(
            transport, store, wants, world or World(), announce, pace, lanes=carried
        )
        node = TransferNode(transport, store, wants, transfers, events, anyio.CancelScope())
        handlers = {BLOB_PROTOCOL: serve or transfers.serve}
        if carried is not None:
            node.lanes = carried
            handlers[LANE_PROTOCOL] = carried.serve

        async def live(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            with node.scope:
                async with anyio.create_task_group() as tasks:

                    async def carry(*, task_status: anyio.abc.TaskStatus[None]) -> None:
                        await transport.run(
                            handlers,
                            {},
                            lambda peer: Admission.MEMBER,
                            lambda event: transfers.wake(),
                            task_status=task_status,
                        )

                    async def fetch(*, task_status: anyio.abc.TaskStatus[None]) -> None:
                        await transfers.run(task_status=task_status)

                    await tasks.start(carry)
                    await tasks.start(fetch)
                    if carried is not None:
                        await tasks.start(keep_carrying, carried)
                    task_status.started()
            node.ended.set()

        await self._tasks.start(live)
        self.started.append(node)
        return node

    async def join(self, *nodes: TransferNode) -> None:
        """Connect every node with every other."""
        for number, one in enumerate(nodes):
            for other in nodes[number + 1 :]:
                await one.transport.dial(other.node, other.transport.addresses())


async def keep_carrying(lanes: Lanes, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Start a carrier again when it died, as a node does."""
    while True:
        with suppress(CarrierDied):
            await lanes.run(task_status=task_status)


@asynccontextmanager
async def cluster(limit_s: float = 20.0) -> AsyncIterator[TransferCluster]:
    """Run a cluster for the length of a test, which fails if it takes longer than the limit."""
    with anyio.fail_after(limit_s):
        async with anyio.create_task_group() as tasks:
            yield TransferCluster(tasks)
            tasks.cancel_scope.cancel()


def run(main: Callable[[TransferCluster], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with cluster() as nodes:
            await main(nodes)

    anyio.run(limited, backend="trio")


def run_with_ticks(main: Callable[[TransferCluster], Awaitable[None]]) -> None:
    """Run a test whose condition changes without an event: conditions are looked at on a timer."""

    async def ticking(nodes: TransferCluster) -> None:
        done = anyio.Event()

        async def tick() -> None:
            while not done.is_set():
                with anyio.move_on_after(0.02):
                    await done.wait()
                for node in nodes.started:
                    node.wants.tell()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            await main(nodes)
            done.set()

    run(ticking)


def filled(datas: Sequence[bytes]) -> MemoryStore:
    store = MemoryStore(World())
    for data in datas:
        store.put(data)
    return store


def refs(datas: Sequence[bytes]) -> list[BlobRef]:
    return [scan_bytes(data).ref for data in datas]


def chunk_count(datas: Sequence[bytes]) -> int:
    return sum(len(scan_bytes(data).chunks) for data in datas)


def assert_held(store: BlobStore, datas: Sequence[bytes]) -> None:
    assert [store.read(BlobId(digest(data))) for data in datas] == list(datas)


def decode_answer(body: bytes | bytearray) -> Answer:
    answer: Answer = wire.decode(body, Answer)  # type: ignore[arg-type]  # one of a union
    return answer

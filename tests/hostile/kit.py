"""A member's node with single honest steps taken out, among honest nodes that are all real.

`Malice` has a certificate and a key, so it passes every gate; it signs and frames with the
product's own parts, and sends what no honest node would. `Honest` is a catalog with its
conversations, over the memory transport.
"""

from __future__ import annotations

import resource
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import trio

from photonic import wire
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Change, SignedChange, seal
from photonic.crdt.keys import change_key, shard_of
from photonic.crdt.sync import Message, Push
from photonic.crdt.updates import of_entries
from photonic.errors import PhotonicError
from photonic.identity import Identity
from photonic.ids import LibraryId, NodeId, Subject
from photonic.journal.journal import CHANGES
from photonic.p2p.conduct import Conduct
from photonic.p2p.memory_transport import MemoryNetwork
from photonic.p2p.messages import CATALOG_PROTOCOL
from photonic.p2p.peers import PeerBook
from photonic.p2p.sessions import Sessions
from photonic.p2p.transport import Admission, Stream
from photonic.world import World
from tests.crdt.replicas import Cluster
from tests.p2p.test_sessions import Talker

WITHIN_S = 60
_clients = count(1_000_001)


class Honest(Talker):
    """An honest node: it shuns whom it must, and remembers whom it told of."""

    def __init__(self, network: MemoryNetwork, node: NodeId, catalog: Catalog) -> None:
        super().__init__(network, node, catalog)
        self.told: list[NodeId] = []
        self.conduct = Conduct(World().clock, self._tell)
        self.gate = self.conduct.gate(lambda _: Admission.MEMBER)
        self.sessions = Sessions(
            self.transport, self.call, PeerBook(node), World(), self.hello, lambda _: None,
            self.conduct,
        )  # fmt: skip

    def _tell(self, node: NodeId, pause_s: float) -> None:
        self.told.append(node)
        self.changed.set()

    async def run(
        self, serve: Callable[[Stream], Awaitable[None]] | None = None, *, task_status: Any
    ) -> None:
        handlers = {CATALOG_PROTOCOL: serve or self.sessions.serve}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.sessions.run)
            await self.transport.run(handlers, {}, self.gate, self.note, task_status=task_status)


class Malice:
    """The member that means harm: what it makes, and how it says it."""

    def __init__(self, identity: Identity, library: LibraryId) -> None:
        self.identity, self.library = identity, library
        self._numbers = count(1)

    def change(
        self,
        subject: Subject,
        sets: Mapping[str, Any] | None = None,
        *,
        parents: Sequence[bytes] = (),
        seq: int | None = None,
        at: int = 1 << 16,
        adds: Mapping[str, tuple[str, ...]] | None = None,
        removes: Mapping[str, Mapping[str, tuple[bytes, ...]]] | None = None,
    ) -> SignedChange:
        """Sign anything at all in its own name."""
        number = next(self._numbers) if seq is None else seq
        body = Change(
            subject.kind, subject.key, tuple(parents), self.identity.node, number, at,
            dict(sets or {}), dict(adds or {}), removes or {},
        )  # fmt: skip
        return seal(self.identity, self.library, body)

    def push(self, *some: SignedChange) -> Push:
        """Return these changes, all of one shard, as an update under a client of its own."""
        return push(shard_of(some[0].change.subject), entries(*some))


def entries(*some: SignedChange) -> dict[str, bytes]:
    return {change_key(signed.id): signed.data for signed in some}


def push(shard: int, of: Mapping[str, bytes], document: int = CHANGES) -> Push:
    return Push(shard, document, of_entries(next(_clients), 0, of))


class Line:
    """The stream on which the culprit speaks with one honest node; it reads what it is told to."""

    def __init__(self, network: MemoryNetwork, malice: Malice) -> None:
        self.transport = network.transport(malice.identity.node)

    async def run(self, *, task_status: Any) -> None:
        async def read_nothing(stream: Stream) -> None:
            await trio.sleep_forever()

        await self.transport.run(
            {CATALOG_PROTOCOL: read_nothing}, {}, lambda _: Admission.MEMBER, lambda _: None,
            task_status=task_status,
        )  # fmt: skip

    async def reach(self, victim: Honest) -> Stream:
        """Open a stream, once the victim has begun its own side of the conversation."""
        await self.transport.dial(victim.transport.node, victim.transport.addresses())
        stream = await self.transport.open(victim.transport.node, CATALOG_PROTOCOL)
        sessions = victim.sessions._sessions
        while (s := sessions.get(self.transport.node)) is None or s.reconciler is None:
            await trio.lowlevel.checkpoint()
        return stream

    async def say(self, stream: Stream, *messages: Message) -> bool:
        """Send messages; False if the other end has cut the connection."""
        try:
            for message in messages:
                await stream.send(wire.frame(wire.encode(message)))
        except PhotonicError:
            return False
        return True


Story = Callable[[trio.Nursery, Honest, Honest, Line, Malice], Awaitable[None]]


def play(story: Story, cluster: Cluster | None = None) -> None:
    """Run a story of two honest nodes, which are connected, and a culprit, which is not yet."""
    cluster = cluster or Cluster(3)
    network = MemoryNetwork()

    async def main() -> None:
        left, right = (
            Honest(network, cluster.identities[n].node, cluster.catalogs[n]) for n in (0, 1)
        )
        malice = Malice(cluster.identities[2], cluster.library)
        line = Line(network, malice)
        with trio.fail_after(WITHIN_S):
            async with trio.open_nursery() as nursery:
                for node in (left, right, line):
                    await nursery.start(node.run)
                await left.transport.dial(right.transport.node, right.transport.addresses())
                await story(nursery, left, right, line, malice)
                nursery.cancel_scope.cancel()

    trio.run(main)


async def wait_same(left: Honest, right: Honest) -> None:
    """Wait until two nodes have the same, byte for byte."""
    while left.catalog.root_digest() != right.catalog.root_digest():
        with trio.move_on_after(0.05):
            await left.changed.wait()


def resident_bytes() -> int:
    """Return what this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()

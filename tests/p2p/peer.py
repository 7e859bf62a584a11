"""A running transport as tests use it: what it admits, what it announced, a few protocols."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import anyio

from photonic.ids import NodeId
from photonic.p2p.transport import (
    Admission,
    PeerEvent,
    Stream,
    StreamHandler,
    Transport,
)

MakeTransport = Callable[[], Transport]

ECHO, GUEST, SINK, BOOM = "/test/echo/1", "/test/guest/1", "/test/sink/1", "/test/boom/1"
WAIT_S = 20.0


class Peer:
    """A running transport, what it admits, and what it announced."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.node = transport.node
        self.admissions: dict[NodeId, Admission] = {}
        self.default = Admission.MEMBER
        self.events: list[PeerEvent] = []
        self._changed = anyio.Event()

    def gate(self, node: NodeId) -> Admission:
        return self.admissions.get(node, self.default)

    def on_peer(self, event: PeerEvent) -> None:
        self.events.append(event)
        self._changed.set()
        self._changed = anyio.Event()

    def kinds(self, node: NodeId) -> list[type[PeerEvent]]:
        return [type(event) for event in self.events if event.node == node]

    async def wait_kinds(self, node: NodeId, *kinds: type[PeerEvent]) -> None:
        """Wait until exactly these were announced about `node`."""
        with anyio.fail_after(WAIT_S):
            while self.kinds(node) != list(kinds):
                await self._changed.wait()

    async def dial(self, other: Peer) -> None:
        await self.transport.dial(other.node, other.transport.addresses())

    async def ask(self, other: Peer, protocol: str, data: bytes) -> bytes:
        """Send `data` on a new stream, end our side, return all that comes back."""
        stream = await self.transport.open(other.node, protocol)
        try:
            await stream.send(data)
            await stream.close()
            return await read_all(stream)
        finally:
            await stream.close()


async def read_all(stream: Stream) -> bytes:
    data = bytearray()
    while piece := await stream.receive(65_536):
        data += piece
    return bytes(data)


async def send_for_ever(stream: Stream) -> None:
    while True:
        await stream.send(bytes(1 << 20))


async def echo(stream: Stream) -> None:
    while data := await stream.receive(65_536):
        await stream.send(data)


async def guest_only(stream: Stream) -> None:
    await stream.send(b"guest " + await stream.receive(64))


async def boom(stream: Stream) -> None:
    await stream.receive(64)
    raise ValueError("a handler's own mistake")


HANDLERS: Mapping[str, StreamHandler] = {ECHO: echo, BOOM: boom}
GUEST_HANDLERS: Mapping[str, StreamHandler] = {GUEST: guest_only}


@asynccontextmanager
async def running(
    transport: Transport,
    handlers: Mapping[str, StreamHandler] = HANDLERS,
    guest_handlers: Mapping[str, StreamHandler] = GUEST_HANDLERS,
) -> AsyncIterator[Peer]:
    """Run `transport` for the length of the block."""
    peer = Peer(transport)
    async with anyio.create_task_group() as tasks:
        run = functools.partial(transport.run, handlers, guest_handlers, peer.gate, peer.on_peer)
        await tasks.start(run)
        yield peer
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected_pair(
    make: MakeTransport, handlers: Mapping[str, StreamHandler] = HANDLERS
) -> AsyncIterator[tuple[Peer, Peer]]:
    async with running(make(), handlers) as a, running(make(), handlers) as b:
        await a.dial(b)
        yield a, b

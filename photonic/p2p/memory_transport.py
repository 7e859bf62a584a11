"""Streams with peers inside one process: the transport of tests, of simulations and of benches.

A real transport, not a pretence: it keeps the contract of transport.Transport, with its gate, its
bounds and its back-pressure, and passes the same suite. What it leaves out is the wire: there is
no encryption (a peer is who the network says), no latency and no heartbeat.
`MemoryNetwork.cut` breaks the connections between two nodes and keeps them from making new ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus

from photonic import limits
from photonic.errors import PeerUnreachable, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p.links import Link, Links
from photonic.p2p.transport import (
    Admission,
    Gate,
    PeerListener,
    Stream,
    StreamHandler,
)

log = logging.getLogger(__name__)

_PIPE_BYTES_MAX = 256 * limits.KIB


class MemoryNetwork:
    """Who can reach whom. Makes the transports and joins them."""

    def __init__(self) -> None:
        self._cut: set[frozenset[NodeId]] = set()
        self._running: dict[NodeId, MemoryTransport] = {}

    def transport(self, node: NodeId) -> MemoryTransport:
        """Return a new transport for `node`; at most one of a node may run at a time."""
        return MemoryTransport(self, node)

    def cut(self, a: NodeId, b: NodeId) -> None:
        """Break what connects `a` and `b`, until `heal`. May be repeated."""
        self._cut.add(frozenset((a, b)))
        if a in self._running:
            self._running[a].drop(b)

    def heal(self, a: NodeId, b: NodeId) -> None:
        """Let `a` and `b` dial each other again. May be repeated."""
        self._cut.discard(frozenset((a, b)))

    def enter(self, transport: MemoryTransport) -> None:
        assert transport.node not in self._running, "one running transport for each node"
        self._running[transport.node] = transport

    def leave(self, transport: MemoryTransport) -> None:
        del self._running[transport.node]

    def find(self, dialler: NodeId, node: NodeId) -> MemoryTransport | None:
        """Return the running transport of `node` if `dialler` can reach it."""
        is_cut = frozenset((dialler, node)) in self._cut
        return None if is_cut else self._running.get(node)


class MemoryTransport:
    """See transport.Transport. Made by `MemoryNetwork.transport`."""

    def __init__(self, network: MemoryNetwork, node: NodeId) -> None:
        self._network, self._node = network, node
        self._wires: dict[Link, _Wire] = {}
        self._handlers: dict[Admission, dict[str, StreamHandler]] = {}
        self._links: Links
        self._tasks: TaskGroup

    @property
    def node(self) -> NodeId:
        return self._node

    async def run(
        self,
        handlers: Mapping[str, StreamHandler],
        guest_handlers: Mapping[str, StreamHandler],
        gate: Gate,
        on_peer: PeerListener,
        *,
        task_status: TaskStatus[None],
    ) -> None:
        self._handlers = {
            Admission.MEMBER: {**guest_handlers, **handlers},
            Admission.GUEST: dict(guest_handlers),
        }
        self._links = Links(self._node, gate, on_peer, anyio.current_time)
        async with anyio.create_task_group() as self._tasks:
            self._network.enter(self)
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                self._network.leave(self)
                self._links.drop_all()

    def addresses(self) -> tuple[str, ...]:
        return (f"/memory/{peer_id(self._node)}",)

    def connected(self) -> frozenset[NodeId]:
        return self._links.nodes()

    def latency_ms(self, node: NodeId) -> float | None:
        return 0.0 if self._links.best(node) else None

    def drop(self, node: NodeId) -> None:
        self._links.drop(node)

    async def dial(self, node: NodeId, addresses: Sequence[str]) -> None:
        await anyio.lowlevel.checkpoint()
        known = self._links.best(node)
        if known and self._links.review(known) is not Admission.REFUSED:
            return
        other = self._network.find(self._node, node)
        if other is None or not set(addresses) & set(other.addresses()):
            raise PeerUnreachable(f"{peer_id(node)} cannot be reached")
        ours, theirs = self._links.admit(node), other._links.admit(self._node)
        if Admission.REFUSED in (ours, theirs):
            raise PeerUnreachable(f"{peer_id(node)} and this node do not admit each other")
        wire = _Wire()
        self._join(wire, other, ours)
        if wire.is_live:
            other._join(wire, self, theirs)
        if not wire.is_live:
            raise PeerUnreachable(f"{peer_id(node)} cut the connection at once")

    def _join(self, wire: _Wire, other: MemoryTransport, admission: Admission) -> None:
        """Enter our end of a connection into our book."""
        link = Link(other.node, other.addresses()[0], admission, wire.abort, anyio.current_time())
        wire.ends[self._node] = link
        self._wires[link] = wire

        def forget() -> None:
            self._wires.pop(link, None)
            self._links.remove(link)

        wire.on_abort.append(forget)
        self._links.add(link)

    async def open(self, node: NodeId, protocol: str) -> Stream:
        await anyio.lowlevel.checkpoint()
        link = self._links.best(node)
        other = self._network.find(self._node, node)
        if link is None or other is None or self._links.review(link) is Admission.REFUSED:
            raise PeerUnreachable(f"{peer_id(node)} is not connected")
        wire = self._wires[link]
        handler = other._handler_for(wire.ends[node], protocol)
        if handler is None or not wire.is_live:
            raise StreamBroken(f"the peer does not speak {protocol} with us")
        there, back = wire.pipe(), wire.pipe()
        other._tasks.start_soon(other._serve, handler, _MemoryStream(self._node, there, back))
        return _MemoryStream(node, back, there)

    def _handler_for(self, link: Link, protocol: str) -> StreamHandler | None:
        return self._handlers.get(self._links.review(link), {}).get(protocol)

    async def _serve(self, handler: StreamHandler, stream: _MemoryStream) -> None:
        try:
            await handler(stream)
            await stream.close()
        except StreamBroken as error:
            log.debug("a stream of %s ended: %r", peer_id(stream.peer), error)
        except Exception:
            log.exception("a handler failed on a stream of %s", peer_id(stream.peer))
        finally:
            stream.finish()


class _Wire:
    """One connection: its two links and its pipes."""

    def __init__(self) -> None:
        self.ends: dict[NodeId, Link] = {}
        self.on_abort: list[Callable[[], None]] = []
        self.is_live = True
        self._pipes: set[_Pipe] = set()

    def pipe(self) -> _Pipe:
        self._pipes = {pipe for pipe in self._pipes if not pipe.is_over}
        pipe = _Pipe()
        self._pipes.add(pipe)
        return pipe

    def abort(self) -> None:
        """Break both ends at once. May be repeated."""
        if not self.is_live:
            return
        self.is_live = False
        for pipe in self._pipes:
            pipe.break_off()
        for forget in self.on_abort:
            forget()


class _Pipe:
    """Bytes on their way in one direction, at most `_PIPE_BYTES_MAX` of them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._is_ended = self._is_broken = False
        self._changed = anyio.Event()

    @property
    def has_ended(self) -> bool:
        return self._is_ended

    @property
    def is_over(self) -> bool:
        return self._is_broken or (self._is_ended and not self._buffer)

    def _announce(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            await anyio.lowlevel.checkpoint()
            while len(self._buffer) >= _PIPE_BYTES_MAX and not self._is_broken:
                await self._changed.wait()
            if self._is_broken or self._is_ended:
                raise StreamBroken("the stream is closed")
            room = _PIPE_BYTES_MAX - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]
            self._announce()

    async def receive(self, size_max: int) -> bytes:
        await anyio.lowlevel.checkpoint()
        while not self._buffer:
            if self._is_broken:
                raise StreamBroken("the stream was broken, or its connection")
            if self._is_ended:
                return b""
            await self._changed.wait()
        data = bytes(self._buffer[:size_max])
        del self._buffer[:size_max]
        self._announce()
        return data

    def end(self) -> None:
        self._is_ended = True
        self._announce()

    def break_off(self) -> None:
        """End it for both; what is unread is lost."""
        if not self.is_over:
            self._is_broken = True
            self._buffer.clear()
            self._announce()


class _MemoryStream:
    """One end of a stream; see transport.Stream. A cancelled `send` tears the stream."""

    def __init__(self, peer: NodeId, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._peer, self._incoming, self._outgoing = peer, incoming, outgoing

    @property
    def peer(self) -> NodeId:
        return self._peer

    async def send(self, data: bytes) -> None:
        try:
            await self._outgoing.send(data)
        except BaseException:
            self._outgoing.break_off()
            raise

    async def receive(self, size_max: int) -> bytes:
        return await self._incoming.receive(size_max)

    async def close(self) -> None:
        self._outgoing.end()

    def finish(self) -> None:
        """Give up what is still open: the peer's next send or receive breaks."""
        self._incoming.break_off()
        if not self._outgoing.has_ended:
            self._outgoing.break_off()

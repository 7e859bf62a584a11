"""Streams between simulated machines: `p2p.transport.ReachingTransport` over a virtual network.

Like memory_transport, but with a wire: handshakes take their round trips, bytes their time, and a
connection that broke at one end is believed in at the other until that end's patience is over.
Handshakes prove who answers, as Noise does: a peer is who the network says.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio
from anyio.abc import TaskStatus

from photonic import limits
from photonic.errors import PeerUnreachable, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p.links import Link, Links
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.transport import Admission, Gate, PeerListener, Stream, StreamHandler
from photonic.p2p.ways import Footing, Way
from photonic.p2p.ways import Network as IpNetwork
from simulations.network import Flow, Network, Segment

log = logging.getLogger(__name__)

_WINDOW_BYTES = 256 * limits.KIB  # unread and under way, of one direction of a stream
_SEGMENT_BYTES = 64 * limits.KIB
_CONTROL_BYTES = 64  # to open, accept or end a stream
_HANDSHAKE_TRIPS = 3


class Witness(Protocol):
    """Who is told what goes over the network; the trace."""

    def message(
        self, source: str, target: str, protocol: str, size_bytes: int, arrives_s: float | None
    ) -> None: ...


@dataclass(slots=True)
class Ether:
    """What the transports of one history share. `scale`: virtual bytes a byte of a file's bytes."""

    network: Network
    witness: Witness
    nursery: trio.Nursery
    scale: int = 1
    running: dict[str, SimulatedTransport] = field(default_factory=dict)
    names: dict[NodeId, str] = field(default_factory=dict)


class SimulatedTransport:
    """See transport.ReachingTransport. `name` is the machine's; it may run once at a time."""

    def __init__(self, ether: Ether, name: str, node: NodeId) -> None:
        self._ether, self._name, self._node = ether, name, node
        self.outside: tuple[str, ...] = ()
        self.is_dead = False  # the power is gone: whatever code still runs here reaches nobody
        self._connections: dict[Link, _End] = {}
        self._handlers: dict[Admission, dict[str, StreamHandler]] = {}
        self._dialling: dict[NodeId, trio.Lock] = {}
        self._links: Links
        self._nursery: trio.Nursery
        ether.names[node] = name

    @property
    def node(self) -> NodeId:
        return self._node

    @property
    def _is_running(self) -> bool:
        return self._ether.running.get(self._name) is self

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
        self._links = Links(self._node, gate, on_peer, trio.current_time)
        assert self._name not in self._ether.running, "one running transport for each machine"
        async with trio.open_nursery() as self._nursery:
            self._ether.running[self._name] = self
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                if self._is_running:
                    del self._ether.running[self._name]
                self._links.drop_all()

    def die(self) -> None:
        """Be gone at once, and tell nobody: the power went."""
        self.is_dead = True
        if self._is_running:
            del self._ether.running[self._name]
        for end in list(self._connections.values()):
            end.lose()

    def look(self) -> None:
        """The network is another one now: let connections over ways that are gone, go."""
        for end in list(self._connections.values()):
            end.doubt()

    # --- what the product asks ----------------------------------------------------------------

    def addresses(self) -> tuple[str, ...]:
        address = self._ether.network.address(self._name)
        return () if address is None else (address,)

    def connected(self) -> frozenset[NodeId]:
        return self._links.nodes()

    def latency_ms(self, node: NodeId) -> float | None:
        link = self._links.best(node)
        return link.latency_ms if link else None

    def footing(self, node: NodeId) -> Footing | None:
        link = self._links.best(node)
        return link.footing if link else None

    def drop(self, node: NodeId) -> None:
        self._links.drop(node)

    async def adopt(
        self, node: NodeId, socket: TcpSocket, footing: Footing, *, is_dialler: bool
    ) -> None:
        del socket, footing, is_dialler
        raise PeerUnreachable(f"{peer_id(node)}: nobody makes connections for others here")

    async def dial(self, node: NodeId, addresses: Sequence[str]) -> None:
        await self.improve(node, addresses, min(Way))

    async def improve(self, node: NodeId, addresses: Sequence[str], least: Way) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_dead:
            raise PeerUnreachable(f"{peer_id(node)}: there is no power here")
        async with self._dialling.setdefault(node, trio.Lock()):
            known = self._links.best(node)
            if known and self._links.review(known) is not Admission.REFUSED and known.way >= least:
                return
            if self._links.admit(node) is Admission.REFUSED:
                raise PeerUnreachable(f"{peer_id(node)} is not admitted here")
            await self._connect(node, addresses)

    async def _connect(self, node: NodeId, addresses: Sequence[str]) -> None:
        network, reason = self._ether.network, "no address"
        for address in addresses:
            target = network.machine_at(address)
            if target is None or target == self._name or not network.can_dial(self._name, target):
                reason = f"{address}: nobody answered"
                await trio.sleep(limits.DIAL_TIMEOUT_S)
                continue
            latency_s = network.latency_s(self._name, target) or 0.0
            await trio.sleep(latency_s * 2 * _HANDSHAKE_TRIPS)
            other = self._ether.running.get(target)
            if self.is_dead or not network.can_dial(self._name, target):
                reason = f"{address}: the handshake was not answered"
                await trio.sleep(limits.HANDSHAKE_TIMEOUT_S)
            elif other is None or other.node != node:
                reason = f"{address}: refused"
            else:
                self._meet(other, address)
                return
        raise PeerUnreachable(f"{peer_id(node)} cannot be reached: {reason}", reason)

    def _meet(self, other: SimulatedTransport, address: str) -> None:
        """Make a connection, if both gates let it through. Raises PeerUnreachable."""
        ours, theirs = self._links.admit(other.node), other._links.admit(self.node)
        if Admission.REFUSED in (ours, theirs):
            raise PeerUnreachable(f"{peer_id(other.node)} and this node do not admit each other")
        here, there = _End(self, other), _End(other, self)
        here.far, there.far = there, here
        source = self._ether.network.address(self._name) or address
        self._enter(here, address, ours)
        other._enter(there, source, theirs)
        if not here.is_live:
            raise PeerUnreachable(f"{peer_id(other.node)} cut the connection at once")

    def _enter(self, end: _End, address: str, admission: Admission) -> None:
        network = self._ether.network
        is_near = end.other._name in network.neighbours(self._name)
        latency_s = network.latency_s(self._name, end.other._name) or 0.0
        link = Link(
            end.other.node,
            address,
            admission,
            end.abort,
            trio.current_time(),
            latency_ms=2_000 * latency_s,
            way=Way.LAN if is_near else Way.DIRECT,
        )
        self._connections[link] = end

        def forget() -> None:
            self._connections.pop(link, None)
            if self._is_running:
                self._links.remove(link)

        end.on_end.append(forget)
        self._links.add(link)

    async def open(self, node: NodeId, protocol: str) -> Stream:
        await trio.lowlevel.checkpoint()
        link = self._links.best(node)
        if link is None or self._links.review(link) is Admission.REFUSED:
            raise PeerUnreachable(f"{peer_id(node)} is not connected")
        end = self._connections[link]
        stream = _Stream(end, protocol)
        end.send(_CONTROL_BYTES, lambda: end.other._accept(end.far, stream, protocol))
        with trio.move_on_after(limits.HELLO_TIMEOUT_S):
            await stream.answered.wait()
        if stream.far is None:
            stream.finish()
            raise StreamBroken(f"the peer does not speak {protocol} with us")
        return stream

    def _accept(self, end: _End, theirs: _Stream, protocol: str) -> None:
        """Hear of a stream that a peer opens, and answer whether it may."""
        link = next((link for link, each in self._connections.items() if each is end), None)
        handler = None
        if link is not None:
            handler = self._handlers.get(self._links.review(link), {}).get(protocol)
        if handler is None or not self._is_running:
            end.send(_CONTROL_BYTES, theirs.answered.set)
            return
        stream = _Stream(end, protocol, theirs)
        end.send(_CONTROL_BYTES, lambda: theirs.answer(stream))
        self._nursery.start_soon(self._serve, handler, stream)

    async def _serve(self, handler: StreamHandler, stream: _Stream) -> None:
        try:
            await handler(stream)
            await stream.close()
        except StreamBroken as error:
            log.debug("a stream of %s ended: %r", peer_id(stream.peer), error)
        except Exception:
            log.exception("a handler failed on a stream of %s", peer_id(stream.peer))
        finally:
            stream.finish()


class _End:
    """One end of a connection, as its machine believes in it."""

    far: _End

    def __init__(self, owner: SimulatedTransport, other: SimulatedTransport) -> None:
        self.owner, self.other = owner, other
        self.is_live = True
        self.on_end: list[Callable[[], None]] = []
        self._streams: dict[_Stream, None] = {}
        self._address = owner._ether.network.address(owner._name)
        self._is_doubted = False

    def send(self, size_bytes: float, arrive: Callable[[], None]) -> float | None:
        """Send something to the far end; lost if either end is gone when it would arrive."""
        if not self.is_live or self.owner.is_dead:
            return None
        segment = Segment(
            self.owner._name, self.other._name, size_bytes, arrive, lambda: self.far.is_live, Flow()
        )
        return self.owner._ether.network.post(segment)

    def add(self, stream: _Stream) -> None:
        self._streams = {each: None for each in self._streams if not each.is_over}
        self._streams[stream] = None

    def abort(self) -> None:
        """End it here, and tell the other end, if that gets through. May be repeated."""
        if self.is_live:
            self.send(_CONTROL_BYTES, self.far.lose)
            self.far.doubt_soon()
            self.lose()

    def lose(self) -> None:
        """End it here. May be repeated."""
        if not self.is_live:
            return
        self.is_live = False
        if self.owner.is_dead:
            self.far.doubt_soon()
        for stream in list(self._streams):
            stream.break_off()
        for forget in self.on_end:
            forget()

    def doubt(self) -> None:
        """Begin to lose patience if nothing comes from the other end any more, or never can."""
        network = self.owner._ether.network
        here, there = self.owner._name, self.other._name
        has_moved = network.address(here) != self._address
        if has_moved or not (network.passes(here, there) and network.passes(there, here)):
            self.doubt_soon()

    def doubt_soon(self) -> None:
        if self.is_live and not self._is_doubted:
            self._is_doubted = True
            self.owner._ether.nursery.start_soon(self._lose_patience)

    async def _lose_patience(self) -> None:
        network = self.owner._ether.network
        await trio.sleep(network.patience_s())
        self._is_doubted = False
        here, there = self.owner._name, self.other._name
        both = network.passes(here, there) and network.passes(there, here)
        stays = both and network.address(here) == self._address and self.far.is_live
        if not stays and self.is_live and not self.owner.is_dead:
            self.abort()


class _Stream:
    """One end of a stream; see transport.Stream. A cancelled `send` tears the stream."""

    def __init__(self, end: _End, protocol: str, far: _Stream | None = None) -> None:
        self._end, self._protocol, self.far = end, protocol, far
        self.answered = trio.Event()
        self._buffer = bytearray()
        self._sent_bytes = self._taken_bytes = 0  # what is sent; what the far reader took of it
        self._untold_bytes = 0  # that were read here, and the far writer does not know
        self._flow = Flow()
        self._is_closed = self._has_ended = self._is_broken = not end.is_live
        self._is_refused = False  # nobody reads at the far end any more
        self._changed = trio.Event()
        self._scale = end.owner._ether.scale if protocol == BLOB_PROTOCOL else 1
        end.add(self)

    @property
    def peer(self) -> NodeId:
        return self._end.other.node

    @property
    def _may_send(self) -> bool:
        return not (self._is_broken or self._is_refused)

    @property
    def is_over(self) -> bool:
        return self._is_broken or (self._is_closed and self._has_ended and not self._buffer)

    def answer(self, far: _Stream) -> None:
        self.far = far
        self.answered.set()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, data: bytes) -> None:
        try:
            await self._send(data)
        except BaseException:
            self.break_off()
            self._end.send(_CONTROL_BYTES, self._break_far)
            raise

    async def _send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest:
            while self._sent_bytes - self._taken_bytes >= _WINDOW_BYTES and self._may_send:
                await self._changed.wait()
            if not self._may_send or self._is_closed:
                raise StreamBroken("the stream is closed")
            room = min(_SEGMENT_BYTES, _WINDOW_BYTES - self._sent_bytes + self._taken_bytes)
            piece, rest = bytes(rest[:room]), rest[room:]
            self._sent_bytes += len(piece)
            arrives_s = self._post(len(piece), partial(self._deliver, piece))
            end = self._end
            end.owner._ether.witness.message(
                end.owner._name, end.other._name, self._protocol, len(piece), arrives_s
            )

    def _post(self, size_bytes: int, arrive: Callable[[], None]) -> float | None:
        """Send what comes after everything that was sent on this stream before."""
        if not self._end.is_live or self._end.owner.is_dead:
            return None
        segment = Segment(
            self._end.owner._name,
            self._end.other._name,
            size_bytes * self._scale + _CONTROL_BYTES,
            arrive,
            lambda: self._end.far.is_live,
            self._flow,
        )
        return self._end.owner._ether.network.post(segment)

    def _deliver(self, piece: bytes) -> None:
        if self.far is not None and not self.far._is_broken:
            self.far._buffer += piece
            self.far._announce()

    async def receive(self, size_max: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._buffer:
            if self._is_broken:
                raise StreamBroken("the stream was broken, or its connection")
            if self._has_ended:
                return b""
            await self._changed.wait()
        data = bytes(self._buffer[:size_max])
        del self._buffer[:size_max]
        self._untold_bytes += len(data)
        if self._untold_bytes >= _WINDOW_BYTES // 4:
            told_bytes, self._untold_bytes = self._untold_bytes, 0
            self._end.send(0, lambda: self._note_taken(told_bytes))
        return data

    def _note_taken(self, size_bytes: int) -> None:
        if self.far is not None:
            self.far._taken_bytes += size_bytes
            self.far._announce()

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._post(0, self._end_far)

    def _end_far(self) -> None:
        if self.far is not None:
            self.far._has_ended = True
            self.far._announce()

    def _break_far(self) -> None:
        if self.far is not None:
            self.far.break_off()

    def break_off(self) -> None:
        """End it here; what is unread is lost."""
        if not self._is_broken:
            self._is_broken = True
            self._buffer.clear()
            self._announce()
        self.answered.set()

    def finish(self) -> None:
        """Give up what is still open: the peer's next send breaks, and its receive if we had more.

        What we sent and ended is still read there.
        """
        if self._is_broken:
            return
        self._post(0, self._refuse_far if self._is_closed else self._break_far)
        self.break_off()

    def _refuse_far(self) -> None:
        if self.far is not None:
            self.far._is_refused = True
            self.far._announce()


def networks_at(network: Network, name: str) -> tuple[IpNetwork, ...]:
    """Return the IP networks that a machine is on: the one of its place."""
    address = network.address(name)
    if address is None:
        return ()
    host = address.split("/")[2]
    first, second, _, _ = host.split(".")
    return (ipaddress.IPv4Network(f"{first}.{second}.0.0/16"),)

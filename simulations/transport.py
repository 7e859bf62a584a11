"""Streams between simulated machines: `p2p.transport.ReachingTransport` over a virtual network.

Like memory_transport, but with a wire: handshakes take their round trips, bytes their time, and a
connection that broke at one end is believed in at the other until that end's patience is over.
Handshakes prove who answers, as Noise does: a peer is who the network says.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping, Sequence

import trio
from anyio.abc import TaskStatus

from photonic import limits
from photonic.errors import PeerUnreachable, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p.links import Link, Links
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.transport import Admission, Gate, PeerListener, Stream, StreamHandler
from photonic.p2p.ways import Footing, Way
from photonic.p2p.ways import Network as IpNetwork
from simulations.connections import CONTROL_BYTES, End, Ether, SimulatedStream
from simulations.network import Network

log = logging.getLogger(__name__)

_HANDSHAKE_TRIPS = 3


class SimulatedTransport:
    """See transport.ReachingTransport. `name` is the machine's; it may run once at a time."""

    def __init__(self, ether: Ether, name: str, node: NodeId) -> None:
        self.ether, self.name, self._node = ether, name, node
        self.outside: tuple[str, ...] = ()
        self.is_dead = False  # the power is gone: whatever code still runs here reaches nobody
        self._connections: dict[Link, End] = {}
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
        return self.ether.running.get(self.name) is self

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
        assert self.name not in self.ether.running, "one running transport for each machine"
        async with trio.open_nursery() as self._nursery:
            self.ether.running[self.name] = self
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                if self._is_running:
                    del self.ether.running[self.name]
                self._links.drop_all()

    def die(self) -> None:
        """Be gone at once, and tell nobody: the power went."""
        self.is_dead = True
        if self._is_running:
            del self.ether.running[self.name]
        for end in list(self._connections.values()):
            end.lose()

    def look(self) -> None:
        """The network is another one now: let connections over ways that are gone, go."""
        for end in list(self._connections.values()):
            end.doubt()

    # --- what the product asks ----------------------------------------------------------------

    def addresses(self) -> tuple[str, ...]:
        address = self.ether.network.address(self.name)
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
        network, reason = self.ether.network, "no address"
        for address in addresses:
            target = network.machine_at(address)
            if target is None or target == self.name or not network.can_dial(self.name, target):
                reason = f"{address}: nobody answered"
                await trio.sleep(limits.DIAL_TIMEOUT_S)
                continue
            latency_s = network.latency_s(self.name, target) or 0.0
            await trio.sleep(latency_s * 2 * _HANDSHAKE_TRIPS)
            other = self.ether.running.get(target)
            if self.is_dead or not network.can_dial(self.name, target):
                reason = f"{address}: the handshake was not answered"
                await trio.sleep(limits.HANDSHAKE_TIMEOUT_S)
            elif not isinstance(other, SimulatedTransport) or other.node != node:
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
        here, there = End(self, other), End(other, self)
        here.far, there.far = there, here
        source = self.ether.network.address(self.name) or address
        self._enter(here, address, ours)
        other._enter(there, source, theirs)
        if not here.is_live:
            raise PeerUnreachable(f"{peer_id(other.node)} cut the connection at once")

    def _enter(self, end: End, address: str, admission: Admission) -> None:
        network = self.ether.network
        is_near = end.other.name in network.neighbours(self.name)
        latency_s = network.latency_s(self.name, end.other.name) or 0.0
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
        stream = SimulatedStream(end, protocol)
        end.send(CONTROL_BYTES, lambda: end.other.accept(end.far, stream, protocol))
        with trio.move_on_after(limits.HELLO_TIMEOUT_S):
            await stream.answered.wait()
        if stream.far is None:
            stream.finish()
            raise StreamBroken(f"the peer does not speak {protocol} with us")
        return stream

    def accept(self, end: End, theirs: SimulatedStream, protocol: str) -> None:
        """Hear of a stream that a peer opens, and answer whether it may."""
        link = next((link for link, each in self._connections.items() if each is end), None)
        handler = None
        if link is not None:
            handler = self._handlers.get(self._links.review(link), {}).get(protocol)
        if handler is None or not self._is_running:
            end.send(CONTROL_BYTES, theirs.answered.set)
            return
        stream = SimulatedStream(end, protocol, theirs)
        end.send(CONTROL_BYTES, lambda: theirs.answer(stream))
        self._nursery.start_soon(self._serve, handler, stream)

    async def _serve(self, handler: StreamHandler, stream: SimulatedStream) -> None:
        try:
            await handler(stream)
            await stream.close()
        except StreamBroken as error:
            log.debug("a stream of %s ended: %r", peer_id(stream.peer), error)
        except Exception:
            log.exception("a handler failed on a stream of %s", peer_id(stream.peer))
        finally:
            stream.finish()


def networks_at(network: Network, name: str) -> tuple[IpNetwork, ...]:
    """Return the IP networks that a machine is on: the one of its place."""
    address = network.address(name)
    if address is None:
        return ()
    host = address.split("/")[2]
    first, second, _, _ = host.split(".")
    return (ipaddress.IPv4Network(f"{first}.{second}.0.0/16"),)

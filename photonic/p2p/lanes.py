"""Lanes with other members: agreed on over the control plane, carried by a process of their own.

The daemon decides and keeps account; the carrier moves the bytes. With a peer to which no lane can
be opened (it cannot be reached directly, or has no carrier) the same blob stream runs over libp2p,
and its bytes are handed to the carrier through a socket: so there is one engine, whatever the way.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits, wire
from photonic.errors import FrameInvalid, RelayRefused, StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.p2p import lane_messages as said
from photonic.p2p.addresses import parse_endpoint
from photonic.p2p.carriage import Carriage
from photonic.p2p.lane_certificates import check_certificate, make_credentials
from photonic.p2p.lane_messages import LANE_PROTOCOL, TICKET_BYTES
from photonic.p2p.lane_streams import LaneStream
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.rates import Bandwidth
from photonic.p2p.transport import Stream, Transport
from photonic.world import World

log = logging.getLogger(__name__)

_PORT_MAX = 65_535


class Leg(NamedTuple):
    """Where to meet a peer that cannot be reached itself: at a relay, with a ticket."""

    host: str
    port: int
    ticket: bytes


class Detours(Protocol):
    """The ways to peers through others."""

    def is_needed(self, node: NodeId) -> bool:
        """Whether the peer is reached through a relay, and not otherwise."""
        ...

    async def leg(self, node: NodeId) -> Leg:
        """Bring a lane's other end to a relay. Raises RelayRefused, StreamBroken."""
        ...


class Lanes:
    """All lanes of one node. `run` owns every task; see the module."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        store: Path,
        listen: Sequence[str],
        world: World,
        address_of: Callable[[NodeId], str | None],
        report: Callable[[said.Report], None],
        detours: Detours | None = None,
    ) -> None:
        """`listen` are the transport's multiaddresses; lanes come in at the port behind the first.

        `address_of` is where a peer was reached; `report` hears what concerns no lane that is
        fetched over. `detours` are there for peers that have no such place.
        """
        self.detours = detours
        self._transport, self._world = transport, world
        self._address_of, self._report = address_of, report
        self._credentials = make_credentials(identity)
        ends = [parse_endpoint(address) for address in listen]
        hosts = tuple(dict.fromkeys(end.host for end in ends))
        port = next((end.port + 1 for end in ends if 0 < end.port < _PORT_MAX), 0)
        self._begin = said.Begin(str(store), *self._credentials, hosts, port)
        self._carriage: Carriage | None = None
        self._streams: dict[int, LaneStream] = {}
        self._numbers = 0
        self._bandwidth = Bandwidth()
        self._no_lane_until_s: dict[NodeId, float] = {}

    @property
    def is_ready(self) -> bool:
        """Whether there is a carrier that takes orders."""
        return self._carriage is not None and self._carriage.is_ready

    @property
    def port(self) -> int:
        """Where lanes come in; 0: nowhere."""
        return self._carriage.port if self._carriage is not None else 0

    @property
    def pid(self) -> int | None:
        return self._carriage.pid if self._carriage is not None else None

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run a carrier until cancelled. Raises CarrierDied; then it may be run again."""
        self._carriage = Carriage(self._begin, self._hear)
        self.order(said.Limit(self._bandwidth))
        try:
            await self._carriage.run(task_status=task_status)
        finally:
            self._carriage = None
            streams, self._streams = self._streams, {}
            for stream in streams.values():
                stream.end(StreamBroken("the process that moves files ended"))

    def order(self, order: said.Order, passed: socket.socket | None = None) -> None:
        """Tell the carrier something; if there is none, nobody needs to hear it."""
        if self._carriage is not None:
            self._carriage.order(order, passed)
        elif passed is not None:
            passed.close()

    def limit(self, bandwidth: Bandwidth) -> None:
        """Let the carrier go by these limits."""
        self._bandwidth = bandwidth
        self.order(said.Limit(bandwidth))

    def shun(self, node: NodeId) -> None:
        """End all lanes with a peer at once: there is no connection that vouches for it."""
        self.order(said.Shun(node))

    def _hear(self, report: said.Report) -> None:
        match report:
            case said.Opened(lane) if lane in self._streams:
                self._streams[lane].note_open()
            case said.Ended(lane) if lane in self._streams:
                self._streams.pop(lane).note_end(report)
            case said.Came(lane) if lane in self._streams:
                self._streams[lane].note(report)
            case _:
                self._report(report)

    # --- the giving side ---------------------------------------------------------------------

    async def serve(self, stream: Stream) -> None:
        """Agree with a peer on a lane: the handler of `LANE_PROTOCOL`."""
        with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
            try:
                ask = wire.decode(await _receive(stream), said.AskLane)
                check_certificate(ask.certificate, stream.peer)
                await stream.send(wire.frame(wire.encode(self._offer(stream.peer, ask))))
            except (StreamBroken, FrameInvalid) as error:
                log.info("%s got no lane: %s", peer_id(stream.peer), error)
        await stream.close()

    def _offer(self, peer: NodeId, ask: said.AskLane) -> said.LaneAnswer:
        if self._carriage is None or not self._carriage.is_ready:
            return said.NoLane("the process that moves files is not there")
        if not self._carriage.port and not self._needs_detour(peer):
            return said.NoLane("this node listens nowhere")
        ticket = self._world.entropy.token(TICKET_BYTES)
        self.order(said.Expect(peer, ticket, ask.certificate, limits.LANE_TICKET_S))
        return said.OfferLane(ticket, self._carriage.port, self._credentials.certificate)

    def _needs_detour(self, peer: NodeId) -> bool:
        return self.detours is not None and self.detours.is_needed(peer)

    def try_again(self, node: NodeId) -> None:
        """Open lanes with a peer where there was none to be had: it is reached on another way."""
        self._no_lane_until_s.pop(node, None)

    # --- the fetching side -------------------------------------------------------------------

    async def carry(self, stream: LaneStream) -> None:
        """Open a lane for `stream`, or what stands for one, and wait for its end.

        Raises PeerUnreachable, StreamBroken, FrameInvalid.
        """
        if not self.is_ready:
            raise StreamBroken("the process that moves files is not there")
        self._numbers += 1
        number = self._numbers
        self._streams[number] = stream
        stream.number = number
        try:
            dial = await self._agree(stream.node, number)
            if dial is not None:
                self.order(dial)
                if await stream.wait_open():
                    return await stream.wait_end()
                self._no_lane_until_s[stream.node] = trio.current_time() + limits.LANE_RETRY_S
                log.info("no lane with %s: %s", peer_id(stream.node), stream.reason)
                self._streams[number] = stream
            await self._bridge(stream)
        finally:
            if self._streams.pop(number, None) is not None:
                self.order(said.Hang(number))

    async def _agree(self, node: NodeId, number: int) -> said.Dial | None:
        """Ask a peer for a lane; None if there is none to be had now."""
        address = self._address_of(node)
        is_refused = trio.current_time() < self._no_lane_until_s.get(node, 0.0)
        is_behind = self._needs_detour(node)
        if is_refused or (address is None and not is_behind):
            return None
        answer: said.LaneAnswer = said.NoLane("it did not answer in time")
        try:
            with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
                stream = await self._transport.open(node, LANE_PROTOCOL)
                try:
                    await stream.send(
                        wire.frame(wire.encode(said.AskLane(self._credentials.certificate)))
                    )
                    answer = wire.decode(
                        await _receive(stream),
                        said.LaneAnswer,  # type: ignore[arg-type]
                    )
                finally:
                    await stream.close()
            if isinstance(answer, said.OfferLane):
                check_certificate(answer.certificate, node)
                return await self._dial(node, number, answer)
        except (StreamBroken, RelayRefused) as error:  # an older photonic does not speak of lanes
            answer = said.NoLane(error.message)
        log.info("%s gives no lane: %s", peer_id(node), answer.reason)
        if is_behind == self._needs_detour(node):  # else it moved, and the next one may stand
            self._no_lane_until_s[node] = trio.current_time() + limits.LANE_RETRY_S
        return None

    async def _dial(self, node: NodeId, number: int, offer: said.OfferLane) -> said.Dial:
        """Return how to come to a lane that was offered, by the way on which the peer is now.

        Raises RelayRefused, StreamBroken.
        """
        address = self._address_of(node)
        if self._needs_detour(node) and self.detours is not None:
            there = await self.detours.leg(node)
        else:
            if address is None:
                raise StreamBroken("the peer is reached on another way by now")
            there = Leg(parse_endpoint(address).host, offer.port, b"")
        return said.Dial(
            number, node, there.host, there.port, offer.ticket, offer.certificate, there.ticket
        )

    async def _bridge(self, stream: LaneStream) -> None:
        """Fetch over a libp2p stream, whose bytes go through a socket to the carrier."""
        control = await self._transport.open(stream.node, BLOB_PROTOCOL)
        ours, theirs = socket.socketpair()
        near = trio.socket.from_stdlib_socket(ours)
        self.order(said.Adopt(stream.number, stream.node), theirs)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pump_in, control, near)
                nursery.start_soon(_pump_out, near, control)
                await stream.has_ended()
                nursery.cancel_scope.cancel()
        finally:
            near.close()
            with trio.CancelScope(shield=True):
                await control.close()
        await stream.wait_end()


async def _pump_in(control: Stream, near: trio.socket.SocketType) -> None:
    """Bring what the peer sends to the carrier, until either ends."""
    try:
        while data := await control.receive(limits.READ_BYTES):
            view = memoryview(data)
            while view:
                view = view[await near.send(view) :]
    except (StreamBroken, OSError):
        pass  # the carrier sees its socket end, and says so
    near.shutdown(socket.SHUT_WR)


async def _pump_out(near: trio.socket.SocketType, control: Stream) -> None:
    try:
        while data := await near.recv(limits.READ_BYTES):
            await control.send(data)
    except (StreamBroken, OSError):
        pass


async def _receive(stream: Stream) -> bytes:
    """Return the one frame that a peer sends. Raises StreamBroken, FrameInvalid."""
    reader = wire.FrameReader(limits.LANE_FRAME_BYTES_MAX)
    while data := await stream.receive(limits.LANE_FRAME_BYTES_MAX):
        for body in reader.feed(data):
            return body
    raise StreamBroken("a peer ended the stream instead of speaking of a lane")

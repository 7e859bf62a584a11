"""Lanes with other members: agreed on over the control plane, carried by a process of their own.

The daemon decides and keeps account; the carrier moves the bytes. With a peer to which no lane can
be opened (it cannot be reached directly, or has no carrier) the same blob stream runs over libp2p,
and its bytes are handed to the carrier through a socket: so there is one engine, whatever the way.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits, wire
from photonic.errors import FrameInvalid, RelayRefused, StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.p2p import lane_messages as said
from photonic.p2p.addresses import parse_endpoint
from photonic.p2p.bridge import join
from photonic.p2p.carriage import Carriage
from photonic.p2p.detours import Detours, Leg
from photonic.p2p.lane_certificates import Credentials, check_certificate, make_credentials
from photonic.p2p.lane_messages import LANE_PROTOCOL, TICKET_BYTES
from photonic.p2p.lane_streams import LaneStream
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.rates import Bandwidth
from photonic.p2p.transport import Stream, Transport
from photonic.world import World

log = logging.getLogger(__name__)

_PORT_MAX = 65_535


class _Visit:
    """An attempt to open a lane to answer over."""

    def __init__(self) -> None:
        self.is_over = trio.Event()
        self.reason = "it took too long"  # why there is no lane; empty: there is one


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
        lane_port: int | None = None,
        detours: Detours | None = None,
        *,
        quota_bytes: int | None = None,
    ) -> None:
        """`listen` are the transport's multiaddresses; lanes come in at the same hosts, and at
        `lane_port`, or at the port behind the first.

        `address_of` is where a peer was reached; `report` hears what concerns no lane that is
        fetched over. `quota_bytes` bounds the store. `detours` are there for peers that have no
        such place.
        """
        self.detours = detours
        self._transport, self._world = transport, world
        self._address_of, self._report = address_of, report
        self._identity = identity
        ends = [parse_endpoint(address) for address in listen]
        hosts = tuple(dict.fromkeys(end.host for end in ends))
        if (port := lane_port) is None:
            port = next((end.port + 1 for end in ends if 0 < end.port < _PORT_MAX), 0)
        self._store, self._hosts, self._port = str(store), hosts, port
        self._quota_bytes = quota_bytes
        self._carriage: Carriage | None = None
        self._became_ready = trio.Event()
        self._streams: dict[int, LaneStream] = {}
        self._numbers = 0
        self._bandwidth = Bandwidth()
        self._no_lane_until_s: dict[NodeId, float] = {}
        self._no_visit_until_s: dict[NodeId, float] = {}
        self._visits: dict[bytes, _Visit] = {}  # by their tickets
        self._comes: set[NodeId] = set()  # peers that cannot be got to, and come when asked

    @cached_property
    def _credentials(self) -> Credentials:
        """What this node shows on its lanes; made when the first carrier starts."""
        return make_credentials(self._identity)

    @property
    def is_ready(self) -> bool:
        """Whether there is a carrier that takes orders."""
        return self._carriage is not None and self._carriage.is_ready

    @property
    def is_used(self) -> bool:
        """Whether something is fetched over a lane, or may be at once."""
        return bool(self._streams)

    @property
    def port(self) -> int:
        """Where lanes come in; 0: nowhere."""
        return self._carriage.port if self._carriage is not None else 0

    @property
    def pid(self) -> int | None:
        return self._carriage.pid if self._carriage is not None else None

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run a carrier until cancelled. Raises CarrierDied; then it may be run again."""
        begin = said.Begin(
            self._store, *self._credentials, self._hosts, self._port, self._quota_bytes
        )
        self._carriage = Carriage(begin, self._hear, self._became_ready.set)
        self.order(said.Limit(self._bandwidth))
        try:
            await self._carriage.run(task_status=task_status)
        finally:
            self._carriage, self._became_ready = None, trio.Event()
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
            case said.Went(ticket, reason):
                if ticket in self._visits:
                    self._visits[ticket].reason = reason
                    self._visits[ticket].is_over.set()
            case _:
                self._report(report)

    # --- the giving side ---------------------------------------------------------------------

    async def serve(self, stream: Stream) -> None:
        """Agree with a peer on a lane: the handler of `LANE_PROTOCOL`."""
        with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
            try:
                ask: said.LaneQuestion = wire.decode(
                    await _receive(stream),
                    said.LaneQuestion,  # type: ignore[arg-type]
                )
                check_certificate(ask.certificate, stream.peer)
                await self._wait_ready()
                if isinstance(ask, said.AskLane):
                    answer = self._offer(stream.peer, ask)
                else:
                    answer = await self._visit(stream.peer, ask)
                await self._wait_done()
                await stream.send(wire.frame(wire.encode(answer)))
            except (StreamBroken, FrameInvalid) as error:
                log.info("%s got no lane: %s", peer_id(stream.peer), error)
        await stream.close()

    def _offer(self, peer: NodeId, ask: said.AskLane) -> said.LaneAnswer:
        if self._carriage is None or not self._carriage.is_ready:
            return said.NoLane("the process that moves files is not there")
        if not self._carriage.port and not self._needs_detour(peer):
            return said.NoLane("this node listens nowhere", self._credentials.certificate)
        ticket = self._world.entropy.token(TICKET_BYTES)
        self.order(said.Expect(peer, ticket, ask.certificate, limits.LANE_TICKET_S))
        return said.OfferLane(ticket, self._carriage.port, self._credentials.certificate)

    async def _visit(self, peer: NodeId, ask: said.AskCome) -> said.LaneAnswer:
        """Go to a peer that cannot come here; only to where it is known to be."""
        address, ticket = self._address_of(peer), ask.ticket
        is_possible = 0 < ask.port <= _PORT_MAX and len(ticket) == TICKET_BYTES
        if not self.is_ready or address is None or not is_possible or ticket in self._visits:
            return said.NoLane("this node cannot get there either")
        host = parse_endpoint(address).host
        visit = self._visits[ticket] = _Visit()
        self.order(said.Dial(0, peer, host, ask.port, ticket, ask.certificate))
        try:
            with trio.move_on_after(limits.LANE_COME_S):
                await visit.is_over.wait()
        finally:
            del self._visits[ticket]
        return said.NoLane(visit.reason) if visit.reason else said.Visiting()

    async def _wait_ready(self) -> None:
        """Wait for a carrier that was just started, within bounds: a peer that hears of none goes
        the slower way, and stays there for a while."""
        with trio.move_on_after(limits.CARRIER_START_S):
            await self._became_ready.wait()

    async def _wait_done(self) -> None:
        """Wait until the carrier has done what it was told so far: a peer may come only when it is
        expected there."""
        if self._carriage is not None:
            await self._carriage.wait_done()

    async def give(self, stream: Stream) -> None:
        """Have the carrier answer a blob stream over libp2p, until either side ends it."""
        await self._wait_ready()
        if not self.is_ready:
            return  # as if a lane had ended: whoever asked tries again
        ours, theirs = socket.socketpair()
        self.order(said.Serve(stream.peer), theirs)
        await join(stream, ours)

    def _needs_detour(self, peer: NodeId) -> bool:
        return self.detours is not None and self.detours.is_needed(peer)

    def try_again(self, node: NodeId) -> None:
        """Open lanes with a peer where there was none to be had: it is reached on another way."""
        self._no_lane_until_s.pop(node, None)
        self._no_visit_until_s.pop(node, None)
        self._comes.discard(node)

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
            if await self._open(stream):
                return await stream.wait_end()
            await self._bridge(stream)
        finally:
            if self._streams.pop(number, None) is not None:
                self.order(said.Hang(number))

    async def _open(self, stream: LaneStream) -> bool:
        """Open a lane, or have the peer open it; False if there is none to be had now."""
        node, now_s = stream.node, trio.current_time()
        address = self._address_of(node)
        needs_detour = self._needs_detour(node)
        if now_s < self._no_lane_until_s.get(node, 0.0) or (address is None and not needs_detour):
            return False
        answer = await self._ask(node, said.AskLane(self._credentials.certificate))
        reason, certificate = "", "" if isinstance(answer, said.Visiting) else answer.certificate
        if certificate:
            check_certificate(certificate, node)
        if isinstance(answer, said.OfferLane) and node not in self._comes:
            if await self._dialled(stream, answer):
                return True
            reason = stream.reason
        may_come = now_s >= self._no_visit_until_s.get(node, 0.0) and not needs_detour
        if certificate and may_come:
            if await self._visited(stream, certificate):
                self._comes.add(node)
                return True
            self._comes.discard(node)
            self._no_visit_until_s[node] = trio.current_time() + limits.LANE_COME_RETRY_S
        reason = answer.reason if isinstance(answer, said.NoLane) else reason
        log.info("no lane with %s: %s", peer_id(node), reason)
        if needs_detour == self._needs_detour(node):  # else it moved, and the next one may stand
            self._no_lane_until_s[node] = trio.current_time() + limits.LANE_RETRY_S
        return False

    async def _dialled(self, stream: LaneStream, offer: said.OfferLane) -> bool:
        """Go to a lane that was offered, by the way on which the peer is now; whether it stands.

        Raises FrameInvalid for a port that cannot be.
        """
        if self._needs_detour(stream.node) and self.detours is not None:
            try:
                there = await self.detours.leg(stream.node)
            except (StreamBroken, RelayRefused) as error:
                stream.reason = error.message
                return False
        else:
            address = self._address_of(stream.node)
            if address is None:
                stream.reason = "the peer is reached on another way by now"
                return False
            if not 0 < offer.port <= _PORT_MAX:
                raise FrameInvalid(f"a peer listens at port {offer.port}, which cannot be")
            there = Leg(parse_endpoint(address).host, offer.port, b"")
        self.order(
            said.Dial(
                stream.number, stream.node, there.host, there.port, offer.ticket,
                offer.certificate, there.ticket,
            )
        )  # fmt: skip
        return await self._stands(stream)

    async def _visited(self, stream: LaneStream, certificate: str) -> bool:
        """Have the peer come to this node's own port; whether it did."""
        if not self.port:
            return False
        ticket, own = self._world.entropy.token(TICKET_BYTES), self._credentials.certificate
        self.order(said.Await(stream.number, stream.node, ticket, certificate, limits.LANE_COME_S))
        await self._wait_done()
        answer = await self._ask(stream.node, said.AskCome(own, ticket, self.port))
        if not isinstance(answer, said.Visiting):
            self.order(said.Hang(stream.number))
        return await self._stands(stream)

    async def _stands(self, stream: LaneStream) -> bool:
        """Wait until it is known whether a lane stands; if not, its number may be used again."""
        if await stream.wait_open():
            return True
        self._streams[stream.number] = stream
        return False

    async def _ask(self, node: NodeId, question: said.LaneQuestion) -> said.LaneAnswer:
        """Ask a peer about a lane. Raises PeerUnreachable, FrameInvalid."""
        answer: said.LaneAnswer = said.NoLane("it did not answer in time")
        try:
            with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
                stream = await self._transport.open(node, LANE_PROTOCOL)
                try:
                    await stream.send(wire.frame(wire.encode(question)))
                    answer = wire.decode(
                        await _receive(stream),
                        said.LaneAnswer,  # type: ignore[arg-type]
                    )
                finally:
                    await stream.close()
        except StreamBroken as error:  # an older photonic does not speak of lanes, or of visits
            answer = said.NoLane(error.message)
        return answer

    async def _bridge(self, stream: LaneStream) -> None:
        """Fetch over a libp2p stream, whose bytes go through a socket to the carrier."""
        control = await self._transport.open(stream.node, BLOB_PROTOCOL)
        if not self.is_ready:
            await control.close()
            raise StreamBroken("the process that moves files is not there")
        ours, theirs = socket.socketpair()
        self.order(said.Adopt(stream.number, stream.node), theirs)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(join, control, ours)
                await stream.has_ended()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await control.close()
        await stream.wait_end()


async def _receive(stream: Stream) -> bytes:
    """Return the one frame that a peer sends. Raises StreamBroken, FrameInvalid."""
    reader = wire.FrameReader(limits.LANE_FRAME_BYTES_MAX)
    while data := await stream.receive(limits.LANE_FRAME_BYTES_MAX):
        for body in reader.feed(data):
            return body
    raise StreamBroken("a peer ended the stream instead of speaking of a lane")

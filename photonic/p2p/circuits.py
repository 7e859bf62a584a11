"""The ends of relayed ways: asks members that relay, and follows when it is invited.

Over a way that a relay made the ordinary handshake runs, with the peer that one wants and no other:
so what stands then is a connection like any, and the relay is a cable. Bulk goes over a lane in the
same manner. A peer that is reached like this is tried on better ways meanwhile (`reach.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection

import trio

from photonic import limits
from photonic.errors import FrameInvalid, PeerUnreachable, RelayRefused, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p import lane_messages as said
from photonic.p2p.addresses import endpoint_of, host_of
from photonic.p2p.detours import Leg
from photonic.p2p.frames import ask_once, read_question, send_message
from photonic.p2p.peers import Peer, PeerBook
from photonic.p2p.relay_messages import (
    RELAY_PROTOCOL,
    Coming,
    Introduce,
    Introduction,
    Invite,
    NotComing,
    NotIntroduced,
    Purpose,
)
from photonic.p2p.sockets import NoneAnswered, TcpSocket, connect_first
from photonic.p2p.splice import TOGETHER, greeting
from photonic.p2p.transport import Admission, Gate, ReachingTransport, Stream
from photonic.p2p.ways import Footing, Way, circuit

log = logging.getLogger(__name__)

RELAYS = "relay"  # among the capabilities that a node tells of itself


class Circuits:
    """See the module. Used on the event loop's thread."""

    def __init__(
        self,
        transport: ReachingTransport,
        book: PeerBook,
        gate: Gate,
        name_of: Callable[[NodeId], str | None],
        order: Callable[[said.Order], None],
        punch: Callable[[NodeId, Invite], Awaitable[None]],
    ) -> None:
        """`order` tells the carrier something; `punch` follows an invitation to do that."""
        self._transport, self._book, self._gate = transport, book, gate
        self._name_of, self._order, self._punch = name_of, order, punch
        self._hosts: dict[NodeId, str] = {}  # where relays were reached
        self._following = 0

    def relays(self, node: NodeId) -> Collection[NodeId]:
        """Return the members that may bring this node together with `node`."""
        return [
            peer.node
            for peer in self._book.all()
            if peer.node != node
            and peer.hello is not None
            and RELAYS in peer.hello.capabilities
            and self._is_there(peer.node)
        ]

    def _is_there(self, relay: NodeId) -> bool:
        footing = self._transport.footing(relay)
        return footing is not None and footing.way is not Way.RELAYED

    # --- asking ------------------------------------------------------------------------------

    async def reach(self, peer: Peer) -> None:
        """Connect with a peer through whoever relays. Raises RelayRefused."""
        reasons: list[str] = []
        for relay in self.relays(peer.node):
            try:
                leg = await self.ask(relay, peer.node, Purpose.CONNECT)
                socket = await self._come(relay, leg.port, leg.ticket)
                footing = Footing(Way.RELAYED, circuit(relay), relay)
                await self._transport.adopt(peer.node, socket, footing, is_dialler=True)
            except (PeerUnreachable, StreamBroken, FrameInvalid) as error:
                reason = error.reason if isinstance(error, PeerUnreachable) else error.message
                reasons.append(f"{self._called(relay)}: {reason}")
            else:
                return
        raise RelayRefused("; ".join(reasons) or "no member that relays is connected")

    def is_needed(self, node: NodeId) -> bool:
        """Whether the peer is reached through a relay, and not otherwise."""
        footing = self._transport.footing(node)
        return footing is not None and footing.way is Way.RELAYED

    async def leg(self, node: NodeId) -> Leg:
        """Bring a lane's other end to a relay. Raises RelayRefused, StreamBroken."""
        footing = self._transport.footing(node)
        if footing is None or footing.via is None:
            raise RelayRefused("no relay stands between us any more")
        try:
            return await self.ask(footing.via, node, Purpose.LANE)
        except (PeerUnreachable, FrameInvalid) as error:
            raise RelayRefused(error.message) from error

    async def ask(self, relay: NodeId, node: NodeId, purpose: Purpose) -> Leg:
        """Ask a relay for a peer. Raises PeerUnreachable, StreamBroken, FrameInvalid."""
        answer = await ask_once(
            self._transport,
            relay,
            RELAY_PROTOCOL,
            Introduce(node, purpose),
            Introduction,
            limits.REQUEST_TIMEOUT_S,
        )
        if isinstance(answer, NotIntroduced):
            raise RelayRefused(answer.reason)
        return Leg(self.host_of(relay), answer.port, answer.ticket)

    def host_of(self, relay: NodeId) -> str:
        """Return where a relay was met, or may be. Raises RelayRefused."""
        return self._hosts_of(relay)[0]

    def _hosts_of(self, relay: NodeId) -> tuple[str, ...]:
        """Return where a relay may be met, the likeliest first: there is at least one.

        It may have dialled us from where nobody can come in, but knows where others can.
        """
        peer, footing = self._book.get(relay), self._transport.footing(relay)
        known = [self._hosts.get(relay, ""), host_of(footing.address) if footing else ""]
        hosts = [host for host in (*known, *map(host_of, peer.addresses)) if host]
        if not hosts:
            raise RelayRefused(f"it is not known where {self._called(relay)} can be met")
        return tuple(dict.fromkeys(hosts))[: limits.RELAY_HOSTS_MAX]

    async def _come(self, relay: NodeId, port: int, ticket: bytes) -> TcpSocket:
        """Go to a relay and wait for the other end. Raises RelayRefused."""

        async def knock(socket: TcpSocket) -> TcpSocket:
            return socket

        addresses = [str(endpoint_of(host, port)) for host in self._hosts_of(relay)]
        try:
            socket = await connect_first(addresses, knock)
        except NoneAnswered as error:
            raise RelayRefused(f"its lane port cannot be reached: {error}") from error
        try:
            with trio.fail_after(limits.RELAY_TICKET_S):
                await socket.write(greeting(ticket))
                if await socket.read(1) != TOGETHER:
                    raise RelayRefused("the other node did not come")
        except BaseException as error:
            socket.abort()
            if isinstance(error, OSError | trio.TooSlowError):
                raise RelayRefused("the other node did not come in time") from error
            raise
        self._hosts[relay] = socket.get_remote_address()[0]
        return socket

    def _called(self, node: NodeId) -> str:
        return self._name_of(node) or peer_id(node)

    # --- being invited -----------------------------------------------------------------------

    async def follow(self, stream: Stream) -> None:
        """Meet the member that a relay names: the handler of `INVITED_PROTOCOL`."""
        relay = stream.peer
        try:
            invite: Invite = await read_question(stream, Invite)
            reason = self._objection(relay, invite)
            await send_message(stream, NotComing(reason) if reason else Coming())
        finally:
            await stream.close()
        if reason:
            log.info("%s invited in vain: %s", peer_id(relay), reason)
            return
        self._following += 1
        try:
            await self._follow(relay, invite)
        except PeerUnreachable as error:
            log.info("%s invited in vain: %s", peer_id(relay), error)
        finally:
            self._following -= 1

    def _objection(self, relay: NodeId, invite: Invite) -> str:
        """Say why this node does not come; "" if it does."""
        if invite.peer == self._book.me or self._gate(NodeId(invite.peer)) is not Admission.MEMBER:
            return "only members are met"
        if not self._is_there(relay):
            return "the relay is not connected here itself"
        if self._following >= limits.RELAY_INVITED_MAX:
            return "too many want to meet this node at one time"
        return ""

    async def _follow(self, relay: NodeId, invite: Invite) -> None:
        if invite.purpose is Purpose.LANE:
            self._order(said.Meet(self.host_of(relay), invite.port, invite.ticket))
            return
        if invite.purpose is Purpose.PUNCH:
            await self._punch(relay, invite)
            return
        socket = await self._come(relay, invite.port, invite.ticket)
        footing = Footing(Way.RELAYED, circuit(relay), relay)
        await self._transport.adopt(NodeId(invite.peer), socket, footing, is_dialler=False)

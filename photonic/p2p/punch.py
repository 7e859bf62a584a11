"""Two nodes behind NATs that connect directly, though nobody can connect with either.

Each goes out to the relay from a port of its own and is told from where it seemed to come, and the
other likewise. Then both connect at one moment, each from that port to where the other seemed to
come from: what one sends first opens its NAT for what the other sends (TCP's simultaneous open).
Where a NAT gives each connection another port outside, that leads nowhere, and is said.

The way over the relay on which they agree on the moment carries nothing else; who answers in the
end is proven by the handshake, as everywhere.
"""

from __future__ import annotations

import errno
import logging
import socket as sockets
from contextlib import suppress
from dataclasses import dataclass

import trio

from photonic import limits
from photonic.errors import FrameInvalid, PeerUnreachable, PunchFailed, RelayRefused, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p.addresses import endpoint_of
from photonic.p2p.circuits import Circuits
from photonic.p2p.peers import Peer
from photonic.p2p.relay_messages import Invite, Purpose
from photonic.p2p.sockets import TcpSocket, reason_of
from photonic.p2p.splice import SIGHTING_BYTES_MAX, TOGETHER, Sighting, greeting
from photonic.p2p.transport import ReachingTransport
from photonic.p2p.ways import Footing, Way

log = logging.getLogger(__name__)

_GO = b"!"
_EVERYWHERE = {sockets.AF_INET: "0.0.0.0", sockets.AF_INET6: "::"}  # noqa: S104 - no listener
_SAME, _OTHER = b"=", b"~"  # whether a NAT kept the port
# What a connection ends with that came too early, or that a NAT refused: worth another one.
_PASSING = {errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where one stands: at the relay, seen from there, beside the other."""

    relay: TcpSocket
    port: int  # of this machine
    seen: Sighting

    @property
    def keeps_port(self) -> bool:
        return self.seen.own[1] == self.port


class Puncher:
    """See the module. Used on the event loop's thread."""

    def __init__(self, transport: ReachingTransport, circuits: Circuits) -> None:
        self._transport, self._circuits = transport, circuits

    async def reach(self, peer: Peer) -> None:
        """Connect directly with a peer that is reached through a relay. Raises PunchFailed."""
        footing = self._transport.footing(peer.node)
        if footing is None or footing.via is None:
            raise PunchFailed("no relay stands between us any more")
        try:
            leg = await self._circuits.ask(footing.via, peer.node, Purpose.PUNCH)
            await self._meet(footing.via, peer.node, leg.port, leg.ticket, is_dialler=True)
        except PunchFailed:
            raise
        except (PeerUnreachable, StreamBroken, FrameInvalid) as error:
            reason = error.reason if isinstance(error, PeerUnreachable) else error.message
            raise PunchFailed(reason) from error

    async def follow(self, relay: NodeId, invite: Invite) -> None:
        """Do the other side's part. Raises PeerUnreachable."""
        peer = NodeId(invite.peer)
        await self._meet(relay, peer, invite.port, invite.ticket, is_dialler=False)

    async def _meet(
        self, relay: NodeId, node: NodeId, port: int, ticket: bytes, *, is_dialler: bool
    ) -> None:
        try:
            with trio.fail_after(limits.RELAY_TICKET_S):
                spot = await _stand(self._circuits.host_of(relay), port, ticket)
        except (OSError, trio.TooSlowError) as error:
            raise RelayRefused(f"the other node did not come: {reason_of(error)}") from error
        try:
            keeps_there = await _agree(spot, is_dialler=is_dialler)
            stream = await _cross(spot)
        except (OSError, trio.TooSlowError) as error:
            raise PunchFailed("the relay let go") from error
        finally:
            spot.relay.abort()
        if stream is None:
            where = [name for name, keeps in (("here", spot.keeps_port), ("there", keeps_there))
                     if not keeps]  # fmt: skip
            changes = f"NAT changes ports ({' and '.join(where)})"
            raise PunchFailed(changes if where else "no answer through the NATs")
        footing = Footing(Way.PUNCHED, str(endpoint_of(*spot.seen.other)))
        await self._transport.adopt(node, TcpSocket(stream), footing, is_dialler=is_dialler)
        log.info("%s is reached through the NATs", peer_id(node))


async def _stand(host: str, port: int, ticket: bytes) -> _Spot:
    """Go to the relay from a port that can be used again. Raises OSError, RelayRefused."""
    stream = trio.SocketStream(await _connected(host, port, 0))
    socket = TcpSocket(stream)
    try:
        own_port: int = stream.socket.getsockname()[1]
        await socket.write(greeting(ticket))
        if await socket.read(1) != TOGETHER:
            raise RelayRefused("the other node did not come")
        size = int.from_bytes(await socket.read(1), "big")
        data = await socket.read(min(size, SIGHTING_BYTES_MAX))
        return _Spot(socket, own_port, Sighting.decode(data))
    except BaseException:
        socket.abort()
        raise


async def _agree(spot: _Spot, *, is_dialler: bool) -> bool:
    """Wait for the moment; return whether the other's NAT keeps ports. Raises OSError.

    Whoever dials says when: half a round trip after the word, which then is there.
    """
    own = _SAME if spot.keeps_port else _OTHER
    with trio.fail_after(limits.PUNCH_S):
        if is_dialler:
            asked_s = trio.current_time()
            await spot.relay.write(own)
            theirs = await spot.relay.read(1)
            round_trip_s = trio.current_time() - asked_s
            await spot.relay.write(_GO)
            await trio.sleep(round_trip_s / 2)
        else:
            theirs = await spot.relay.read(1)
            await spot.relay.write(own)
            if await spot.relay.read(1) != _GO:
                raise ConnectionResetError("the other end went away")
    return theirs == _SAME


async def _cross(spot: _Spot) -> trio.SocketStream | None:
    """Connect from the port that the relay saw to where it saw the other one; None: in vain."""
    found: trio.socket.SocketType | None = None
    with trio.move_on_after(limits.PUNCH_S):
        while found is None:
            try:
                found = await _connected(*spot.seen.other, spot.port)
            except OSError as error:
                if error.errno not in _PASSING:
                    log.info("no hole could be punched: %s", error)
                    break
                await trio.sleep(limits.PUNCH_RETRY_S)
    return trio.SocketStream(found) if found is not None else None


async def _connected(host: str, port: int, own_port: int) -> trio.socket.SocketType:
    """Connect from a port that other sockets of ours may use, too. Raises OSError."""
    family = sockets.AF_INET6 if ":" in host else sockets.AF_INET
    socket = trio.socket.socket(family, sockets.SOCK_STREAM)
    try:
        for name in ("SO_REUSEADDR", "SO_REUSEPORT"):
            with suppress(AttributeError):
                socket.setsockopt(sockets.SOL_SOCKET, getattr(sockets, name), 1)
        await socket.bind((_EVERYWHERE[family], own_port))
        await socket.connect((host, port))
    except BaseException:
        socket.close()
        raise
    return socket

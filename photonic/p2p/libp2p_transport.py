"""Streams with peers over libp2p: TCP, Noise, Yamux, multistream-select.

Of py-libp2p this uses the protocols (security, multiplexer, negotiation) and none of the host and
swarm around them, which as shipped let one exception of a handler end the host, refuse the 251st
inbound connection of a lifetime, and tell whoever connects what they are. Connections, their
tasks, bounds and ends are ours: `links.Links` keeps the book, `sockets.TcpSocket` is the wire,
`streams.MuxedStream` the flow, `heartbeat.beat` the patience. There is no identify and no
ping protocol: the heartbeat is the multiplexer's own ping, and a peer is told nothing but the
protocols that it names.

A connection may also be made by others, through a relay or through two NATs, and be adopted: the
handshake is the same, and so is everything above it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import trio
from anyio.abc import TaskStatus
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as new_x25519_pair
from libp2p.custom_types import TProtocol
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError, MultiselectError
from libp2p.protocol_muxer.multiselect import MULTISELECT_PROTOCOL_ID, Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.security.exceptions import HandshakeFailure
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.security.security_multistream import SecurityMultistream
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamError
from libp2p.stream_muxer.yamux import yamux

from photonic import limits
from photonic.errors import PeerUnreachable, StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p.addresses import (
    Endpoint,
    advertised,
    endpoint_of,
    interface_hosts,
    is_local,
)
from photonic.p2p.heartbeat import beat
from photonic.p2p.libp2p_muxer import LinkMuxer, Talk, communicator
from photonic.p2p.links import Link, Links
from photonic.p2p.sockets import (
    NoneAnswered,
    TcpSocket,
    connect_first,
    open_listeners,
    reason_of,
)
from photonic.p2p.streams import MuxedStream
from photonic.p2p.transport import Admission, Gate, PeerListener, Stream, StreamHandler
from photonic.p2p.vestibule import Place, Vestibule
from photonic.p2p.ways import Footing, Way, own_networks, way_to
from photonic.world import World

log = logging.getLogger(__name__)

_YAMUX = TProtocol(yamux.PROTOCOL_ID)


class Libp2pTransport:
    """The real transport; see transport.Transport. `listen` has the multiaddresses to bind."""

    def __init__(self, identity: Identity, listen: Sequence[str], world: World) -> None:
        self._node, self._listen, self._world = identity.node, tuple(listen), world
        key = Ed25519PrivateKey.new(identity.seed)
        noise = Noise(KeyPair(key, key.get_public_key()), new_x25519_pair().private_key)
        self._security = SecurityMultistream({NOISE: noise})
        self._dialling: dict[NodeId, trio.Lock] = {}
        self._muxers: dict[Link, LinkMuxer] = {}
        self._bound: tuple[Endpoint, ...] = ()
        self.outside: tuple[str, ...] = ()
        self._speakers: dict[Admission, Multiselect] = {}
        self._links: Links
        self._nursery: trio.Nursery

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
        self._speakers = {
            Admission.MEMBER: _speaker({**guest_handlers, **handlers}),
            Admission.GUEST: _speaker(guest_handlers),
        }
        self._links = Links(self._node, gate, on_peer, self._world.clock.monotonic_s)
        async with AsyncExitStack() as opened:
            listeners = await open_listeners(self._listen, opened)
            names = [listener.socket.getsockname() for listener in listeners]
            self._bound = tuple(endpoint_of(host, port) for host, port, *_ in names)
            async with trio.open_nursery() as self._nursery:
                if listeners:  # a node that only dials has none
                    vestibule = Vestibule(self._nursery, self._accept)
                    self._nursery.start_soon(vestibule.run, listeners)
                task_status.started()
                try:
                    await trio.sleep_forever()
                finally:
                    self._bound = ()
                    self._links.drop_all()  # releases every blocked reader and writer

    def addresses(self) -> tuple[str, ...]:
        found = dict.fromkeys((*advertised(self._bound), *self.outside))
        return tuple(found)[: limits.ADDRESSES_PER_PEER_MAX]

    def connected(self) -> frozenset[NodeId]:
        return self._links.nodes()

    def latency_ms(self, node: NodeId) -> float | None:
        link = self._links.best(node)
        return link.latency_ms if link else None

    def leave_old_addresses(self) -> None:
        mine = set(interface_hosts())
        for link, muxer in tuple(self._muxers.items()):
            host = muxer.socket.own_host
            if host not in mine and not is_local(host):
                log.info("cut the connection with %s: it was made from %s", link.address, host)
                self._links.cut(link)

    def drop(self, node: NodeId) -> None:
        self._links.drop(node)

    async def _accept(self, stream: trio.SocketStream, place: Place) -> None:
        """Serve one inbound connection to its end. Never raises: that would end the listener."""
        with place.taken():
            try:
                socket = TcpSocket(stream)
            except OSError:  # gone before we looked
                stream.socket.close()
                return
            try:
                with trio.fail_after(limits.HANDSHAKE_TIMEOUT_S):
                    link, muxer = await self._upgrade(socket, None)
            except Exception as error:  # noqa: BLE001  # whatever a stranger provokes
                log.debug("no connection with %s: %r", socket.address, error)
                return
        await self._keep(link, muxer)

    async def _upgrade(
        self, socket: TcpSocket, node: NodeId | None, footing: Footing | None = None
    ) -> tuple[Link, LinkMuxer]:
        """Shake hands, ask the gate, agree on the multiplexer. A failure cuts the socket.

        `node` is whom we dial; None: they dialled us. The gate comes before anything but Noise.
        `footing` is None where one side simply dialled the other.
        """
        raw = RawConnection(socket, initiator=node is not None)  # type: ignore[arg-type]
        try:
            if node is None:
                secure = await self._security.secure_inbound(raw)
            else:
                secure = await self._security.secure_outbound(raw, ID.from_string(peer_id(node)))
            remote = parse_peer_id(secure.get_remote_peer().to_base58())
            admission = self._links.admit(remote)
            if admission is Admission.REFUSED or (node is not None and node != remote):
                raise HandshakeFailure(f"{peer_id(remote)} is not admitted")
            talk = communicator(Talk(secure.read, secure.write))
            if node is None:
                await Multiselect({_YAMUX: None}).negotiate(talk)
            else:
                await MultiselectClient().select_one_of([_YAMUX], talk)
        except BaseException:
            socket.abort()
            raise
        now_s = self._world.clock.monotonic_s()
        if footing is None:
            way = way_to(socket.get_remote_address()[0], own_networks())
            footing = Footing(way, socket.address)
        link = Link(
            remote, footing.address, admission, socket.abort, now_s, way=footing.way,
            via=footing.via,
        )  # fmt: skip
        return link, LinkMuxer(secure, socket, admission)

    async def _keep(
        self, link: Link, muxer: LinkMuxer, *, task_status: Any = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Own one connection until it ends: its reader, its heartbeat, its streams."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(muxer.start)
                await muxer.event_started.wait()
                self._muxers[link] = muxer
                self._links.add(link)
                task_status.started()
                nursery.start_soon(self._beat, link, muxer)
                with suppress(MuxedConnUnavailable):
                    while True:
                        half = await muxer.accept_stream()
                        nursery.start_soon(self._serve, link, muxer, half)
                self._end(link)  # at once, for a handler may take its time to notice
        except Exception:
            log.exception("the connection with %s failed", link.address)
        finally:
            self._end(link)

    def _end(self, link: Link) -> None:
        self._links.cut(link)
        self._muxers.pop(link, None)

    async def _beat(self, link: Link, muxer: LinkMuxer) -> None:
        await beat(link, muxer, self._links)
        self._end(link)

    async def _serve(self, link: Link, muxer: LinkMuxer, half: yamux.YamuxStream) -> None:
        """Agree on a protocol that this peer may speak, run its handler, end the stream."""
        admission = self._links.review(link)
        muxer.admit(admission)
        stream = MuxedStream(muxer, half, link.node, muxer.window_bytes)
        muxer.served += 1
        if admission is Admission.GUEST:
            muxer.guest_streams += 1
            if muxer.guest_streams > limits.STREAMS_OF_GUEST_MAX:  # whoever enrols needs one
                self._end(link)
        try:
            if admission is Admission.REFUSED or muxer.served > muxer.served_max:
                return
            talk = communicator(Talk(stream.receive, stream.send))
            seconds = int(limits.HELLO_TIMEOUT_S)
            _, handler = await self._speakers[admission].negotiate(talk, seconds)
            assert handler is not None
            await handler(stream)  # type: ignore[arg-type]  # what _speaker was given
            await stream.close()
            with trio.move_on_after(limits.STREAM_LINGER_S):
                await stream.wait_ended()
        except (MultiselectError, StreamBroken) as error:
            log.debug("a stream of %s ended: %r", link.address, error)
        except Exception:
            log.exception("a handler failed on a stream of %s", link.address)
        finally:
            muxer.served -= 1
            await stream.reset()

    def footing(self, node: NodeId) -> Footing | None:
        link = self._links.best(node)
        return link.footing if link else None

    async def dial(self, node: NodeId, addresses: Sequence[str]) -> None:
        await self.improve(node, addresses, min(Way))

    async def improve(self, node: NodeId, addresses: Sequence[str], least: Way) -> None:
        async with self._dialling.setdefault(node, trio.Lock()):
            known = self._links.best(node)
            if known and self._links.review(known) is not Admission.REFUSED and known.way >= least:
                return
            if self._links.admit(node) is Admission.REFUSED:
                raise PeerUnreachable(f"{peer_id(node)} is not admitted here")

            async def shake_hands(socket: TcpSocket) -> tuple[Link, LinkMuxer]:
                return await self._upgrade(socket, node)

            try:
                link, muxer = await connect_first(addresses, shake_hands)
            except NoneAnswered as error:
                name = peer_id(node)
                raise PeerUnreachable(f"{name} cannot be reached: {error}", str(error)) from error
            await self._begin(link, muxer)

    async def adopt(
        self, node: NodeId, socket: TcpSocket, footing: Footing, *, is_dialler: bool
    ) -> None:
        name = peer_id(node)
        try:
            with trio.fail_after(limits.HANDSHAKE_TIMEOUT_S):
                link, muxer = await self._upgrade(socket, node if is_dialler else None, footing)
        except Exception as error:
            reason = f"no handshake: {reason_of(error)}"
            raise PeerUnreachable(f"{name}: {reason}", reason) from error
        if link.node != node:  # whoever brought us together lied
            link.abort()
            raise PeerUnreachable(f"{peer_id(link.node)} answered instead of {name}")
        await self._begin(link, muxer)

    async def _begin(self, link: Link, muxer: LinkMuxer) -> None:
        try:
            await self._nursery.start(self._keep, link, muxer)
        except BaseException:
            link.abort()
            raise

    async def open(self, node: NodeId, protocol: str) -> Stream:
        link = self._links.best(node)
        if link is None or self._links.review(link) is Admission.REFUSED:
            raise PeerUnreachable(f"{peer_id(node)} is not connected")
        muxer = self._muxers[link]
        muxer.admit(link.admission)
        if not muxer.stream_backlog_semaphore.value:
            raise StreamBroken("too many streams are open with this peer")
        try:
            with trio.CancelScope(shield=True):  # else a cancellation loses the slot for ever
                half = await muxer.open_stream()
        except MuxedStreamError as error:
            raise StreamBroken(f"the connection broke: {error}") from error
        stream = MuxedStream(muxer, half, node, muxer.window_bytes)
        try:
            with trio.fail_after(limits.HELLO_TIMEOUT_S):
                await _choose(stream, protocol)
        except (MultiselectCommunicatorError, trio.TooSlowError) as error:
            await stream.reset()
            raise StreamBroken(f"no agreement on {protocol}: {error!r}") from error
        except BaseException:
            await stream.reset()
            raise
        return stream


def _speaker(handlers: Mapping[str, StreamHandler]) -> Multiselect:
    """Return the negotiator that knows these protocols and denies all others."""
    known = {TProtocol(name): handler for name, handler in handlers.items()}
    return Multiselect(known)  # type: ignore[arg-type]  # it only returns what it is given


async def _choose(stream: MuxedStream, protocol: str) -> None:
    """Name the one protocol we want, in one round trip. Raises StreamBroken."""
    talk = communicator(Talk(stream.receive, stream.send))
    await talk.write(MULTISELECT_PROTOCOL_ID)
    await talk.write(protocol)
    if await talk.read() != MULTISELECT_PROTOCOL_ID or await talk.read() != protocol:
        raise StreamBroken(f"the peer does not speak {protocol} with us")

"""A libp2p peer that does only what a test tells it to, frame by frame.

It is built from the library's own handshake, so it is a stranger to our code above that; and a
program that runs a transport in a process of its own, to be stopped like one that hangs.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import trio
from libp2p.abc import ISecureConn
from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.security.security_multistream import SecurityMultistream

from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.p2p.addresses import parse_endpoint
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.streams import DATA, RST, SYN, WINDOW_UPDATE, header
from photonic.p2p.transport import Admission, Stream
from photonic.world import World
from tests.p2p.peer import Peer

MULTISTREAM = "/multistream/1.0.0"
WORLD = World()


def delimited(*messages: str) -> bytes:
    """Return multistream-select messages, each with its length (below 127) and a line end."""
    return b"".join(bytes([len(text) + 1]) + text.encode() + b"\n" for text in messages)


class RawPeer:
    """One connection after the Noise handshake. Reads and writes what goes over the session."""

    def __init__(self, secure: ISecureConn, stream: trio.SocketStream) -> None:
        self.secure, self.stream = secure, stream

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, identity: Identity, address: str, node: NodeId
    ) -> AsyncIterator[RawPeer]:
        endpoint = parse_endpoint(address)
        stream = await trio.open_tcp_stream(endpoint.host, endpoint.port)
        async with stream:
            key = Ed25519PrivateKey.new(identity.seed)
            noise = Noise(KeyPair(key, key.get_public_key()), create_new_key_pair().private_key)
            raw = RawConnection(TrioTCPStream(stream), initiator=True)
            security = SecurityMultistream({NOISE: noise})
            secure = await security.secure_outbound(raw, ID.from_string(peer_id(node)))
            yield cls(secure, stream)

    async def choose_yamux(self) -> None:
        await self.secure.write(delimited(MULTISTREAM, "/yamux/1.0.0"))
        expected = delimited(MULTISTREAM, "/yamux/1.0.0")
        assert await self.secure.read(len(expected)) == expected

    async def send_frame(
        self, kind: int, flags: int, stream_id: int, data: bytes | int = b""
    ) -> None:
        length = data if isinstance(data, int) else len(data)
        body = b"" if isinstance(data, int) else data
        await self.secure.write(header(kind, flags, stream_id, length) + body)

    async def open_stream(self, stream_id: int, *protocols: str) -> None:
        """Open a stream and ask for protocols in turn, waiting for nothing."""
        await self.send_frame(WINDOW_UPDATE, SYN, stream_id)
        await self.send_frame(DATA, 0, stream_id, delimited(MULTISTREAM, *protocols))

    async def send_for_ever(self, frames: bytes) -> None:
        """Write until the connection breaks, reading nothing."""
        while True:
            await self.secure.write(frames)

    async def read_frame(self) -> tuple[int, int, int, bytes]:
        """Return kind, flags, stream and data of the next frame."""
        head = await self.secure.read(12)
        kind, flags = head[1], int.from_bytes(head[2:4], "big")
        stream_id, length = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:], "big")
        data = await self.secure.read(length) if kind == DATA and length else b""
        return kind, flags, stream_id, data

    async def read_stream(self, stream_id: int, size: int) -> bytes:
        """Return the next `size` bytes of a stream, answering pings meanwhile."""
        data = b""
        while len(data) < size:
            kind, flags, of, piece = await self.read_frame()
            if kind == DATA and of == stream_id:
                data += piece
            assert not (of == stream_id and flags & RST), f"reset after {data!r}"
        return data


def stranger() -> Identity:
    """Return an identity that nobody knows."""
    return Identity.generate(WORLD)


def make() -> Libp2pTransport:
    """Return a transport that is to listen on a free port of the loopback interface."""
    return Libp2pTransport(stranger(), ["/ip4/127.0.0.1/tcp/0"], WORLD)


def run(main: Callable[[], Awaitable[None]], bound_s: float = 60) -> None:
    """Run `main` on trio, with a bound."""

    async def bounded() -> None:
        with anyio.fail_after(bound_s):
            await main()

    anyio.run(bounded, backend="trio")


async def connect_tcp(peer: Peer) -> trio.SocketStream:
    endpoint = parse_endpoint(peer.transport.addresses()[0])
    return await trio.open_tcp_stream(endpoint.host, endpoint.port)


def as_raw(identity: Identity, peer: Peer) -> AbstractAsyncContextManager[RawPeer]:
    return RawPeer.connect(identity, peer.transport.addresses()[0], peer.node)


def open_files() -> int:
    """How many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def _serve_for_ever() -> None:
    """Print peer ID and address, swallow whatever is sent, until killed."""

    async def swallow(stream: Stream) -> None:
        while await stream.receive(1 << 20):
            pass

    transport = make()
    run = functools.partial(
        transport.run,
        {"/test/sink/1": swallow},
        {},
        lambda node: Admission.MEMBER,
        lambda event: None,
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(run)
        print(peer_id(transport.node), transport.addresses()[0], flush=True)


if __name__ == "__main__":
    sys.exit(anyio.run(_serve_for_ever, backend="trio"))

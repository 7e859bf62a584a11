"""Each change that we make to what py-libp2p does as shipped, and what breaks without it.

Where a claim names a change in brackets, the test was seen to fail with that change taken out.
"""

from __future__ import annotations

import functools
import gc
import random
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
import trio
import trio.testing

from photonic import limits
from photonic.errors import StreamBroken
from photonic.ids import parse_peer_id
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.transport import PeerDown, PeerUp, Stream
from tests.p2p.peer import ECHO, SINK, connected_pair, echo, read_all, running, send_for_ever
from tests.p2p.raw_peer import connect_tcp, make, open_files, run


def test_a_handler_that_lets_an_end_of_stream_escape_leaves_no_zombie() -> None:
    """[the except clauses in _serve]"""

    async def impatient(stream: Stream) -> None:
        raise StreamBroken("as a read of a dead stream raises it")

    async def main() -> None:
        async with connected_pair(make, {SINK: impatient, ECHO: echo}) as (a, b):
            for _ in range(5):
                stream = await a.transport.open(b.node, SINK)
                with pytest.raises(StreamBroken):
                    await read_all(stream)
            assert await a.ask(b, ECHO, b"alive") == b"alive"
            assert a.kinds(b.node) == [PeerUp]

    run(main)


def test_a_handler_that_leaves_without_reading_releases_the_sender(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """[the reset after the linger in _serve]"""
    monkeypatch.setattr(limits, "STREAM_LINGER_S", 0.2)

    async def leave(stream: Stream) -> None:
        await stream.send(b"bye")

    async def main() -> None:
        async with connected_pair(make, {SINK: leave}) as (a, b):
            stream = await a.transport.open(b.node, SINK)
            with anyio.fail_after(10), pytest.raises(StreamBroken):
                await send_for_ever(stream)

    run(main)


def test_300_inbound_connections_in_one_lifetime() -> None:
    """The library's swarm keeps an inbound slot for ever: the 251st is refused."""

    async def main() -> None:
        async with running(make()) as a, running(make()) as b:
            for _ in range(300):
                await a.dial(b)
                a.transport.drop(b.node)
            await a.dial(b)
            assert await a.ask(b, ECHO, b"the 301st") == b"the 301st"

    run(main)


def test_open_files_stay_flat_over_connections_that_are_cut() -> None:
    async def main() -> None:
        async with running(make()) as a, running(make()) as b:
            counts: list[int] = []
            for number in range(1, 101):
                await a.dial(b)
                a.transport.drop(b.node)
                await b.wait_kinds(a.node, *[PeerUp, PeerDown] * number)
                if number % 25 == 0:
                    counts.append(open_files())
            assert max(counts) <= counts[0] + 2, counts

    run(main)


def test_a_dead_first_address_costs_a_moment_not_the_connection() -> None:
    """[the race over all addresses] A listener that never answers comes first."""

    async def main() -> None:
        async with running(make()) as a, running(make()) as b:
            [silent] = await trio.open_tcp_listeners(0, host="127.0.0.1")
            async with silent:
                dead = f"/ip4/127.0.0.1/tcp/{silent.socket.getsockname()[1]}"
                with anyio.fail_after(3):
                    await a.transport.dial(b.node, [dead, dead, *b.transport.addresses()])
            assert await a.ask(b, ECHO, b"x") == b"x"

    run(main)


def test_a_peer_that_hangs_is_cut_and_its_writers_are_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """[the heartbeat] A stopped process never answers, and its kernel keeps the link up."""
    monkeypatch.setattr(limits, "HEARTBEAT_INTERVAL_S", 0.3)
    monkeypatch.setattr(limits, "HEARTBEAT_TIMEOUT_S", 0.7)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.p2p.raw_peer"], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert process.stdout is not None
        name, address = process.stdout.readline().split()
        node = parse_peer_id(name)

        async def flood(stream: Stream, released: list[int]) -> None:
            with pytest.raises(StreamBroken):
                await send_for_ever(stream)
            released.append(1)

        async def main() -> None:
            released: list[int] = []
            transport = make()
            async with running(transport) as a:
                await transport.dial(node, [address])
                streams = [await transport.open(node, SINK) for _ in range(20)]
                process.send_signal(signal.SIGSTOP)
                stopped_s = trio.current_time()
                async with anyio.create_task_group() as tasks:
                    for stream in streams:
                        tasks.start_soon(flood, stream, released)
                await a.wait_kinds(node, PeerUp, PeerDown)
                assert len(released) == 20
                assert trio.current_time() - stopped_s < 6, "it was not the heartbeat"
                assert transport.connected() == frozenset()
                process.send_signal(signal.SIGCONT)
                await transport.dial(node, [address])
                assert transport.connected() == {node}

        run(main, 30)
    finally:
        process.kill()
        process.communicate()


def test_leaving_closes_every_socket() -> None:
    async def main() -> None:
        gc.collect()  # what earlier tests left
        before = open_files()
        async with running(make()) as a, running(make()) as b:
            await a.dial(b)
            stream = await a.transport.open(b.node, ECHO)
            await stream.send(b"in the middle of something")
            assert open_files() > before
        assert open_files() <= before

    run(main)


def test_an_encrypted_message_may_arrive_in_any_pieces() -> None:
    """[TcpSocket.read] The library gives up after 100 partial reads."""

    async def main() -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener:
            sender = await trio.open_tcp_stream(*listener.socket.getsockname())
            receiver = TcpSocket(await listener.accept())
            message, received = random.Random(1).randbytes(65_519), []

            async def receive() -> None:
                received.append(await receiver.read(len(message)))

            async with sender, trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                for start in range(0, len(message), 100):
                    await sender.send_all(message[start : start + 100])
                    await trio.testing.wait_all_tasks_blocked()
            assert received == [message]
            await receiver.close()

    run(main)


def test_streams_survive_a_wire_that_carries_few_bytes_at_a_time() -> None:
    """The same through a real proxy, both ways, with the library's code above it."""

    serve_loopback = functools.partial(trio.serve_tcp, port=0, host="127.0.0.1")

    async def trickle(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        while data := await source.receive_some(200):
            await sink.send_all(data)

    async def main() -> None:
        async with running(make()) as a, running(make()) as b:

            async def proxy(client: trio.SocketStream) -> None:
                async with await connect_tcp(b) as server, trio.open_nursery() as nursery:
                    nursery.start_soon(trickle, client, server)
                    await trickle(server, client)

            async with trio.open_nursery() as nursery:
                [listener] = await nursery.start(serve_loopback, proxy)
                port = listener.socket.getsockname()[1]
                await a.transport.dial(b.node, [f"/ip4/127.0.0.1/tcp/{port}"])
                data = random.Random(2).randbytes(400_000)
                assert await a.ask(b, ECHO, data) == data
                a.transport.drop(b.node)
                nursery.cancel_scope.cancel()

    run(main)


def test_a_cancelled_send_tears_its_stream_and_nothing_else() -> None:
    """[the shield in TcpSocket.write] Half an encrypted message wrecks every stream."""
    may_read = anyio.Event()

    async def late(stream: Stream) -> None:
        await may_read.wait()
        await read_all(stream)

    async def main() -> None:
        async with connected_pair(make, {SINK: late, ECHO: echo}) as (a, b):
            for _ in range(30):
                stream = await a.transport.open(b.node, SINK)
                with anyio.move_on_after(0.01) as patience:
                    await send_for_ever(stream)
                assert patience.cancelled_caught
                await stream.close()
            may_read.set()
            assert await a.ask(b, ECHO, b"intact" * 100_000) == b"intact" * 100_000
            assert a.kinds(b.node) == [PeerUp]

    run(main)


def test_a_torn_message_is_no_end() -> None:
    """The reader of a stream whose writer was cancelled gets StreamBroken, not the end."""
    outcome: list[str] = []
    done = anyio.Event()

    async def reader(stream: Stream) -> None:
        try:
            await read_all(stream)
            outcome.append("end")
        except StreamBroken:
            outcome.append("broken")
        done.set()

    async def main() -> None:
        async with connected_pair(make, {SINK: reader}) as (a, b):
            stream = await a.transport.open(b.node, SINK)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await stream.send(bytes(1 << 20))
            await stream.close()
            await done.wait()
            assert outcome == ["broken"]

    run(main)


async def write_for_ever(socket: TcpSocket) -> None:
    while True:
        await socket.write(bytes(1 << 20))


def test_a_write_that_the_peer_does_not_take_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """[the deadline in TcpSocket.write]"""
    monkeypatch.setattr(limits, "WRITE_TIMEOUT_S", 0.3)

    async def main() -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, await trio.open_tcp_stream(*listener.socket.getsockname()):
            socket = TcpSocket(await listener.accept())
            began_s = trio.current_time()
            with pytest.raises(ConnectionResetError):
                await write_for_ever(socket)
            assert trio.current_time() - began_s < 5, "it was the kernel that gave up"
            with pytest.raises(ConnectionResetError):
                await socket.write(b"more")

    run(main)

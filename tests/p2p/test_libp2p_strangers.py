"""What strangers, guests and madmen can do to a node: next to nothing.

Where a claim names a change in brackets, the test was seen to fail with that change taken out.
"""

from __future__ import annotations

import random
from contextlib import AsyncExitStack, suppress

import anyio
import anyio.abc
import pytest
import trio
import trio.testing
from libp2p.exceptions import BaseLibp2pError

from photonic import limits
from photonic.errors import PeerUnreachable, StreamBroken
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.streams import DATA, RST, SYN, WINDOW_UPDATE
from photonic.p2p.transport import Admission, PeerDown, PeerUp, Stream
from tests.p2p.peer import ECHO, GUEST, Peer, running
from tests.p2p.raw_peer import (
    MULTISTREAM,
    as_raw,
    connect_tcp,
    delimited,
    make,
    open_files,
    run,
    stranger,
)

NOISE, PING_PROTOCOL, IDENTIFY = "/noise", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"


async def is_cut(stream: trio.SocketStream) -> bool:
    """Wait for the other end to close, whatever it says before."""
    try:
        while await stream.receive_some(65_536):
            pass
    except trio.BrokenResourceError:
        pass
    return True


def test_nothing_but_noise_is_offered() -> None:
    """As shipped plaintext is offered, too, where naming a key is enough to be its owner."""

    async def main() -> None:
        async with running(make()) as b, await connect_tcp(b) as stream:
            asked = ["/plaintext/2.0.0", "/secio/1.0.0", "/tls/1.0.0", "ls"]
            await stream.send_all(delimited(MULTISTREAM, *asked))
            expected = delimited(MULTISTREAM, "na", "na", "na", NOISE + "\n")
            answer = b""
            while len(answer) < len(expected):
                answer += await stream.receive_some(1_000)
            assert answer == expected

    run(main)


def test_a_refused_peer_is_cut_before_any_protocol() -> None:
    """[the gate in _upgrade]"""

    async def main() -> None:
        identity = stranger()
        async with running(make()) as b:
            b.default = Admission.REFUSED
            async with as_raw(identity, b) as raw:
                with pytest.raises(BaseLibp2pError):
                    await raw.choose_yamux()
            assert b.transport.connected() == frozenset()
            assert b.events == []

    run(main)


def test_a_guest_reaches_guest_protocols_and_is_asked_nothing() -> None:
    """[the negotiator for guests] Neither identify nor ping, not even a list of what there is."""

    async def main() -> None:
        identity = stranger()
        async with running(make()) as b:
            b.default = Admission.GUEST
            async with as_raw(identity, b) as raw:
                await raw.choose_yamux()
                await raw.open_stream(1, IDENTIFY, PING_PROTOCOL, ECHO, "ls", GUEST)
                expected = delimited(MULTISTREAM, "na", "na", "na", GUEST + "\n", GUEST)
                streams = set()
                answer = b""
                while len(answer) < len(expected):
                    _, _, stream_id, data = await raw.read_frame()
                    streams.add(stream_id)
                    answer += data
                assert answer == expected
                assert streams <= {0, 1}, "we open no stream towards a guest"

    run(main)


def test_guests_are_few() -> None:
    """[the bound in Links.admit]"""

    async def main() -> None:
        async with running(make()) as b:
            b.default = Admission.GUEST
            async with anyio.create_task_group() as tasks:
                guests = [await enter(tasks, make()) for _ in range(limits.GUESTS_MAX + 1)]
                for guest in guests[:-1]:
                    await guest.dial(b)
                with pytest.raises(PeerUnreachable):
                    await guests[-1].dial(b)
                b.admissions[guests[-1].node] = Admission.MEMBER
                await guests[-1].dial(b)  # members have their own room
                guests[0].transport.drop(b.node)
                tasks.cancel_scope.cancel()

    run(main)


async def enter(tasks: anyio.abc.TaskGroup, transport: Libp2pTransport) -> Peer:
    """Run `transport` until the task group is cancelled."""

    async def stay(*, task_status: anyio.abc.TaskStatus[Peer]) -> None:
        async with running(transport) as peer:
            task_status.started(peer)
            await anyio.sleep_forever()

    peer: Peer = await tasks.start(stay)
    return peer


def test_a_guest_that_stays_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """[the age in Links.review]"""
    monkeypatch.setattr(limits, "GUEST_AGE_S_MAX", 0.3)
    monkeypatch.setattr(limits, "HEARTBEAT_INTERVAL_S", 0.1)

    async def main() -> None:
        async with running(make()) as b, running(make()) as a:
            b.default = Admission.GUEST
            await a.dial(b)
            with anyio.fail_after(10):
                await a.wait_kinds(b.node, PeerUp, PeerDown)

    run(main)


def test_a_guest_may_open_few_streams() -> None:
    async def patient(stream: Stream) -> None:
        await stream.receive(1)

    async def main() -> None:
        async with running(make()) as a, running(make(), {}, {GUEST: patient}) as b:
            b.default = Admission.GUEST
            await a.dial(b)
            for _ in range(limits.STREAMS_PER_GUEST_MAX):
                await a.transport.open(b.node, GUEST)
            with pytest.raises(StreamBroken):
                await a.transport.open(b.node, GUEST)

    run(main)


def test_silent_strangers_are_few_and_do_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """[the bound in _accept, the deadline of the handshake]"""
    monkeypatch.setattr(limits, "HANDSHAKE_TIMEOUT_S", 1.0)

    async def main() -> None:
        async with running(make()) as a, running(make()) as b, anyio.create_task_group() as tasks:
            most = limits.HANDSHAKES_PENDING_PER_IP_MAX
            silent = [await connect_tcp(b) for _ in range(most)]
            greeting = delimited(MULTISTREAM)
            for stream in silent:  # its greeting says that it was accepted and waits
                assert await stream.receive_some(len(greeting)) == greeting
            async with await connect_tcp(b) as surplus:
                with anyio.fail_after(0.5):
                    assert await surplus.receive_some(1) == b"", "the surplus is cut at once"
            with anyio.fail_after(5):
                for stream in silent:
                    assert await is_cut(stream)
                    await stream.aclose()
            await a.dial(b)
            assert await a.ask(b, ECHO, b"members come in") == b"members come in"
            tasks.cancel_scope.cancel()

    run(main)


HUGE = b"\xff\xff\xff\xff\x7f"  # as a length: 34,359,738,367 bytes


def test_a_stranger_that_announces_a_huge_message_is_cut_at_once() -> None:
    """[the bound in TcpSocket.read]"""

    async def main() -> None:
        async with running(make()) as b, await connect_tcp(b) as stream:
            await stream.send_all(delimited(MULTISTREAM) + HUGE)
            with anyio.fail_after(limits.HANDSHAKE_TIMEOUT_S / 2):
                assert await is_cut(stream)

    run(main)


def test_a_stream_that_announces_a_huge_negotiation_is_reset() -> None:
    """[the bound in _Talk]"""

    async def main() -> None:
        async with running(make()) as b, as_raw(stranger(), b) as raw:
            await raw.choose_yamux()
            await raw.send_frame(WINDOW_UPDATE, SYN, 1)
            await raw.send_frame(DATA, 0, 1, delimited(MULTISTREAM) + HUGE)
            with anyio.fail_after(limits.HELLO_TIMEOUT_S / 2):
                while True:
                    _, flags, stream_id, _ = await raw.read_frame()
                    if stream_id == 1 and flags & RST:
                        break

    run(main)


def test_connections_of_one_peer_are_few_and_the_newest_stay() -> None:
    """[the bound in Links.add]"""

    async def main() -> None:
        identity = stranger()
        async with running(make()) as b, AsyncExitStack() as stack:
            raws = []
            for _ in range(limits.CONNECTIONS_PER_PEER_MAX + 1):
                raws.append(await stack.enter_async_context(as_raw(identity, b)))
                await raws[-1].choose_yamux()
            with anyio.fail_after(limits.HEARTBEAT_TIMEOUT_S / 2):
                assert await is_cut(raws[0].stream)
            await raws[-1].open_stream(1, ECHO)
            expected = delimited(MULTISTREAM, ECHO)
            assert await raws[-1].read_stream(1, len(expected)) == expected
            assert b.kinds(identity.node) == [PeerUp]

    run(main)


def test_1000_random_byte_strings_leave_it_serving() -> None:
    async def main() -> None:
        randomness = random.Random(20_261_122)
        starts = [b"", delimited(MULTISTREAM), delimited(MULTISTREAM, NOISE)]
        async with running(make()) as a, running(make()) as b:
            await a.dial(b)
            files = open_files()
            done = 0

            async def throw(start: bytes, junk: list[bytes]) -> None:
                nonlocal done
                async with await connect_tcp(b) as stream:
                    try:
                        await stream.send_all(start)
                        for piece in junk:
                            await stream.send_all(piece)
                        await stream.send_eof()
                        await is_cut(stream)
                    except trio.BrokenResourceError:
                        pass
                done += len(junk)

            for _ in range(50):
                async with anyio.create_task_group() as tasks:
                    for _ in range(4):
                        sizes = [randomness.choice([1, 40, 3_000]) for _ in range(5)]
                        junk = [randomness.randbytes(size) for size in sizes]
                        tasks.start_soon(throw, randomness.choice(starts), junk)
            assert done == 1_000
            assert await a.ask(b, ECHO, b"old streams") == b"old streams"
            async with running(make()) as c:
                await c.dial(b)
                assert await c.ask(b, ECHO, b"new peers") == b"new peers"
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert open_files() <= files

    run(main)


def test_random_frames_of_a_member_hurt_its_own_connection_only() -> None:
    async def main() -> None:
        randomness = random.Random(7)
        async with running(make()) as a, running(make()) as b:
            await a.dial(b)
            for _ in range(40):
                async with as_raw(stranger(), b) as raw:
                    await raw.choose_yamux()
                    await raw.open_stream(1, ECHO)
                    try:
                        for _ in range(10):
                            kind, flags = randomness.randrange(5), randomness.randrange(16)
                            size = randomness.choice([0, 1, 300])
                            data = randomness.randbytes(size)
                            await raw.send_frame(kind, flags, randomness.randrange(4), data)
                        await raw.secure.write(randomness.randbytes(500))
                    except BaseLibp2pError:
                        continue  # it was cut
            assert await a.ask(b, ECHO, b"unharmed") == b"unharmed"

    run(main)


def test_a_guest_that_opens_stream_after_stream_is_cut() -> None:
    """[STREAMS_OF_GUEST_MAX in _serve] Whoever enrols needs one; each costs a negotiation."""

    async def main() -> None:
        identity = stranger()
        async with running(make()) as b:
            b.default = Admission.GUEST
            async with as_raw(identity, b) as raw:
                await raw.choose_yamux()
                with suppress(BaseLibp2pError, OSError, trio.BrokenResourceError, IndexError):
                    for number in range(10 * limits.STREAMS_OF_GUEST_MAX):
                        await raw.open_stream(2 * number + 1, "/nothing/1")
                        await raw.send_frame(WINDOW_UPDATE, RST, 2 * number + 1)
                        await raw.read_frame()
                    raise AssertionError("it is let in for ever")
                assert await is_cut(raw.stream)

    run(main)

"""What every Transport must do: claims that each implementation's test file runs.

A claim is an async function that takes a maker of transports (not yet running, all of them able
to reach each other) and raises AssertionError if the transport does not keep the contract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest

from photonic.errors import PeerUnreachable, StreamBroken
from photonic.p2p.transport import Admission, PeerDown, PeerUp, Stream
from tests.p2p.peer import (
    BOOM,
    ECHO,
    GUEST,
    SINK,
    WAIT_S,
    MakeTransport,
    connected_pair,
    read_all,
    running,
    send_for_ever,
)

Claim = Callable[[MakeTransport], Awaitable[None]]


def run_claim(claim: Claim, make: MakeTransport) -> None:
    async def main() -> None:
        with anyio.fail_after(60):
            await claim(make)

    anyio.run(main, backend="trio")


async def echoes_what_it_is_sent(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        assert await a.ask(b, ECHO, b"hello") == b"hello"
        await b.wait_kinds(a.node, PeerUp)
        assert await b.ask(a, ECHO, b"back") == b"back", "the dialled side opens streams, too"


async def tells_the_handler_who_is_there(make: MakeTransport) -> None:
    async def who(stream: Stream) -> None:
        await stream.send(stream.peer)

    async with connected_pair(make, {ECHO: who}) as (a, b):
        stream = await a.transport.open(b.node, ECHO)
        assert stream.peer == b.node
        assert await read_all(stream) == a.node


async def carries_32_mib_unharmed_both_ways(make: MakeTransport) -> None:
    size, piece = 32 << 20, bytes(range(256)) * 4_096
    async with connected_pair(make) as (a, b):
        stream = await a.transport.open(b.node, ECHO)
        digest = hashlib.sha256()

        async def send() -> None:
            for _ in range(size // len(piece)):
                await stream.send(piece)
            await stream.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            received = 0
            while data := await stream.receive(1 << 20):
                received += len(data)
                digest.update(data)
        assert received == size
        assert digest.digest() == hashlib.sha256(piece * (size // len(piece))).digest()


async def holds_a_sender_up_while_nobody_reads(make: MakeTransport) -> None:
    """Not reading stops the sender within some windows; reading again lets it go on."""
    may_read, sent = anyio.Event(), 0
    piece, pieces = bytes(1 << 20), 32

    async def late(stream: Stream) -> None:
        await may_read.wait()
        await stream.send(len(await read_all(stream)).to_bytes(8, "big"))

    async with connected_pair(make, {SINK: late}) as (a, b):
        stream = await a.transport.open(b.node, SINK)

        async def send() -> None:
            nonlocal sent
            for _ in range(pieces):
                await stream.send(piece)
                sent += 1
            await stream.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await anyio.wait_all_tasks_blocked()
            assert sent < pieces, "nothing held the sender up"
            may_read.set()
            assert int.from_bytes(await read_all(stream), "big") == pieces * len(piece)


async def half_closes(make: MakeTransport) -> None:
    """Ending one side leaves the other open in both directions."""
    first_end = anyio.Event()

    async def answer_after_the_end(stream: Stream) -> None:
        question = await read_all(stream)
        first_end.set()
        for _ in range(3):
            await stream.send(question)

    async with connected_pair(make, {ECHO: answer_after_the_end}) as (a, b):
        stream = await a.transport.open(b.node, ECHO)
        await stream.send(b"abc")
        await stream.close()
        await stream.close()
        assert await read_all(stream) == b"abcabcabc"
        assert first_end.is_set()
        with pytest.raises(StreamBroken):
            await stream.send(b"more")


async def returns_no_more_than_asked_for(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        stream = await a.transport.open(b.node, ECHO)
        await stream.send(b"0123456789")
        await stream.close()
        pieces = []
        while piece := await stream.receive(3):
            pieces.append(piece)
        assert b"".join(pieces) == b"0123456789"
        assert max(map(len, pieces)) <= 3


async def dials_a_connected_peer_without_effect(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        await a.dial(b)
        await a.transport.dial(b.node, [])
        await b.wait_kinds(a.node, PeerUp)
        await b.transport.dial(a.node, [])
        assert a.kinds(b.node) == [PeerUp]
        assert a.transport.connected() == {b.node}


async def survives_both_sides_dialling_at_once(make: MakeTransport) -> None:
    async with running(make()) as a, running(make()) as b:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(a.dial, b)
            tasks.start_soon(b.dial, a)
        assert await a.ask(b, ECHO, b"x") == b"x"
        assert await b.ask(a, ECHO, b"y") == b"y"
        assert a.kinds(b.node) == b.kinds(a.node) == [PeerUp]


async def cannot_reach_who_is_not_there(make: MakeTransport) -> None:
    absent = make()
    async with running(make()) as a, running(make()) as b:
        with pytest.raises(PeerUnreachable):
            await a.transport.dial(absent.node, [])
        with pytest.raises(PeerUnreachable):  # somebody is there, but somebody else
            await a.transport.dial(absent.node, b.transport.addresses())
        with pytest.raises(PeerUnreachable):
            await a.transport.open(b.node, ECHO)
        with pytest.raises(PeerUnreachable):
            await a.dial(a)
        assert a.transport.connected() == frozenset()
        assert a.events == []


async def breaks_a_stream_of_an_unknown_protocol(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        with pytest.raises(StreamBroken):
            await a.transport.open(b.node, "/nobody/speaks/this")
        assert await a.ask(b, ECHO, b"still here") == b"still here"


async def isolates_a_failing_handler(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        for _ in range(3):
            stream = await a.transport.open(b.node, BOOM)
            await stream.send(b"go")
            with pytest.raises(StreamBroken):
                await read_all(stream)
            await stream.close()
        assert await a.ask(b, ECHO, b"unharmed") == b"unharmed"
        assert a.kinds(b.node) == [PeerUp]


async def cancels_a_receive_without_harm(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        stream = await a.transport.open(b.node, ECHO)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.receive, 10)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        await stream.send(b"later")
        await stream.close()
        assert await read_all(stream) == b"later"


async def refuses_whom_the_gate_refuses(make: MakeTransport) -> None:
    async with running(make()) as a, running(make()) as b:
        b.admissions[a.node] = Admission.REFUSED
        with pytest.raises(PeerUnreachable):
            await a.dial(b)
        assert b.transport.connected() == frozenset()
        assert b.events == []
        b.admissions[a.node] = Admission.MEMBER
        a.admissions[b.node] = Admission.REFUSED
        with pytest.raises(PeerUnreachable):  # our own gate, too
            await a.dial(b)
        assert a.transport.connected() == frozenset()


async def lets_a_guest_speak_guest_protocols_only(make: MakeTransport) -> None:
    async with running(make()) as a, running(make()) as b:
        b.admissions[a.node] = Admission.GUEST
        await a.dial(b)
        assert await a.ask(b, GUEST, b"hi") == b"guest hi"
        with pytest.raises(StreamBroken):
            await a.transport.open(b.node, ECHO)
        assert b.events == [], "guests are not announced"
        assert b.transport.connected() == {a.node}
        assert await b.ask(a, ECHO, b"we may") == b"we may", "we may open streams to a guest"


async def announces_a_guest_who_becomes_a_member(make: MakeTransport) -> None:
    async with running(make()) as a, running(make()) as b:
        b.admissions[a.node] = Admission.GUEST
        await a.dial(b)
        assert b.events == []
        b.admissions[a.node] = Admission.MEMBER
        assert await a.ask(b, ECHO, b"now") == b"now"
        assert b.kinds(a.node) == [PeerUp]
        a.admissions[b.node] = Admission.MEMBER
        await a.dial(b)  # tells our side, too, where it was a guest there
        assert a.kinds(b.node) == [PeerUp]


async def cuts_a_revoked_member(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        assert await a.ask(b, ECHO, b"before") == b"before"
        b.admissions[a.node] = Admission.REFUSED
        with pytest.raises((StreamBroken, PeerUnreachable)):
            await a.ask(b, ECHO, b"after")
        await b.wait_kinds(a.node, PeerUp, PeerDown)
        await a.wait_kinds(b.node, PeerUp, PeerDown)
        with pytest.raises(PeerUnreachable):
            await a.dial(b)


async def announces_coming_and_going(make: MakeTransport) -> None:
    async with running(make()) as a:
        async with running(make()) as b:
            await a.dial(b)
            await b.wait_kinds(a.node, PeerUp)
            assert a.kinds(b.node) == [PeerUp]
            [up] = [event for event in a.events if isinstance(event, PeerUp)]
            assert up.address in b.transport.addresses()
        await a.wait_kinds(b.node, PeerUp, PeerDown)
        assert a.transport.connected() == frozenset()
        with pytest.raises(PeerUnreachable):
            await a.transport.open(b.node, ECHO)


async def drops_at_once_and_may_dial_again(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        stream = await a.transport.open(b.node, ECHO)
        await b.wait_kinds(a.node, PeerUp)
        a.transport.drop(b.node)
        a.transport.drop(b.node)
        assert a.transport.connected() == frozenset()
        assert a.kinds(b.node) == [PeerUp, PeerDown]
        await b.wait_kinds(a.node, PeerUp, PeerDown)
        with pytest.raises(StreamBroken):
            await send_for_ever(stream)
        await stream.close()
        await a.dial(b)
        assert await a.ask(b, ECHO, b"again") == b"again"


async def releases_who_waits_when_the_peer_goes(make: MakeTransport) -> None:
    async with running(make()) as a:
        ended = anyio.Event()

        async def wait_for_end(stream: Stream) -> None:
            with suppress(StreamBroken):
                assert await read_all(stream) == b""
            ended.set()

        async with running(make()) as b, anyio.create_task_group() as tasks:
            await a.dial(b)
            tasks.start_soon(wait_for_end, await a.transport.open(b.node, ECHO))
            await anyio.wait_all_tasks_blocked()
            b.transport.drop(a.node)
            with anyio.fail_after(WAIT_S):
                await ended.wait()


async def knows_the_latency_of_a_live_peer(make: MakeTransport) -> None:
    async with connected_pair(make) as (a, b):
        with anyio.fail_after(WAIT_S):
            while (latency_ms := a.transport.latency_ms(b.node)) is None:
                await a.ask(b, ECHO, b"x")
        assert 0 <= latency_ms < 5_000
        a.transport.drop(b.node)
        assert a.transport.latency_ms(b.node) is None


CLAIMS: list[Claim] = [
    echoes_what_it_is_sent,
    tells_the_handler_who_is_there,
    carries_32_mib_unharmed_both_ways,
    holds_a_sender_up_while_nobody_reads,
    half_closes,
    returns_no_more_than_asked_for,
    dials_a_connected_peer_without_effect,
    survives_both_sides_dialling_at_once,
    cannot_reach_who_is_not_there,
    breaks_a_stream_of_an_unknown_protocol,
    isolates_a_failing_handler,
    cancels_a_receive_without_harm,
    refuses_whom_the_gate_refuses,
    lets_a_guest_speak_guest_protocols_only,
    announces_a_guest_who_becomes_a_member,
    cuts_a_revoked_member,
    announces_coming_and_going,
    drops_at_once_and_may_dial_again,
    releases_who_waits_when_the_peer_goes,
    knows_the_latency_of_a_live_peer,
]

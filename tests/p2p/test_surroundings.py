"""Networks that change: the kernel's word is heard, dead ways are left, and attempts begun anew."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
import trio
from trio.testing import MockClock

from photonic import limits
from photonic.p2p import libp2p_transport, sockets
from simulations.rooms import Room
from tests.p2p.peer import ECHO, running
from tests.p2p.test_libp2p_transport import make

_LISTENER = """
import trio
from photonic.p2p.surroundings import follow_networks
print("listens", flush=True)
trio.run(follow_networks, lambda: print("told", flush=True))
"""


@pytest.mark.root("ip", "unshare", "nsenter")
def test_the_kernel_tells_of_addresses_and_cables() -> None:
    with Room() as room:
        listener = subprocess.Popen(
            [*room.prefix, sys.executable, "-c", _LISTENER],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline().strip() == "listens"
            for change in (
                ("addr", "add", "10.9.8.7/24", "dev", "lo"),
                ("addr", "del", "10.9.8.7/24", "dev", "lo"),
                ("link", "set", "lo", "down"),
            ):
                room.run("ip", *change)
                assert listener.stdout.readline().strip() == "told", change
        finally:
            listener.kill()
            listener.communicate()


Attempt = Callable[[int], Awaitable[trio.SocketStream]]


class Seen(NamedTuple):
    """What `open_patiently` came to: attempts, virtual seconds, which one it gave, what is open."""

    attempts: int
    took_s: float
    given: trio.SocketStream
    left_open: list[trio.SocketStream]


def opened(patch: pytest.MonkeyPatch, attempt: Attempt) -> Seen:
    begun, made = 0, list[trio.SocketStream]()

    async def open_tcp_stream(host: str, port: int) -> trio.SocketStream:
        nonlocal begun
        begun += 1
        made.append(await attempt(begun))
        return made[-1]

    patch.setattr(trio, "open_tcp_stream", open_tcp_stream)

    async def main() -> Seen:
        began_s = trio.current_time()
        given = await sockets.open_patiently("192.0.2.1", 4310)
        left_open = [one for one in made if one.socket.fileno() >= 0]
        seen = Seen(begun, trio.current_time() - began_s, given, left_open)
        for one in left_open:
            one.socket.close()
        return seen

    return trio.run(main, clock=MockClock(autojump_threshold=0))


def a_stream() -> trio.SocketStream:
    left, right = socket.socketpair()
    right.close()
    return trio.SocketStream(trio.socket.from_stdlib_socket(left))


def test_what_nobody_answers_is_begun_anew_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def attempt(number: int) -> trio.SocketStream:
        if number < 3:
            await trio.sleep_forever()
        return a_stream()

    seen = opened(monkeypatch, attempt)
    assert seen.attempts == 3
    assert seen.took_s == pytest.approx(2 * limits.CONNECT_AGAIN_S)
    assert seen.left_open == [seen.given]


def test_of_two_that_answer_at_one_moment_one_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def attempt(number: int) -> trio.SocketStream:
        with trio.CancelScope(shield=True):  # it answers just when another one has
            await trio.sleep(max(0, 3 - number) * limits.CONNECT_AGAIN_S)
        return a_stream()

    seen = opened(monkeypatch, attempt)
    assert seen.attempts >= 2
    assert seen.left_open == [seen.given]


def test_a_refusal_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def attempt(number: int) -> trio.SocketStream:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        opened(monkeypatch, attempt)


@pytest.mark.parametrize("is_mine", [True, False])
def test_a_connection_from_an_address_that_is_gone_is_left(
    monkeypatch: pytest.MonkeyPatch, is_mine: bool
) -> None:
    monkeypatch.setattr(libp2p_transport, "is_local", lambda host: False)
    mine = ["127.0.0.1"] if is_mine else ["192.0.2.7"]
    monkeypatch.setattr(libp2p_transport, "interface_hosts", lambda: mine)

    async def main() -> None:
        with anyio.fail_after(20):
            transport = make()
            async with running(transport) as a, running(make()) as b:
                await a.dial(b)
                assert await a.ask(b, ECHO, b"x") == b"x"
                transport.leave_old_addresses()
                if is_mine:
                    assert await a.ask(b, ECHO, b"x") == b"x"
                    return
                while transport.connected():
                    await anyio.lowlevel.checkpoint()

    anyio.run(main, backend="trio")

"""Who may begin a handshake: a few of each source, and refusing takes little of a node's time."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from photonic import limits
from photonic.p2p.vestibule import Place, Vestibule

ONE, OTHER = "127.0.0.2", "127.0.0.3"


class Scene:
    """A vestibule, and those who come to it."""

    def __init__(self, opened: ExitStack, address: tuple[str, int]) -> None:
        self._opened, self._address = opened, address
        self.served: list[str] = []  # by source
        self.is_over = trio.Event()

    async def serve(self, stream: trio.SocketStream, place: Place) -> None:
        with place.taken(), stream.socket:
            self.served.append(stream.socket.getpeername()[0])
            await self.is_over.wait()

    def come(self, source: str, times: int) -> list[socket.socket]:
        found = [socket.create_connection(self._address, 5, (source, 0)) for _ in range(times)]
        for one in found:
            self._opened.enter_context(one)
            one.setblocking(False)
        return found


def cut(some: list[socket.socket]) -> int:
    """Return how many of some connections the other end has closed."""
    found = 0
    for one in some:
        try:
            found += one.recv(1) == b""
        except BlockingIOError:
            continue
        except ConnectionResetError:
            found += 1
    return found


def play(story: Callable[[Scene, MockClock], object]) -> None:
    """Run a story of which the time stands still."""
    clock = MockClock()

    async def main() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, trio.open_nursery() as nursery:
            with ExitStack() as opened:
                scene = Scene(opened, listener.socket.getsockname()[:2])
                nursery.start_soon(Vestibule(nursery, scene.serve).run, [listener])
                await story(scene, clock)  # type: ignore[misc]
                nursery.cancel_scope.cancel()

    trio.run(main, clock=clock)


async def settle(scene: Scene, served: int) -> None:
    """Wait until so many are served and nothing happens any more while time stands still."""
    with trio.fail_after(5):
        while len(scene.served) < served:
            await wait_all_tasks_blocked()
    await wait_all_tasks_blocked(0.01)


def test_a_source_has_a_few_places_and_another_one_has_its_own() -> None:
    async def story(scene: Scene, clock: MockClock) -> None:
        many = limits.HANDSHAKES_PENDING_PER_IP_MAX
        crowd = scene.come(ONE, many + 5)
        await settle(scene, many)
        clock.jump(1)
        await settle(scene, many)
        assert cut(crowd) == 5
        scene.come(OTHER, 1)
        await settle(scene, many + 1)
        assert scene.served.count(OTHER) == 1
        scene.is_over.set()
        await settle(scene, many + 1)
        scene.come(ONE, 1)
        await settle(scene, many + 2)
        assert scene.served[-1] == ONE, "places are given back"

    play(story)


def test_refusing_waits_while_there_was_much_to_refuse() -> None:
    """While time stands still only so many are cut: the others wait, and nobody is busy with it."""

    async def story(scene: Scene, clock: MockClock) -> None:
        many, at_once = limits.HANDSHAKES_PENDING_PER_IP_MAX, limits.ACCEPTED_AT_ONCE_MAX
        scene.come(ONE, many)
        await settle(scene, many)
        crowd = scene.come(ONE, 3 * at_once)
        await settle(scene, many)
        assert 0 < cut(crowd) <= at_once
        for _ in range(3 * at_once):
            clock.jump(at_once / limits.REFUSED_PER_S_MAX)
            await settle(scene, many)
        assert cut(crowd) == 3 * at_once

    play(story)


def test_where_there_are_no_descriptors_left_it_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_exhausted, tries = True, 0
    accept = socket.socket.accept

    def accepted(sock: socket.socket) -> object:
        nonlocal tries
        tries += 1
        if is_exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(sock)

    monkeypatch.setattr(socket.socket, "accept", accepted)

    async def story(scene: Scene, clock: MockClock) -> None:
        nonlocal is_exhausted
        scene.come(ONE, 1)
        while not tries:
            await wait_all_tasks_blocked()
        await settle(scene, 0)
        assert tries == 1, "it does not try again and again"
        is_exhausted = False
        clock.jump(1)
        await settle(scene, 1)

    play(story)

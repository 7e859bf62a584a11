"""The server itself: where it listens, and how it ends."""

from __future__ import annotations

import gc
import os
import socket
import weakref
from functools import partial
from pathlib import Path

import anyio
import pytest
import trio

from photonic import limits
from photonic.api.app import create_app
from photonic.api.server import serve
from photonic.errors import BindExposed, BindFailed, PortInUse
from tests.api.client import connected, read_all, request_bytes, run, served, until
from tests.api.local_node import MemoryNode


def test_port_zero_is_reported_as_what_was_chosen() -> None:
    async def main() -> None:
        async with served() as (_, client, _, _):
            assert client.base_url.port not in (None, 0)
            assert (await client.get("/health")).json() == {"status": "ok"}

    run(main)


def test_ipv6_loopback_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        shutdown = anyio.Event()
        async with anyio.create_task_group() as tasks:
            start = partial(serve, create_app(MemoryNode(tmp_path)), "::1", 0, shutdown=shutdown)
            url: str = await tasks.start(start)
            assert url.startswith("http://[::1]:")
            shutdown.set()

    run(main)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as (_, client, _, _):
            again = create_app(MemoryNode(tmp_path))
            with pytest.raises(PortInUse, match=str(client.base_url.port)):
                await serve(again, "127.0.0.1", client.base_url.port or 0, shutdown=anyio.Event())

    run(main)


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("0.0.0.0", BindExposed),
        ("::", BindExposed),
        ("192.0.2.1", BindExposed),
        ("no-such-host.invalid", BindFailed),
        ("a" * 70 + ".x", BindFailed),
    ],
)
def test_an_address_that_others_reach_or_nobody_has_is_refused(
    tmp_path: Path, host: str, error: type[Exception]
) -> None:
    async def main() -> None:
        with pytest.raises(error):
            await serve(create_app(MemoryNode(tmp_path)), host, 0, shutdown=anyio.Event())

    run(main)


def test_the_port_is_free_again_after_a_stop_and_after_a_cancellation(tmp_path: Path) -> None:
    async def main() -> None:
        async with served() as (_, client, _, _):
            port = client.base_url.port or 0
            await client.get("/health")
        async with anyio.create_task_group() as tasks:
            app = create_app(MemoryNode(tmp_path))
            await tasks.start(partial(serve, app, "127.0.0.1", port, shutdown=anyio.Event()))
            tasks.cancel_scope.cancel()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))

    run(main)


async def stall(client_of: trio.SocketStream, request: bytes) -> None:
    """Ask for more than the kernel's buffers hold and read nothing but the beginning."""
    await client_of.send_all(request)
    assert (await client_of.receive_some(12)) == b"HTTP/1.1 200"


def big_photo(node: MemoryNode, folder: Path) -> str:
    path = folder / "big.nef"
    path.write_bytes(os.urandom(1 << 20) * 48)
    return node.take_in(path)


def test_a_client_that_does_not_read_cannot_hold_up_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SHUTDOWN_GRACE_S", 0.1)

    async def main() -> None:
        with anyio.fail_after(10):
            async with served() as (node, client, app, shutdown), connected(client) as slow:
                address = f"/api/v1/photos/{big_photo(node, tmp_path)}/original"
                await stall(slow, request_bytes(client, f"GET {address}"))
                shutdown.set()
                await until(lambda: app.metrics.open._value.get() == 0)
                received = await read_all(slow)
                assert len(received) < 48 << 20

    run(main)


def test_a_client_that_does_not_read_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HTTP_STALL_S", 0.1)

    async def main() -> None:
        async with served() as (node, client, app, _), connected(client) as slow:
            address = f"/api/v1/photos/{big_photo(node, tmp_path)}/original"
            await stall(slow, request_bytes(client, f"GET {address}"))
            await until(lambda: app.metrics.open._value.get() == 0)
            assert len(await read_all(slow)) < 48 << 20
            assert (await client.get("/health")).status_code == 200

    run(main)


def test_a_request_that_runs_is_answered_before_the_stop() -> None:
    async def main() -> None:
        async with served() as (node, client, _, shutdown):
            asked, may_answer = anyio.Event(), anyio.Event()
            status = node.status

            async def slow_status() -> object:
                asked.set()
                await may_answer.wait()
                return await status()

            node.status = slow_status  # type: ignore[method-assign, assignment]
            async with connected(client) as stream:
                await stream.send_all(request_bytes(client, "GET /api/v1/status"))
                await asked.wait()
                shutdown.set()
                may_answer.set()
                answer = await read_all(stream)
                assert answer.startswith(b"HTTP/1.1 200")
                assert answer.endswith(b"}")

    run(main)


def test_connections_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HTTP_CONNECTIONS_MAX", 2)

    async def main() -> None:
        async with served() as (_, client, _, _):
            async with connected(client) as one, connected(client) as two:
                for stream in (one, two):
                    await stream.send_all(request_bytes(client, "GET /api/v1/events"))
                    assert await stream.receive_some(12) == b"HTTP/1.1 200"
                async with connected(client) as third:
                    assert await read_all(third) == b""

            async def is_answered() -> bool:
                async with connected(client) as stream:
                    await stream.send_all(request_bytes(client, "GET /health"))
                    return (await read_all(stream)).startswith(b"HTTP/1.1 200")

            while not await is_answered():
                await anyio.lowlevel.checkpoint()

    run(main)


def test_what_is_no_http_leaves_the_server_serving() -> None:
    async def main() -> None:
        async with served() as (_, client, _, _):
            for seed in range(60):
                async with connected(client) as stream:
                    try:
                        await stream.send_all(os.urandom(seed * 40 + 1) + b"\r\n\r\n")
                        await stream.send_eof()
                        await read_all(stream)
                    except trio.BrokenResourceError:
                        pass
            assert (await client.get("/health")).status_code == 200

    run(main)


def test_a_face_that_ended_is_forgotten_with_all_that_it_knew(tmp_path: Path) -> None:
    """A library may be removed and added again as often as somebody likes."""
    ended = weakref.ref(create_app(MemoryNode(tmp_path)))
    gc.collect()
    assert ended() is None

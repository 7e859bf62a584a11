"""How the tests talk to the face: in memory through ASGI, or over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio
import anyio.lowlevel
import httpx
import trio
from fastapi import FastAPI

from photonic.api.app import Face, create_app
from photonic.api.server import serve
from tests.api.local_node import MemoryNode

BOUND_S = 30.0
HOST = "http://127.0.0.1:8640"


def run(test: Callable[..., Awaitable[None]], *args: object) -> None:
    """Run an async test on trio, bounded in time."""

    async def bounded() -> None:
        with anyio.fail_after(BOUND_S):
            await test(*args)

    anyio.run(bounded, backend="trio")


def in_memory(app: FastAPI) -> httpx.AsyncClient:
    """A client that calls the application directly; what it raises is raised here."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST)


@asynccontextmanager
async def face() -> AsyncIterator[tuple[MemoryNode, httpx.AsyncClient]]:
    """A node and a client of its face, in memory."""
    with TemporaryDirectory() as folder:
        node = MemoryNode(Path(folder))
        async with in_memory(create_app(node)) as client:
            yield node, client


class Served(NamedTuple):
    """A node, its application, and a client over a socket; setting `shutdown` stops the server."""

    node: MemoryNode
    client: httpx.AsyncClient
    app: Face
    shutdown: anyio.Event


@asynccontextmanager
async def served() -> AsyncIterator[Served]:
    """Serve a node on a socket for as long as the block runs, then stop it cleanly."""
    with TemporaryDirectory() as folder:
        node, shutdown = MemoryNode(Path(folder)), anyio.Event()
        app = Face(node)
        async with anyio.create_task_group() as tasks:
            start = partial(serve, app, "127.0.0.1", 0, shutdown=shutdown)
            url: str = await tasks.start(start)
            async with httpx.AsyncClient(base_url=url, timeout=BOUND_S) as client:
                yield Served(node, client, app, shutdown)
            shutdown.set()


async def until(is_true: Callable[[], object]) -> None:
    """Return when it is true; the test's own bound ends the wait."""
    while not is_true():
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def connected(client: httpx.AsyncClient) -> AsyncIterator[trio.SocketStream]:
    """A bare connection to the server that `client` talks to."""
    url = client.base_url
    async with await trio.open_tcp_stream(url.host, url.port or 80) as stream:
        yield stream


def request_bytes(client: httpx.AsyncClient, line: str, *headers: str, body: bytes = b"") -> bytes:
    """One request in HTTP/1.0, whose answer is neither chunked nor followed by another."""
    host = f"Host: {client.base_url.netloc.decode()}"
    return "\r\n".join((f"{line} HTTP/1.0", host, *headers, "", "")).encode() + body


async def read_all(stream: trio.SocketStream) -> bytes:
    """Read until the server ends the connection, cleanly or not."""
    received = bytearray()
    try:
        async for piece in stream:
            received += piece
    except trio.BrokenResourceError:
        pass
    return bytes(received)

"""A node that is served over TLS on a real socket, as other machines see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx

from photonic import certificate
from photonic.api.app import Face
from photonic.api.porter import COOKIE
from photonic.api.server import serve
from photonic.cli.remote import Remote
from photonic.scopes import ADMIN_SCOPES
from photonic.world import World
from tests.api.client import BOUND_S
from tests.api.local_node import MemoryNode


class Secure:
    """The node, and how to ask it: `ask` without anything, `token` and `log_in` for what helps."""

    def __init__(self, node: MemoryNode, app: Face, url: str, fingerprint: str) -> None:
        self.node, self.app, self.url, self.fingerprint = node, app, url, fingerprint
        self.context = Remote(url, fingerprint.replace(":", "").lower()).context()
        self.clients: list[httpx.AsyncClient] = []

    def client(self, **headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            base_url=self.url, verify=self.context, timeout=BOUND_S, headers=headers
        )
        self.clients.append(client)
        return client

    async def holder(self, scopes: Sequence[str] = ADMIN_SCOPES) -> tuple[httpx.AsyncClient, str]:
        """A client with a token of these scopes, and the token's id."""
        token, text = await self.node.tokens.create("t", scopes, 3600)
        return self.client(Authorization=f"Bearer {text}"), token.id

    async def browser(self, scopes: Sequence[str] = ADMIN_SCOPES) -> tuple[httpx.AsyncClient, str]:
        """A client that logged in, and says where its requests come from; and the token's id."""
        token, text = await self.node.tokens.create("t", scopes, 3600)
        client = self.client(**{"Sec-Fetch-Site": "same-origin"})
        answer = await client.post("/api/v1/session", json={"token": text})
        assert answer.status_code == 200, answer.text
        assert COOKIE in client.cookies
        return client, token.id


@asynccontextmanager
async def secured(**entrance: Any) -> AsyncIterator[Secure]:
    with TemporaryDirectory() as folder:
        node, shutdown = MemoryNode(Path(folder)), anyio.Event()
        shown = await anyio.to_thread.run_sync(
            partial(certificate.load_or_make, Path(folder, "https.pem"), (), World())
        )
        app = Face(node)
        async with anyio.create_task_group() as tasks:
            start = partial(serve, app, "127.0.0.1", 0, shutdown=shutdown, tls=shown.context)
            url: str = await tasks.start(start)
            assert url.startswith("https://")
            secure = await anyio.to_thread.run_sync(
                partial(Secure, node, app, url, shown.fingerprint)
            )
            try:
                yield secure
            finally:
                for client in secure.clients:
                    await client.aclose()
                shutdown.set()

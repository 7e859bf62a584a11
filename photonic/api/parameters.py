"""Query parameters that were given without a value count as not given.

Forms and URL templates (`?q=&limit=&cursor=`) write every parameter they know, empty or not.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class EmptyParameters:
    """Wraps the application and leaves out empty parameters before anybody reads them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["query_string"]:
            scope = {**scope, "query_string": without_empty(scope["query_string"])}
        await self._app(scope, receive, send)


def without_empty(query: bytes) -> bytes:
    """Return a query string without the parameters that have no value."""
    return b"&".join(pair for pair in query.split(b"&") if pair.partition(b"=")[2])

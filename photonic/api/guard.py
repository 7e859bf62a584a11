"""The door of the HTTP face: who may ask, how much, and what a browser may do with the answer.

Who asks is found out by `porter.Porter`. What keeps other sites' pages out, over TLS and on
loopback, where nobody needs a token, is that a browser tells the truth in `Host`, `Origin` and
`Sec-Fetch-Site`. A name in `Host` that is not ours is DNS rebinding; a request to the API from
another site's page is refused, writes and reads alike. Programs send no `Origin` and are let in.
"""

from __future__ import annotations

import ipaddress
import re
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photonic import limits
from photonic.api.porter import SAFE_METHODS, Porter
from photonic.api.problem_documents import ProblemResponse, answer_unforeseen
from photonic.errors import (
    BodyTooLarge,
    OriginRefused,
    PhotonicError,
    RequestTimeout,
    StreamBroken,
    TokenNeeded,
)

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT_SECURITY = "max-age=15552000"  # half a year, over TLS

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:@/\\\s]+)(?::[0-9]{1,5})?")


def host_name(header: str) -> str | None:
    """Return the name or address in a Host header, lower case, or None if it is malformed."""
    match = _HOST.fullmatch(header)
    return match["name"].strip("[]").lower() if match else None


def is_host_ours(header: str, arrived_at: str | None, names: frozenset[str]) -> bool:
    """Tell whether `header` names this node.

    Ours are the loopback names, the names given, and the address that the connection arrived at.
    """
    name = host_name(header)
    if name is None:
        return False
    if name == "localhost" or name in names:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False  # some other name that resolves to us: DNS rebinding
    return address.is_loopback or name == arrived_at


def is_site_ours(headers: Headers, *, navigates: bool, scheme: str = "http") -> bool:
    """Tell whether a request to the API comes from our own page, or from no page at all.

    A user who follows a link or types the address `navigates`, which no page can read back.
    """
    site = headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none") and not navigates:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == scheme and parts.netloc == headers.get("host")


class Guard:
    """Wraps the application: refuses what may not enter, bounds bodies, adds security headers."""

    def __init__(
        self, app: ASGIApp, porter: Porter | None, hosts: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._porter = porter  # None: only to be described, and serves nobody
        self._hosts = frozenset(name.strip("[]").lower() for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        armed = _Armed(send, scope)
        assert self._porter is not None, "there is no node behind this face"
        try:
            self._check(scope)
            presence: AbstractContextManager[None] = nullcontext()
            if is_api(scope["path"]):
                presence = self._porter.recognise(scope)
            with presence:
                if scope["method"] not in SAFE_METHODS:
                    receive = await _whole_body(scope, receive)
                await self._app(scope, receive, armed)
        except PhotonicError as error:
            self._porter.note_refused(error, scope)
            await self._refuse(error, scope, receive, armed)
        except Exception as error:
            if armed.has_started:
                raise  # the server ends the connection, so that nobody takes a torn body for whole
            response = answer_unforeseen(f"{scope['method']} {scope['path']}", error)
            await response(scope, receive, armed)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        arrived_at = scope["server"][0] if scope.get("server") else None
        host = headers.get("host", "")
        if not is_host_ours(host, arrived_at, self._hosts):
            raise OriginRefused(f"this node is not {host or 'without a name'}")
        is_read = scope["method"] in SAFE_METHODS
        navigates = is_read and headers.get("sec-fetch-mode") == "navigate"
        is_guarded = not is_read or is_api(scope["path"])
        if is_guarded and not is_site_ours(headers, navigates=navigates, scheme=scope["scheme"]):
            raise OriginRefused("another site's page may not talk to this node")

    @staticmethod
    async def _refuse(error: PhotonicError, scope: Scope, receive: Receive, send: _Armed) -> None:
        if send.has_started:
            if isinstance(error, TokenNeeded):
                return  # its right ended: the server ends the connection, and the answer is torn
            raise error
        # What is left of the body was not read, so the connection cannot be used again.
        response = ProblemResponse(error, headers={"Connection": "close"})
        await response(scope, receive, send)


class _Armed:
    """A `send` that adds the security headers, and remembers whether an answer began."""

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._is_api = is_api(scope["path"])
        name = host_name(Headers(scope=scope).get("host", "")) or "localhost"
        # A browser would take http://localhost away from every program of that machine.
        self._is_strict = scope["scheme"] == "https" and name != "localhost"
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            if self._is_strict:
                headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY)
            if self._is_api:
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def is_api(path: str) -> bool:
    """Tell whether something is asked of the node, and not just a file of the page."""
    return path.startswith("/api/") or path in ("/api", "/metrics", "/health")


async def _whole_body(scope: Scope, receive: Receive) -> Receive:
    """Read the request body, within bounds of size and time, and return a `receive` with it."""
    announced = Headers(scope=scope).get("content-length", "0")
    if announced.isdecimal() and _is_too_long(announced):
        raise BodyTooLarge(f"a body of {announced[:20]} bytes was announced")
    body = bytearray()
    with anyio.move_on_after(limits.HTTP_BODY_TIMEOUT_S) as timeout:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise StreamBroken("the client left before its request was whole")
            body += message.get("body", b"")
            if len(body) > limits.REQUEST_BODY_BYTES_MAX:
                raise BodyTooLarge(f"more than {limits.REQUEST_BODY_BYTES_MAX:,} bytes were sent")
            if not message.get("more_body", False):
                break
    if timeout.cancelled_caught:
        raise RequestTimeout(f"the body took longer than {limits.HTTP_BODY_TIMEOUT_S:.0f} s")
    whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def replay() -> Message:
        return whole.pop() if whole else await receive()

    return replay


def _is_too_long(digits: str) -> bool:
    return len(digits) > 19 or int(digits) > limits.REQUEST_BODY_BYTES_MAX

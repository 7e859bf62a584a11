"""One HTTP address for all libraries of a daemon: `/` is the first, `/l/NAME/` a further one.

Each library has a `Face` of its own, with its own guard and whatever else lets people in, and is
called as if it were alone: the prefix is taken off before, so no face knows of another one. Cookies
are kept apart here, too, for to a browser all of this is one site: those of a further library are
called `NAME~...` out there and belong to its path, and a face sees its own and no others.

`/api/libraries` lists the libraries to whoever sits at this machine, and to nobody else; what other
machines ask is answered by the faces alone. A library that does not serve now, and a name that none
has, are answered by a problem document. The guard stands in front of that as well.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import trio
from anyio.abc import TaskStatus
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photonic import limits
from photonic.api.app import Face
from photonic.api.guard import Guard
from photonic.api.porter import NoPorter
from photonic.api.problem_documents import ProblemResponse
from photonic.errors import LibraryNotServing, NotFound
from photonic.lodging import FIRST
from photonic.tenants import TenantView
from photonic.views import LocalNode

LIST = "/api/libraries"
_PLACE = re.compile(r"/l/([^/]*)(/.*)?", re.DOTALL)
_COOKIE_END = "~"  # between a library's name, which has none, and the name of its cookie

# Opens the listeners of the daemon, on a host and port, for a library with this path, and returns
# the URL of the plain one; may be called again.
Opener = Callable[[LocalNode, str, int, str], Awaitable[str]]


class AppMaker(Protocol):
    """Makes the face of a library for plain HTTP, or for HTTPS, where it has other names."""

    def __call__(self, served: LocalNode, *, is_secure: bool) -> Face: ...


class Door:
    """The faces of one library, for plain HTTP and HTTPS, and how many requests are inside."""

    def __init__(self, plain: Face, secure: Face) -> None:
        self._plain, self._secure = plain, secure
        self._inside = 0
        self._is_empty = trio.Event()

    async def enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._inside += 1
        try:
            app = self._secure if scope.get("scheme") == "https" else self._plain
            await app(scope, receive, send)
        finally:
            self._inside -= 1
            self._is_empty.set()

    def begin_shutdown(self) -> None:
        """End the streams that would never end by themselves."""
        self._plain.begin_shutdown()
        self._secure.begin_shutdown()

    async def close(self) -> None:
        """End the streams, and wait a while for answers that are under way."""
        self.begin_shutdown()
        with trio.move_on_after(limits.SHUTDOWN_GRACE_S) as patience:
            patience.shield = True
            while self._inside:
                self._is_empty = trio.Event()
                await self._is_empty.wait()


class Porch:
    """See the module. An ASGI application, and `tenants.Porch`."""

    def __init__(
        self,
        open_listener: Opener,
        make_app: AppMaker,
        views: Callable[[], Sequence[TenantView]],
        *,
        lists: bool = True,
    ) -> None:
        """`lists`: who sits at this machine may know which libraries there are, without a token."""
        self._open_listener, self._make_app, self._views = open_listener, make_app, views
        self._lists = lists
        self._doors: dict[str, Door] = {}
        self._guarded: ASGIApp = Guard(self._answer_itself, NoPorter())
        self._listening = trio.Lock()
        self.can_open = True

    # --- libraries ---------------------------------------------------------------------------

    def path(self, name: str) -> str:
        return "/" if name == FIRST else f"/l/{name}/"

    def face(self, name: str) -> Callable[..., Any]:
        async def serve_library(
            served: LocalNode, host: str, port: int, *, task_status: TaskStatus[str]
        ) -> None:
            """Serve a node until cancelled; who asked it to stop, or to join, hears that it did."""
            url = await self._open(served, host, port, self.path(name))
            plain, secure = (self._make_app(served, is_secure=is_it) for is_it in (False, True))
            door = self._doors[name] = Door(plain, secure)
            try:
                task_status.started(url + self.path(name).removesuffix("/"))
                await trio.sleep_forever()
            finally:
                del self._doors[name]
                await door.close()

        return serve_library

    async def _open(self, served: LocalNode, host: str, port: int, path: str) -> str:
        async with self._listening:
            self.can_open = False
            url = await self._open_listener(served, host, port, path)
            self.can_open = True
            return url

    def begin_shutdown(self) -> None:
        """End the streams that would never end by themselves."""
        for door in self._doors.values():
            door.begin_shutdown()

    # --- requests ----------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._guarded(scope, receive, send)
            return
        place = _PLACE.fullmatch(scope["path"])
        name = FIRST if place is None else place[1]
        is_ours = self._is_list(scope)
        door = None if is_ours or (place is not None and not name) else self._doors.get(name)
        if door is None or (place is not None and place[2] is None):
            await self._guarded(scope, receive, send)
            return
        if place is None:
            await door.enter(_with_cookies(scope, FIRST), receive, send)
            return
        inside = _moved(_with_cookies(scope, name), name, place[2])
        await door.enter(inside, receive, _naming_cookies(send, name))

    def _is_list(self, scope: Scope) -> bool:
        return self._lists and scope["path"] == LIST and is_local(scope)

    async def _answer_itself(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._answer(scope)
        await response(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        """Answer what no face can: the list, an address without its slash, a face that is away."""
        if self._is_list(scope):
            if scope["method"] not in ("GET", "HEAD"):
                return ProblemResponse(NotFound(LIST))
            return JSONResponse({"items": [asdict(view) for view in self._views()]})
        place = _PLACE.fullmatch(scope["path"])
        name = FIRST if place is None else place[1]
        if place is not None and not name:  # that is nobody, and not the first
            return ProblemResponse(NotFound(f"there is nothing at {scope['path']}"))
        if place is not None and place[2] is None and name in self._doors:
            return RedirectResponse(self.path(name), 308)
        is_known = name == FIRST or any(view.name == name for view in self._views())
        if is_known and name not in self._doors:  # it starts, or ends
            return ProblemResponse(LibraryNotServing("this library does not serve, now"))
        return ProblemResponse(NotFound(f"there is nothing at {scope['path']}"))


def is_local(scope: Scope) -> bool:
    """Whether who asks is on this machine, and came by a loopback address, without TLS."""
    if scope.get("scheme") == "https":
        return False  # there everybody shows a token, and to a library
    ends = (scope.get("client"), scope.get("server"))
    try:
        return all(end and ipaddress.ip_address(end[0]).is_loopback for end in ends)
    except ValueError:
        return False


def _moved(scope: Scope, name: str, path: str) -> Scope:
    """Return a request as the library's face sees it: as if that were alone here."""
    inside = dict(scope, path=path)
    raw, prefix = scope.get("raw_path") or b"", f"/l/{name}".encode("ascii")
    if raw.startswith(prefix + b"/"):
        inside["raw_path"] = raw[len(prefix) :]
    else:  # the name was spelt with escapes
        inside.pop("raw_path", None)
    return inside


def _with_cookies(scope: Scope, name: str) -> Scope:
    """Return a request with the cookies of one library, called as its face called them."""
    if "cookie" not in Headers(scope=scope):
        return scope
    prefix = f"{name}{_COOKIE_END}" if name != FIRST else ""
    headers: list[tuple[bytes, bytes]] = []
    for key, value in scope["headers"]:
        if key.lower() != b"cookie":
            headers.append((key, value))
            continue
        kept = [
            part.strip().removeprefix(prefix)
            for part in value.decode("latin-1").split(";")
            if _is_of(part.strip().partition("=")[0], prefix)
        ]
        if kept:
            headers.append((key, "; ".join(kept).encode("latin-1")))
    return dict(scope, headers=headers)


def _is_of(cookie: str, prefix: str) -> bool:
    """Whether a cookie belongs to the library with this prefix; without one, to the first."""
    return cookie.startswith(prefix) if prefix else _COOKIE_END not in cookie


def _naming_cookies(send: Send, name: str) -> Send:
    """Return a `send` that gives the cookies of a further library their outer name and path."""

    async def renaming(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [
                (key, _outer(value, name) if key.lower() == b"set-cookie" else value)
                for key, value in message.get("headers", ())
            ]
            message = dict(message, headers=headers)
        await send(message)

    return renaming


def _outer(cookie: bytes, name: str) -> bytes:
    first, *attributes = cookie.decode("latin-1").split(";")
    kept = [
        one for one in attributes if one.strip().partition("=")[0].lower() not in ("path", "domain")
    ]
    parts = [f"{name}{_COOKIE_END}{first.strip()}", *kept, f" Path=/l/{name}/"]
    return ";".join(parts).encode("latin-1")

"""Finds out who asks, and whether this operation is theirs to do. Fails closed.

At the door, before a body is read, `recognise` looks at what a request shows; nobody gets no
further than a read, and a cookie writes only for a page of this very site. When the framework
knows the operation, `authorise` has it judged by `scopes.OPERATIONS`: a dependency of every route,
so one that lacks it, or a row, is found by `tests/api/test_scopes.py`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from fastapi import Request
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from photonic.entrance import Entrance, Holder, Shown
from photonic.errors import OriginRefused, PhotonicError, TokenNeeded

COOKIE = "__Host-photonic"
LOGIN = ("POST", "/api/v1/session")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_HOLDER = "photonic.holder"


class Porter:
    """See the module; asked by `guard.Guard`."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance

    def recognise(self, scope: Scope) -> AbstractContextManager[None]:
        """Note in `scope` who asks; return what surrounds the answer, and ends it with the right.

        Raises TokenNeeded, TooManyWrongTokens, OriginRefused.
        """
        headers = Headers(scope=scope)
        shown = Shown(
            address_of(scope),
            is_local=scope["scheme"] == "http",
            bearer=_bearer(headers.get("authorization", "")),
            cookie=cookie_parser(headers.get("cookie", "")).get(COOKIE),
        )
        holder = self._entrance.recognise(shown)
        if scope["method"] not in SAFE_METHODS:
            if holder is None and (scope["method"], scope["path"]) != LOGIN:
                raise TokenNeeded("this needs a token")
            if holder is not None and holder.session and not _is_from_our_page(headers):
                raise OriginRefused("a cookie writes only for this node's own page")
        scope[_HOLDER] = holder
        return self._entrance.presence(holder)

    def note_refused(self, error: PhotonicError, scope: Scope) -> None:
        """Tell of a refusal at the door."""
        if isinstance(error, OriginRefused):
            self._entrance.note_refused(error, address_of(scope))


class NoPorter(Porter):
    """Asks nobody who he is: for answers that are the same for all, and tell nothing."""

    def __init__(self) -> None:
        """There is no entrance behind it."""

    def recognise(self, scope: Scope) -> AbstractContextManager[None]:
        scope[_HOLDER] = None
        return nullcontext()

    def note_refused(self, error: PhotonicError, scope: Scope) -> None:
        """Tell nobody: no library was asked for anything."""


def address_of(scope: Scope) -> str:
    """Return from where a request came."""
    return scope["client"][0] if scope.get("client") else ""


def holder_of(request: Request) -> Holder:
    """Return who asks. `authorise` has let it pass."""
    holder: Holder | None = request.scope[_HOLDER]
    assert holder is not None, "an operation that is anybody's asks nobody's name"
    return holder


async def authorise(request: Request) -> None:
    """Let pass who may do what the route does. Raises TokenNeeded, ScopeMissing."""
    entrance: Entrance = request.app.node.entrance
    holder: Holder | None = request.scope[_HOLDER]
    entrance.judge(request.scope["route"].name, holder, address_of(request.scope))
    await entrance.note_use(holder)


def _bearer(header: str) -> str | None:
    kind, _, text = header.partition(" ")
    return text.strip() if kind.lower() == "bearer" else None


def _is_from_our_page(headers: Headers) -> bool:
    """Tell whether a browser says that a page of this site asks, and not just of no other.

    What it says, the guard has judged already: an `Origin` that is there is this very site.
    """
    return headers.get("sec-fetch-site") == "same-origin" or "origin" in headers

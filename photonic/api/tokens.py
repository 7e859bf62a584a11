"""Tokens and sessions: who else may use this face, and logging a browser in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from photonic import limits
from photonic.api import examples
from photonic.api.access import Node
from photonic.api.porter import COOKIE, address_of, holder_of
from photonic.api.problem_documents import problem_responses, write_responses
from photonic.api.requests import Body
from photonic.errors import HomeUnusable, TokenUnknown
from photonic.scopes import ADMIN_SCOPES
from photonic.token_views import (
    NewTokenView,
    SessionView,
    TokenView,
    view_of_holder,
    view_of_new_token,
    view_of_token,
)

routes = APIRouter(tags=["access"])

_TOKEN = TokenView(
    id="5f1c9a7be204",
    name="phone",
    scopes=["catalog.read", "blobs.read"],
    created="2024-06-01T00:00:00.000Z",
    expires="2024-08-30T00:00:00.000Z",
    last_used="2024-06-02T18:30:00.000Z",
    by="c09d3e6f1a22",
)
_TEXT = "photonic_" + "A" * 43
_LINK = f"https://192.168.1.5:8643/#/login?token={_TEXT}"
_NEW = NewTokenView(_TOKEN, _TEXT, _LINK, "<svg></svg>")
_SESSION = SessionView(_TOKEN.scopes, _TOKEN.name, _TOKEN.expires)


class LoginRequest(Body):
    """A token, which the browser then needs no more: it gets a cookie."""

    token: str = Field(min_length=1, max_length=limits.TOKEN_CHARS_MAX)


class TokenRequest(Body):
    """What a new token may do, and for how long; no more than whoever asks may."""

    name: str = Field(min_length=1, max_length=limits.TOKEN_NAME_CHARS_MAX, examples=["phone"])
    scopes: list[str] = Field(
        min_length=1, max_length=len(ADMIN_SCOPES), examples=[["catalog.read", "blobs.read"]]
    )
    ttl_s: int = Field(default=limits.TOKEN_TTL_S, ge=60, le=limits.TOKEN_TTL_S_MAX)


@dataclass(frozen=True, slots=True)
class TokenList:
    items: Sequence[TokenView]


@dataclass(frozen=True, slots=True)
class LoginView:
    """For how long the browser is logged in."""

    seconds: int


@dataclass(frozen=True, slots=True)
class LogoutView:
    ended: bool


@routes.get("/tokens", responses=examples.answer({"items": [_TOKEN]}) | problem_responses())
async def list_tokens(node: Node) -> TokenList:
    """List the tokens that are not revoked, without what they are."""
    return TokenList([view_of_token(token) for token in node.entrance.tokens()])


@routes.post(
    "/tokens",
    status_code=201,
    responses=examples.answer(_NEW, 201) | write_responses(HomeUnusable),
)
async def create_token(body: TokenRequest, request: Request, node: Node) -> NewTokenView:
    """Make a token. Its text is in this answer and nowhere else."""
    holder = holder_of(request)
    made = await node.entrance.create_token(holder, body.name, body.scopes, body.ttl_s)
    return view_of_new_token(*made, node.entrance)


@routes.delete(
    "/tokens/{token}",
    responses=examples.answer(_TOKEN) | problem_responses(TokenUnknown, HomeUnusable),
)
async def revoke_token(
    token: Annotated[str, Path(max_length=64, examples=[_TOKEN.id])], request: Request, node: Node
) -> TokenView:
    """Revoke a token and those made with it: at once, for whatever is being sent to them, too."""
    return view_of_token(await node.entrance.revoke_token(holder_of(request), token))


@routes.get("/session", responses=examples.answer(_SESSION) | problem_responses())
async def read_session(request: Request) -> SessionView:
    """Tell who asks, and what it may."""
    return view_of_holder(holder_of(request))


@routes.post("/session", responses=examples.answer({"seconds": 86_400}) | write_responses())
async def log_in(body: LoginRequest, request: Request, response: Response, node: Node) -> LoginView:
    """Begin a session of a browser, with a cookie that no script reads and no other site sends."""
    cookie, seconds = await node.entrance.log_in(body.token, address_of(request.scope))
    response.set_cookie(
        COOKIE, cookie, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict"
    )
    return LoginView(seconds)


@routes.delete("/session", responses=examples.answer({"ended": True}) | problem_responses())
async def log_out(request: Request, response: Response, node: Node) -> LogoutView:
    """End the session of this browser."""
    node.entrance.log_out(holder_of(request))
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return LogoutView(True)

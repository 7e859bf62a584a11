"""What is shown of tokens and sessions: the JSON of the REST face as values, as in views.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import segno

from photonic.entrance import Entrance, Holder
from photonic.showing import iso_utc
from photonic.tokens import Token


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token, without what it is. `by`: the token that made it; null was the local user."""

    id: str
    name: str
    scopes: Sequence[str]
    created: str
    expires: str
    last_used: str | None  # to within five minutes
    by: str | None


@dataclass(frozen=True, slots=True)
class NewTokenView:
    """A new token with its text, which is told this once.

    `link` opens the page and logs it in, where the node serves HTTPS; `qr_svg` shows that link.
    """

    token: TokenView
    text: str
    link: str | None
    qr_svg: str | None


@dataclass(frozen=True, slots=True)
class SessionView:
    """Who asks, and what it may. `token` is null for the local user, who needs none."""

    scopes: Sequence[str]
    token: str | None  # its name
    expires: str | None


def view_of_token(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        scopes=token.scopes,
        created=iso_utc(token.created_ms),
        expires=iso_utc(token.expires_ms),
        last_used=None if token.used_ms is None else iso_utc(token.used_ms),
        by=token.by or None,
    )


def view_of_new_token(token: Token, text: str, entrance: Entrance) -> NewTokenView:
    # Behind the #, so that it is sent to nobody and stands in no log.
    link = f"{entrance.url}/#/login?token={text}" if entrance.url else None
    svg = segno.make(link).svg_inline(scale=4, border=2) if link else None
    return NewTokenView(view_of_token(token), text, link, svg)


def view_of_holder(holder: Holder) -> SessionView:
    if holder.token is None:
        return SessionView(holder.scopes, None, None)
    return SessionView(holder.scopes, holder.token.name, iso_utc(holder.token.expires_ms))

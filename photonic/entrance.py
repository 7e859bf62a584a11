"""Who comes in over HTTP: the local user, a token, or a browser that logged in with one.

Plain HTTP is bound to loopback (`api/server.py`), so whoever comes that way is on this machine, and
has all rights unless `http_local_token` is set. Over TLS everybody shows a token, or the cookie of
a session, which is a token's and ends with it. Sessions are in memory: a restart ends them.
Whatever a holder is being told ends when its right does: at the expiry, and within a second of a
revocation or a logout.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from photonic import certificate, limits
from photonic.attempts import Attempts, network_of
from photonic.config import Settings
from photonic.errors import (
    CertificateUnusable,
    PhotonicError,
    ScopeMissing,
    TokenNeeded,
    TooManyWrongTokens,
)
from photonic.events import Audited, Event
from photonic.layout import Layout
from photonic.p2p.addresses import advertised, endpoint_of, parse_endpoint
from photonic.scopes import ADMIN_SCOPES, OPERATIONS, allows, named
from photonic.tokens import Token, TokenBook, digest_of, make_secret
from photonic.world import World

log = logging.getLogger(__name__)

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound to here


@dataclass(frozen=True, slots=True)
class Holder:
    """Who asks. Without a token it is the local user."""

    token: Token | None = None
    session: str = ""  # the digest of a cookie, where that was shown

    @property
    def scopes(self) -> Sequence[str]:
        return ADMIN_SCOPES if self.token is None else self.token.scopes


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody shows. `is_local`: came over plain HTTP, and so from this machine."""

    address: str
    is_local: bool
    bearer: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Https:
    """Where HTTPS is to be served, with what, and under which names."""

    host: str
    port: int
    certificate: certificate.Shown
    names: tuple[str, ...]


class Entrance:
    """See the module. Used on the event loop's thread."""

    def __init__(
        self,
        tokens: TokenBook,
        world: World,
        announce: Callable[[Event], object],
        *,
        local_needs_token: bool = False,
        https: Https | None = None,
    ) -> None:
        self._tokens, self._world, self._announce = tokens, world, announce
        self._local_needs_token = local_needs_token
        self._sessions: OrderedDict[str, tuple[str, int]] = OrderedDict()  # token, until when
        self._present: dict[trio.CancelScope, Holder] = {}
        self._wrong = Attempts(world.clock.monotonic_s)
        self._refusals = Attempts(world.clock.monotonic_s)
        self.https = https
        self.url = ""  # of HTTPS, once it is served
        self.fingerprint = "" if https is None else https.certificate.fingerprint

    def note_served(self, url: str) -> None:
        """HTTPS is served now at `url`, which may stand for every address of this machine."""
        assert self.https is not None
        port = urlsplit(url).port or 0
        own = map(parse_endpoint, advertised([endpoint_of(self.https.host, port)]))
        names = [*self.https.names, *(_bracketed(end.host) for end in own)]
        self.url = f"https://{names[0]}:{port}" if names else url

    def note_shared(self, url: str, fingerprint: str) -> None:
        """HTTPS is served now by the first library of the daemon, and for this one at `url`."""
        self.url, self.fingerprint = url, fingerprint

    # --- who ---------------------------------------------------------------------------------

    def recognise(self, shown: Shown) -> Holder | None:
        """Return who shows this, None for nobody.

        Raises TokenNeeded for a wrong token, TooManyWrongTokens after many of them.
        """
        if shown.bearer is not None:
            return Holder(self._check(shown.bearer, shown.address))
        if shown.is_local and not self._local_needs_token:
            return Holder()
        return self._of_session(shown.cookie)

    def judge(self, operation: str, holder: Holder | None, address: str) -> None:
        """Let pass who may do `operation`. Raises TokenNeeded, ScopeMissing."""
        if allows(OPERATIONS, operation, holder.scopes if holder else None):
            return
        if holder is None:
            raise TokenNeeded("this needs a token")
        error = ScopeMissing(f"{operation} needs {named(OPERATIONS.get(operation, ('a row',)))}")
        self.note_refused(error, address, holder)
        raise error

    def _check(self, text: str, address: str) -> Token:
        key = network_of(address)
        if wait_s := self._wrong.wait_s(key):
            raise TooManyWrongTokens(f"wait for {math.ceil(wait_s)} s")
        token = self._tokens.find(text) if len(text) <= limits.TOKEN_CHARS_MAX else None
        if token is None:
            self._wrong.note(key)
            error = TokenNeeded("this token is wrong, expired or revoked")
            self.note_refused(error, address)
            raise error
        return token

    def _of_session(self, cookie: str | None) -> Holder | None:
        # What is no session is nobody, and is not counted: a page that was open over a restart
        # asks a dozen times before it hears of it.
        session = digest_of(cookie) if cookie and len(cookie) <= limits.TOKEN_CHARS_MAX else ""
        token_id, until_ms = self._sessions.get(session, ("", 0))
        token = self._tokens.get(token_id)
        if token is None or until_ms <= self._world.clock.now_ms():
            self._sessions.pop(session, None)
            return None
        return Holder(token, session)

    def note_refused(
        self, error: PhotonicError, address: str, holder: Holder | None = None
    ) -> None:
        """Tell of a refusal: the first of its kind from an address within a minute."""
        if self._refusals.is_first(f"{network_of(address)} {error.code}"):
            log.warning("%s was refused: %s", address, error)
            token = holder.token.id if holder and holder.token else ""
            facts = {"address": address[:64], "error": error.code}
            facts |= {"token_id": token} if token else {}
            self._announce(Audited("http.refused", facts))

    @contextmanager
    def presence(self, holder: Holder | None) -> Iterator[None]:
        """While a holder is answered; what happens inside is cancelled when its right ends."""
        if holder is None or holder.token is None:
            yield
            return
        left_s = max(0.0, (holder.token.expires_ms - self._world.clock.now_ms()) / 1000)
        with trio.move_on_after(min(left_s, limits.TOKEN_TTL_S_MAX)) as scope:
            self._present[scope] = holder
            try:
                yield
            finally:
                del self._present[scope]
        if scope.cancelled_caught:
            raise TokenNeeded("this token ended meanwhile")

    def _end_session(self, session: str, but: Holder | None = None) -> None:
        self._end(lambda one: one is not but and one.session == session)

    def _end(self, is_over: Callable[[Holder], bool]) -> None:
        for scope, holder in tuple(self._present.items()):
            if is_over(holder):
                scope.cancel()

    # --- sessions ----------------------------------------------------------------------------

    async def log_in(self, text: str, address: str) -> tuple[str, int]:
        """Return the cookie of a new session of a token, and for how many seconds it is good.

        Raises TokenNeeded, TooManyWrongTokens.
        """
        token, now_ms = self._check(text, address), self._world.clock.now_ms()
        await self._tokens.note_use(token)
        until_ms = min(token.expires_ms, now_ms + limits.WEB_SESSION_S * 1000)
        cookie = make_secret(self._world)
        self._sessions[digest_of(cookie)] = (token.id, until_ms)
        while len(self._sessions) > limits.WEB_SESSIONS_MAX:
            self._end_session(self._sessions.popitem(last=False)[0])
        self._announce(Audited("session.began", {"token_id": token.id, "address": address[:64]}))
        return cookie, max(1, (until_ms - now_ms) // 1000)

    def log_out(self, holder: Holder) -> None:
        """End a session and what is being told to it, except for the answer to this."""
        if self._sessions.pop(holder.session, None) is not None:
            self._end_session(holder.session, holder)

    async def note_use(self, holder: Holder | None) -> None:
        """Remember when a token was last used."""
        if holder is not None and holder.token is not None:
            await self._tokens.note_use(holder.token)

    # --- tokens ------------------------------------------------------------------------------

    def tokens(self) -> Sequence[Token]:
        return self._tokens.list()

    async def create_token(
        self, holder: Holder, name: str, scopes: Sequence[str], ttl_s: int
    ) -> tuple[Token, str]:
        """Make a token that may no more than `holder`. Raises ScopeMissing, RequestInvalid."""
        beyond = [scope for scope in ADMIN_SCOPES if scope in scopes and scope not in holder.scopes]
        if beyond:
            raise ScopeMissing(f"nobody gives what he has not: {', '.join(beyond)}")
        token, text = await self._tokens.create(name, scopes, ttl_s, holder.token)
        self._announce(Audited("token.created", _facts(token) | {"by": token.by or "this machine"}))
        return token, text

    async def revoke_token(self, holder: Holder, token_id: str) -> Token:
        """End a token, what was made with it, their sessions and what is being told to them.

        Only `holder`, whose own may be the one, still gets the answer to this. Raises TokenUnknown,
        HomeUnusable.
        """
        try:
            revoked = await self._tokens.revoke(token_id)
        finally:  # also where the disk refused to keep it
            self._end(lambda one: one is not holder and self._has_ended(one))
        for token in revoked:
            self._announce(Audited("token.revoked", _facts(token)))
        return next(token for token in revoked if token.id == token_id)

    def _has_ended(self, holder: Holder) -> bool:
        return holder.token is not None and self._tokens.get(holder.token.id) is None


def open_entrance(
    settings: Settings, layout: Layout, world: World, announce: Callable[[Event], object]
) -> Entrance:
    """Read what is kept, and make a certificate where one is needed and none is given.

    Raises HomeUnusable, CertificateUnusable.
    """
    return Entrance(
        TokenBook(layout.tokens, world),
        world,
        announce,
        local_needs_token=settings.http_local_token,
        https=_https(settings, layout, world),
    )


def _https(settings: Settings, layout: Layout, world: World) -> Https | None:
    if settings.https_place is None:
        return None
    host, port = settings.https_place
    given, key = settings.https_certificate, settings.https_key
    if (given is None) != (key is None):
        raise CertificateUnusable("https_certificate and https_key belong together")
    if given is not None and key is not None:
        shown = certificate.load(given, key)
    else:
        names = settings.https_names if host in _EVERYWHERE else (host, *settings.https_names)
        shown = certificate.load_or_make(layout.https, names, world)
    return Https(host, port, shown, settings.https_names)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _facts(token: Token) -> dict[str, str]:
    return {"token_id": token.id, "name": token.name, "scopes": " ".join(token.scopes)}

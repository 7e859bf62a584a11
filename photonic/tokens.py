"""Tokens for the REST face: random, scoped, expiring, revocable; only their hashes are kept.

A token is 256 random bits, so its plain BLAKE3 is as good as a slow hash, and nobody guesses one.
`tokens.json` in the home folder is replaced as a whole, durably, before anybody is told. A file
that cannot be read is an error, never an empty list.
"""

from __future__ import annotations

import base64
import hmac
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import trio
from blake3 import blake3
from msgspec.structs import replace

from photonic import limits
from photonic.errors import HomeUnusable, RequestInvalid, TokenUnknown
from photonic.scopes import ADMIN_SCOPES
from photonic.world import World

log = logging.getLogger(__name__)

PREFIX = "photonic_"  # so that whoever looks for secrets in files finds it


class Token(msgspec.Struct, frozen=True):
    """What is kept of a token. `by` is the id of the token that made it; "" was the local user."""

    id: str
    name: str
    scopes: tuple[str, ...]
    digest: str
    created_ms: int
    expires_ms: int
    by: str = ""
    used_ms: int | None = None


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return blake3(secret.encode("utf-8", "surrogatepass")).hexdigest()


def make_secret(world: World) -> str:
    """Return a new secret of 256 bits, as text that stands in headers, addresses and QR codes."""
    return base64.urlsafe_b64encode(world.entropy.token(limits.TOKEN_BYTES)).decode().rstrip("=")


def check_wish(name: str, scopes: Sequence[str], ttl_s: int) -> None:
    """Judge what somebody wants of a token. Raises RequestInvalid."""
    unknown = sorted(set(scopes) - set(ADMIN_SCOPES))
    if unknown or not scopes:
        wrong = ", ".join(unknown)[:80] or "none is named"
        raise RequestInvalid(f"scopes: {wrong}; there are {', '.join(ADMIN_SCOPES)}")
    if not 0 < ttl_s <= limits.TOKEN_TTL_S_MAX:
        raise RequestInvalid(f"a token lasts 1 to {limits.TOKEN_TTL_S_MAX:,} seconds")
    if not name.isprintable() or not 0 < len(name.strip()) <= limits.TOKEN_NAME_CHARS_MAX:
        raise RequestInvalid("a token's name has 1 to 64 characters that can be seen")


class TokenBook:
    """All tokens of one node. Used on the event loop's thread."""

    def __init__(self, file: Path, world: World) -> None:
        """Raises HomeUnusable."""
        self._file, self._world = file, world
        self._turn = trio.Lock()  # the file is written by one at a time
        self._tokens: dict[str, Token] = {}
        try:
            kept = msgspec.json.decode(file.read_bytes(), type=list[Token])
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            raise HomeUnusable(str(file), str(error)) from error
        self._tokens = {token.id: token for token in kept}

    def list(self) -> list[Token]:
        """Return all tokens that are not revoked, the expired ones too, oldest first."""
        return list(self._tokens.values())

    def get(self, token_id: str) -> Token | None:
        """Return a token that is good now."""
        token = self._tokens.get(token_id)
        return token if token and self._world.clock.now_ms() < token.expires_ms else None

    def find(self, text: str) -> Token | None:
        """Return the token that `text` is, if it is good now. Takes as long whatever `text` is."""
        shown, found = digest_of(text), None
        for token in self._tokens.values():
            if hmac.compare_digest(token.digest, shown):
                found = token
        return self.get(found.id) if found else None

    async def create(
        self, name: str, scopes: Sequence[str], ttl_s: int, maker: Token | None = None
    ) -> tuple[Token, str]:
        """Make a token that is durable; its text is told once, here.

        One that `maker` makes ends with it. Raises RequestInvalid, HomeUnusable.
        """
        check_wish(name, scopes, ttl_s)
        text, now_ms = PREFIX + make_secret(self._world), self._world.clock.now_ms()
        expires_ms = now_ms + ttl_s * 1000
        token = Token(
            id=self._world.entropy.token(6).hex(),
            name=name.strip(),
            scopes=tuple(scope for scope in ADMIN_SCOPES if scope in scopes),
            digest=digest_of(text),
            created_ms=now_ms,
            expires_ms=expires_ms if maker is None else min(expires_ms, maker.expires_ms),
            by="" if maker is None else maker.id,
        )
        async with self._turn:
            if maker is not None and self.get(maker.id) is None:
                raise TokenUnknown("the token that asks was revoked meanwhile")
            good = {known: t for known, t in self._tokens.items() if now_ms < t.expires_ms}
            if len(good) >= limits.TOKENS_MAX:
                raise RequestInvalid(f"there are {len(good)} tokens already; revoke one first")
            # Expired ones are shown until their room is needed.
            known = self._tokens if len(self._tokens) < limits.TOKENS_MAX else good
            self._tokens = await self._keep(known | {token.id: token})
        return token, text

    async def revoke(self, token_id: str) -> Sequence[Token]:
        """Forget a token and those that were made with it; return them.

        They are worth nothing from now on, even if that cannot be kept. Raises TokenUnknown,
        HomeUnusable.
        """
        async with self._turn:
            if token_id not in self._tokens:
                raise TokenUnknown(f"there is no token {token_id[:40]!r}")
            gone = {token_id}
            while more := {t.id for t in self._tokens.values() if t.by in gone} - gone:
                gone |= more
            revoked = [token for token in self._tokens.values() if token.id in gone]
            self._tokens = {k: t for k, t in self._tokens.items() if k not in gone}
            await self._keep(self._tokens)
        return revoked

    async def note_use(self, token: Token) -> None:
        """Remember that a token is used now, to within TOKEN_USE_KEPT_S."""
        if not self._is_use_news(token.id):
            return
        async with self._turn:
            if self._is_use_news(token.id):  # not revoked, nor noted by another, while we waited
                used = replace(self._tokens[token.id], used_ms=self._world.clock.now_ms())
                self._tokens = self._tokens | {token.id: used}
                try:
                    await self._keep(self._tokens)
                except HomeUnusable as error:  # a full disk keeps nobody out
                    log.warning("the last use of a token was not kept: %s", error)

    def _is_use_news(self, token_id: str) -> bool:
        known, now_ms = self._tokens.get(token_id), self._world.clock.now_ms()
        quiet_ms = limits.TOKEN_USE_KEPT_S * 1000
        return known is not None and not 0 <= now_ms - (known.used_ms or 0) < quiet_ms

    async def _keep(self, tokens: dict[str, Token]) -> dict[str, Token]:
        """Make these the only tokens on the disk, though whoever asked may leave meanwhile."""
        data = msgspec.json.format(msgspec.json.encode(list(tokens.values())), indent=2)
        try:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._world.files.write_durable, self._file, data)
        except OSError as error:
            raise HomeUnusable(str(self._file), error.strerror or str(error)) from error
        return tokens

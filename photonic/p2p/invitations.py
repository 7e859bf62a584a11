"""Invitation codes, and the book of those that are open.

A code is one line: who invites (peer ID and addresses), into which library (its id, which is the
hash of the authority's key: the joiner checks the founding by it), and a token that works once.
The book keeps only the token's hash, so that a stolen book opens nothing. A stranger is heard at
all only while an invitation is open, and for ten minutes after it was used or came to its end: so
long whoever comes too late is told why. Nobody can be told without being heard, for the handshake
comes before the code is shown; who has one tries it soon.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from collections import deque
from collections.abc import Sequence
from hmac import compare_digest

import msgspec

from photonic import limits
from photonic.errors import CodeExpired, CodeInvalid, CodeRefused, CodeUsed, TooManyAttempts
from photonic.ids import LibraryId, NodeId, digest

_PREFIX = "photonic-"
_TOLD_MS = limits.INVITATION_TOLD_S * 1000
TOKEN_BYTES = 16


class Code(msgspec.Struct, frozen=True, array_like=True):
    """What an invitation code says."""

    library: bytes
    inviter: bytes
    token: bytes
    expires_s: int
    addresses: tuple[str, ...]

    def text(self) -> str:
        """Return the line that is copied by hand, mail or QR."""
        raw = msgspec.msgpack.encode(self)
        raw += digest(raw)[:2]  # a slip of the pen is told here, not by the other node
        return _PREFIX + b32encode(raw).decode().rstrip("=").lower()


def parse_code(text: str) -> Code:
    """Parse what `Code.text` returned; case and white space do not matter. Raises CodeInvalid."""
    bare = "".join(text.split()).lower()
    if not bare.startswith(_PREFIX):
        raise CodeInvalid(f"an invitation code begins with {_PREFIX}")
    body = bare.removeprefix(_PREFIX).upper()
    try:
        raw = b32decode(body + "=" * (-len(body) % 8))
        if digest(raw[:-2])[:2] != raw[-2:]:
            raise CodeInvalid("the code has a slip in it, or is not whole")
        code = msgspec.msgpack.decode(raw[:-2], type=Code)
    except (ValueError, msgspec.MsgspecError) as error:
        raise CodeInvalid("the code has a slip in it, or is not whole") from error
    if len(code.library) != 16 or len(code.inviter) != 32 or len(code.token) != TOKEN_BYTES:
        raise CodeInvalid("the code was not made by photonic")
    return code


class Invitation(msgspec.Struct):
    """One entry of the book."""

    token_hash: bytes
    role: str
    scopes: tuple[str, ...]
    expires_ms: int
    used_by: bytes | None = None
    used_ms: int | None = None
    life_s: int | None = None  # of the certificate; None: without an end


class InvitationBook:
    """The invitations of one node. Knows no clock: times are passed in, milliseconds."""

    def __init__(self, entries: Sequence[Invitation] = ()) -> None:
        self._entries = list(entries)
        self._attempts: deque[int] = deque(maxlen=limits.ENROL_ATTEMPTS_PER_MINUTE)

    def expects(self, node: NodeId, now_ms: int) -> bool:
        """Whether the stranger `node` may be heard now: a code is unused, or was used by it.

        Others are heard a little longer, to be told that they come too late.
        """
        return any(self._hears(entry, node, now_ms) for entry in self._entries)

    @staticmethod
    def _hears(entry: Invitation, node: NodeId, now_ms: int) -> bool:
        end_ms = entry.expires_ms + _TOLD_MS
        if entry.used_by not in (None, node):
            end_ms = min(end_ms, (entry.used_ms or 0) + _TOLD_MS)
        return now_ms < end_ms

    def _alive(self, now_ms: int) -> list[Invitation]:
        return [entry for entry in self._entries if entry.expires_ms > now_ms]

    def open(
        self,
        *,
        token: bytes,
        library: LibraryId,
        inviter: NodeId,
        addresses: Sequence[str],
        role: str,
        scopes: Sequence[str],
        now_ms: int,
        ttl_s: int,
        life_s: int | None = None,
    ) -> Code:
        """Open an invitation; the oldest gives way when too many are open."""
        assert len(token) == TOKEN_BYTES
        expires_ms = now_ms + ttl_s * 1000
        kept = [entry for entry in self._entries if entry.expires_ms + _TOLD_MS > now_ms]
        kept = kept[-(limits.INVITATIONS_OPEN_MAX - 1) :]
        entry = Invitation(digest(token), role, tuple(scopes), expires_ms, life_s=life_s)
        self._entries = [*kept, entry]
        return Code(library, inviter, token, expires_ms // 1000, tuple(addresses))

    def redeem(self, token: bytes, node: NodeId, now_ms: int) -> Invitation:
        """Use an invitation up for `node`; the same node may ask again if the answer got lost.

        A wrong token raises CodeRefused, too many of them TooManyAttempts; the right one is taken
        all the same, so that nobody can lock its holder out. One that another node used, or that
        came to its end, raises CodeUsed or CodeExpired.
        """
        wanted = digest(token)
        for entry in self._entries:
            if not compare_digest(entry.token_hash, wanted):
                continue
            if entry.used_by not in (None, node):
                self.count_wrong(now_ms)
                raise CodeUsed("another node has used this code")
            if entry.expires_ms <= now_ms:
                self.count_wrong(now_ms)
                raise CodeExpired("the code has expired")
            entry.used_by = bytes(node)
            entry.used_ms = entry.used_ms or now_ms
            return entry
        self.count_wrong(now_ms)
        raise CodeRefused("the inviting node never gave this code out, or has forgotten it")

    def count_wrong(self, now_ms: int) -> None:
        """Count a code that is not good. Raises TooManyAttempts if there are many of them."""
        is_flooded = len(self._attempts) == self._attempts.maxlen
        if is_flooded and now_ms - self._attempts[0] < 60_000:
            raise TooManyAttempts("too many wrong codes within a minute")
        self._attempts.append(now_ms)

    def dump(self) -> bytes:
        return msgspec.msgpack.encode(self._entries)

    @classmethod
    def load(cls, data: bytes) -> InvitationBook:
        """Read what `dump` returned. A damaged book is an empty one: invite again."""
        try:
            return cls(msgspec.msgpack.decode(data, type=list[Invitation]))
        except msgspec.MsgspecError:
            return cls()

"""Enrolment: what a guest and the inviting node say to each other, one request and one answer.

The inviter writes the member's certificate into the catalog and answers with the root documents,
by which the new member can judge everything else by itself. The joiner trusts nothing but the
library id in its code: the founding must be signed by the key that the id is the hash of.

Whoever has the library's recovery kit connects as the authority itself: the handshake proves that
it has the key, whatever else is lost. It gets the root documents, too, and answers with changes
that it signed, by which a machine is a member again.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from photonic import limits
from photonic.errors import (
    CodeElsewhere,
    CodeExpired,
    CodeRefused,
    CodeUsed,
    FrameInvalid,
    MemberUnchangeable,
    PhotonicError,
    RecoveryRefused,
    StreamBroken,
    TooManyAttempts,
)
from photonic.p2p.frames import read_message, send_message
from photonic.p2p.messages import Addresses, Word
from photonic.p2p.transport import Stream


class EnrolRequest(msgspec.Struct, tag="enrol", frozen=True):
    """I have a code. `library` is what the code says it is for."""

    token: bytes
    library: bytes
    name: str  # what this node wants to be called


class Granted(msgspec.Struct, tag="granted", frozen=True):
    """You are a member: this is the library, and where to find us."""

    library_name: Word
    role: Word
    # (document, update) of the root shard
    founding: Annotated[tuple[tuple[int, bytes], ...], msgspec.Meta(max_length=64)]
    addresses: Addresses


class RecoveryRequest(msgspec.Struct, tag="recover", frozen=True):
    """I am this library's authority. Give me its root."""

    library: bytes


class Signed(msgspec.Struct, tag="signed", frozen=True):
    """The authority says this, signed: take it in."""

    changes: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=limits.ENTRIES_PER_MESSAGE_MAX)]


class Taken(msgspec.Struct, tag="taken", frozen=True):
    """It is durable here, and goes on to the others."""


class Refused(msgspec.Struct, tag="refused", frozen=True):
    """You are not, and this is why: the code and message of the error."""

    code: Word
    message: Annotated[str, msgspec.Meta(max_length=limits.GUEST_FRAME_BYTES_MAX)]


Request = EnrolRequest | RecoveryRequest
Answer = Granted | Taken | Refused
_TOLD = {
    kind.code: kind
    for kind in (CodeUsed, CodeExpired, CodeElsewhere, TooManyAttempts, MemberUnchangeable)
}


async def ask_to_join(stream: Stream, request: EnrolRequest) -> Granted:
    """Speak the joiner's side. Raises CodeRefused, TooManyAttempts, StreamBroken."""
    await send_message(stream, request)
    answer = await _answer(stream)
    if not isinstance(answer, Granted):
        raise StreamBroken("the inviting node answered something else")
    return answer


async def _answer(stream: Stream) -> Granted | Taken:
    answer: Answer | None = await read_message(stream, Answer, limits.ENROL_TIMEOUT_S)
    if answer is None:
        raise StreamBroken("the inviting node ended the conversation")
    if isinstance(answer, Refused):
        raise _refusal(answer)
    return answer


async def ask_for_root(stream: Stream, library: bytes) -> Granted:
    """Begin the recovering side: return the root. Raises RecoveryRefused, StreamBroken."""
    await send_message(stream, RecoveryRequest(library))
    answer = await _answer(stream)
    if not isinstance(answer, Granted):
        raise RecoveryRefused("the member answered something else")
    return answer


async def hand_over(stream: Stream, changes: tuple[bytes, ...]) -> None:
    """End the recovering side: return when the member has the changes, durably."""
    await send_message(stream, Signed(changes))
    if not isinstance(await _answer(stream), Taken):
        raise RecoveryRefused("the member answered something else")


async def read_signed(stream: Stream) -> tuple[bytes, ...]:
    """Read what the authority signed. Raises StreamBroken, FrameInvalid."""
    signed: Signed | None = await read_message(stream, Signed, limits.ENROL_TIMEOUT_S)
    if signed is None:
        raise StreamBroken("the authority left without a word")
    return signed.changes


async def read_request(stream: Stream) -> Request:
    """Read the one message that a guest may send. Raises StreamBroken, FrameInvalid."""
    request: Request | None = await read_message(
        stream, Request, limits.ENROL_TIMEOUT_S, frame_bytes_max=limits.GUEST_FRAME_BYTES_MAX
    )
    if request is None:
        raise StreamBroken("the guest left without a word")
    if (
        isinstance(request, EnrolRequest)
        and not 0 < len(request.name) <= limits.NODE_NAME_CHARS_MAX
    ):
        raise FrameInvalid("a node's name is too long, or empty")
    return request


async def refuse(stream: Stream, error: PhotonicError) -> None:
    """Tell a guest why not."""
    await send_message(stream, Refused(error.code, error.message))


def _refusal(answer: Refused) -> PhotonicError:
    """Return the error that the inviter raised, as far as a joiner may be told by it."""
    return _TOLD.get(answer.code, CodeRefused)(answer.message)

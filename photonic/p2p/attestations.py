"""Attestations: what a member signs to prove that it holds a blob, and until when it keeps it.

Whoever wants to evict asks with a nonce that nobody has seen before; who holds the blobs reads them
from the disk, writes the promise down, and signs one attestation for each. So an attestation is
younger than its question, whatever the clocks say, and good for whoever asked and for nobody else.
All that is agreed on are *spans*: a promise holds for `keep_s` seconds, which whoever asked counts
from before it asked and whoever promised from after it read the question. A wall clock that is days
off makes neither of them wrong. `at_ms` is for people and the audit log; one that is more than a
day away says that something is wrong with a clock, and does not count.

Signed bytes: `DOMAIN || msgpack array of the attestation`. Pure: no clock, no stream, no disk. What
does not count is a reason in words, which the audit log and `photonic evict --dry-run` show.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

import msgspec

from photonic import limits, wire
from photonic.errors import FrameInvalid
from photonic.identity import SIGNATURE_BYTES, Identity, is_signed_by
from photonic.ids import HASH_BYTES, LIBRARY_BYTES, BlobId, LibraryId, NodeId

PROMISE_PROTOCOL = "/photonic/promises/1"
DOMAIN = b"photonic attestation 1\0"
_SIGNED_BYTES_MAX = 320

Hash = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]
Library = Annotated[bytes, msgspec.Meta(min_length=LIBRARY_BYTES, max_length=LIBRARY_BYTES)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=limits.PROMISE_KEEP_S_MAX)]
Moment = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
Reason = Annotated[str, msgspec.Meta(max_length=limits.PROMISE_REASON_CHARS_MAX)]
Data = Annotated[bytes, msgspec.Meta(max_length=_SIGNED_BYTES_MAX)]
Signature = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]


class Attestation(msgspec.Struct, frozen=True, array_like=True):
    """`node` read all of `blob` from its disk `verified_s` ago, and keeps it for `keep_s`.

    The latter from the question with this nonce on, which `to` asked.
    """

    library: Library
    blob: Hash
    node: Hash
    to: Hash
    nonce: Hash
    at_ms: Moment
    verified_s: Seconds
    keep_s: Seconds


class SignedAttestation(msgspec.Struct, frozen=True, array_like=True):
    """The very bytes that were signed, without the domain, and the signature."""

    data: Data
    signature: Signature


class AskPromises(msgspec.Struct, tag="ask-promises", frozen=True):
    """Read these blobs from the disk, and promise me to keep those that are right."""

    library: Library
    nonce: Hash
    keep_s: Seconds
    blobs: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=limits.PROMISE_BLOBS_MAX)]


class NotPromised(msgspec.Struct, frozen=True, array_like=True):
    """Of this blob there is no promise, and why."""

    blob: Hash
    reason: Reason


class Promises(msgspec.Struct, tag="promises", frozen=True):
    """What is promised, and what is not."""

    promised: Annotated[
        tuple[SignedAttestation, ...], msgspec.Meta(max_length=limits.PROMISE_BLOBS_MAX)
    ] = ()
    refused: Annotated[
        tuple[NotPromised, ...], msgspec.Meta(max_length=limits.PROMISE_BLOBS_MAX)
    ] = ()


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment by both clocks of this machine."""

    wall_ms: int
    monotonic_s: float


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, of which library and by whom, and when that was, by the asker's clocks."""

    library: LibraryId
    me: NodeId
    nonce: bytes
    keep_s: int
    blobs: frozenset[BlobId]
    sent: Instant

    def message(self, blobs: Collection[BlobId]) -> AskPromises:
        return AskPromises(self.library, self.nonce, self.keep_s, tuple(blobs))


def attest(
    identity: Identity,
    asked: AskPromises,
    blob: BlobId,
    to: NodeId,
    *,
    at_ms: int,
    verified_s: int,
) -> SignedAttestation:
    """Sign what was verified and promised already: sign nothing else."""
    said = Attestation(
        asked.library, blob, identity.node, to, asked.nonce, at_ms, verified_s, asked.keep_s
    )
    data = wire.encode(said)
    return SignedAttestation(data, identity.sign(DOMAIN + data))


def read_attestation(signed: SignedAttestation) -> Attestation:
    """Return what is signed. Raises FrameInvalid."""
    return wire.decode(signed.data, Attestation)


def objection(
    signed: SignedAttestation, question: Question, peer: NodeId, now: Instant
) -> str | None:
    """Say why what a peer answered does not count; None if it does, at this moment.

    Whether the peer is a member whose promise counts at all, the roster says.
    """
    try:
        said = read_attestation(signed)
    except FrameInvalid:
        return "it cannot be read"
    if said.node != peer or peer == question.me:
        return "it is another node's"
    if said.library != question.library:
        return "it is of another library"
    if said.to != question.me or said.nonce != question.nonce:
        return "it answers another question"
    if said.blob not in question.blobs:
        return "it is about what was not asked"
    if said.keep_s < question.keep_s:
        return "it promises less than was asked"
    if said.verified_s > limits.PROMISE_FRESH_S:
        return "it was verified too long ago"
    if abs(said.at_ms - now.wall_ms) > limits.CLOCK_TOLERANCE_MS:
        return "its clock or this one is more than a day off"
    if left_s(question, now) <= 0:
        return "it is too old by now"
    if not is_signed_by(peer, signed.signature, DOMAIN + signed.data):
        return "its signature is wrong"
    return None


def left_s(question: Question, now: Instant) -> float:
    """Return for how long an answer still counts; 0 where nobody can say.

    The monotonic clock may stand still while a machine sleeps, and the wall clock may be set: what
    they agree on is believed, and of two the longer time. Where they differ, it is asked again.
    """
    ran_s = now.monotonic_s - question.sent.monotonic_s
    wall_s = (now.wall_ms - question.sent.wall_ms) / 1000
    if ran_s < 0 or abs(wall_s - ran_s) > limits.PROMISE_CLOCKS_S:
        return 0.0
    return max(0.0, question.keep_s - limits.PROMISE_MARGIN_S - max(ran_s, wall_s))

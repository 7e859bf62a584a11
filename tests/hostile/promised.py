"""What a peer answers when it is asked for promises, for `decoders.py`."""

from __future__ import annotations

from photonic import limits, wire
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId, digest
from photonic.p2p import attestations

_ME, _OTHER = Identity(digest(b"me")), Identity(digest(b"other"))
_BLOB, _NOW = BlobId(digest(b"blob")), attestations.Instant(1, 0.0)
_QUESTION = attestations.Question(
    LibraryId(bytes(16)), _ME.node, bytes(32), limits.PROMISE_KEEP_S, frozenset([_BLOB]), _NOW
)
_ASK = _QUESTION.message([_BLOB])
_SIGNED = attestations.attest(_OTHER, _ASK, _BLOB, _ME.node, at_ms=1, verified_s=5)
_ANSWER = attestations.Promises((_SIGNED,), (attestations.NotPromised(_BLOB, "it is not here"),))
ASKED, ANSWERED, ATTESTED = wire.encode(_ASK), wire.encode(_ANSWER), _SIGNED.data


def read_ask(data: bytes) -> None:
    wire.decode(data, attestations.AskPromises)


def judge_answer(data: bytes) -> None:
    """What is answered is judged, and what is signed read, whatever it is."""
    answer = wire.decode(data, attestations.Promises)
    for signed in answer.promised:
        attestations.objection(signed, _QUESTION, _OTHER.node, _NOW)


def judge_signed(data: bytes) -> None:
    signed = attestations.SignedAttestation(data, bytes(64))
    assert attestations.objection(signed, _QUESTION, _OTHER.node, _NOW), "nobody signed it"
    attestations.read_attestation(signed)

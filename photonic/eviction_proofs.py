"""What let an original go: the attestations that counted, kept until the log has them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from photonic import limits
from photonic.events import Audited
from photonic.ids import BlobId, NodeId, peer_id
from photonic.p2p.attestations import Question, SignedAttestation, read_attestation

_PROOFS_IN_AUDIT_MAX = limits.AUDIT_FACTS_MAX - 4


@dataclass(frozen=True, slots=True)
class Proof:
    """An attestation that counted when it came, and the question that it answers."""

    signed: SignedAttestation
    question: Question
    node: NodeId


def encode_proofs(proofs: Iterable[Proof]) -> bytes:
    return msgspec.msgpack.encode([proof.signed for proof in proofs])


def decode_proofs(data: bytes) -> list[SignedAttestation]:
    return msgspec.msgpack.decode(data, type=list[SignedAttestation])


def evicted(blob: BlobId, proofs: Sequence[SignedAttestation], more: Mapping[str, str]) -> Audited:
    """Return the entry of the audit log: who promised, and each attestation as it was signed."""
    return Audited("blob.evicted", {"blob": blob.hex(), **more, **dict(_proof_facts(proofs))})


def _proof_facts(proofs: Sequence[SignedAttestation]) -> Iterator[tuple[str, str]]:
    yield "promises", str(len(proofs))
    for signed in proofs[:_PROOFS_IN_AUDIT_MAX]:
        node = NodeId(read_attestation(signed).node)
        text = base64.b64encode(signed.signature + signed.data).decode("ascii")
        yield peer_id(node), text

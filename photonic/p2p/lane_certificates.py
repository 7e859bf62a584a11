"""Certificates that prove a peer ID in TLS, as libp2p writes them.

A certificate has a key of its own, made for one life of a node, signed with the node's identity in
an extension. So whoever holds the identity's private key (the daemon, not the carrier) makes one,
and a member's is judged once, when it comes over the control plane; the carrier then takes that one
certificate from that peer and no other. So its dates would protect nothing, and part nodes whose
clocks differ: it is valid always.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.security.tls.certificate import (
    generate_certificate,
    verify_certificate_chain,
)

from photonic import limits
from photonic.errors import FrameInvalid
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id

_FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MOMENT = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # says RFC 5280: it does not expire
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Credentials(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


def make_credentials(identity: Identity) -> Credentials:
    """Make what a node shows on its lanes."""
    pair = create_new_key_pair(identity.seed)
    return Credentials(*generate_certificate(pair.private_key, _template()))


def _template() -> x509.CertificateBuilder:
    """Return what libp2p writes, but for the dates: it begins an hour before it was made."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "libp2p")])
    usage = dict.fromkeys(_USES, False) | {"digital_signature": True}
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FIRST_MOMENT)
        .not_valid_after(_LAST_MOMENT)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.KeyUsage(**usage), critical=False)
    )


def check_certificate(pem: str, node: NodeId) -> None:
    """Judge what a peer says that it will show. Raises FrameInvalid unless it proves `node`."""
    if len(pem) > limits.CERTIFICATE_CHARS_MAX:
        raise FrameInvalid("a peer sent a certificate that is too long")
    try:
        [certificate] = x509.load_pem_x509_certificates(pem.encode("ascii"))
        proven = ID.from_pubkey(verify_certificate_chain([certificate]))
    except Exception as error:
        raise FrameInvalid(f"a peer sent a certificate that proves nothing: {error}") from error
    if str(proven) != peer_id(node):
        raise FrameInvalid("a peer sent the certificate of another one")

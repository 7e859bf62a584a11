"""Certificates that prove a peer ID in TLS, as libp2p writes them.

A certificate has a key of its own, made for one life of a node, signed with the node's identity in
an extension. So whoever holds the identity's private key (the daemon, not the carrier) makes one,
and a member's is judged once, when it comes over the control plane; the carrier then takes that one
certificate from that peer and no other.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography import x509
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from libp2p.security.tls.certificate import (
    create_cert_template,
    generate_certificate,
    verify_certificate_chain,
)

from photonic import limits
from photonic.errors import FrameInvalid
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id


class Credentials(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


def make_credentials(identity: Identity) -> Credentials:
    """Make what a node shows on its lanes."""
    pair = create_new_key_pair(identity.seed)
    return Credentials(*generate_certificate(pair.private_key, create_cert_template()))


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

"""What this node shows over HTTPS: a certificate of the user's, or one that it makes for itself.

Its own is kept with its key in one file, readable by the owner only, for as long as browsers take
one, so that whoever compared the fingerprint once need not again. It vouches for nothing by itself:
a person compares, and `--fingerprint` pins it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from photonic import limits
from photonic.errors import CertificateUnusable
from photonic.world import World

_ALWAYS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate with its key, ready to be shown. `fingerprint` is its SHA-256, as A1:B2:..."""

    context: ssl.SSLContext
    fingerprint: str


def fingerprint_of(der: bytes) -> str:
    """Return the SHA-256 of a certificate as browsers show it."""
    return hashlib.sha256(der).digest().hex(":").upper()


def load(certificate: Path, key: Path) -> Shown:
    """Return what the user's files hold, PEM both. Raises CertificateUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise CertificateUnusable(f"{certificate}, {key}: {error}") from error
    return Shown(context, fingerprint_of(leaf.public_bytes(serialization.Encoding.DER)))


def load_or_make(file: Path, names: Sequence[str], world: World) -> Shown:
    """Return the node's own, made now if there is none that still lasts.

    `names` are host names and IP addresses under which it is reached. Raises CertificateUnusable.
    """
    now = datetime.fromtimestamp(world.clock.now_ms() / 1000, UTC)
    try:
        if not (file.exists() and _lasts(file.read_bytes(), now)):
            world.files.write_durable(file, _make(names, now))
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"{file}: {error}; move it away for a new one") from error
    return load(file, file)


def _lasts(pem: bytes, now: datetime) -> bool:
    [certificate] = x509.load_pem_x509_certificates(pem)
    soon = now + timedelta(days=limits.HTTPS_CERTIFICATE_RENEW_DAYS)
    return soon < certificate.not_valid_after_utc


def _make(names: Sequence[str], now: datetime) -> bytes:
    """Return a new key and its certificate, PEM. P-256, for browsers know no Ed25519."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "photonic node")])
    alternatives = [_general_name(name) for name in dict.fromkeys((*names, *_ALWAYS))]
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a browser's clock may be behind
        .not_valid_after(now + timedelta(days=limits.HTTPS_CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _no_password() -> str:
    raise ValueError("the key has a passphrase, which nobody is there to type")

"""A node on another machine: its address, the token for it, and whether it is the right one.

The certificate is judged before anything is said, the token least of all: it is the one whose
fingerprint was given, or one that this machine's authorities vouch for.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from photonic import limits
from photonic.errors import CertificateUnknown, NodeUnreachable, UsageInvalid

_FINGERPRINT = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Remote:
    """What --node, --token-file and --fingerprint said, judged. Made by `parse_remote`."""

    url: str
    fingerprint: str = ""  # SHA-256, 64 lower-case hex digits; "" is not given

    def context(self) -> ssl.SSLContext:
        """Return what takes the certificate of this node and no other.

        Raises NodeUnreachable, CertificateUnknown.
        """
        if not self.fingerprint:
            return ssl.create_default_context()
        pem = self._shown()
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        if found != self.fingerprint:
            raise CertificateUnknown(f"{self.url} shows the certificate {readable(found)}")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # this one certificate, whatever names are in it
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=pem)
        return context

    def stranger(self, reason: str) -> CertificateUnknown:
        """Return the error that tells what the node shows instead, to be compared by a person."""
        der = ssl.PEM_cert_to_DER_cert(self._shown())
        found = readable(hashlib.sha256(der).hexdigest())
        return CertificateUnknown(f"{self.url} shows the certificate {found}: {reason}")

    def _shown(self) -> str:
        parts = urlsplit(self.url)
        try:
            return ssl.get_server_certificate(
                (parts.hostname or "", parts.port or 443), timeout=limits.CLI_CONNECT_TIMEOUT_S
            )
        except (OSError, ValueError) as error:
            raise NodeUnreachable(f"{self.url}: {error}") from error


def parse_remote(url: str, fingerprint: str) -> Remote:
    """Judge what names a node. Raises UsageInvalid."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0 and parts.path in ("", "/")
    except ValueError as error:
        raise UsageInvalid(f"--node {url}: {error}") from error
    if parts.scheme not in ("http", "https") or not is_whole or parts.query or parts.username:
        raise UsageInvalid(f"--node {url}: write it as https://HOST:PORT")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise UsageInvalid(f"--node {url}: a token is not sent in the clear; use https")
    digits = fingerprint.replace(":", "").strip().lower()
    if digits and not _FINGERPRINT.fullmatch(digits):
        raise UsageInvalid("--fingerprint: 64 hex digits, as `photonic status` tells there")
    return Remote(f"{parts.scheme}://{parts.netloc}", digits)


def read_token(file: str) -> str:
    """Return the token in a file. Raises UsageInvalid, which never quotes it."""
    try:
        text = Path(file).expanduser().read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageInvalid(f"--token-file {file}: {type(error).__name__}") from None
    if not text or len(text) > limits.TOKEN_CHARS_MAX or not text.isprintable():
        raise UsageInvalid(f"--token-file {file}: it holds no token")
    return text


def readable(fingerprint: str) -> str:
    """Return a fingerprint as browsers and `photonic status` show it."""
    return bytes.fromhex(fingerprint).hex(":").upper()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

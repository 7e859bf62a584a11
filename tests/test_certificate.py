"""The node's own certificate: made once, kept with its key for its owner alone, renewed in time."""

from __future__ import annotations

import dataclasses
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from photonic import certificate
from photonic.errors import CertificateUnusable
from photonic.world import World
from tests.test_tokens import Clock

DAY_MS = 86_400_000


def world_at(clock: Clock) -> World:
    return dataclasses.replace(World(), clock=clock)


def test_it_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "https.pem"
    first = certificate.load_or_make(file, ["192.168.1.5", "studio.local"], World())
    again = certificate.load_or_make(file, ["elsewhere"], World())
    assert first.fingerprint == again.fingerprint
    assert file.stat().st_mode & 0o077 == 0
    [made] = x509.load_pem_x509_certificates(file.read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"studio.local", "localhost"}
    hosts = set(map(str, names.get_values_for_type(x509.IPAddress)))
    assert hosts == {"192.168.1.5", "127.0.0.1", "::1"}
    der = ssl.PEM_cert_to_DER_cert(file.read_text()[file.read_text().index("-----BEGIN CERT") :])
    assert certificate.fingerprint_of(der) == first.fingerprint
    assert len(first.fingerprint) == 95 and first.fingerprint.count(":") == 31
    assert first.context.minimum_version == ssl.TLSVersion.TLSv1_3


def test_it_is_renewed_before_it_ends(tmp_path: Path) -> None:
    file, clock = tmp_path / "https.pem", Clock()
    first = certificate.load_or_make(file, [], world_at(clock))
    clock.ms += 780 * DAY_MS
    assert certificate.load_or_make(file, [], world_at(clock)).fingerprint == first.fingerprint
    clock.ms += 15 * DAY_MS
    assert certificate.load_or_make(file, [], world_at(clock)).fingerprint != first.fingerprint


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_a_file_that_is_none_is_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "https.pem"
    file.write_text(content)
    with pytest.raises(CertificateUnusable, match=r"https\.pem"):
        certificate.load_or_make(file, [], World())
    assert file.read_text() == content


def test_a_users_files_must_be_there_and_belong_together(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pem", tmp_path / "two.pem"
    shown = certificate.load_or_make(one, [], World())
    certificate.load_or_make(two, [], World())
    assert certificate.load(one, one).fingerprint == shown.fingerprint
    for pair in ((one, two), (one, tmp_path / "absent"), (tmp_path, one)):
        with pytest.raises(CertificateUnusable):
            certificate.load(*pair)

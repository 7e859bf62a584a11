"""`photonic members`, `member`, `revoke`, `recovery-kit` and `recover`, as a person calls them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.errors import (
    AuthorityAbsent,
    KitInvalid,
    MemberUnknown,
    NotConfirmed,
    UsageInvalid,
)
from tests.api.local_node import NAMES, THERE, MemoryNode
from tests.cli.running import CommandLine, serving

OTHER = NAMES[THERE]


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


@pytest.fixture
def node(tmp_path: Path, photonic: CommandLine) -> Iterator[MemoryNode]:
    with serving(photonic.home, tmp_path) as served:
        yield served


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_members_are_listed_with_their_rights(photonic: CommandLine, node: MemoryNode) -> None:
    shown = photonic("members").out
    assert f"{OTHER} " in shown and "(this node)" in shown
    assert {one["admin"] for one in photonic("members", "--json").json["items"]} == {True, False}


def test_a_member_is_made_an_admin_and_a_plain_one_again(
    photonic: CommandLine, node: MemoryNode
) -> None:
    assert photonic("member", "admin", OTHER).out == f"{OTHER}: admin\n"
    assert photonic("member", "plain", OTHER).out == f"{OTHER}: member\n"
    given = photonic("member", "scopes", OTHER, "catalog.read", "blobs.read")
    assert given.out == f"{OTHER}: catalog.read blobs.read\n"
    assert photonic("member", "admin", "nobody").status == MemberUnknown.exit_status
    assert photonic("member", "praise", OTHER).status == UsageInvalid.exit_status


def test_a_revocation_says_what_it_means_and_asks(
    photonic: CommandLine, node: MemoryNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "\n")
    refused = photonic("revoke", OTHER)
    assert refused.status == NotConfirmed.exit_status
    assert "its copies do not count" in refused.err
    assert not any(one["revoked"] for one in photonic("members", "--json").json["items"])
    answer(monkeypatch, "y\n")
    assert "all 7 changes that are known here count" in photonic("revoke", OTHER).out
    assert (
        "3 of the 7 changes that are known here count"
        in photonic("revoke", OTHER, "--cut", "3", "--yes").out
    )
    assert "revoked after 3 of 7" in photonic("members").out
    assert photonic("member", "restore", OTHER).status == 0
    assert "revoked" not in photonic("members").out


def test_an_invitation_takes_times_as_people_write_them(
    photonic: CommandLine, node: MemoryNode
) -> None:
    words = ("--expires", "2h", "--member-expires", "90d", "--scope", "catalog.read")
    assert photonic("invite", *words).status == 0
    assert photonic("invite", "--expires", "soon").status == UsageInvalid.exit_status


def test_a_home_without_the_key_has_no_kit_and_nonsense_recovers_nothing(
    photonic: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert photonic("recovery-kit").status == AuthorityAbsent.exit_status
    assert photonic("recover", "nonsense", "--alone").status == KitInvalid.exit_status
    answer(monkeypatch, "1. AAAAA BBBBB  CC\n\n")
    refused = photonic("recover", "--alone")
    assert refused.status == KitInvalid.exit_status and "line 1" in refused.err
    assert not (photonic.home / "library.json").exists()

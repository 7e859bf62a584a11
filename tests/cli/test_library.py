"""`photonic library` and `--library` where no daemon runs; tests/system has those with one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from photonic.errors import (
    CodeInvalid,
    LibraryExists,
    LibraryNameInvalid,
    LibraryUnknown,
    NodeNotRunning,
    NotConfirmed,
    UsageInvalid,
)
from tests.cli.running import CommandLine


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


def states(photonic: CommandLine) -> dict[str, str]:
    items = photonic("--json", "library", "list").json["items"]
    return {one["name"]: one["state"] for one in items}


def test_a_library_is_added_taken_out_and_served_again(photonic: CommandLine) -> None:
    assert states(photonic) == {"": "not running"}
    added = photonic("library", "add", "clients", "--name", "Client work", "--role", "archive")
    assert added.status == 0 and "library Client work (" in added.out
    assert "photonic node" in added.err
    home = photonic.home / "tenants/clients"
    assert '"role":"archive"' in (home / "library.json").read_text()
    assert (home / "keys/node").stat().st_mode & 0o077 == 0
    assert states(photonic) == {"": "not running", "clients": "not running"}
    assert photonic("library", "add", "clients").status == LibraryExists.exit_status
    key = (home / "keys/node").read_bytes()
    assert photonic("library", "remove", "clients").status == 0
    assert states(photonic)["clients"] == "out"
    assert photonic("library", "add", "clients").status == 0
    assert (home / "keys/node").read_bytes() == key, "it is the one that was there"


def test_joining_with_a_bad_code_leaves_nothing_behind(photonic: CommandLine) -> None:
    refused = photonic("--json", "library", "join", "family", "photonic-no")
    assert refused.status == CodeInvalid.exit_status
    assert not (photonic.home / "tenants/family").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--library", "nobody", "status"), LibraryUnknown),
        (("status", "--library", "../x"), LibraryNameInvalid),
        (("library", "add", "../x"), LibraryNameInvalid),
        (("library", "remove", "nobody"), LibraryUnknown),
        (("library", "frobnicate"), UsageInvalid),
        (("--library", "a", "init"), UsageInvalid),
        (("--library", "a", "node"), UsageInvalid),
        (("status",), NodeNotRunning),
    ],
)
def test_what_is_wrong_is_told(
    photonic: CommandLine, words: tuple[str, ...], error: type[NodeNotRunning]
) -> None:
    assert photonic(*words).status == error.exit_status
    assert not (photonic.home / "tenants").exists()


def test_a_verb_finds_the_library_that_is_meant(photonic: CommandLine) -> None:
    photonic("library", "add", "clients")
    refused = photonic("--library", "clients", "status")
    assert refused.status == NodeNotRunning.exit_status
    assert "tenants/clients" in refused.err and "library list" in refused.err


def test_everything_is_deleted_only_by_who_types_the_name(
    photonic: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    photonic("library", "add", "clients")
    home = photonic.home / "tenants/clients"
    words = ("library", "remove", "clients", "--delete-everything")
    for typed in ("", "y", "yes", "client"):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))
        assert photonic(*words).status == NotConfirmed.exit_status
        assert (home / "library.json").exists()
        assert states(photonic)["clients"] == "not running", "and it is still to be served"
    monkeypatch.setattr("sys.stdin", io.StringIO("clients\n"))
    assert photonic(*words).status == 0
    assert not home.exists()

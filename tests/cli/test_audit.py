"""`photonic audit`: lists, filters, verifies, and says what is wrong with what it was given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from photonic import audit
from photonic.errors import AuditBroken, UsageInvalid
from photonic.ids import peer_id
from tests.cli.running import CommandLine, serving
from tests.test_audit import ME, written


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


def test_an_empty_log_and_one_with_hostile_names(photonic: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "photos").mkdir()
    with serving(tmp_path / "home", tmp_path / "photos") as node:
        assert "Nothing of this kind" in photonic("audit").err
        node.audit.record("file.set-aside", {"name": "\x1b[2J\u202egpj.exe\nx"})
        node.audit.record("node.started", {})
        told = photonic("audit")
        assert "file.set-aside" in told.out and "node.started" in told.out
        assert "\x1b" not in told.out and "\u202e" not in told.out
        assert len(told.out.splitlines()) == 3
        only = photonic("audit", "file", "--json").json
        assert [one["act"] for one in only["items"]] == ["file.set-aside"]
        page = photonic("audit", "--limit", "1")
        assert "--cursor 2" in page.err
        assert photonic("audit", "verify", "--json").json["sound"]


@pytest.mark.parametrize(
    "spoil", [lambda data: data, lambda data: data.replace(b'"number":"1"', b'"number":"7"')]
)
def test_a_copy_is_verified_without_a_node(
    photonic: CommandLine, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    folder = written(tmp_path / "log", 4)
    (path,) = audit.files_in(folder)
    before = path.read_bytes()
    path.write_bytes(spoil(before))
    told = photonic("audit", "verify", "--folder", str(folder), "--of", peer_id(ME.node))
    is_sound = path.read_bytes() == before
    assert told.status == (0 if is_sound else AuditBroken.exit_status)
    assert "5 entries are chained" in told.out if is_sound else "entry 2" in told.err


@pytest.mark.parametrize(
    "words",
    [("--folder", "x"), ("verify", "--folder", "/"), ("verify", "--of", "x"),
     ("verify", "--folder", "/", "--of", "x"),
     ("verify", "--folder", "/nowhere", "--of", peer_id(ME.node))],
)  # fmt: skip
def test_a_copy_needs_both_and_both_right(photonic: CommandLine, words: tuple[str, ...]) -> None:
    assert photonic("audit", *words).status == UsageInvalid.exit_status

"""`photonic nfs` shows who may mount the tree, and changes one client without touching the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.errors import ExporterOff, ExportRuleInvalid, UsageInvalid
from tests.api.local_node import MemoryNode
from tests.cli.running import CommandLine, serving


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


@pytest.fixture
def node(photonic: CommandLine, tmp_path: Path) -> Iterator[MemoryNode]:
    photos = tmp_path / "photos"
    photos.mkdir()
    with serving(photonic.home, photos) as node:
        yield node


def rules(node: MemoryNode) -> list[str]:
    return [rule.text for rule in node.exporter.export.rules]


def test_clients_are_let_in_changed_and_sent_away(photonic: CommandLine, node: MemoryNode) -> None:
    photonic("nfs", "--allow", "10.0.0.0/8 ro", "--allow", "10.0.0.7 ro")
    assert rules(node) == ["10.0.0.7 ro", "10.0.0.0/8 ro"]
    photonic("nfs", "--allow", "10.0.0.7 rw")
    assert rules(node) == ["10.0.0.7 rw", "10.0.0.0/8 ro"]
    told = photonic("nfs", "--forbid", "10.0.0.0/8")
    assert rules(node) == ["10.0.0.7 rw"]
    assert "10.0.0.7 rw" in told.out and "ganesha at 127.0.0.1:2049/photos" in told.out
    assert photonic("--json", "nfs", "--reset").json["nfs"]["rules"] == [] == rules(node)


def test_what_cannot_be_is_refused(photonic: CommandLine, node: MemoryNode) -> None:
    photonic("nfs", "--allow", "10.0.0.7 ro")
    assert photonic("nfs", "--allow", "10.0.0.8").status == ExportRuleInvalid.exit_status
    assert photonic("nfs", "--forbid", "10.0.0.9").status == UsageInvalid.exit_status
    assert photonic("nfs", "--reset", "--allow", "x").status == UsageInvalid.exit_status
    assert rules(node) == ["10.0.0.7 ro"]
    node.exports.exporter = None
    assert photonic("nfs", "--allow", "10.0.0.7 ro").status == ExporterOff.exit_status

"""`export-catalog` and `import-catalog`: begun, waited for, and their end told."""

from __future__ import annotations

from pathlib import Path

import pytest

from photonic.cli.catalog_tasks import _find
from photonic.errors import (
    ExportOfOther,
    ExportUnwritable,
    FolderUnknown,
    ImportCancelled,
    NodeNotRunning,
)
from tests.cli.running import CommandLine, serving


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


def test_an_export_says_what_it_wrote(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path) as node:
        node.take("a.jpg", (1, 2, 3))
        told = photonic("export-catalog", str(tmp_path / "out"))
        assert told.status == 0
        assert told.out.startswith("1 photos, ")
        assert str(tmp_path / "out") in told.out
        assert photonic("export-catalog", str(tmp_path / "b"), "--json").json["finished"] is True
        refused = photonic("export-catalog", str(photonic.home), "--json")
        assert refused.status == ExportUnwritable.exit_status
        assert refused.error["code"] == ExportUnwritable.code


def test_an_import_counts_or_fails_with_the_nodes_own_words(
    photonic: CommandLine, tmp_path: Path
) -> None:
    with serving(photonic.home, tmp_path):
        told = photonic("import-catalog", str(tmp_path), "--merge")
        assert told.out == "2 changes taken in, 1 known before, 0 left out\n"
        failed = photonic("import-catalog", str(tmp_path), "--json")
        assert failed.status == ExportOfOther.exit_status
        assert failed.error["fix"] == "Merge them."
        missing = photonic("import-catalog", str(tmp_path / "none"))
        assert missing.status == FolderUnknown.exit_status


def test_without_a_running_node_both_say_how_to_start_one(
    photonic: CommandLine, tmp_path: Path
) -> None:
    for verb in ("export-catalog", "import-catalog"):
        told = photonic(verb, str(tmp_path))
        assert told.status == NodeNotRunning.exit_status
        assert "Start it: `photonic --home" in told.err


def test_a_task_that_the_node_forgot_was_cancelled() -> None:
    with pytest.raises(ImportCancelled):
        _find([{"task": "export", "folder": "/b"}], {"task": "export", "folder": "/a"})

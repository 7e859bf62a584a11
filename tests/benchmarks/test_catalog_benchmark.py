"""The catalog's benchmark from end to end, small: everything is measured and printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.catalog import main

PHOTOS = "2000"
QUICKLY = ("--sessions", "3", "--questions", "4", "--repeats", "2")


@pytest.mark.slow
def test_every_figure_is_measured_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    main(("--photos", PHOTOS, "--work", str(tmp_path), "--json", str(report), *QUICKLY))
    found = json.loads(report.read_text())["findings"]
    names = {finding["name"] for finding in found}
    printed = capsys.readouterr().out
    for start in (
        "build",
        "disk, journal",
        "disk, index",
        "index rebuilt",
        "query: first page",
        "query: text, rare",
        "edit, photo not touched lately",
        "start to the first page",
        "resident at the first page",
        "one edit, bytes to reconcile",
        "one edit, visible on the peer",
        "new node has all",
        "limit: ",
    ):
        assert any(name.startswith(start) for name in names), start
        assert start in printed
    assert all(finding["value"] >= 0 for finding in found)


def test_a_kept_library_is_measured_again_without_being_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--photos", "300", "--only", "build", "--keep", str(tmp_path), "--sessions", "2")
    main(asked)
    journal = next(tmp_path.glob("library-300/laptop/libraries/*/journal.db"))
    written = journal.stat().st_mtime_ns
    main(asked)
    assert journal.stat().st_mtime_ns == written
    assert capsys.readouterr().out.count("photos received from a peer") == 4


def test_an_unknown_phase_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(("--only", "build,nonsense"))
    assert "no phase is called nonsense" in capsys.readouterr().err

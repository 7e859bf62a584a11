"""`photonic redundancy`: how many copies there are, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from photonic.cli.redundancy import lines_of
from tests.cli.running import CommandLine, serving

TOLD = {
    "photos": 100, "min_copies": 2, "below": 12,
    "copies": [
        {"copies": count, "photos": photos, "bytes": photos * 10**6}
        for count, photos in enumerate((2, 10, 80, 8))
    ],
    "roles": [{"role": "archive", "photos": 88, "lacking": 12}], "nodes": [],
    "awaited": 5, "awaited_bytes": 5 * 10**6, "unreachable": 3,
    "oldest": "2026-11-03T02:11:09.000Z", "overdue": 4,
}  # fmt: skip


def test_a_person_reads_how_many_copies_there_are_and_what_waits() -> None:
    assert lines_of(TOLD) == [
        "100 photos; 2 copies are wanted of each",
        "  no copy that counts: 2 photos, 2 MB",
        "  1 copy: 10 photos, 10 MB",
        "  2 copies: 80 photos, 80 MB",
        "  3 or more copies: 8 photos, 8 MB",
        "12 have too few: `photonic ls 'copies<2'`",
        "on a node of the role archive: 88, not of 12",
        (
            "5 originals are wanted here and not here yet, 5 MB; 3 of them are on no node that is"
            " connected"
        ),
        "every file here was verified since 2026-11-03; 4 are due",
    ]


def test_a_running_node_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    photonic = CommandLine(home, capsys)
    with serving(home, tmp_path) as node:
        node.take("a.jpg", (1, 2, 3))
        told = photonic("redundancy", "--json").json
        assert told["photos"] == sum(one["photos"] for one in told["copies"]) > 0
        shown = photonic("redundancy").out
        assert "copies are wanted" in shown and "away" in shown

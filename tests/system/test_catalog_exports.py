"""A catalog goes out of one daemon and into others, by the command line."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from simulations.daemons import Daemon, daemons, photonic
from tests.cameras import make_camera_files


def told(node: Daemon) -> dict[str, Any]:
    """Return all photos of a node as people see them, without what its library signed."""
    return {photo: _without_signatures(node.get(f"/photos/{photo}")) for photo in node.photos()}


def _without_signatures(detail: dict[str, Any]) -> dict[str, Any]:
    fields = {
        name: (entry["value"], entry["contested"], [v["value"] for v in entry["versions"]])
        for name, entry in detail.pop("fields").items()
    }
    for name in ("held", "holders"):
        detail.pop(name)
    return detail | {"fields": fields}


def run(node: Daemon, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(photonic(node.home, *words, "--json").stdout)
    return answer


def test_what_one_daemon_exports_others_import(tmp_path: Path) -> None:
    make_camera_files(tmp_path / "camera")
    out = tmp_path / "out"
    with daemons(tmp_path / "first", tmp_path / "other") as (first, other):
        first.start()
        photonic(first.home, "import", str(tmp_path / "camera"), check=False)
        photo = sorted(first.photos())[0]
        first.send("PATCH", f"/photos/{photo}", {"rating": 4, "tags": {"add": ["travel/iceland"]}})
        exported = run(first, "export-catalog", str(out))
        assert exported["counts"]["photos"] == len(first.photos()) > 0
        expected = told(first)

        other.start()  # a library of its own
        assert run(other, "import-catalog", str(out))["counts"]["fresh"] > 0
        assert told(other) == expected
        assert run(other, "import-catalog", str(out))["counts"]["fresh"] == 0

        # The first one loses its journal, and gets back the very changes that it had signed.
        before = {photo: first.get(f"/photos/{photo}")["fields"] for photo in expected}
        first.stop()
        shutil.rmtree(first.home / "libraries")
        first.start()
        assert first.photos() == {}
        assert run(first, "import-catalog", str(out))["counts"]["known"] == 0
        assert {photo: first.get(f"/photos/{photo}")["fields"] for photo in expected} == before
        assert first.status()["holdings"]["held"] == len(expected), "the blobs were not lost"
        first.send("PATCH", f"/photos/{photo}", {"rating": 5})
        assert first.get(f"/photos/{photo}")["conflicts"] == []
    journal = next((first.home / "libraries").glob("*/journal.db"))
    with sqlite3.connect(journal) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)

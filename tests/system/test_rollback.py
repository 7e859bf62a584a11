"""An old copy of a home folder is put back, as by a snapshot of a virtual machine.

The node then repeats numbers that it used before, and knows less than it told others. Nothing may
be lost by it, and nobody may come to show something else than the others for ever.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from photonic.ingest.samples import make_samples
from simulations.daemons import Daemon, daemons, join, photonic


def _shown(node: Daemon, photo: str) -> dict[str, Any]:
    """All that matters of a photo, without what each node says of itself."""
    detail = node.get(f"/photos/{photo}")
    fields = {
        name: sorted((version["change"], str(version["value"])) for version in field["versions"])
        for name, field in detail["fields"].items()
    }
    return {"fields": fields, "conflicts": detail["conflicts"], "tags": detail["tags"]}


def _values(node: Daemon, photo: str, field: str) -> set[Any]:
    versions = node.get(f"/photos/{photo}")["fields"][field]["versions"]
    return {version["value"] for version in versions}


def _has(node: Daemon, photo: str, field: str, values: set[Any]) -> bool:
    return _values(node, photo, field) == values


def test_a_rolled_back_node_and_the_others_come_to_show_the_same(tmp_path: Path) -> None:
    card, backup = tmp_path / "card", tmp_path / "backup"
    make_samples(card, 6)
    with daemons(tmp_path / "a", tmp_path / "b") as (rolled, other):
        rolled.start()
        photonic(rolled.home, "import", str(card))
        join(rolled, other)
        address = rolled.listen[0]
        listen = ("--listen", address.split("/p2p/")[0])
        other.start("--peer", address)
        photos = sorted(rolled.photos())
        other.wait_until(lambda: sorted(other.photos()) == photos)
        first, second = photos[:2]
        rolled.stop()
        shutil.copytree(rolled.home, backup, symlinks=True)

        # What the others hear of, and the old copy does not know.
        rolled.start(*listen)
        rolled.send("PATCH", f"/photos/{first}", {"rating": 3, "title": "told before"})
        rolled.send("PATCH", f"/photos/{second}", {"tags": {"add": ["told before"]}})
        other.wait_until(lambda: "told before" in other.get(f"/photos/{second}")["tags"])
        other.wait_until(lambda: _values(other, first, "rating") == {3})
        rolled.kill()
        other.stop()

        # The old copy is back, alone, and goes on as if nothing had been.
        shutil.rmtree(rolled.home)
        shutil.copytree(backup, rolled.home, symlinks=True)
        rolled.start(*listen)
        assert _values(rolled, first, "rating") == set()
        rolled.send("PATCH", f"/photos/{first}", {"rating": 5})
        rolled.send("PATCH", f"/photos/{second}", {"label": "red"})

        # They meet: both of what was said is on both, and what is said later goes both ways.
        other.start("--peer", address)
        for node in (rolled, other):
            node.wait_until(partial(_has, node, first, "rating", {3, 5}))
            node.wait_until(partial(_has, node, second, "label", {"red"}))
            assert "told before" in node.get(f"/photos/{second}")["tags"]
        rolled.send("PATCH", f"/photos/{first}", {"rating": 4})
        other.send("PATCH", f"/photos/{second}", {"title": "and back"})
        other.wait_until(lambda: _values(other, first, "rating") == {4})
        rolled.wait_until(lambda: _values(rolled, second, "title") == {"and back"})
        for photo in photos:
            assert _shown(rolled, photo) == _shown(other, photo)
        told = {check["name"]: check for check in rolled.get("/doctor")["items"]}
        assert not told["rollback"]["ok"] and "older copy" in told["rollback"]["detail"]
        assert {check["name"]: check for check in other.get("/doctor")["items"]}["quarantine"]["ok"]

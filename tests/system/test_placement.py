"""Rules of placement between two daemons: a pin moves originals, a rule changes what is safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files


def held(node: Daemon) -> set[str]:
    return {photo["id"] for photo in node.get("/photos", limit=500)["items"] if photo["held"]}


def placement(node: Daemon, photo: str) -> Any:
    return json.loads(photonic(node.home, "why", photo, "--json").stdout)


def test_a_laptop_fetches_what_is_pinned_on_it_and_nothing_else(tmp_path: Path) -> None:
    make_camera_files(tmp_path / "camera")
    with daemons(tmp_path / "studio", tmp_path / "laptop") as (studio, laptop):
        studio.start("--name", "studio")
        photonic(studio.home, "import", str(tmp_path / "camera"), check=False)
        photos = [photo["id"] for photo in studio.get("/photos", limit=500)["items"]]
        chosen, other = photos[0], photos[-1]
        join(studio, laptop, role="mobile")
        laptop.role = "mobile"
        laptop.start("--name", "laptop", "--peer", studio.listen[0])
        laptop.wait_until(lambda: laptop.status()["photos"] == len(photos))
        before = placement(studio, chosen)
        assert (before["missing"], before["nobody"], before["rules"]) == (1, 1, [])

        photonic(studio.home, "pin", f"id:{chosen}", "--on", "laptop")
        laptop.wait_until(lambda: held(laptop) == {chosen})
        studio.wait_until(lambda: placement(studio, chosen)["missing"] == 0)
        told = placement(laptop, chosen)
        (mine,) = (node for node in told["nodes"] if node["here"])
        assert (mine["held"], mine["pinned"], mine["evict"]) == (True, True, "never")
        assert mine["verified_at"] is not None
        assert "keep on" in told["rules"][0]["text"]

        # A rule for fewer copies makes one safe where two cannot be had; one for more does not.
        at_risk = len(photos) - 1
        laptop.wait_until(lambda: laptop.status()["safety"]["photos_at_risk"] == at_risk)
        photonic(studio.home, "policy", "placement", "add", f"where id:{other}: copies 1")
        laptop.wait_until(lambda: laptop.status()["safety"]["photos_at_risk"] == at_risk - 1)
        photonic(studio.home, "policy", "placement", "add", f"where id:{chosen}: copies 3")
        laptop.wait_until(lambda: laptop.status()["safety"]["photos_at_risk"] == at_risk)
        assert placement(laptop, chosen)["copies"] == 3

        assert laptop.status()["wants"]["originals"] == "its own, and what rules want here"
        photonic(studio.home, "policy", "placement", "add", "everything: one on mobile")
        laptop.wait_until(lambda: held(laptop) == set(photos))
        refused = photonic(laptop.home, "pin", "rating:5", check=False)
        assert refused.returncode != 0, "a laptop that is no admin sets no rules"
        assert studio.stop() == laptop.stop() == 0


def test_what_is_not_for_a_role_is_not_fetched_there_while_enough_others_are(
    tmp_path: Path,
) -> None:
    make_camera_files(tmp_path / "camera")
    homes = [tmp_path / name for name in ("studio", "second", "attic")]
    with daemons(*homes) as (studio, second, attic):
        studio.start("--name", "studio")
        photonic(studio.home, "import", str(tmp_path / "camera"), check=False)
        photos = [photo["id"] for photo in studio.get("/photos", limit=500)["items"]]
        kept_away = photos[0]
        photonic(studio.home, "policy", "placement", "add", f"where id:{kept_away}: not on archive")
        join(studio, attic, role="archive")
        attic.role = "archive"
        join(studio, second, role="central")
        second.start("--name", "second", "--peer", studio.listen[0])
        second.wait_until(lambda: held(second) == set(photos))
        attic.start("--name", "attic", "--peer", studio.listen[0])
        attic.wait_until(lambda: held(attic) == set(photos) - {kept_away})
        told = placement(attic, kept_away)
        assert (told["not_on"], told["missing"], told["held"]) == (["archive"], 0, 2)
        # Three copies cannot be had without it: then it gives way.
        photonic(studio.home, "policy", "placement", "add", f"where id:{kept_away}: copies 3")
        attic.wait_until(lambda: held(attic) == set(photos))
        assert placement(attic, kept_away)["yielding"] == ["archive"]
        assert studio.stop() == second.stop() == attic.stop() == 0

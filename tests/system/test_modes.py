"""At home a new photo is on the central node within seconds, and nobody switches anything."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from simulations.daemons import Daemon, daemons, join, photonic
from tests.system.test_recovery import picture

WITHIN_S = 8.0  # "a few": the daemons of this test share two cores with whatever else runs


def holds(node: Daemon, count: int) -> bool:
    return bool(node.status()["holdings"]["held"] == count)


def test_a_photo_that_is_imported_at_home_is_on_the_central_node_within_seconds(
    tmp_path: Path,
) -> None:
    with daemons(tmp_path / "studio", tmp_path / "laptop") as (studio, laptop):
        studio.start("--name", "studio")
        join(studio, laptop, "mobile")
        laptop.role = "mobile"
        laptop.start("--name", "laptop", "--peer", studio.listen[0])
        laptop.wait_until(lambda: laptop.status()["node"]["mode"] == "home")
        took: list[float] = []
        for number in range(3):
            folder = picture(tmp_path / f"card{number}", "one.jpg", 10 + number)
            photonic(laptop.home, "import", str(folder))
            began_s = time.monotonic()
            studio.wait_until(partial(holds, studio, number + 1), WITHIN_S)
            took.append(time.monotonic() - began_s)
        print(f"on the central node after {', '.join(f'{s:.2f}' for s in took)} s")
        assert studio.status()["node"]["mode"] in ("home", "sync")
        peers = {one["name"]: one for one in studio.get("/peers")["items"]}
        assert peers["laptop"]["mode"] in ("home", "sync"), "it tells its peers"

        studio.stop()
        laptop.wait_until(lambda: laptop.status()["node"]["mode"] == "roaming")
        photonic(laptop.home, "import", str(picture(tmp_path / "away", "two.jpg", 90)))
        assert laptop.status()["node"]["mode"] == "roaming"
        studio.start("--name", "studio", "--listen", studio.listen[0].rpartition("/p2p/")[0])
        studio.wait_until(lambda: studio.status()["holdings"]["held"] == 4)
        laptop.wait_until(lambda: laptop.status()["node"]["mode"] == "home")

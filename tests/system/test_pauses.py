"""Pausing and time to safe, from outside: two daemons, one of them told to leave things alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files


def held(node: Daemon) -> int:
    count: int = node.status()["holdings"]["held"]
    return count


def is_safe(node: Daemon) -> bool:
    return bool(node.get("/transfers")["safety"]["state"] == "safe")


def test_a_paused_node_fetches_nothing_even_after_a_restart_until_it_is_resumed(
    tmp_path: Path,
) -> None:
    make_camera_files(tmp_path / "camera")
    with daemons(tmp_path / "a", tmp_path / "b") as (first, second):
        first.start()
        photonic(first.home, "import", str(tmp_path / "camera"), check=False)
        photos = first.status()["photos"]
        assert photos > 2
        first.wait_until(lambda: first.get("/transfers")["safety"]["state"] == "too-few-nodes")
        join(first, second)
        (second.home / "pauses.json").write_text('{"library": true}')
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: second.status()["photos"] == photos)
        second.wait_until(lambda: second.get("/transfers")["safety"]["photos_at_risk"] == photos)
        told = second.get("/transfers")
        assert (told["items"], held(second)) == ([], 0)
        assert told["pauses"] == [{"kind": "library", "id": None, "name": None}]
        assert (told["safety"]["state"], told["safety"]["eta_s"]) == ("paused", None)
        assert "paused: everything" in photonic(second.home, "transfers").stdout
        photonic(second.home, "resume")
        second.wait_until(lambda: held(second) == photos)
        for node in (first, second):
            node.wait_until(partial(is_safe, node))
        assert "safe: every photo is on 2 nodes" in photonic(first.home, "transfers").stdout
        assert first.stop() == second.stop() == 0

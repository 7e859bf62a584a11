"""Two machines that differ by more than a day about the time: they work together, and both tell."""

from __future__ import annotations

from pathlib import Path

from simulations.daemons import Daemon, daemons, join, photonic

AHEAD_S = 26 * 3600


def told(node: Daemon) -> list[str]:
    problems = node.status()["problems"]
    return [one["message"] for one in problems if one["code"] == "members.clock-away"]


def test_a_clock_that_is_a_day_ahead_is_told_on_both_sides_and_stops_nothing(
    tmp_path: Path,
) -> None:
    with daemons(tmp_path / "studio", tmp_path / "laptop") as (studio, laptop):
        studio.start("--name", "studio")
        join(studio, laptop)
        (laptop.home / "ahead").write_text(str(AHEAD_S))
        laptop.module = "simulations.ahead"
        laptop.start("--name", "laptop", "--peer", studio.listen[0])
        studio.wait_until(lambda: bool(told(studio)))
        laptop.wait_until(lambda: bool(told(laptop)))
        assert told(studio) == ["the clock of laptop is 26 h ahead of this node's"]
        assert told(laptop) == ["the clock of studio is 26 h behind this node's"]
        ahead = next(m for m in studio.get("/members")["items"] if m["name"] == "laptop")
        assert abs(ahead["clock_ahead_s"] - AHEAD_S) < 60
        code = photonic(studio.home, "invite", "--member-expires", "1d").stdout.strip()
        assert code.startswith("photonic-")
        assert studio.status()["peers"] == laptop.status()["peers"] == 1

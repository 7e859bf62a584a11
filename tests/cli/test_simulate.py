"""`photonic simulate`: a history is played, drawn, told, and can be had again."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from photonic.api.examples import PEER
from photonic.errors import PromiseBroken, UsageInvalid
from photonic.views import PeerView
from simulations import watching
from simulations.scenario import names
from tests.cli.running import CommandLine, serving


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", capsys)


def test_a_history_is_played_and_drawn_and_comes_out_the_same_again(
    photonic: CommandLine, tmp_path: Path
) -> None:
    pages = [tmp_path / "one.html", tmp_path / "other.html"]
    command = ("simulate", "partition-heal", "--seed", "7", "--out")
    told = photonic(*command, str(pages[0]))
    assert re.search(r"machines, \d+ acts in \d+ virtual seconds; .*partition", told.out)
    assert "again: photonic simulate partition-heal --seed 7" in told.out
    again = photonic(*command, str(pages[1]), "--json").json
    assert (again["seed"], again["broken"]) == (7, [])
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert b"<svg" in pages[0].read_bytes()
    assert not (tmp_path / "home").exists(), "nothing of this machine's library is touched"


def test_the_scenarios_are_listed(photonic: CommandLine) -> None:
    listed = photonic("simulate", "--list", "--json").json["items"]
    assert [one["name"] for one in listed] == names()
    assert "partition-heal" in photonic("simulate", "--list").out


def test_a_scenario_that_is_not_there_is_told_with_those_that_are(photonic: CommandLine) -> None:
    failed = photonic("simulate", "no-such")
    assert failed.status == UsageInvalid.exit_status
    assert "partition-heal" in failed.err


def test_a_promise_that_does_not_hold_is_an_error(
    photonic: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "page.html"
    held = watching.watch("partition-heal", 7, out)
    monkeypatch.setattr(watching, "watch", lambda *_: held._replace(broken=("I1: they differ",)))
    failed = photonic("simulate", "partition-heal", "--seed", "7", "--out", str(out))
    assert failed.status == PromiseBroken.exit_status
    assert "they differ" in failed.err


def test_a_trip_is_foreseen_from_what_the_running_node_knows(
    photonic: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def peers() -> list[PeerView]:
        attic = replace(PEER, role="archive", name="attic", free_bytes=4 * 10**12)
        return [attic, PEER, replace(PEER, role="central", free_bytes=None)]

    (tmp_path / "home").mkdir()
    (tmp_path / "photos").mkdir()
    out = tmp_path / "trip.html"
    with serving(tmp_path / "home", tmp_path / "photos") as node:
        command = ("simulate", "--trip", "1 day, studio-lan, 6 GB a day", "--out", str(out))
        assert "no other machine" in photonic(*command).err
        monkeypatch.setattr(node, "peers", peers)
        told = photonic(*command, "--json").json
    [day] = told["days"]
    assert (told["full_on"], day["at_risk_bytes"], day["refused_bytes"]) == (None, 0, 0)
    assert told["room_bytes"] > day["kept_bytes"] == day["shot_bytes"] > 0
    assert b"plan my trip" in out.read_bytes()


@pytest.mark.parametrize("trip", ["a while", "1 day, moon, 6 GB a day"])
def test_a_trip_that_cannot_be_read_is_told_with_what_one_looks_like(
    photonic: CommandLine, tmp_path: Path, trip: str
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "photos").mkdir()
    with serving(tmp_path / "home", tmp_path / "photos"):
        failed = photonic("simulate", "--trip", trip)
    assert failed.status == UsageInvalid.exit_status
    assert "14 days, hotel-wifi, 120 GB a day" in failed.err

"""The transfer benchmark from end to end, tiny: everything is measured, told and cleaned up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import transfer
from benchmarks.bare_lanes import bare_lanes
from benchmarks.ends import Job
from benchmarks.meter import Taken
from benchmarks.transfer import main
from simulations.ends import Failed, LeftOut


def measure(tmp_path: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Run the benchmark in a folder; return its exit status and its report."""
    work, report = tmp_path / "work", tmp_path / "report.json"
    work.mkdir(exist_ok=True)
    status = main(("--work", str(work), "--json", str(report), "--within", "100", *words))
    assert not list(work.iterdir()), "the benchmark left something behind"
    return status, json.loads(report.read_text())


def contender(monkeypatch: pytest.MonkeyPatch, run: Any, name: str = "rsync") -> None:
    monkeypatch.setitem(transfer.MACHINE, name, run)


def test_the_limit_is_measured_with_all_that_it_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = measure(
        tmp_path, "--only", "machine", "--sets", "large", "--scale", "0.05", "--who", "limit"
    )
    (run,) = report["runs"]
    assert status == 0
    assert (run["sample"]["count"], run["size_bytes"]) == (4, 100_000_000)
    assert 10 < run["mb_s"] < 10_000
    assert set(run["taken"]["cpu_s"]) == set(run["taken"]["peak_mb"]) == {"giver", "taker"}
    assert all(peak > 5 for peak in run["taken"]["peak_mb"].values())
    assert "nothing is promised" in capsys.readouterr().out


def test_the_limits_lanes_bring_every_byte(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    sizes = (1, (1 << 20) + 1, 70_000_000)  # the last is shared among the lanes
    for number, size in enumerate(sizes):
        (source / f"{number}.CR3").write_bytes(bytes([number + 1]) * size)
    bare_lanes(Job(source, tmp_path / "work"), lanes=3)
    for path in source.iterdir():
        assert (tmp_path / "work" / "out" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.foreign("rsync", "syncthing")
def test_photonic_and_the_others_do_the_same_job(tmp_path: Path) -> None:
    who = "limit,photonic,photonic-whole,rsync,rsync-fsync,syncthing"
    words = ("--only", "machine", "--sets", "small", "--scale", "0.004", "--who", who)
    status, report = measure(tmp_path, *words)
    assert status == 0, report["complaints"]
    assert [run["who"] for run in report["runs"]] == who.split(",")
    assert all(run["taken"]["seconds"] > 0 for run in report["runs"] if run["who"] != "rsync-fsync")
    ours = {run["who"]: run["taken"] for run in report["runs"]}
    assert ours["photonic"]["own_bytes"] == 20 * 200_000
    assert ours["photonic"]["seconds"] < ours["photonic-whole"]["seconds"]
    names = {finding["name"].partition(": ")[2] for finding in report["findings"]}
    assert {"photonic / limit", "photonic / rsync", "photonic / syncthing"} <= names


@pytest.mark.slow
@pytest.mark.root("ip", "nft")
@pytest.mark.foreign("rsync", "syncthing")
def test_new_tags_are_brought_and_their_bytes_on_the_wire_counted(tmp_path: Path) -> None:
    words = ("--only", "machine", "--sets", "retagged", "--scale", "0.004")
    status, report = measure(tmp_path, *words, "--who", "photonic,rsync,syncthing")
    assert status == 0, report["complaints"]
    for run in report["runs"]:
        # At least the new headers, and less than all: everybody sends but a part again.
        assert 4 * 2_000 < run["taken"]["wire_bytes"] < run["size_bytes"]


@pytest.mark.slow
@pytest.mark.root("ip", "nft")
@pytest.mark.foreign("rsync")
def test_links_are_measured_as_a_share_of_their_rate(tmp_path: Path) -> None:
    words = ("--only", "links", "--links", "lossy", "--scale", "0.02", "--who", "photonic,rsync")
    status, report = measure(tmp_path, *words)
    assert status == 0, report["complaints"]
    shares = [one["value"] for one in report["findings"] if "share of the rate" in one["name"]]
    assert len(shares) == 2 and all(0.05 < share < 1.1 for share in shares)


@pytest.mark.slow
@pytest.mark.root("ip", "nft")
def test_a_holder_that_is_lost_is_measured(tmp_path: Path) -> None:
    # A limit above all that this machine does: here it is only seen that both ways are measured.
    words = ("--only", "holders", "--scale", "0.05", "--holder-mb-s", "1000")
    status, report = measure(tmp_path, *words)
    assert status == 0, report["complaints"]
    assert [loss["how"] for loss in report["losses"]] == ["killed", "unplugged"]
    for loss in report["losses"]:
        assert loss["before_mb_s"] > 0 and 0.99 < loss["moved_share"] < 1.5


TINY = ("--only", "machine", "--sets", "large", "--scale", "0.001", "--who", "rsync,git-annex")


def test_one_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: Job) -> Taken:
        job.work.mkdir()
        raise Failed("a file came out as another one")

    contender(monkeypatch, fail)
    contender(monkeypatch, _idle, "git-annex")
    status, report = measure(tmp_path, *TINY)
    assert status == 1
    failed, idle = report["runs"]
    assert failed["is_failure"] and failed["mb_s"] is None and idle["taken"]
    assert report["complaints"] == [f"{failed['where']}, large: rsync: {failed['why_not']}"]


def _idle(job: Job) -> Taken:
    job.work.mkdir()
    return Taken(1.0)


def test_one_that_is_not_installed_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave_out(job: Job) -> Taken:
        raise LeftOut("rsync is not installed")

    contender(monkeypatch, leave_out)
    contender(monkeypatch, _idle, "git-annex")
    status, report = measure(tmp_path, *TINY)
    assert (status, report["complaints"]) == (0, [])
    assert "left out: rsync is not installed" in capsys.readouterr().out


def test_a_set_that_has_no_room_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_COPIES", {False: 1e12, True: 1e12})
    status, report = measure(tmp_path, *TINY)
    assert status == 0
    assert [run["why_not"].split()[0] for run in report["runs"]] == ["needs"] * 2


def test_rounds_are_run_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rsync", "git-annex"):
        contender(monkeypatch, _idle, name)
    _, report = measure(tmp_path, *TINY, "--rounds", "2")
    names = [run["who"] for run in report["runs"]]
    assert names == ["rsync", "git-annex", "git-annex", "rsync"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--who", "rsink"), "rsink: choose from"),
        (("--sets", "large,none"), "none: choose from large"),
        (("--scale", "2"), "at most 1"),
        (("--work", "/nowhere"), "there is no folder /nowhere"),
    ],
)
def test_what_is_not_known_is_refused(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert said in capsys.readouterr().err

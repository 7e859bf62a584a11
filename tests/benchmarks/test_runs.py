"""The judgement over transfers: ratios of one run, what is promised of them, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.holders import Loss
from benchmarks.meter import Taken
from benchmarks.runs import Run, complaints, judged, judged_losses, lines, middle, table
from benchmarks.samples import Sample
from simulations.rooms import Link

LARGE, RETAGGED = Sample("large", 10, 100_000_000), Sample("retagged", 10, 1_000_000, True)
FAR = Link("far", 1_000, 100)
LOSS = Loss("killed", 95.0, 0.1, 0.2, 1.0, 60.0, 1.01)


def run(who: str, seconds: float, where: str = "tmpfs", sample: Sample = LARGE) -> Run:
    taken = Taken(seconds, {"giver": 1.0, "taker": 3.0}, {"giver": 100.0, "taker": 200.0})
    return Run(where, sample, sample.bytes, who, taken)


def values(runs: list[Run], *, is_scaled: bool = False) -> dict[str, float]:
    found = judged(runs, [FAR], is_scaled=is_scaled)
    return {one.name: one.value for one in found}


def said(runs: list[Run], *, is_scaled: bool = False) -> list[str]:
    return complaints(runs, judged(runs, [FAR], is_scaled=is_scaled))


def test_a_run_is_told_per_second_and_per_gigabyte() -> None:
    one = run("rsync", 2.0)
    assert (one.mb_s, one.files_s) == (500.0, 5.0)
    assert (one.cpu_s_per_gb("giver"), one.cpu_s_per_gb("taker")) == (1.0, 3.0)
    assert one.cpu_s_per_gb("nobody") is None


@pytest.mark.parametrize(
    ("rival", "slower", "is_kept"),
    [
        ("limit", 0.85, True),
        ("limit", 0.75, False),
        ("rsync", 1.05, True),
        ("rsync", 0.95, False),
        ("syncthing", 1.55, True),
        ("syncthing", 1.45, False),
        ("git-annex", 0.01, True),  # nothing is promised of it
    ],
)
def test_a_ratio_is_judged_by_its_budget(rival: str, slower: float, is_kept: bool) -> None:
    runs = [run("photonic", 2.0), run(rival, 2.0 * slower)]
    assert values(runs)[f"tmpfs, large: photonic / {rival}"] == pytest.approx(slower)
    assert (said(runs) == []) is is_kept


def test_nothing_is_promised_of_the_disk_or_of_smaller_sets() -> None:
    on_disk = [run("photonic", 2.0, "ext4"), run("limit", 0.2, "ext4")]
    assert said(on_disk) == []
    on_tmpfs = [run("photonic", 2.0), run("limit", 0.2)]
    assert said(on_tmpfs) != [] and said(on_tmpfs, is_scaled=True) == []


def test_ratios_are_of_one_place_and_one_set() -> None:
    other = Sample("small", 10, 100_000_000)
    runs = [run("photonic", 2.0), run("rsync", 1.0, "ext4"), run("rsync", 1.0, sample=other)]
    assert not any("photonic /" in name for name in values(runs))


def test_memory_is_limited_on_both_ends_and_on_the_disk_too() -> None:
    big = run("photonic", 2.0, "ext4")
    assert big.taken is not None
    big.taken.peak_mb["taker"] = 301.0
    (complaint,) = said([big])
    assert complaint.startswith("ext4, large: photonic, peak of the taker: 301 MB")


def test_what_new_tags_move_is_the_share_on_the_wire() -> None:
    moved = run("photonic", 2.0, sample=RETAGGED)
    assert moved.taken is not None
    moved.taken.wire_bytes = 290_000
    assert said([moved]) == []
    moved.taken.wire_bytes = 310_000
    assert len(said([moved])) == 1
    uncounted = run("photonic", 2.0, sample=RETAGGED)
    assert not any("moved" in name for name in values([uncounted]))


def test_a_links_share_is_of_what_it_carried_while_it_was_up() -> None:
    broken = Link("breaks", 800, 20, down_s=20)  # 100 MB/s while up
    assert [broken.up_s(s) for s in (10, 40, 59, 60, 70, 120)] == [10, 40, 40, 40, 50, 80]
    assert FAR.up_s(70) == 70
    (share,) = judged([run("rsync", 50.0, "breaks")], [broken], is_scaled=False)
    assert share.value == pytest.approx(0.25)
    far = Sample("far", 10, 100_000_000)
    assert len(said([run("photonic", 12.0, "far", far)])) == 1
    assert said([run("photonic", 11.0, "far", far)]) == said([run("rsync", 99.0, "far", far)]) == []


def test_of_several_rounds_the_middle_one_counts_and_of_failures_the_first() -> None:
    rounds = [run("rsync", seconds) for seconds in (9.0, 1.0, 3.0)]
    assert middle(rounds) == [rounds[2]]
    failed = Run("tmpfs", LARGE, 1, "rsync", why_not="it fell", is_failure=True)
    assert middle([*rounds, failed]) == [failed]
    assert complaints([failed], []) == ["tmpfs, large: rsync: it fell"]


def test_what_is_left_out_is_told_and_is_no_failure() -> None:
    without = Run("tmpfs", LARGE, 1, "git-annex", why_not="git-annex is not installed")
    assert complaints(middle([without]), []) == []
    assert "left out: git-annex is not installed" in table([without])
    assert "FAILED: git-annex" in table([replace(without, is_failure=True)])


def test_losing_a_holder_is_judged() -> None:
    def missed(loss: Loss) -> int:
        return len(complaints([], judged_losses([loss], 50, is_scaled=False)))

    assert missed(LOSS) == 0
    assert missed(replace(LOSS, before_mb_s=89.0)) == 1
    assert missed(replace(LOSS, flows_s=10.5)) == 1
    assert missed(replace(LOSS, silent_s=10.5)) == 1
    assert complaints([], judged_losses([replace(LOSS, flows_s=99)], 50, is_scaled=True)) == []
    assert any("never" in line for line in lines(
        judged_losses([replace(LOSS, again_s=None)], 50, is_scaled=False)
    ))  # fmt: skip


def test_a_run_is_plain_json() -> None:
    one = json.loads(json.dumps(run("rsync", 2.0).plain()))
    assert one["mb_s"] == 500.0 and one["taken"]["cpu_s"]["taker"] == 3.0

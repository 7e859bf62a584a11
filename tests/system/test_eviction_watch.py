"""The look at disks that the story of evictions relies on: what it calls a breach, and what not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from tests.system.eviction_script import CENTRAL, MOBILE, NAMES, Story, script
from tests.system.eviction_watch import Disk, EvictionWatch

SHOTS = {blake3(data).hexdigest(): data for data in (b"harbour", b"lighthouse")}
FIRST, SECOND = SHOTS
STORY = Story(
    seed=7, buffer_bytes=32 << 20, photo_bytes=1 << 20, shoots=8, shoot_photos=12,
    lasts_s=20, cuts=4, kills=6, settles_s=60,
)  # fmt: skip


class Homes:
    """Three stores by hand, with two photos on each of them."""

    def __init__(self, root: Path) -> None:
        self.homes = [root / name for name in NAMES]
        for home in self.homes:
            for shot in SHOTS:
                self.put(home, shot)
        disks = [Disk(home) for home in self.homes]
        self.watch = EvictionWatch(disks[0], disks[1:], min_copies=2)
        self.watch.expect(SHOTS)
        self.watch.look()

    def path(self, home: Path, shot: str) -> Path:
        return home / "blobs" / "blobs" / shot[:2] / shot

    def put(self, home: Path, shot: str, data: bytes = b"") -> None:
        self.path(home, shot).parent.mkdir(parents=True, exist_ok=True)
        self.path(home, shot).write_bytes(data or SHOTS[shot])

    def drop(self, home: Path, shot: str) -> None:
        self.path(home, shot).unlink()


@pytest.fixture
def homes(tmp_path: Path) -> Homes:
    return Homes(tmp_path)


def test_what_left_and_is_on_all_others_is_no_breach(homes: Homes) -> None:
    mobile, _, archive = homes.homes
    homes.drop(archive, SECOND)  # which the first one still has
    homes.drop(mobile, FIRST)
    homes.watch.look()
    assert (homes.watch.breaches, homes.watch.least) == ([], 2)
    assert homes.watch.gone == {FIRST}
    assert not homes.watch.broken.is_set()


def _gone(homes: Homes) -> None:
    homes.drop(homes.homes[2], FIRST)


def _rotten(homes: Homes) -> None:
    """With the times that it had, as rot leaves them."""
    path = homes.path(homes.homes[1], FIRST)
    before = path.stat()
    path.write_bytes(b"HARBOUR")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _another_name(homes: Homes) -> None:
    """A file that is named after one photo, and is another one."""
    homes.put(homes.homes[1], FIRST, SHOTS[SECOND])


@pytest.mark.parametrize("harm", [_gone, _rotten, _another_name])
def test_what_left_and_is_sound_on_one_other_disk_only_is_a_breach(
    homes: Homes, harm: Callable[[Homes], None]
) -> None:
    homes.drop(homes.homes[0], FIRST)
    homes.watch.look()
    harm(homes)
    homes.watch.look()
    assert [(breach.photo, breach.copies) for breach in homes.watch.breaches] == [(FIRST, 1)]
    assert homes.watch.least == 1
    assert homes.watch.broken.is_set()


def test_what_is_written_anew_at_that_moment_is_looked_at_again(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    mobile, central, _ = homes.homes
    homes.drop(mobile, FIRST)
    homes.drop(central, FIRST)
    see = homes.watch._see

    def see_and_mend() -> None:
        see()
        homes.put(central, FIRST)

    monkeypatch.setattr(homes.watch, "_see", see_and_mend)
    homes.watch.look()
    assert (homes.watch.breaches, homes.watch.least) == ([], 2)


def test_a_file_that_leaves_is_heard_of(homes: Homes) -> None:
    mobile = homes.homes[0]
    disk = Disk(mobile)
    assert not disk.wait_leaving(0.05)
    threading.Timer(0.1, homes.drop, (mobile, FIRST)).start()
    assert disk.wait_leaving(10)
    assert disk.weigh() == len(SHOTS[SECOND])


def test_a_watch_that_cannot_look_says_so(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    def see() -> None:
        raise PermissionError("the disk is not for you")

    monkeypatch.setattr(homes.watch, "_see", see)
    with pytest.raises(PermissionError, match="not for you"), homes.watch:
        assert homes.watch.broken.wait(10)


def test_a_script_follows_from_its_seed_and_has_what_is_asked_for() -> None:
    acts = script(STORY)
    assert acts == script(STORY)
    assert acts != script(replace(STORY, seed=8))
    assert [act.number for act in acts if act.do == "shoot"] == list(range(1, STORY.shoots))
    assert [act.node for act in acts if act.do == "rule"] == [CENTRAL]
    cuts = [act.do for act in acts if act.do in ("cut", "heal")]
    assert cuts == ["cut", "heal"] * STORY.cuts
    kills = [act for act in acts if act.do in ("kill", "start")]
    assert len(kills) == 2 * STORY.kills and {act.node for act in kills} == set(NAMES)
    pairs = list(zip(kills[::2], kills[1::2], strict=True))
    assert all(one.node == other.node for one, other in pairs)
    assert {(one.do, other.do) for one, other in pairs} == {("kill", "start")}
    assert {one.node for one, _ in pairs if one.waits} == {MOBILE}
    assert 0 < sum(act.do == "rate" and act.number >= 4 for act in acts) <= STORY.ruled_max

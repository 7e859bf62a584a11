"""Ten minutes with a small buffer: what leaves it is on enough other disks, at every moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.eviction_ending import HIGH
from tests.system.eviction_script import Story
from tests.system.eviction_story import MIN_COPIES, told

SEED = int(os.environ.get("PHOTONIC_SEED", "1"))
SHORT = Story(
    seed=SEED, buffer_bytes=32 << 20, photo_bytes=1 << 20, shoots=8, shoot_photos=12,
    lasts_s=20, cuts=4, kills=3, settles_s=60,
)  # fmt: skip
LONG = Story(
    seed=SEED, buffer_bytes=2 << 30, photo_bytes=3 << 20, shoots=40, shoot_photos=50,
    lasts_s=600, cuts=24, kills=30, settles_s=300, has_own_disk=True,
)  # fmt: skip
# What a node may have wrong, each of which lets go of what rotted elsewhere.
BUGS = ("holding-is-proof", "lease-counted-twice")
IS_LONG = bool(os.environ.get("PHOTONIC_LONG"))  # `tox -e long`
STORY = LONG if IS_LONG else SHORT


@pytest.mark.root("ip", "nft", "mount")
def test_what_leaves_a_buffer_is_on_enough_other_disks_at_every_moment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with told(STORY, tmp_path) as ending:
        with capsys.disabled():
            print("", ending.words(STORY), sep="\n", end="")
        assert ending.breaches == []
        assert ending.least is not None and ending.least >= MIN_COPIES
        assert ending.left > STORY.photos / 4
        assert {name: len(lost) for name, lost in ending.lost.items() if lost} == {}
        assert ending.unsettled == []
        assert ending.buffer_bytes < STORY.buffer_bytes * HIGH / 100
        assert ending.unproven == []
        assert ending.unsound == []
        assert ending.ruled, "no photo was rated so well that the rule is about it"
        assert ending.done["kill"] == STORY.kills and ending.done["cut"] == STORY.cuts
        assert ending.done["shoot apart"] > 0


@pytest.mark.root("ip", "nft")
@pytest.mark.parametrize("bug", BUGS if IS_LONG else BUGS[:1])
def test_the_story_finds_a_node_that_evicts_without_proof(tmp_path: Path, bug: str) -> None:
    with told(SHORT, tmp_path, bug) as ending:
        assert ending.breaches, "what rotted at the central node left, and nobody saw it"
        assert {breach.copies for breach in ending.breaches} == {MIN_COPIES - 1}

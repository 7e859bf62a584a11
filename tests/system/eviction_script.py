"""What happens in the story of evictions, and when: acts from a seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import NamedTuple

MOBILE, CENTRAL, ARCHIVE = "mobile", "central", "archive"
NAMES = (MOBILE, CENTRAL, ARCHIVE)
RULED_RATING = 4  # from here on a photo is to be on the mobile node, too
_RATED, _RULED = 5, 3  # of a shoot, so many are rated; of all, one of so many is a good one
_DEAD_SHARE = 0.3  # of the time between two kills, at most
_CUT_SHARE = 0.3  # of the time between two cuts, in which the first begins
_WAITS_SHARE = 0.7  # of the mobile node's kills wait for a photo to leave it


@dataclass(frozen=True, slots=True)
class Story:
    """How long it lasts, and how much there is of everything."""

    seed: int
    buffer_bytes: int
    photo_bytes: int
    shoots: int
    shoot_photos: int
    lasts_s: float
    cuts: int
    kills: int
    settles_s: float  # at most, once all is healed
    rotten: int = 3  # files of the central node that rot before anything left
    has_own_disk: bool = False  # the buffer is a disk of that size, and not a share of a large one

    @property
    def leaves_within_s(self) -> float:
        """How long a kill waits for a photo to leave."""
        return min(10.0, self.lasts_s / 8)

    @property
    def photos(self) -> int:
        return self.shoots * self.shoot_photos

    @property
    def ruled_max(self) -> int:
        """How many good photos there may be: an eighth of the buffer."""
        return self.buffer_bytes // self.photo_bytes // 8


class Act(NamedTuple):
    """One thing that is done at a moment. `node`: to whom; `number`: which shoot, which rating."""

    at_s: float
    do: str  # shoot, cut, heal, kill, start, rate, rule
    node: str = ""
    number: int = 0
    is_half: bool = False  # a cut of one way; a kill that leaves its children to themselves
    waits: bool = False  # for a photo to leave, and kills then


def script(story: Story) -> list[Act]:
    """Return what happens, by its moments; the first shoot was before."""
    dice = random.Random(story.seed)
    acts = [Act(at_s, "shoot", number=n + 1) for n, at_s in _moments(dice, story, story.shoots - 1)]
    acts += _rates(dice, story)
    acts += _cuts(dice, story)
    acts += _kills(dice, story)
    acts.append(Act(story.lasts_s / 2, "rule", CENTRAL))
    return sorted(acts)


def _moments(
    dice: random.Random, story: Story, count: int, share: float = 1.0
) -> list[tuple[int, float]]:
    """Return moments that are spread over the time, one in the first share of each part of it."""
    part_s = story.lasts_s / max(1, count)
    return [(number, (number + share * dice.random()) * part_s) for number in range(count)]


def _rates(dice: random.Random, story: Story) -> list[Act]:
    ruled, acts = 0, []
    for _, at_s in _moments(dice, story, _RATED * story.shoots):
        is_good = ruled < story.ruled_max and dice.randrange(_RULED) == 0
        ruled += is_good
        stars = dice.choice((4, 5)) if is_good else dice.choice((1, 2, 3))
        acts.append(Act(at_s, "rate", dice.choice(NAMES), stars))
    return acts


def _cuts(dice: random.Random, story: Story) -> list[Act]:
    """One node is cut off at a time, or heard by nobody; most often the one that travels."""
    acts = []
    part_s = story.lasts_s / max(1, story.cuts)
    for _, at_s in _moments(dice, story, story.cuts, _CUT_SHARE):
        name = dice.choice((MOBILE, *NAMES))
        acts.append(Act(at_s, "cut", name, is_half=dice.random() < 0.25))
        acts.append(Act(at_s + dice.uniform(0.3, 1.0 - _CUT_SHARE) * part_s, "heal"))
    return acts


def _kills(dice: random.Random, story: Story) -> list[Act]:
    acts = []
    part_s = story.lasts_s / max(1, story.kills)
    victims = [NAMES[number % len(NAMES)] for number in range(story.kills)]
    dice.shuffle(victims)
    moments = _moments(dice, story, story.kills, 1.0 - _DEAD_SHARE)
    for (_, at_s), name in zip(moments, victims, strict=True):
        waits = name == MOBILE and dice.random() < _WAITS_SHARE
        acts.append(Act(at_s, "kill", name, is_half=dice.random() < 0.5, waits=waits))
        acts.append(Act(at_s + dice.random() * _DEAD_SHARE * part_s, "start", name))
    return acts

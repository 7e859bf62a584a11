"""What a photographer's library is made of: cameras, lenses, tags, places and words.

Everything follows from a seed, and everything is skewed as people are: a few cameras, tags and
places make up most of a library, and a long tail the rest.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")

TAGS, PLACES = 2_000, 300
_SYLLABLES = "ba be bi bo da de di do fa fe ga go ha hi ka ke ki ko la le li lo ma me mi mo "
_SYLLABLES += "na ne ni no pa pe ra re ri ro sa se si so ta te ti to va ve vi vo wa ya zu"
THEMES = ("travel", "people", "family", "events", "nature", "animals", "sport", "architecture",
           "work", "food", "projects", "street")  # fmt: skip
_WORDS = """
harbour morning light over the old town after rain with fog on water walking home children playing
near river bridge evening market portrait of grandmother in garden snow mountain ridge at dawn first
day last night summer winter autumn spring train station window reflection sky stars long exposure
waterfall coast lighthouse wedding dance speech cake ring church birthday candles friends dinner
table boat sail island beach dog cat horse bird nest flight forest path tree leaf flower macro
insect street musician crowd concert stage red blue green yellow door wall stairs tower roof museum
sculpture painting workshop hands tool bicycle race finish goal team
""".split()  # noqa: SIM905 - a list of a hundred lines reads worse


class Skewed(Generic[T]):
    """Picks from a list whose head is picked most: Zipf's law with an exponent."""

    def __init__(self, values: Sequence[T], exponent: float = 1.0) -> None:
        self.values = list(values)
        self._bounds = list(accumulate(1 / (rank + 1) ** exponent for rank in range(len(values))))

    def pick(self, dice: random.Random) -> T:
        return self.values[bisect(self._bounds, dice.random() * self._bounds[-1])]


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera body, what it writes, and the years (as parts of the library's time) it was used."""

    make: str
    model: str
    serial: str
    raw: str | None  # the extension of its RAW files
    prefix: str  # of its file names
    width: int
    height: int
    lenses: tuple[str, ...]
    has_gps: bool
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere photos were taken, and how far they spread, in degrees."""

    name: str
    latitude: float
    longitude: float
    spread: float


_MAKERS = (
    ("Canon", "Canon EOS", "cr2", "IMG_", ("EF24-105mm f/4L IS USM", "EF50mm f/1.4 USM",
     "EF70-200mm f/2.8L IS II USM", "EF16-35mm f/4L IS USM", "EF100mm f/2.8L Macro IS USM")),
    ("NIKON CORPORATION", "NIKON D", "nef", "DSC_", ("24-70mm f/2.8", "50mm f/1.8",
     "70-300mm f/4.5-5.6", "14-24mm f/2.8", "105mm f/2.8")),
    ("SONY", "ILCE-", "arw", "DSC0", ("FE 24-70mm F2.8 GM", "FE 55mm F1.8 ZA",
     "FE 70-200mm F4 G OSS", "FE 35mm F1.8")),
    ("FUJIFILM", "X-T", "raf", "DSCF", ("XF35mmF1.4 R", "XF18-55mmF2.8-4 R LM OIS",
     "XF56mmF1.2 R", "XF10-24mmF4 R OIS")),
    ("OLYMPUS", "E-M", "orf", "P1", ("OLYMPUS M.12-40mm F2.8", "OLYMPUS M.45mm F1.8")),
    ("Apple", "iPhone ", None, "IMG_", ("back camera 4.25mm f/1.8", "back camera 6mm f/2.8")),
    ("Google", "Pixel ", None, "PXL_", ("back camera 4.38mm f/1.73",)),
    ("Panasonic", "DC-GH", "rw2", "P10", ("LUMIX G VARIO 12-35/F2.8",)),
)  # fmt: skip


class Vocabulary:
    """The cameras, places, tags and words of one library."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.cameras = [_camera(number, dice) for number in range(40)]
        self.names = _names(dice, PLACES + TAGS)
        self.places = Skewed([_place(self.names[i], dice) for i in range(PLACES)], 1.05)
        self.tags = Skewed(_tags(dice, self.places.values, self.names[PLACES:]), 0.95)
        self.words = Skewed([*_WORDS, *self.names], 0.9)

    def cameras_at(self, moment: float) -> list[Camera]:
        """Return the cameras in use at a moment, 0.0 the beginning of the library and 1.0 now."""
        found = [camera for camera in self.cameras if camera.since <= moment < camera.until]
        return found or self.cameras[:1]

    def sentence(self, dice: random.Random, words_max: int) -> str:
        count = dice.randint(2, words_max)
        return " ".join(self.words.pick(dice) for _ in range(count)).capitalize()


def _camera(number: int, dice: random.Random) -> Camera:
    make, model, raw, prefix, lenses = _MAKERS[number % len(_MAKERS)]
    since = 0.0 if number < 3 else dice.random() * 0.92
    width = round(dice.choice((3_888, 4_272, 5_184, 5_760, 6_000, 8_192)) * (0.75 + since / 2))
    return Camera(
        make=make,
        model=f"{model}{number // len(_MAKERS) * 10 + dice.randint(1, 9)}",
        serial=f"{dice.randrange(10**8):08}" if raw else "",
        raw=raw,
        prefix=prefix,
        width=width,
        height=width * 3 // 4 if raw is None else width * 2 // 3,
        lenses=lenses,
        has_gps=raw is None,
        since=since,
        until=1.01 if number == 0 else since + 0.05 + dice.random() * 0.3,
    )


def _place(name: str, dice: random.Random) -> Place:
    latitude = dice.gauss(45, 18) if dice.random() < 0.85 else dice.gauss(-25, 12)
    longitude = dice.gauss(10, 25) if dice.random() < 0.7 else dice.uniform(-180, 180)
    return Place(
        name,
        max(-85.0, min(85.0, latitude)),
        max(-179.0, min(179.0, longitude)),
        dice.choice((0.003, 0.02, 0.1)),
    )


def _names(dice: random.Random, count: int) -> list[str]:
    """Return `count` different made-up names."""
    syllables, found = _SYLLABLES.split(), dict[str, None]()
    while len(found) < count:
        found["".join(dice.choice(syllables) for _ in range(dice.randint(2, 4)))] = None
    return list(found)


def _tags(dice: random.Random, places: Sequence[Place], names: Sequence[str]) -> list[str]:
    """Return `TAGS` tags, half of them two levels deep and a third of them three."""
    second = [f"travel/{place.name}" for place in places]
    second += [f"{dice.choice(THEMES)}/{name}" for name in names[: TAGS // 3]]
    third = [f"{dice.choice(second)}/{name}" for name in names[TAGS // 3 :]]
    tags = [*THEMES, *second, *third][:TAGS]
    dice.shuffle(tags)
    return tags

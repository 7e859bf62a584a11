"""What people ask a library, in the query language, with parameters as they occur in it."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.libraries import BEGAN, SAVED_ALBUMS, YEARS, Library, part_of_time
from benchmarks.vocabulary import THEMES, Camera

FIRST = "first page"  # without a condition


class Questions:
    """Makes questions of each kind; the same for one library and one seed."""

    def __init__(self, library: Library, seed: int = 1) -> None:
        self._library, self._words = library, library.words
        self._dice = random.Random(seed)
        self._kinds: dict[str, Callable[[], str]] = {
            FIRST: str,
            "date range": self._range,
            "rating": lambda: f"rating>={self._dice.randint(1, 5)}",
            "label": lambda: f"label:{self._dice.choice(('red', 'green', 'blue', 'purple'))}",
            "flag": lambda: f"flag:{self._dice.choice(('pick', 'reject'))}",
            "camera": lambda: f'camera:"{self._camera().model}"',
            "lens": lambda: f'lens:"{self._dice.choice(self._camera().lenses)}"',
            "tag": lambda: f"tag:{self._words.tags.pick(self._dice)}",
            "tag, high in the hierarchy": lambda: f"tag:{self._dice.choice(THEMES)}",
            "tag, rare": lambda: f"tag:{self._dice.choice(self._words.tags.values[-400:])}",
            "album, made by hand": self._album,
            "place": self._place,
            "in conflict": lambda: "has:conflict",
            "at risk": lambda: "is:at-risk",
            "folder": lambda: f"folder:{self._year()}",
            "kind": lambda: f"kind:{self._dice.choice(('raw', 'image', 'video'))}",
            "text, common": lambda: self._dice.choice(self._words.words.values[:20]),
            "text, rare": lambda: self._dice.choice(self._words.words.values[-400:]),
            "text, a beginning": lambda: self._dice.choice(self._words.words.values)[:3] + "*",
            "combination": self._combination,
            "negation": lambda: f"-tag:{self._dice.choice(THEMES)} rating>=3 -flag:reject",
            "alternatives": lambda: f"tag:{self._tag()} or rating:5 or label:purple",
            "nothing there": lambda: f"rating:5 label:purple tag:{self._tag()} kind:video",
        }

    @property
    def kinds(self) -> list[str]:
        return list(self._kinds)

    def text(self, kind: str) -> str:
        """Return one question of a kind, as a person would type it."""
        return self._kinds[kind]()

    def day(self) -> str:
        """Return some day of the library, "2014-03-09"."""
        return f"{self._year()}-{self._dice.randint(1, 12):02}-{self._dice.randint(1, 28):02}"

    def _year(self) -> int:
        return BEGAN.year + self._dice.randrange(YEARS)

    def _range(self) -> str:
        year, month = self._year(), self._dice.randint(1, 11)
        return f"taken:{year}-{month:02}..{year}-{month + 1:02}"

    def _camera(self) -> Camera:
        return self._dice.choice(self._words.cameras)

    def _tag(self) -> str:
        return self._words.tags.pick(self._dice)

    def _album(self) -> str:
        return f"album:{self._dice.choice(self._library.albums[SAVED_ALBUMS:]).hex()}"

    def _place(self) -> str:
        place = self._words.places.pick(self._dice)
        size = self._dice.choice((0.01, 0.1, 1.0, 10.0))
        south, north = max(-90.0, place.latitude - size), min(90.0, place.latitude + size)
        west, east = max(-180.0, place.longitude - size), min(180.0, place.longitude + size)
        return f"place:{south:.4f},{west:.4f}..{north:.4f},{east:.4f}"

    def _combination(self) -> str:
        camera = self._camera()
        moment = self._dice.uniform(camera.since, min(1.0, camera.until))
        year = BEGAN.year + min(YEARS - 1, int(YEARS * part_of_time(moment)))
        return f'rating>=3 camera:"{camera.model}" taken:{year} -flag:reject'

"""A made-up library, as a stream of what happened to it in twenty years: the same for one seed.

Five nodes belong to it. The laptop imports in the field and keeps no originals; the studio imports
too and holds nearly everything; the archive holds most, another box some; a tablet only looks. One
photo in twenty is edited later, by any of the first three; one in a thousand is edited on two nodes
that do not know of each other. Nothing here grows with the library but what is still to be edited
of the photos that came last.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.shooting import LABELS, RATINGS, Shoot
from benchmarks.vocabulary import Vocabulary
from photonic.crdt.changes import ACT_BYTES, Draft
from photonic.crdt.fields import (
    ALBUM_NAME,
    ALBUM_QUERY,
    ALBUMS,
    CAPTION,
    FLAG,
    GPS,
    LABEL,
    RATING,
    STACK_OF,
    TAGS,
    TITLE,
    TRASHED,
)
from photonic.ids import BlobId, album_subject, photo_subject
from photonic.photos import NewPhoto

LAPTOP, STUDIO, ARCHIVE, BOX, TABLET = range(5)
NODES = (
    ("laptop", "mobile"),
    ("studio", "central"),
    ("archive", "archive"),
    ("box", "archive"),
    ("tablet", "mobile"),
)
SAVED_ALBUMS, MANUAL_ALBUMS = 30, 20
BEGAN = datetime(2006, 1, 1, tzinfo=UTC)
YEARS = 20
_EDITED, _CONTESTED, _TRASHED = 0.05, 0.001, 0.0005
_LATER_PHOTOS_MAX = 20_000  # an edit comes at most so many photos after its photo


@dataclass(frozen=True, slots=True)
class Taken:
    """A photo was imported on a node; afterwards these nodes hold its original."""

    at_ms: int
    by: int
    photo: NewPhoto
    holders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody said something, knowing all that was said before."""

    at_ms: int
    by: int
    draft: Draft


@dataclass(frozen=True, slots=True)
class Contested:
    """Two nodes said different things of one photo, neither knowing of the other."""

    at_ms: int
    sides: tuple[tuple[int, Draft], tuple[int, Draft]]


Deed = Taken | Edited | Contested
_Said = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]  # sets, adds, removes


@dataclass(order=True, slots=True)
class _Due:
    after: int  # photos
    number: int
    deed: Edited | Contested = field(compare=False)


class Library:
    """One library of `photos` photos."""

    def __init__(self, photos: int, seed: int = 1) -> None:
        self.photos, self.seed = photos, seed
        self.words = Vocabulary(seed)
        dice = random.Random(seed * 7 + 1)
        self.albums = [dice.randbytes(16) for _ in range(SAVED_ALBUMS + MANUAL_ALBUMS)]
        self.manual = [album.hex() for album in self.albums[SAVED_ALBUMS:]]

    def deeds(self) -> Iterator[Deed]:
        """Yield all that happened, in order. Each call begins anew and yields the same."""
        return _Story(self).tell()

    def moment_ms(self, done: int) -> int:
        """Return when the photo number `done` was taken."""
        part = part_of_time(done / max(1, self.photos))
        return round((BEGAN + timedelta(days=365.25 * YEARS * part)).timestamp() * 1000)


def part_of_time(part_of_photos: float) -> float:
    """Return which part of the years had gone by: the later ones have more photos."""
    return math.pow(part_of_photos, 0.6)


class _Story:
    def __init__(self, library: Library) -> None:
        self._library, self._words = library, library.words
        self._dice = random.Random(library.seed)
        self._due: list[_Due] = []
        self._scheduled = self._done = 0
        self._counters: dict[str, int] = {}
        self._now_ms = library.moment_ms(0)

    def tell(self) -> Iterator[Deed]:
        yield from self._make_albums()
        total = self._library.photos
        while self._done < total:
            yield from self._shoot(min(total - self._done, self._shoot_size()))
        while self._due:
            yield self._next_due()

    def _shoot_size(self) -> int:
        return max(1, min(2_000, round(self._dice.lognormvariate(3.2, 1.2))))

    def _next_due(self) -> Deed:
        return replace(heapq.heappop(self._due).deed, at_ms=self._now_ms)

    # --- photos ------------------------------------------------------------------------------

    def _shoot(self, count: int) -> Iterator[Deed]:
        dice, now_ms = self._dice, self._library.moment_ms(self._done)
        self._now_ms = now_ms
        in_use = self._words.cameras_at(self._done / self._library.photos)
        camera = in_use[min(int(dice.expovariate(0.25)), len(in_use) - 1)]
        day = datetime.fromtimestamp(now_ms / 1000, UTC).replace(tzinfo=None, microsecond=0)
        began = day.replace(hour=dice.randint(6, 21), minute=dice.randrange(60))
        counter = self._counters.get(camera.model, 0)
        self._counters[camera.model] = counter + count
        by = LAPTOP if dice.random() < 0.65 else STUDIO
        is_fresh = self._done > 0.99 * self._library.photos  # not copied everywhere yet
        photos: list[NewPhoto] = []
        for photo in Shoot(dice, self._words, camera, began, counter).photos(count):
            self._done += 1
            yield Taken(now_ms, by, photo, self._holders(is_fresh))
            photos.append(photo)
            while self._due and self._due[0].after <= self._done:
                yield self._next_due()
        self._plan_edits(photos)

    def _holders(self, is_fresh: bool) -> tuple[int, ...]:
        chances = ((STUDIO, 0.6), (ARCHIVE, 0.3)) if is_fresh else (
            (STUDIO, 0.995), (ARCHIVE, 0.95), (BOX, 0.4))  # fmt: skip
        return tuple(node for node, chance in chances if self._dice.random() < chance)

    # --- what is said of them later ----------------------------------------------------------

    def _plan_edits(self, photos: Sequence[NewPhoto]) -> None:
        """Plan the sittings in which somebody goes through a shoot again."""
        dice = self._dice
        sittings = [self._sitting() for _ in range(4)]
        for photo in photos:
            lot, subject = dice.random(), photo_subject(photo.original.blob)
            if lot < _CONTESTED:
                self._plan(self._contest(photo.original.blob), self._later())
            elif lot < _CONTESTED + _TRASHED:
                draft = Draft(subject, {TRASHED: True}, act=dice.randbytes(ACT_BYTES))
                self._plan(Edited(self._now_ms, LAPTOP, draft), self._later())
            elif lot < _CONTESTED + _TRASHED + _EDITED:
                for by, delay, act, said in sittings[: dice.choice((1, 1, 1, 2, 2, 3, 4))]:
                    words = said or self._said(photo)
                    draft = Draft(subject, words[0], words[1], words[2], act if said else b"")
                    self._plan(Edited(self._now_ms, by, draft), delay)

    def _sitting(self) -> tuple[int, int, bytes, _Said | None]:
        """Return who sits down, how much later, and the one thing said of many, if it is one."""
        dice = self._dice
        said = self._said(None) if dice.random() < 0.5 else None
        by = dice.choice((LAPTOP, LAPTOP, STUDIO, ARCHIVE))
        return by, self._later(), dice.randbytes(ACT_BYTES), said

    def _later(self) -> int:
        return min(_LATER_PHOTOS_MAX, 1 + int(self._dice.expovariate(1 / 4_000)))

    def _plan(self, deed: Edited | Contested, delay: int) -> None:
        self._scheduled += 1
        heapq.heappush(self._due, _Due(self._done + delay, self._scheduled, deed))

    def _said(
        self, photo: NewPhoto | None
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return what one edit sets, adds and removes."""
        dice, lot = self._dice, self._dice.random()
        if lot < 0.42:
            return {RATING: dice.choice(RATINGS)}, {}, {}
        if lot < 0.60:
            return {}, {TAGS: (self._words.tags.pick(dice),)}, {}
        if lot < 0.64 and photo is not None and photo.sidecar and photo.sidecar.marks.keywords:
            return {}, {}, {TAGS: photo.sidecar.marks.keywords[:1]}
        if lot < 0.76:
            return {FLAG: dice.choice(("pick", "pick", "reject"))}, {}, {}
        if lot < 0.84:
            return {LABEL: dice.choice(LABELS)}, {}, {}
        if lot < 0.92:
            return {}, {ALBUMS: (dice.choice(self._library.manual),)}, {}
        if lot < 0.95:
            return {TITLE: self._words.sentence(dice, 4)}, {}, {}
        if lot < 0.98:
            return {CAPTION: self._words.sentence(dice, 14)}, {}, {}
        if lot < 0.99:
            return {STACK_OF: dice.randbytes(16).hex()}, {}, {}
        return {GPS: self._place()}, {}, {}

    def _place(self) -> dict[str, float | None]:
        place = self._words.places.pick(self._dice)
        return {"latitude": place.latitude, "longitude": place.longitude, "altitude_m": None}

    def _contest(self, photo: BlobId) -> Contested:
        dice, subject = self._dice, photo_subject(photo)
        lot = dice.random()
        values: tuple[Mapping[str, Any], Mapping[str, Any]]
        if lot < 0.6:
            first = dice.randint(1, 4)
            values = ({RATING: first}, {RATING: first + 1})
        elif lot < 0.8:
            values = ({LABEL: "Red"}, {LABEL: "Green"})
        else:
            one = self._words.sentence(dice, 4)
            values = ({TITLE: one}, {TITLE: f"{one} again"})
        first_by, second_by = dice.sample((LAPTOP, STUDIO, ARCHIVE), 2)
        sides = ((first_by, Draft(subject, values[0])), (second_by, Draft(subject, values[1])))
        return Contested(self._now_ms, sides)

    # --- albums ------------------------------------------------------------------------------

    def _make_albums(self) -> Iterator[Deed]:
        dice, now_ms = self._dice, self._now_ms
        for position, album in enumerate(self._library.albums):
            sets = {ALBUM_NAME: self._words.sentence(dice, 3)}
            if position < SAVED_ALBUMS:
                sets[ALBUM_QUERY] = self._saved_query()
            yield Edited(now_ms, LAPTOP, Draft(album_subject(album), sets))

    def _saved_query(self) -> str:
        dice = self._dice
        tag = self._words.tags.pick(dice).partition("/")[0]
        year = BEGAN.year + dice.randrange(YEARS)
        forms = (
            f"rating>={dice.randint(2, 5)} tag:{tag}",
            f"taken:{year} rating>=4",
            f"tag:{tag} taken:{year}",
            f"flag:pick taken:{year}..{year + 1}",
        )
        return dice.choice(forms)

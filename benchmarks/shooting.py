"""One shoot of a made-up photographer: photos of one camera at one place, as ingest reports them.

Photos come in bursts and pauses; a shoot has its own tags, folder and lenses, and some of its
photos carry what somebody said of them in another program before they were imported.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from benchmarks.vocabulary import Camera, Place, Vocabulary
from photonic import limits
from photonic.ids import BlobId
from photonic.photos import (
    MEDIA_TYPES,
    BlobRef,
    Marks,
    NewPhoto,
    PhotoFacts,
    Position,
    PreviewRef,
    Sidecar,
)

_APERTURES = (1.4, 1.8, 2.8, 2.8, 4.0, 4.0, 5.6, 5.6, 8.0, 11.0)
_ISOS = (100, 100, 100, 200, 200, 400, 800, 1600, 3200, 6400)
_EXPOSURES = (1 / 4000, 1 / 1000, 1 / 500, 1 / 250, 1 / 125, 1 / 60, 1 / 30, 0.5, 2.0)
RATINGS = (3, 3, 3, 3, 3, 4, 4, 4, 2, 2, 5, 1, -1, -1)  # what people who rate at all give
LABELS = ("Red", "Red", "Red", "Green", "Green", "Yellow", "Blue", "Purple")


class Shoot:
    """Makes the photos of one shoot, in the order in which they were taken."""

    def __init__(
        self,
        dice: random.Random,
        words: Vocabulary,
        camera: Camera,
        began: datetime,
        counter: int,
    ) -> None:
        """`counter` is the number in the camera's file names."""
        self._dice, self._words, self._camera = dice, words, camera
        self._taken, self._counter = began, counter
        self.place: Place = words.places.pick(dice)
        self._has_gps = dice.random() < (0.85 if camera.has_gps else 0.2)
        self._lens = dice.choice(camera.lenses)
        self._tags = [words.tags.pick(dice) for _ in range(dice.choice((0, 1, 1, 2, 3)))]
        self._is_marked = dice.random() < 0.55  # culled in another program before the import
        subject = words.words.pick(dice).capitalize()
        self.folder = f"{began:%Y/%Y-%m-%d} {subject}"
        self._burst = 0

    def photos(self, count: int) -> Iterator[NewPhoto]:
        for _ in range(count):
            self._advance()
            yield self._photo()

    def _advance(self) -> None:
        dice = self._dice
        if self._burst:
            self._burst -= 1
            pause_s = dice.uniform(0.08, 0.3)
        elif dice.random() < 0.06:
            self._burst, pause_s = dice.randint(3, 12), dice.expovariate(1 / 60)
        else:
            pause_s = dice.expovariate(1 / 40)
        self._taken += timedelta(milliseconds=max(1, round(pause_s * 1000)))
        if dice.random() < 0.02:
            self._lens = dice.choice(self._camera.lenses)

    def _photo(self) -> NewPhoto:
        dice, camera = self._dice, self._camera
        self._counter += 1
        kind = dice.random()
        if kind < 0.03:
            extension, size_bytes = "mp4", dice.randint(8_000_000, 400_000_000)
        elif camera.raw is not None and kind < 0.75:
            extension, size_bytes = camera.raw, round(camera.width * camera.height * 1.3)
        else:
            extension, size_bytes = "jpg", round(camera.width * camera.height * 0.35)
        name = f"{camera.prefix}{self._counter % 10_000:04}.{extension.upper()}"
        previews = tuple(
            PreviewRef(
                edge, edge, edge * camera.height // camera.width, _ref(dice, edge * edge // 12)
            )
            for edge in limits.PREVIEW_EDGES_PX
        )
        return NewPhoto(
            original=_ref(dice, size_bytes + dice.randint(-400_000, 400_000)),
            name=name,
            folder=self.folder,
            facts=self._facts(extension),
            previews=previews,
            sidecar=self._sidecar(name) if self._is_marked and dice.random() < 0.8 else None,
        )

    def _facts(self, extension: str) -> PhotoFacts:
        dice, camera = self._dice, self._camera
        has_words = extension == "jpg" and dice.random() < 0.15  # another program's export
        is_upright = dice.random() < 0.25
        sides = (camera.height, camera.width) if is_upright else (camera.width, camera.height)
        return PhotoFacts(
            media_type=MEDIA_TYPES[extension],
            width=sides[0],
            height=sides[1],
            orientation=6 if is_upright else 1,
            taken=self._taken.isoformat(timespec="milliseconds"),
            taken_offset_min=60 if camera.has_gps else None,
            taken_source="Exif.Photo.DateTimeOriginal",
            camera_make=camera.make,
            camera_model=camera.model,
            camera_serial=camera.serial or None,
            lens=self._lens,
            exposure_s=dice.choice(_EXPOSURES),
            aperture=dice.choice(_APERTURES),
            iso=dice.choice(_ISOS),
            focal_mm=float(dice.choice((4, 16, 24, 35, 50, 85, 105, 200))),
            position=self._position() if self._has_gps and dice.random() < 0.95 else None,
            keywords=tuple(dict.fromkeys(self._tags)) if has_words else (),
            duration_s=round(dice.expovariate(1 / 25), 2) if extension == "mp4" else None,
        )

    def _position(self) -> Position:
        dice, place = self._dice, self.place
        return Position(
            round(dice.gauss(place.latitude, place.spread), 6),
            round(dice.gauss(place.longitude, place.spread), 6),
            round(dice.uniform(0, 900), 1),
        )

    def _sidecar(self, name: str) -> Sidecar:
        dice = self._dice
        own = [self._words.tags.pick(dice) for _ in range(dice.choice((0, 0, 1, 1, 2)))]
        marks = Marks(
            rating=dice.choice(RATINGS) if dice.random() < 0.75 else None,
            label=dice.choice(LABELS) if dice.random() < 0.12 else None,
            title=self._words.sentence(dice, 4) if dice.random() < 0.05 else None,
            caption=self._words.sentence(dice, 14) if dice.random() < 0.07 else None,
            keywords=tuple(dict.fromkeys((*self._tags, *own))),
        )
        return Sidecar(f"{name}.xmp", _ref(dice, 3_000), marks)


def _ref(dice: random.Random, size_bytes: int) -> BlobRef:
    return BlobRef(BlobId(dice.randbytes(32)), max(1, size_bytes), dice.randbytes(32))

"""Shoots: photos of one camera without a long gap, the unit of "is it safe?". A pure decision.

A body is known by its serial number, else by make and model: two cameras of one model without
serial numbers are one. Times are compared as the cameras showed them, without zone, for few files
have one; so a camera whose clock is put to another zone on a journey begins a new shoot at worst.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from photonic import limits
from photonic.ids import BlobId
from photonic.photos import PhotoFacts

Camera = tuple[str, str, str]  # make, model, serial number; "" where unknown


@dataclass(frozen=True, slots=True)
class Shoot:
    """Photos that belong together, in the order in which they were taken."""

    camera: Camera
    began: str | None  # local time of the first; None: these photos have no date
    ended: str | None
    photos: tuple[BlobId, ...]


def group_shoots(
    photos: Iterable[tuple[BlobId, PhotoFacts]], gap_s: float = limits.SHOOT_GAP_S
) -> list[Shoot]:
    """Group photos into shoots, the earliest first and those without a date last.

    A photo more than `gap_s` after the one before it begins a new shoot. Neither the order of
    `photos` nor repetitions in it change the result.
    """
    dated: dict[Camera, dict[BlobId, str]] = defaultdict(dict)
    undated: dict[Camera, set[BlobId]] = defaultdict(set)
    for photo, facts in photos:
        if facts.taken is None:
            undated[camera_of(facts)].add(photo)
        else:
            dated[camera_of(facts)][photo] = facts.taken
    shoots = [shoot for camera in dated for shoot in _split(camera, dated[camera], gap_s)]
    shoots.sort(key=lambda shoot: (shoot.began or "", shoot.camera, shoot.photos))
    rest = [Shoot(camera, None, None, tuple(sorted(undated[camera]))) for camera in sorted(undated)]
    return shoots + rest


def camera_of(facts: PhotoFacts) -> Camera:
    """Return what tells one camera from another, whatever the case of its name's letters."""
    names = (facts.camera_make, facts.camera_model, facts.camera_serial)
    make, model, serial = (" ".join((name or "").casefold().split()) for name in names)
    return (make, model, serial)


def _split(camera: Camera, taken: dict[BlobId, str], gap_s: float) -> Iterable[Shoot]:
    gap = timedelta(seconds=gap_s)
    ordered = sorted((datetime.fromisoformat(local), photo) for photo, local in taken.items())
    begin = 0
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end][0] - ordered[end - 1][0] > gap:
            photos = tuple(photo for _, photo in ordered[begin:end])
            yield Shoot(camera, taken[photos[0]], taken[photos[-1]], photos)
            begin = end

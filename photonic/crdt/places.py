"""Finds a free place on the timeline for each photo of a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from photonic.crdt.timeline import SLOTS, place_of, second_of
from photonic.ids import BlobId

_AT_ONCE = 500
_TRIES = 8


def free_places(db: sqlite3.Connection, moments: Mapping[BlobId, str]) -> dict[BlobId, int]:
    """Return a place of its own for each photo: in its millisecond, else in its second.

    What stands in the table photo, or is given out here, is not free.
    """
    return free_among(db, {photo: place_of(moment, photo) for photo, moment in moments.items()})


def free_among(db: sqlite3.Connection, first: Mapping[BlobId, int]) -> dict[BlobId, int]:
    """Return a place of its own for each photo: the one that it would have, or one near it."""
    wanted = list(first.values())
    occupied: set[int] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        found = db.execute(f"SELECT n FROM photo WHERE n IN ({marks})", some)  # noqa: S608
        occupied.update(n for (n,) in found)
    places: dict[BlobId, int] = {}
    for photo, place in first.items():
        free = place if place not in occupied else _other(db, photo, place, occupied)
        occupied.add(free)
        places[photo] = free
    return places


def _other(db: sqlite3.Connection, photo: BlobId, place: int, occupied: set[int]) -> int:
    begin = place - place % SLOTS
    step = int.from_bytes(photo[2:4], "big") | 1
    for number in range(1, _TRIES):
        other = begin + (place + number * step) % SLOTS
        if _is_free(db, other, occupied):
            return other
    # So many photos of one millisecond were scanned or had no clock: behind the last of them.
    _, end = second_of(place)
    (last,) = db.execute("SELECT max(n) FROM photo WHERE n >= ? AND n < ?", (begin, end)).fetchone()
    other = max((n for n in occupied if begin <= n < end), default=begin)
    other = max(other, last or begin) + 1
    if other < end:
        return other
    other = begin
    while not _is_free(db, other, occupied):  # no second has as many photos as it has places
        other += 1
    return other


def _is_free(db: sqlite3.Connection, place: int, occupied: set[int]) -> bool:
    if place in occupied:
        return False
    return db.execute("SELECT 1 FROM photo WHERE n = ?", (place,)).fetchone() is None

"""Which photos somebody put into the trash, and since when this node knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from photonic.crdt.projection import PhotoRow
from photonic.crdt.tables import IN_TRASH, LIVE, REMOVAL_HELD
from photonic.ids import BlobId

_AT_ONCE = 500


def note_removals(
    db: sqlite3.Connection, rows: Mapping[BlobId, PhotoRow], now_ms: int, *, are_new: bool = False
) -> dict[BlobId, int]:
    """Keep who removed what, and since when; return how the photos are shown.

    A removal that is known keeps its moment, and stays held if the brake holds it.
    """
    known = {} if are_new else _known(db, list(rows))
    states: dict[BlobId, int] = {}
    for photo, row in rows.items():
        removal, before = row.removal, known.get(photo)
        states[photo] = LIVE if removal is None else IN_TRASH
        if removal is None:
            if before is not None:
                db.execute("DELETE FROM removal WHERE photo = ?", (photo,))
        elif before is not None and before[:2] == (removal.author, removal.at_ms):
            states[photo] = REMOVAL_HELD if before[2] else IN_TRASH
        else:
            db.execute(
                "INSERT OR REPLACE INTO removal VALUES (?, ?, ?, ?, 0)",
                (photo, removal.author, removal.at_ms, now_ms),
            )
    return states


def _known(db: sqlite3.Connection, photos: list[BlobId]) -> dict[bytes, tuple[bytes, int, int]]:
    known: dict[bytes, tuple[bytes, int, int]] = {}
    for start in range(0, len(photos), _AT_ONCE):
        some = photos[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        found = db.execute(
            "SELECT photo, author, at_ms, held FROM removal"  # noqa: S608
            f" WHERE photo IN ({marks})",
            some,
        )
        known |= {photo: (author, at_ms, is_held) for photo, author, at_ms, is_held in found}
    return known

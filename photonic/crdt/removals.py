"""Which photos somebody put into the trash, since when this node knows, and in which order.

A removal's place among its author's is (when the author made it, number of its row): whoever judges
a burst reads beside a place, so that it costs the same however many removals there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from photonic.crdt.lexicon import Read
from photonic.crdt.projection import PhotoRow
from photonic.crdt.tables import IN_TRASH, LIVE, REMOVAL_HELD
from photonic.ids import BlobId, NodeId

_AT_ONCE = 500
_COLUMNS = "photo, at_ms, rowid, held"
_KNOWN = "photo, author, at_ms, rowid, held"

Place: TypeAlias = tuple[int, int]  # at_ms, number
FIRST: Place = (-(1 << 63), 0)  # before every removal


class PlacedRemoval(NamedTuple):
    """One removal of an author, where it stands among the others."""

    photo: BlobId
    at_ms: int
    number: int
    held: bool

    @property
    def place(self) -> Place:
        return self.at_ms, self.number


class Touched(NamedTuple):
    """Where a removal came or went."""

    author: NodeId
    place: Place


def note_removals(
    db: sqlite3.Connection, rows: Mapping[BlobId, PhotoRow], now_ms: int
) -> tuple[dict[BlobId, int], list[Touched]]:
    """Keep who removed what, and since when; return how the photos are shown, and what changed.

    A removal that is known keeps its moment, and stays held if the brake holds it.
    """
    known = _known(db, list(rows))
    states: dict[BlobId, int] = {}
    touched: list[Touched] = []
    for photo, row in rows.items():
        removal, before = row.removal, known.get(photo)
        states[photo] = LIVE if removal is None else IN_TRASH
        if removal is not None and before is not None:
            author, (at_ms, _), is_held = before
            if (author, at_ms) == (removal.author, removal.at_ms):
                states[photo] = REMOVAL_HELD if is_held else IN_TRASH
                continue
        if before is not None:
            touched.append(Touched(before[0], before[1]))
            db.execute("DELETE FROM removal WHERE photo = ?", (photo,))
        if removal is not None:
            number = db.execute(
                "INSERT INTO removal VALUES (?, ?, ?, ?, 0)",
                (photo, removal.author, removal.at_ms, now_ms),
            ).lastrowid
            assert number is not None, "a row that was inserted has a number"
            touched.append(Touched(removal.author, (removal.at_ms, number)))
    return states, touched


def forget_removals(db: sqlite3.Connection, photos: Iterable[BlobId]) -> list[Touched]:
    """Forget what was known of photos that are gone; return what changed."""
    known = _known(db, list(photos))
    db.executemany("DELETE FROM removal WHERE photo = ?", [(photo,) for photo in known])
    return [Touched(author, place) for author, place, _ in known.values()]


def _known(
    db: sqlite3.Connection, photos: Sequence[BlobId]
) -> dict[bytes, tuple[NodeId, Place, bool]]:
    known: dict[bytes, tuple[NodeId, Place, bool]] = {}
    for start in range(0, len(photos), _AT_ONCE):
        some = photos[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        statement = f"SELECT {_KNOWN} FROM removal WHERE photo IN ({marks})"  # noqa: S608
        found = db.execute(statement, some)
        for photo, author, at_ms, number, is_held in found:
            known[photo] = (NodeId(author), (at_ms, number), bool(is_held))
    return known


def removals_behind(read: Read, author: NodeId, place: Place, most: int) -> list[PlacedRemoval]:
    """Return an author's removals behind a place, in order."""
    return _beside(read, author, place, most, (">", ""))


def removals_before(read: Read, author: NodeId, place: Place, most: int) -> list[PlacedRemoval]:
    """Return an author's removals before a place, in order: those nearest to it."""
    return _beside(read, author, place, most, ("<", " DESC"))[::-1]


def _beside(
    read: Read, author: NodeId, place: Place, most: int, direction: tuple[str, str]
) -> list[PlacedRemoval]:
    """Return the nearest removals on one side of a place, the nearest one first.

    Those of the same moment are asked for by themselves: SQLite finds a row number within one
    moment by the index, and would read through all of them if it were asked for both at once.
    """
    sign, order = direction
    rows = read(
        f"SELECT {_COLUMNS} FROM removal WHERE author = ? AND at_ms = ?"  # noqa: S608
        f" AND rowid {sign} ? ORDER BY rowid{order} LIMIT ?",
        (author, *place, most),
    )
    if len(rows) < most:
        rows += read(
            f"SELECT {_COLUMNS} FROM removal WHERE author = ? AND at_ms {sign} ?"  # noqa: S608
            f" ORDER BY at_ms{order}, rowid{order} LIMIT ?",
            (author, place[0], most - len(rows)),
        )
    return [
        PlacedRemoval(BlobId(photo), at_ms, number, bool(held))
        for photo, at_ms, number, held in rows
    ]

"""What of a document's journal entries is sound, what is not, and how the unsound are put away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from photonic import limits
from photonic.journal.schema import ENTRY_COLUMNS, EntryRow, Tally, count_entries, row_checksum

CHANGES, HOLDINGS = 0, 1
_CHANGE_BYTES_TYPICAL, _HOLDING_BYTES_TYPICAL = 512, 128  # for an estimate of how many are missing
_ENTRY = f"SELECT {ENTRY_COLUMNS} FROM entries"  # noqa: S608 - ours
_OF_DOCUMENT = f"{_ENTRY} WHERE shard=? AND document=? ORDER BY number"


class Damage(NamedTuple):
    """Something that the journal held and cannot give any more."""

    number: int | None  # of the entry; None if it is gone without a trace
    shard: int
    document: int
    missing: int  # changes or holdings, an estimate
    what: str

    def __str__(self) -> str:
        return self.what


def name_of(shard: int, document: int) -> str:
    return f"the {'changes' if document == CHANGES else 'holdings'} of shard {shard}"


def examine(
    db: sqlite3.Connection, place: tuple[int, int], expected: Tally
) -> tuple[list[bytes], list[Damage]]:
    """Return the sound updates of a document, oldest first, and what is wrong with the rest.

    `expected` is what all of them must add up to.
    """
    updates: list[bytes] = []
    damages: list[Damage] = []
    actual = Tally()
    for row in map(EntryRow._make, db.execute(_OF_DOCUMENT, place)):
        if row.is_sound:
            updates.append(row.data)
            actual = actual.with_entry(row.size, row.checksum)
        else:
            damages.append(_unsound(row, place))
    if (actual.entries, actual.mark) != (expected.entries, expected.mark) and not damages:
        missing = max(1, expected.entries - actual.entries)
        what = f"{name_of(*place)} have {actual.entries} entries where {expected.entries} belong"
        damages.append(Damage(None, *place, missing, what))
    return updates, damages


def _unsound(row: EntryRow, place: tuple[int, int]) -> Damage:
    shard, document = place
    each = _CHANGE_BYTES_TYPICAL if document == CHANGES else _HOLDING_BYTES_TYPICAL
    missing = max(1, len(row.raw_data) // each)
    many = "change" if document == CHANGES else "holding"
    what = (
        f"entry {row.number} of shard {shard} fails its checksum:"
        f" about {missing:,} {many}{'s' if missing > 1 else ''}"
    )
    return Damage(row.number, shard, document, missing, what)


def put_away(
    db: sqlite3.Connection, place: tuple[int, int], damages: Iterable[Damage], turn: int
) -> Tally:
    """Take a document's unsound entries out, keep their bytes aside, and count it anew.

    Within the caller's transaction. The oldest that are kept aside go first.
    """
    for number in {damage.number for damage in damages} - {None}:
        found = db.execute(f"{_ENTRY} WHERE number=?", (number,)).fetchone()
        if found is None or (row := EntryRow(*found)).is_sound:
            continue  # the index led to it in error
        db.execute(
            "INSERT INTO damaged (shard, document, entry, data) VALUES (?,?,?,?)",
            (*place, number, row.raw_data[: limits.SEGMENT_BYTES_MAX]),
        )
        db.execute("DELETE FROM entries WHERE number=?", (number,))
    db.execute(
        "DELETE FROM damaged WHERE number NOT IN"
        " (SELECT number FROM damaged ORDER BY number DESC LIMIT ?)",
        (limits.JOURNAL_DAMAGED_KEPT,),
    )
    # Where the index is what is damaged, its rows are sound and come back.
    db.execute("REINDEX")
    for row in db.execute("SELECT * FROM documents").fetchall():
        if row_checksum(*row[:-1]) != row[-1]:
            db.execute("DELETE FROM documents WHERE place=?", (row[0],))
    return count_entries(db, place, turn).get(place, Tally(turn + 1))

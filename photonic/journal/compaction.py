"""One step of keeping a document of the journal short: some neighbours become one entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from photonic.journal.schema import (
    ENTRY_COLUMNS,
    INSERT_TALLY,
    EntryRow,
    Tally,
    entry_checksum,
    transaction,
)
from photonic.journal.segments import plan_merge, tail_length

Merge = Callable[[Sequence[bytes]], bytes]
_SIZES = "SELECT number, size FROM entries WHERE shard=? AND document=? ORDER BY number"
_BETWEEN = "shard=? AND document=? AND number BETWEEN ? AND ?"
_NEIGHBOURS = f"SELECT {ENTRY_COLUMNS} FROM entries WHERE {_BETWEEN} ORDER BY number"  # noqa: S608


class Unmergeable(Exception):
    """A document that is to be left as it is, with the reason."""


def merge_some(
    db: sqlite3.Connection, place: tuple[int, int], before: Tally, merge: Merge
) -> Tally | None:
    """Merge what `plan_merge` says in one transaction; return what the entries add up to now.

    None if nothing is worth it. The merged entry keeps the newest number of those it stands for,
    so that it is news to nobody who had them. Raises Unmergeable, sqlite3.Error.
    """
    sizes = db.execute(_SIZES, place).fetchall()
    plan = plan_merge([size for _, size in sizes])
    if plan is None:
        return None
    first, last = sizes[plan.start][0], sizes[plan.stop - 1][0]
    rows = [EntryRow(*row) for row in db.execute(_NEIGHBOURS, (*place, first, last))]
    if len(rows) != len(plan) or not all(row.is_sound for row in rows):
        raise Unmergeable("an entry is damaged")
    try:
        data = merge([row.data for row in rows])
    except Exception as error:
        raise Unmergeable(str(error)) from error
    checksum = entry_checksum(last, *place, data)
    mark = before.mark ^ int.from_bytes(checksum, "big")
    for row in rows:
        mark ^= int.from_bytes(row.checksum, "big")
    after = [size for _, size in sizes]
    after[plan.start : plan.stop] = [len(data)]
    entries = before.entries - len(plan) + 1  # what was missing before is still missing
    tally = Tally(before.turn + 1, entries, tail_length(after), mark)
    with transaction(db):
        db.execute(f"DELETE FROM entries WHERE {_BETWEEN}", (*place, first, last - 1))  # noqa: S608
        db.execute(
            "UPDATE entries SET data=?, checksum=?, size=? WHERE number=?",
            (data, checksum, len(data), last),
        )
        db.execute(INSERT_TALLY, tally.row(*place))
    return tally

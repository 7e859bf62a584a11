"""Questions to the index about what was said: acts of people, and the changes that they made."""

from __future__ import annotations

from photonic import limits
from photonic.crdt.answers import ActPage, ActRow, EditItem
from photonic.crdt.cursors import read_cursor, written_cursor
from photonic.crdt.reading import IndexReading
from photonic.ids import BlobId, NodeId

_BEHIND_ALL = 1 << 62


class ActsQuery(IndexReading):
    """See the module."""

    def acts(self, limit: int, cursor: str | None) -> ActPage:
        """Return what people did, latest first: one row an act, whatever it was about."""
        at, change = read_cursor(cursor, None) or (_BEHIND_ALL, b"")
        with self._reading() as read:
            rows = read(
                "SELECT change, kind, key, act, author, at, CASE WHEN act IS NULL THEN 1 ELSE"
                " (SELECT count(*) FROM (SELECT 1 FROM edit o WHERE o.act = e.act"
                " AND o.act IS NOT NULL LIMIT ?)) END"
                " FROM edit e WHERE leads AND (at, change) < (?, ?)"
                " ORDER BY at DESC, change DESC LIMIT ?",
                (limits.ACT_COUNT_MAX, at, change, limit + 1),
            )
        items = tuple(ActRow(*row) for row in rows[:limit])
        if len(rows) <= limit:
            return ActPage(items, None)
        return ActPage(items, written_cursor(None, items[-1].at, items[-1].change))

    def stamped_after(self, stamp: int) -> dict[NodeId, tuple[int, int]]:
        """Return who stamped edits later than that: how many, and the latest stamp. Reads all."""
        with self._reading() as read:
            rows = read(
                "SELECT author, count(*), max(at) FROM edit WHERE at > ? GROUP BY author", (stamp,)
            )
        return {NodeId(author): (count, at) for author, count, at in rows}

    def acts_like(self, prefix: str, limit: int) -> list[bytes]:
        """Return acts whose ids begin with these hex digits."""
        low, high = _bounds(prefix)
        with self._reading() as read:
            rows = read(
                "SELECT DISTINCT act FROM edit WHERE act IS NOT NULL AND act >= ? AND act < ?"
                " LIMIT ?",
                (low, high, limit),
            )
        return [act for (act,) in rows]

    def changes_like(self, prefix: str, limit: int) -> list[EditItem]:
        """Return changes after a subject's first whose ids begin with these hex digits."""
        low, high = _bounds(prefix)
        with self._reading() as read:
            rows = read(
                "SELECT change, kind, key, act, author, at FROM edit"
                " WHERE change >= ? AND change < ? LIMIT ?",
                (low, high, limit),
            )
        return [EditItem(*row) for row in rows]

    def photos_of_act(self, act: bytes, after: bytes | None, limit: int) -> list[BlobId]:
        """Return photos that an act changed, by their ids, behind `after`."""
        with self._reading() as read:
            rows = read(
                "SELECT DISTINCT key FROM edit WHERE act = ? AND act IS NOT NULL AND key > ?"
                " AND kind = 'photo' ORDER BY key LIMIT ?",
                (act, after or b"", limit),
            )
        return [BlobId(key) for (key,) in rows]

    def others_of_act(self, act: bytes) -> list[EditItem]:
        """Return what an act changed that is no photo."""
        with self._reading() as read:
            rows = read(
                "SELECT change, kind, key, act, author, at FROM edit"
                " WHERE act = ? AND act IS NOT NULL AND kind <> 'photo' ORDER BY key",
                (act,),
            )
        return [EditItem(*row) for row in rows]


def _bounds(prefix: str) -> tuple[bytes, bytes]:
    """Return what ids beginning with these hex digits lie between."""
    low = prefix + "0" * (len(prefix) % 2)
    high = prefix + "f" * (len(prefix) % 2)
    return bytes.fromhex(low), bytes.fromhex(high) + b"\xff" * 32

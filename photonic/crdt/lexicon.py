"""What the index knows of terms: their ids, and how many photos have them. Read-only.

The counts are what plans are chosen by; an id stays what it is for as long as the index lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from photonic.crdt.terms import FOLDER, TAG
from photonic.ids import HASH_BYTES
from photonic.search.words import fold, words

Read = Callable[[str, Sequence[Any]], list[Any]]
"""Runs one statement and returns its rows."""

_AT_ONCE = 500
_MATCHES_COUNTED = 5_000


class Known(NamedTuple):
    """A term that some photo had once."""

    id: int
    key: str
    photos: int


class AlbumName(NamedTuple):
    album: str  # hex id
    name: str  # folded
    words: tuple[str, ...]


class Lexicon:
    """Looks terms up, within one reading of the index."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.total = self.tally("photos")
        self._albums: list[AlbumName] | None = None

    def tally(self, name: str) -> int:
        found = self._read("SELECT value FROM tally WHERE name = ?", (name,))
        return found[0][0] if found else 0

    def terms(self, kind: str, keys: Iterable[str] | None = None) -> list[Known]:
        """Return the terms of a kind that photos have, with these keys or all of them."""
        statement = "SELECT id, key, count FROM term WHERE count > 0 AND kind = ?"
        if keys is None:
            return [Known(*row) for row in self._read(statement, (kind,))]
        found: list[Known] = []
        wanted = list(keys)
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._read(f"{statement} AND key IN ({marks})", (kind, *some))
            found += (Known(*row) for row in rows)
        return found

    def numbers(self, kind: str, sign: str, value: float) -> list[Known]:
        """Return the numeric terms that compare so with `value`."""
        statement = (
            "SELECT id, key, count FROM term"  # noqa: S608 - the sign is one of five
            f" WHERE count > 0 AND kind = ? AND value {sign} ?"
        )
        return [Known(*row) for row in self._read(statement, (kind, value))]

    def worded(self, expression: str, kinds: Sequence[str]) -> list[Known]:
        """Return the terms in whose words the expression is found.

        What is under a tag or folder that is among them is left out: its photos have that, too.
        """
        marks = ",".join("?" * len(kinds))
        rows = self._read(
            "SELECT term.kind, term.id, term.key, term.count FROM term_words"  # noqa: S608
            " JOIN term ON term.id = term_words.rowid WHERE term_words MATCH ?"
            f" AND term.count > 0 AND term.kind IN ({marks})",
            (expression, *kinds),
        )
        paths = {(kind, key) for kind, _, key, _ in rows if kind in (TAG, FOLDER)}
        return [
            Known(number, key, count)
            for kind, number, key, count in rows
            if (kind, key) not in paths
            or not any((kind, above) in paths for above in _levels_above(key))
        ]

    def beginning(self, prefix: str, limit: int) -> list[str] | None:
        """Return the words that photos have and that begin so; None if they are too many."""
        rows = self._read(
            "SELECT word FROM word WHERE word >= ? AND word < ? LIMIT ?",
            (prefix, prefix + "\U0010ffff", limit + 1),
        )
        return [word for (word,) in rows] if len(rows) <= limit else None

    def match_count(self, expression: str) -> int:
        """Return how many photos have it in their own words; not exact where they are many."""
        found = self._read(
            "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)",
            (expression, _MATCHES_COUNTED),
        )
        count: int = found[0][0]
        return count if count < _MATCHES_COUNTED else max(count, self.total // 4)

    def photos_with_prefix(self, prefix: str, limit: int) -> list[int] | None:
        """Return the places of photos whose ids begin so; None if there are more than `limit`."""
        if len(prefix) > 2 * HASH_BYTES:
            return []
        low = bytes.fromhex(prefix.ljust(64, "0"))
        high = bytes.fromhex(prefix.ljust(64, "f"))
        rows = self._read(
            "SELECT n FROM photo WHERE substr(photo, 1, 8) BETWEEN ? AND ?"
            " AND photo BETWEEN ? AND ? LIMIT ?",
            (low[:8], high[:8], low, high, limit + 1),
        )
        return [n for (n,) in rows] if len(rows) <= limit else None

    def photos_between(self, first_month: int | None, last_month: int | None) -> int:
        """Return about how many photos some months have, the ends included."""
        rows = self._read(
            "SELECT coalesce(sum(count), 0) FROM month WHERE month >= ? AND month <= ?",
            (first_month or 0, 1 << 40 if last_month is None else last_month),
        )
        count: int = rows[0][0]
        return count

    def inside_count(self, box: tuple[float, float, float, float]) -> int:
        """Return how many photos were taken inside a box."""
        count: int = self._read("SELECT count_inside(?, ?, ?, ?)", box)[0][0]
        return count

    @property
    def albums(self) -> list[AlbumName]:
        if self._albums is None:
            rows = self._read("SELECT album, name FROM album", ())
            self._albums = [AlbumName(album.hex(), fold(name), words(name)) for album, name in rows]
        return self._albums


def _levels_above(key: str) -> list[str]:
    return [key[:at] for at, char in enumerate(key) if char == "/"]

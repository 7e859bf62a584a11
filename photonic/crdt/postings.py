"""The terms of the index and the photos that have them, with their numbers, kept in step.

All of it happens within a transaction of `PhotoIndex`; whoever rolls it back calls `forget`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable

from photonic.crdt.terms import LOCAL, WORDED, Cause, Term, terms_of
from photonic.search.words import searchable

_REMEMBERED = 50_000  # causes, and terms


class Postings:
    """Collects what changes; `write` puts it down in the order of the table, which is faster."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[Cause, tuple[int, ...]] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self.local: set[int] = set()  # ids of terms that do not follow from a photo's changes
        self._added: defaultdict[int, list[int]] = defaultdict(list)  # places, by term
        self._removed: list[tuple[int, int]] = []
        self._counts: Counter[int] = Counter()
        self.forget()

    def forget(self) -> None:
        """Forget what was not written, and what a rollback may have undone."""
        self._known.clear()
        self._ids.clear()
        self._drop()
        kinds = ", ".join(f"'{kind}'" for kind in sorted(LOCAL))
        found = self._db.execute(f"SELECT id FROM term WHERE kind IN ({kinds})")  # noqa: S608
        self.local = {number for (number,) in found}

    def _drop(self) -> None:
        self._added.clear()
        self._removed.clear()
        self._counts.clear()

    def ids(self, causes: Iterable[Cause]) -> set[int]:
        """Return the ids of all terms of these causes; what is new gets one."""
        known = self._known
        found: set[int] = set()
        for cause in causes:
            numbers = known.get(cause)
            if numbers is None:
                numbers = tuple(self._id(term) for term in terms_of(cause))
                if len(known) >= _REMEMBERED or len(self._ids) >= _REMEMBERED:
                    known.clear()
                    self._ids.clear()
                known[cause] = numbers
            found.update(numbers)
        return found

    def _id(self, term: Term) -> int:
        kind, key = term.kind, term.key
        known = self._ids.get((kind, key))
        if known is not None:
            return known
        row = self._db.execute(
            "SELECT id FROM term WHERE kind = ? AND key = ?", (kind, key)
        ).fetchone()
        number: int | None = row[0] if row else None
        if number is None:
            made = self._db.execute(
                "INSERT INTO term (kind, key, shown, value, count) VALUES (?, ?, ?, ?, 0)",
                (kind, key, term.shown, term.value),
            )
            number = made.lastrowid
            assert number is not None
            if kind in WORDED:
                self._db.execute(
                    "INSERT INTO term_words (rowid, words) VALUES (?, ?)",
                    (number, searchable((key,))),
                )
            if kind in LOCAL:
                self.local.add(number)
        self._ids[kind, key] = number
        return number

    def add(self, n: int, terms: Iterable[int]) -> None:
        """Note that a photo that is new has terms."""
        added = self._added
        for term in terms:
            added[term].append(n)
        self._counts.update(terms)

    def change(self, old_n: int, old: Iterable[int], n: int | None, new: Iterable[int]) -> None:
        """Note that a photo had terms at one place and has others, maybe at another or none."""
        before, after = set(old), set(new)
        gone, come = before - after, after - before
        self._counts.subtract(gone)
        self._counts.update(come)
        is_moved = old_n != n
        self._removed += [(term, old_n) for term in (before if is_moved else gone)]
        if n is not None:
            for term in after if is_moved else come:
                self._added[term].append(n)

    def write(self) -> None:
        """Write what was noted."""
        if self._removed:
            self._db.executemany(
                "DELETE FROM posting WHERE term = ? AND n = ?", sorted(self._removed)
            )
        if self._added:
            rows = ((term, n) for term in sorted(self._added) for n in sorted(self._added[term]))
            self._db.executemany("INSERT INTO posting VALUES (?, ?)", rows)
        counts = [(count, number) for number, count in self._counts.items() if count]
        if counts:
            self._db.executemany("UPDATE term SET count = count + ? WHERE id = ?", counts)
        self._drop()

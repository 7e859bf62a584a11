"""Runs a plan: rows in order, counts, and photos a month."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from photonic.crdt.lexicon import Lexicon, Read
from photonic.crdt.plans import Plan, piece, places_only, plan, walk
from photonic.crdt.sets import EVERYTHING, NOTHING, All, Inside, Meaning, No, Postings, Set, both
from photonic.crdt.timeline import MONTH
from photonic.search.criteria import Sort, Tree

_PIECE_MAX = 8_192  # places that are looked at in one go where few of them are wanted
_SORTED_COST = 25  # of a photo that is sorted, to one that is passed by, times a page (measured)
_FEW = 5_000  # photos that are counted to be taken from a count that is known

_Bounds: TypeAlias = tuple[int | None, int | None]  # places; the first included, None open


class Listing:
    """The photos that a tree is true of, within one reading of the index."""

    def __init__(self, read: Read, wanted: Tree) -> None:
        self._read = read
        lexicon = Lexicon(read)
        self._total = lexicon.total
        self._wanted = Meaning(lexicon).of(wanted)

    # --- rows --------------------------------------------------------------------------------

    def rows(
        self, columns: str, limit: int, after: tuple[int, int] | None, sort: Sort
    ) -> list[Any]:
        """Return the columns of at most `limit` photos behind `after` (place, added_ms)."""
        if self._wanted == NOTHING:
            return []
        chosen = plan(self._wanted, self._total)
        columns = ", ".join(f"p.{name}" for name in columns.split(", "))
        if sort.by == "added":
            return self._by_added(chosen, columns, limit, after, sort)
        first = after[0] + 1 if after and sort.oldest_first else None
        end = after[0] if after and not sort.oldest_first else None
        if chosen.is_one_list:
            n = "p.n" if chosen.sources is None else "d.n"
            body = walk(chosen, first, end)
            order = "ASC" if sort.oldest_first else "DESC"
            text = f"SELECT {columns} FROM {body.text} ORDER BY {n} {order} LIMIT ?"  # noqa: S608
            return self._read(text, (*body.values, limit))
        found: list[Any] = []
        newest_first = not sort.oldest_first
        for window in self._windows(chosen, (first, end), limit, newest_first):
            rest = limit - len(found)
            found += self._by_pieces(chosen, columns, rest, window, newest_first)
            if len(found) == limit:
                break
        return found

    def _windows(
        self, chosen: Plan, bounds: _Bounds, limit: int, newest_first: bool
    ) -> Iterator[_Bounds]:
        """Yield spans of time that make up `bounds`, the later ones longer.

        A union of a few members is walked in one; of one with very many, all that is in a span is
        read at once, so the first spans are as long as a page is likely to need.
        """
        if not chosen.has_many_members:
            yield bounds
            return
        first, end = bounds
        rows = self._read("SELECT month, count FROM month WHERE count > 0", ())
        wanted = 2 * limit * max(1, self._total // max(1, chosen.walked))
        gathered = 0
        for month, count in sorted(rows, reverse=newest_first):
            gathered += count
            cut = (month if newest_first else month + 1) * MONTH
            is_within = (first is None or cut > first) and (end is None or cut < end)
            if gathered < wanted or not is_within:
                continue
            yield (cut, end) if newest_first else (first, cut)
            first, end = (first, cut) if newest_first else (cut, end)
            wanted, gathered = 4 * wanted, 0
        yield first, end

    def _by_pieces(
        self, chosen: Plan, columns: str, limit: int, bounds: _Bounds, newest_first: bool
    ) -> list[Any]:
        """Walk a union piece by piece; the pieces grow while few of their photos are wanted."""
        found: list[Any] = []
        first, end = bounds
        size = limit
        while True:
            asked = piece(chosen, first, end, newest_first=newest_first, limit=size)
            places = [n for (n,) in self._read(asked.text, asked.values)]
            found += self._of(chosen, columns, places, limit - len(found), newest_first)
            if len(found) >= limit or len(places) < size:
                return found
            first, end = (first, places[-1]) if newest_first else (places[-1] + 1, end)
            size = min(4 * size, _PIECE_MAX)

    def _of(
        self, chosen: Plan, columns: str, places: list[int], limit: int, newest_first: bool
    ) -> list[Any]:
        """Return the rows of those of some places that are wanted."""
        order = "DESC" if newest_first else "ASC"
        text = (
            f"SELECT {columns} FROM (SELECT value AS n FROM json_each(?)) d"  # noqa: S608
            f" CROSS JOIN photo p ON p.n = d.n WHERE {chosen.where.text}"
            f" ORDER BY p.n {order} LIMIT ?"
        )
        return self._read(text, (json.dumps(places), *chosen.where.values, limit))

    def _by_added(
        self, chosen: Plan, columns: str, limit: int, after: tuple[int, int] | None, sort: Sort
    ) -> list[Any]:
        sign, order = (">", "ASC") if sort.oldest_first else ("<", "DESC")
        behind, values = "", tuple[int, ...]()
        if after is not None:
            behind, values = f" AND (p.added_ms, p.n) {sign} (?, ?)", (after[1], after[0])
        if chosen.sources is not None and chosen.walked**2 > _SORTED_COST * self._total:
            # More work to sort them all than to meet the first ones on the way.
            chosen = plan(self._wanted, self._total, may_drive=False)
        body = walk(chosen, None, None)
        hint = body.text
        if chosen.sources is None:
            hint = hint.replace("photo p ", "photo p INDEXED BY photo_added ", 1)
        text = (
            f"SELECT {columns} FROM {hint}{behind}"  # noqa: S608
            f" ORDER BY p.added_ms {order}, p.n {order} LIMIT ?"
        )
        return self._read(text, (*body.values, *values, limit))

    # --- counts ------------------------------------------------------------------------------

    def count(self, limit: int) -> tuple[int, bool]:
        """Return how many there are, and whether that is exact; it is up to `limit`."""
        known = self._known_count(self._wanted)
        if known is not None:
            return known, True
        return self._counted(self._wanted, limit)

    def _known_count(self, wanted: Set) -> int | None:
        """Return a count that follows from those of terms, and a few photos that are counted."""
        match wanted:
            case _ if wanted == EVERYTHING:
                return self._total
            case _ if wanted == NOTHING:
                return 0
            case Postings(_, count, True) | Inside(_, count):
                return count
            case No(item):
                others = self._known_count(item)
                return None if others is None else self._total - others
            case All(items):
                # |A without B| = |A| - |A and B|, where B has few photos.
                for item in items:
                    if isinstance(item, No) and isinstance(item.item, Postings):
                        if item.item.count > _FEW:
                            continue
                        rest = both(*(one for one in items if one is not item))
                        known = self._known_count(rest)
                        if known is not None:
                            return known - self._counted(both(rest, item.item), _FEW)[0]
        return None

    def _counted(self, wanted: Set, limit: int) -> tuple[int, bool]:
        if wanted == NOTHING:
            return 0, True
        body = places_only(plan(wanted, self._total, to_the_end=True))
        text = f"SELECT count(*) FROM (SELECT 1 FROM {body.text} LIMIT ?)"  # noqa: S608
        found: int = self._read(text, (*body.values, limit + 1))[0][0]
        return min(found, limit), found <= limit

    def months(self) -> list[tuple[int, int]]:
        """Return (years * 12 + months, photos) of the months that have some."""
        if self._wanted == NOTHING:
            return []
        chosen = plan(self._wanted, self._total, to_the_end=True)
        body, n = places_only(chosen), "p.n" if chosen.sources is None else "d.n"
        text = f"SELECT {n} / {MONTH}, count(*) FROM {body.text} GROUP BY 1"  # noqa: S608
        return [(month, count) for month, count in self._read(text, body.values)]

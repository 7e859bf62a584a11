"""How a set of photos is walked in order, so that a page costs what a page holds.

What must all hold is asked in this way: one part drives, whose photos come in the order of time
from their postings, and the others are looked up for each. The part with the fewest photos drives;
where none has few, the timeline itself is walked, for then a page is full soon. A union drives with
a piece of each of its members, put in order. Pure: makes SQL, runs none.
"""

# ruff: noqa: S608 - SQL is put together here from pieces of our own; values are bound

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from photonic.crdt.rows import packed
from photonic.crdt.sets import (
    All,
    Any_,
    Check,
    Inside,
    Match,
    No,
    Places,
    Postings,
    Set,
    Span,
)

_PROBES_MAX = 8  # terms that are looked up one by one; more are compared with a row's own
_MEMBERS_MAX: Final = 64  # of a union that is read member by member
_TERMS_MAX: Final = 5_000  # of a union that drives
_WORTH_WALKING, _FEW = 0.4, 1_000  # a part with more of the photos than this does not drive

Source: TypeAlias = Postings | Match | Places | Inside


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL and the values of its marks."""

    text: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Walk `sources` (None: all photos) between two places; of each photo ask `where`.

    `n` in the SQL of `where` is `d.n` if there are sources, else `p.n`. `is_row_free`: the row of
    the photo is not looked at by `where`. `estimate`: how many photos are found at most, about.
    """

    sources: tuple[Source, ...] | None
    first: int | None
    end: int | None
    where: Sql
    is_row_free: bool
    estimate: int
    walked: int

    @property
    def has_many_members(self) -> bool:
        """Whether a piece should be a window of time, for a look at each member costs."""
        return self.sources is not None and len(_terms(self.sources)) > _MEMBERS_MAX

    @property
    def is_one_list(self) -> bool:
        """Whether the photos come in order by themselves."""
        return self.sources is None or _is_one_list(self.sources)


def plan(wanted: Set, total: int, *, may_drive: bool = True, to_the_end: bool = False) -> Plan:
    """Choose how to walk a set of the `total` photos; all of them unless one part `may_drive`.

    `to_the_end`: every photo of the set is asked for, not only the first ones.
    """
    items = wanted.items if isinstance(wanted, All) else (wanted,)
    spans = [item for item in items if isinstance(item, Span)]
    first = max((s.first for s in spans if s.first is not None), default=None)
    end = min((s.end for s in spans if s.end is not None), default=None)
    rest: list[Set] = [item for item in items if not isinstance(item, Span)]
    walked = min((s.count for s in spans), default=total)
    best: tuple[int, Set, tuple[Source, ...]] | None = None
    for item in rest if may_drive else ():
        sources = _sources(item)
        if sources is None:
            continue
        count = _count(sources)
        if len(_terms(sources)) <= _TERMS_MAX and (best is None or count < best[0]):
            best = (count, item, sources)
    is_dense = best is not None and best[0] > _WORTH_WALKING * walked + _FEW
    if best is None or (is_dense and not to_the_end):
        return _made(None, first, end, rest, walked, walked)
    count, item, sources = best
    if _is_exact(item):
        rest.remove(item)
    return _made(sources, first, end, rest, min(count, walked), count)


def _made(
    sources: tuple[Source, ...] | None,
    first: int | None,
    end: int | None,
    rest: Sequence[Set],
    estimate: int,
    walked: int,
) -> Plan:
    n = "p.n" if sources is None else "d.n"
    where = _joined(" AND ", [predicate(item, n) for item in rest], "1")
    is_row_free = "p." not in where.text.replace("p.n", "")
    return Plan(sources, first, end, where, is_row_free, estimate, walked)


def _sources(item: Set) -> tuple[Source, ...] | None:
    """Return what has every photo of a set, and maybe others; None if only a walk has."""
    match item:
        case Postings() | Match() | Places() | Inside():
            return (item,)
        case Any_(items):
            united: list[Source] = []
            for one in items:
                part = _sources(one)
                if part is None:
                    return None
                united += part
            return _united(united)
        case All(items):
            found = [part for part in map(_sources, items) if part is not None]
            return min(found, key=_count, default=None)
    return None


def _count(sources: Sequence[Source]) -> int:
    return sum(source.count for source in sources)


def _united(sources: Sequence[Source]) -> tuple[Source, ...]:
    postings = [source for source in sources if isinstance(source, Postings)]
    others = dict.fromkeys(source for source in sources if not isinstance(source, Postings))
    if not postings:
        return tuple(others)
    if len(postings) == 1:
        return (*postings, *others)
    terms = dict.fromkeys(term for one in postings for term in one.terms)
    return (Postings(tuple(terms), sum(one.count for one in postings)), *others)


def _is_exact(item: Set) -> bool:
    """Whether the sources of a set have no other photos."""
    if isinstance(item, Any_):
        return all(isinstance(one, Source) for one in item.items)
    return isinstance(item, Source)


# --- SQL -----------------------------------------------------------------------------------------


def predicate(item: Set, n: str) -> Sql:
    """Return what is true of the photos of a set; `n` is the SQL of a photo's place."""
    match item:
        case All(items):
            return _joined(" AND ", [predicate(one, n) for one in items], "1")
        case Any_(items):
            return _joined(" OR ", [predicate(one, n) for one in items], "0")
        case No(inner):
            found = predicate(inner, n)
            return Sql(f"NOT {found.text}", found.values)
        case Postings(terms) if len(terms) <= _PROBES_MAX:
            is_one = f"IN ({_marks(terms)})" if len(terms) > 1 else "= ?"
            text = f"EXISTS (SELECT 1 FROM posting q WHERE q.term {is_one} AND q.n = {n})"
            return Sql(text, terms)
        case Postings(terms):
            return Sql("has_any(p.terms, ?)", (packed(terms),))
        case Match(expression):
            return Sql(f"({n} IN (SELECT rowid FROM words WHERE words MATCH ?))", (expression,))
        case Places(places):
            return Sql(f"({n} IN ({_marks(places)}))", places)
        case Inside(box):
            return Sql(f"is_inside({n}, ?, ?, ?, ?)", box)
        case Span(first, end):
            return _between(n, first, end)
        case Check(text, values):
            return Sql(f"({text})", values)


def _joined(word: str, parts: Sequence[Sql], empty: str) -> Sql:
    if not parts:
        return Sql(empty)
    if len(parts) == 1:
        return parts[0]
    # What costs a look at the row comes after what costs a look at an index.
    ordered = sorted(parts, key=lambda part: "(p." in part.text)
    text = f"({word.join(part.text for part in ordered)})"
    return Sql(text, tuple(value for part in ordered for value in part.values))


def _between(n: str, first: int | None, end: int | None) -> Sql:
    bounds = [(f"{n} >= ?", first), (f"{n} < ?", end)]
    kept = [(text, value) for text, value in bounds if value is not None]
    if not kept:
        return Sql("1")
    return Sql(f"({' AND '.join(text for text, _ in kept)})", tuple(value for _, value in kept))


def walk(chosen: Plan, first: int | None, end: int | None) -> Sql:
    """Return FROM and WHERE of all photos of a plan in places first <= n < end; none come twice.

    The driving table is `d` and the photo `p`, which is left out where nobody looks at it.
    """
    first, end = _later(chosen.first, first), _earlier(chosen.end, end)
    if chosen.sources is None:
        span = _between("p.n", first, end)
        return Sql(f"photo p WHERE {span.text} AND {chosen.where.text}",
                   (*span.values, *chosen.where.values))  # fmt: skip
    driver = _driver(chosen.sources, first, end)
    joined = f"{driver.text} CROSS JOIN photo p ON p.n = d.n WHERE {chosen.where.text}"
    return Sql(joined, (*driver.values, *chosen.where.values))


def places_only(chosen: Plan) -> Sql:
    """Return FROM and WHERE as `walk` does; rows of photos are read only if they are looked at."""
    if chosen.sources is None or not chosen.is_row_free:
        return walk(chosen, None, None)
    driver = _driver(chosen.sources, chosen.first, chosen.end)
    text = f"{driver.text} WHERE {chosen.where.text}"
    return Sql(text, (*driver.values, *chosen.where.values))


def _driver(sources: Sequence[Source], first: int | None, end: int | None) -> Sql:
    if _is_one_list(sources):
        span = _between("n", first, end)
        text = f"(SELECT n FROM posting WHERE term = ? AND {span.text}) d"
        return Sql(text, (*_terms(sources), *span.values))
    parts = [_members(source, first, end) for source in sources]
    text = f"({' UNION '.join(part.text for part in parts)}) d"
    return Sql(text, tuple(value for part in parts for value in part.values))


def _is_one_list(sources: Sequence[Source]) -> bool:
    return len(sources) == 1 and len(_terms(sources)) == 1


def _terms(sources: Sequence[Source]) -> list[int]:
    return [term for one in sources if isinstance(one, Postings) for term in one.terms]


def _members(source: Source, first: int | None, end: int | None) -> Sql:
    match source:
        case Postings(terms):
            span = _between("n", first, end)
            each = "n" if source.is_disjoint else "DISTINCT n"
            text = f"SELECT {each} FROM posting WHERE term IN ({_marks(terms)}) AND {span.text}"
            return Sql(text, (*terms, *span.values))
        case Match(expression):
            span = _between("rowid", first, end)
            text = f"SELECT rowid AS n FROM words WHERE words MATCH ? AND {span.text}"
            return Sql(text, (expression, *span.values))
        case Places(places):
            marks = ",".join("(?)" for _ in places)
            span = _between("column1", first, end)
            text = f"SELECT column1 AS n FROM (VALUES {marks}) WHERE {span.text}"
            return Sql(text, (*places, *span.values))
        case Inside(box):
            span = _between("value", first, end)
            text = f"SELECT value AS n FROM json_each(all_inside(?, ?, ?, ?)) WHERE {span.text}"
            return Sql(text, (*box, *span.values))


def piece(
    chosen: Plan, first: int | None, end: int | None, *, newest_first: bool, limit: int
) -> Sql:
    """Return a query for the next places of a plan's sources: at most `limit`, in order.

    Of each member of the union no more is read than may come into the piece, but where it has very
    many members: then all that is between `first` and `end` is read.
    """
    assert chosen.sources is not None
    first, end = _later(chosen.first, first), _earlier(chosen.end, end)
    order = "DESC" if newest_first else "ASC"
    parts: list[Sql] = []
    for source in chosen.sources:
        if isinstance(source, Postings) and not chosen.has_many_members:
            ones = (Postings((term,), 0, is_disjoint=True) for term in source.terms)
            parts += (_members(one, first, end) for one in ones)
        else:
            parts.append(_members(source, first, end))
    pieces = (f"SELECT n FROM ({part.text} ORDER BY 1 {order} LIMIT {limit})" for part in parts)
    text = f"{' UNION '.join(pieces)} ORDER BY 1 {order} LIMIT {limit}"
    return Sql(text, tuple(value for part in parts for value in part.values))


def _later(one: int | None, other: int | None) -> int | None:
    return max((n for n in (one, other) if n is not None), default=None)


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((n for n in (one, other) if n is not None), default=None)


def _marks(some: Sequence[object]) -> str:
    return ",".join("?" * len(some))

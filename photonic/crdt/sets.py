"""What a tree of conditions means in this index: sets of photos that it can look up or check.

Every set is exact: `matches` is true of a photo exactly if the photo is in the set (a property test
holds the two equal). What no photo can be in, or every photo is, is found here already, from the
counts. `plans.py` chooses how to walk the sets.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from photonic.crdt.lexicon import Known, Lexicon
from photonic.crdt.projection import kind_of
from photonic.crdt.tables import IN_TRASH
from photonic.crdt.terms import (
    ALBUM,
    COPIES,
    FEW_COPIES,
    FLAG,
    FOLDER,
    HAS,
    HELD,
    IS,
    LACKED,
    LACKS,
    RATING,
    SINGLE,
    TAG,
    TYPE,
    WORDED,
)
from photonic.crdt.timeline import MONTH, SECOND, is_whole, span
from photonic.photos import RAW_TYPES
from photonic.search.criteria import (
    Added,
    And,
    Condition,
    Equals,
    Flagged,
    Has,
    Id,
    Is,
    Named,
    Not,
    Number,
    Or,
    Place,
    Taken,
    Tree,
    Under,
    Words,
    has_phrase,
)

_NUMBER_TERMS_MAX = 128  # values of a number that are put together; else it is looked at
_ENDINGS_MAX = 48  # words with one beginning
_IDS_MAX = 1_000  # photos with one beginning of an id


@dataclass(frozen=True, slots=True)
class Postings:
    """Photos that have one of these terms; at most `count`, and as many if no photo has two."""

    terms: tuple[int, ...]
    count: int
    is_disjoint: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Photos in whose own words the expression is found; about `count`."""

    expression: str
    count: int


@dataclass(frozen=True, slots=True)
class Places:
    """Photos at these places."""

    places: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Inside:
    """Photos that were taken inside a box: south, west, north, east. `positions.py` has them."""

    box: tuple[float, float, float, float]
    count: int


@dataclass(frozen=True, slots=True)
class Span:
    """Photos with first <= place < end; None is open. About `count`."""

    first: int | None
    end: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Check:
    """Photos of which the SQL is true; `p` is their row. It is never NULL."""

    sql: str
    values: tuple[Any, ...]
    count: int


@dataclass(frozen=True, slots=True)
class All:
    items: tuple[Set, ...]


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - typing has the name
    items: tuple[Set, ...]


@dataclass(frozen=True, slots=True)
class No:
    item: Set


Set: TypeAlias = Postings | Match | Places | Inside | Span | Check | All | Any_ | No

EVERYTHING: Final = All(())
NOTHING: Final = Any_(())


def both(*sets: Set) -> Set:
    """Return what is in all of `sets`."""
    items: list[Set] = []
    for one in sets:
        items += one.items if isinstance(one, All) else (one,)
    if NOTHING in items:
        return NOTHING
    return items[0] if len(items) == 1 else All(tuple(items))


def either(*sets: Set) -> Set:
    """Return what is in one of `sets`; postings become one set."""
    items: list[Set] = []
    terms: dict[int, None] = {}
    count, is_disjoint, has_other = 0, False, False
    for one in (part for some in sets for part in (some.items if type(some) is Any_ else (some,))):
        if one == EVERYTHING:
            return EVERYTHING
        if isinstance(one, Postings):
            has_other = has_other or bool(terms)
            is_disjoint = one.is_disjoint
            terms |= dict.fromkeys(one.terms)
            count += one.count
        else:
            items.append(one)
    if terms:
        items.insert(0, Postings(tuple(terms), count, is_disjoint and not has_other))
    return items[0] if len(items) == 1 else Any_(tuple(items))


def without(item: Set) -> Set:
    """Return what is not in `item`."""
    if item in (NOTHING, EVERYTHING):
        return EVERYTHING if item == NOTHING else NOTHING
    return item.item if isinstance(item, No) else No(item)


class Meaning:
    """Makes sets of conditions, with what the lexicon knows."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon, self._total = lexicon, lexicon.total

    def of(self, tree: Tree) -> Set:
        match tree:
            case And(items):
                return both(*map(self.of, items))
            case Or(items):
                return either(*map(self.of, items))
            case Not(item):
                return without(self.of(item))
            case _:
                return self._condition(tree)

    def _condition(self, condition: Condition) -> Set:
        match condition:
            case Words(field="album") | Named(field="album") | Equals(field="album"):
                return self._terms(ALBUM, self._albums(condition))
            case Words():
                return self._words(condition)
            case Named(field, name):
                return self._terms(field, (name,))
            case Equals("kind", value):
                types = self._lexicon.terms(TYPE)
                meant = (term for term in types if kind_of(term.key) == value)
                return _postings(meant, is_disjoint=True)
            case Equals(field, value):
                return self._terms(field, (value,))
            case Under():
                return self._under(condition)
            case Number():
                return self._number(condition)
            case Has(field):
                return self._has(field)
            case _:
                return self._rest(condition)

    def _rest(self, condition: Flagged | Taken | Added | Place | Is | Id) -> Set:
        match condition:
            case Flagged("reject"):
                return either(self._terms(FLAG, ("reject",)), self._terms(RATING, ("-1",)))
            case Flagged(flag):
                return self._terms(FLAG, (flag,))
            case Taken(start, end):
                return self._taken(start, end)
            case Added(start_ms, end_ms):
                return self._between("added_ms", start_ms, end_ms)
            case Place():
                return self._place(condition)
            case Is("held"):
                return self._terms(HELD, (HELD,))
            case Is(state):
                return self._terms(IS, (state,))
            case Id(prefix):
                return self._id(prefix)

    def _terms(self, kind: str, keys: Iterable[str]) -> Set:
        return _postings(self._lexicon.terms(kind, keys), is_disjoint=kind in SINGLE)

    def _albums(self, condition: Words | Named | Equals) -> list[str]:
        albums = self._lexicon.albums
        match condition:
            case Words(wanted, whole):
                return [one.album for one in albums if has_phrase(one.words, wanted, whole)]
            case Named(_, name):
                return [one.album for one in albums if one.name == name]
            case Equals(_, value):
                return [value]

    def _words(self, condition: Words) -> Set:
        field = condition.field
        phrase = _phrase(condition.words, condition.whole)
        found: list[Set] = []
        if field in (None, "name", "title", "caption"):
            found.append(self._match(condition))
        if field is None or field in WORDED:
            kinds = sorted(WORDED) if field is None else [field]
            found.append(_postings(self._lexicon.worded(phrase, kinds)))
        return either(*found)

    def _match(self, condition: Words) -> Set:
        """Say what begins so as all the words that do: their photos come one by one, in order.

        Of a beginning the full text index would put all photos together before it gives the first,
        but for the short ones, of which it has lists.
        """
        *first, last = condition.words
        phrases = [_phrase(condition.words, condition.whole)]
        if not condition.whole:
            endings = self._lexicon.beginning(last, _ENDINGS_MAX)
            if endings is not None:
                phrases = [_phrase((*first, ending), whole=True) for ending in endings]
        if not phrases:
            return NOTHING
        expression = " OR ".join(phrases)
        if condition.field:
            expression = f"{{{condition.field}}} : ({expression})"
        count = self._lexicon.match_count(expression)
        return Match(expression, count) if count else NOTHING

    def _under(self, condition: Under) -> Set:
        field, path = condition.field, condition.path
        check = "is_tagged(p.tags, ?)" if field == TAG else "path_key(p.folder) = ?"
        exactly = Check(check, (path,), self._total)
        if not path:
            return self._terms(LACKS, (FOLDER,)) if field == FOLDER else exactly
        found = self._terms(field, (path,))
        return both(found, exactly) if condition.exact else found

    def _number(self, condition: Number) -> Set:
        field, sign, value = condition.field, condition.operator, condition.value
        holds = _OPERATORS[sign]
        if field == RATING:
            if not holds(0, value):
                return _postings(self._lexicon.numbers(RATING, sign, value), is_disjoint=True)
            others = (t for t in self._lexicon.terms(RATING) if not holds(float(t.key), value))
            return without(_postings(others, is_disjoint=True))
        if field == COPIES:
            return self._copies(sign, value)
        if field in ("width", "height"):
            return self._compare(field, sign, value)
        terms = self._lexicon.numbers(field, sign, value)
        if len(terms) <= _NUMBER_TERMS_MAX:
            return _postings(terms, is_disjoint=True)
        return self._compare(field, sign, value)

    def _copies(self, sign: str, value: float) -> Set:
        holds, many = _OPERATORS[sign], FEW_COPIES[-1] + 1
        few = [str(copies) for copies in FEW_COPIES if holds(copies, value)]
        if (sign in ("<", "<=") and not holds(many, value)) or (sign == "=" and value < many):
            return self._terms(COPIES, few)
        if sign in (">", ">=") and holds(many, value):
            others = {str(copies) for copies in FEW_COPIES} - set(few)
            return without(self._terms(COPIES, others))
        return self._compare("copies", sign, value)

    def _compare(self, column: str, sign: str, value: float) -> Set:
        return Check(f"coalesce(p.{column} {sign} ?, 0)", (value,), self._total)

    def _has(self, field: str) -> Set:
        match field:
            case "rating":
                return _postings(self._lexicon.terms(RATING), is_disjoint=True)
            case "flag":
                return either(self._rest(Flagged("pick")), self._rest(Flagged("reject")))
            case "raw":
                return Check(_HAS_RAW, _RAW, self._total)
            case _ if field in LACKED:
                return without(self._terms(LACKS, (field,)))
            case _:
                return self._terms(HAS, (field,))

    def _taken(self, start: str | None, end: str | None) -> Set:
        dated = without(self._terms(LACKS, ("taken",)))
        first, last = span(start, end)
        found: list[Set] = [dated]
        if first is not None or last is not None:
            months = (None if n is None else n // MONTH for n in (first, last))
            found.append(Span(first, last, self._lexicon.photos_between(*months)))
        if not (is_whole(start) and is_whole(end)):
            found.append(self._between("taken", start, end))
        return both(*found)

    def _between(self, column: str, start: object, end: object) -> Set:
        pieces = ([f"p.{column} >= ?"] if start is not None else []) + (
            [f"p.{column} < ?"] if end is not None else []
        )
        values = tuple(value for value in (start, end) if value is not None)
        if not pieces:
            return EVERYTHING
        return Check(f"coalesce({' AND '.join(pieces)}, 0)", values, self._total)

    def _place(self, box: Place) -> Set:
        sides = (box.south, box.west, box.north, box.east)
        count = self._lexicon.inside_count(sides)
        return Inside(sides, count) if count else NOTHING

    def _id(self, prefix: str) -> Set:
        places = self._lexicon.photos_with_prefix(prefix, _IDS_MAX)
        if places is not None:
            return Places(tuple(sorted(places))) if places else NOTHING
        return Check("substr(lower(hex(p.photo)), 1, ?) = ?", (len(prefix), prefix), self._total)


# Files of one shot stand within one second of the timeline, so it is looked at there alone.
_RAW: Final = (SECOND, SECOND, SECOND, *sorted(set(RAW_TYPES.values())), IN_TRASH)
_HAS_RAW: Final = (
    "p.taken IS NOT NULL AND EXISTS (SELECT 1 FROM photo r"  # noqa: S608 - marks
    " WHERE r.n >= p.n - p.n % ? AND r.n < p.n - p.n % ? + ? AND r.n <> p.n"
    f" AND r.media_type IN ({', '.join('?' * (len(_RAW) - 4))}) AND r.trashed <> ?"
    " AND substr(r.taken, 1, 19) = substr(p.taken, 1, 19) AND is_same_shot(r.name, p.name))"
)


def _phrase(words: Sequence[str], whole: bool) -> str:
    return '"' + " ".join(words) + '"' + ("" if whole else " *")


def _postings(terms: Iterable[Known], *, is_disjoint: bool = False) -> Set:
    some: Sequence[Known] = list(terms)
    if not some:
        return NOTHING
    count = sum(term.photos for term in some)
    return Postings(tuple(term.id for term in some), count, is_disjoint or len(some) == 1)


_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

"""A tree of conditions written as text: what `grammar.parse` reads as the same tree."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Final

from photonic.search import periods
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
    Query,
    Sort,
    Taken,
    Tree,
    Under,
    Words,
)
from photonic.search.grammar import QUOTES
from photonic.search.vocabulary import ALBUM_ID, CONTESTED, LABELS

_KEYWORDS: Final = frozenset({"and", "none", "not", "or"})
_BARE = re.compile(r"[\w./+-]+")
_SPECIAL = re.compile(rf"[{QUOTES}\\]")


def written(query: Query | Tree, zone: tzinfo = UTC) -> str:
    """Return the text of a query, "" for everything.

    Read again with the same `zone` it is the same query, but that a text may come out too long, or
    with too many parentheses, to be read. Raises ValueError for NOTHING, which nobody can ask for.
    """
    if not isinstance(query, Query):
        return _tree(query, zone)
    parts = [_tree(query.tree, zone)]
    if query.sort != Sort():
        parts.append(f"sort:{'-' if query.sort.oldest_first else ''}{query.sort.by}")
    return " ".join(part for part in parts if part)


def _tree(tree: Tree, zone: tzinfo) -> str:
    match tree:
        case And(items):
            return " ".join(
                f"({_tree(item, zone)})" if isinstance(item, Or) else _tree(item, zone)
                for item in items
            )
        case Or(items):
            if not items:
                raise ValueError("there is no query that finds nothing")
            return " or ".join(_tree(item, zone) for item in items)
        case Not(And() | Or() as item):
            return f"-({_tree(item, zone)})"
        case Not(item):
            return f"-{_tree(item, zone)}"
        case Taken(start, end):
            return _moments(
                "taken", *(datetime.fromisoformat(one) if one else None for one in (start, end))
            )
        case Added(start_ms, end_ms):
            ends = (None if one is None else periods.local(one, zone) for one in (start_ms, end_ms))
            return _moments("added", *ends)
        case _:
            return _condition(tree)


def _moments(field: str, start: datetime | None, end: datetime | None) -> str:
    sign, value = periods.spelled(periods.Span(start, end))
    return f"{field}{sign}{value}"


def _condition(condition: Condition) -> str:
    match condition:
        case Words(words, whole, field):
            name = f"{field}:" if field else ""
            if len(words) == 1 and not whole and words[0] not in _KEYWORDS and not _is_id(words[0]):
                return name + words[0]
            return f'{name}"{" ".join(words)}"' + ("" if whole else "*")
        case Named("label", name):
            return f"label:{name}" if name in LABELS else f"label:{_quoted(name)}"
        case Named(field, name):
            return f"{field}={_quoted(name)}"
        case Equals("conflict", value):
            return f"conflict:{value if value in CONTESTED else _quoted(value)}"
        case Equals(field, value):
            is_bare = _BARE.fullmatch(value) and value not in _KEYWORDS
            return f"{field}:{value if is_bare else _quoted(value)}"
        case Under(field, path, exact):
            is_bare = _BARE.fullmatch(path) and path not in _KEYWORDS
            return f"{field}{'=' if exact else ':'}{path if is_bare else _quoted(path)}"
        case Number(field, operator, value):
            return f"{field}{':' if operator == '=' else operator}{_number(value)}"
        case _:
            return _mark(condition)


def _mark(condition: Condition) -> str:
    match condition:
        case Place(south, west, north, east):
            south_west, north_east = (
                (_number(south), _number(west)),
                (_number(north), _number(east)),
            )
            return f"place:{','.join(south_west)}..{','.join(north_east)}"
        case Has(field):
            return f"has:{field}"
        case Is(state):
            return f"is:{state}"
        case Flagged(flag):
            return f"flag:{flag}"
        case Id(prefix):
            return f"id:{prefix}"
        case _:
            raise AssertionError(f"{condition!r} has no notation")


def _number(value: float) -> str:
    return format(Decimal(repr(value)), "f")


def _quoted(text: str) -> str:
    return '"' + _SPECIAL.sub(r"\\\g<0>", text) + '"'


def _is_id(word: str) -> bool:
    return ALBUM_ID.fullmatch(word) is not None

"""Which photos are meant: a tree of conditions, and what it says of one photo.

`grammar.parse` makes trees of what people type, `query.py` makes SQL of them, `matches` judges one
photo by its values alone; SQL and `matches` agree on every photo. Pure: no clock, no disk.

Trees are in one form: no And directly in an And, no Or in an Or, no Not in a Not, and two items at
least in an And or an Or, but for ALL and NOTHING. `all_of`, `any_of` and `negated` keep it so. A
condition is true or false, never unknown: a photo that lacks a value fails what is asked of the
value, and so passes the negation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

from photonic.search.sample import (
    HAS,
    NUMBERS,
    REJECT,
    REJECTED_RATING,
    HasField,
    NameField,
    NumberField,
    PathField,
    Sample,
    TextField,
    ValueField,
    keys,
    names,
    texts,
    values,
)
from photonic.search.words import fold, words

COPIES_SAFE_MIN: Final = 2  # with fewer copies a photo is at risk

Operator: TypeAlias = Literal["=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Words:
    """These words stand side by side in one text; the last one may be a beginning, unless `whole`.

    Without a field: in the name, the title, the caption, one of the tags, the folder, the camera or
    the lens. `words` are folded and not empty.
    """

    words: tuple[str, ...]
    whole: bool = False
    field: TextField | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """The field, or one of its values, is `name`, case and accents apart (it is folded)."""

    field: NameField
    name: str


@dataclass(frozen=True, slots=True)
class Equals:
    """The field, or one of its values, is `value`, exactly. An album is named by its hex id."""

    field: ValueField
    value: str


@dataclass(frozen=True, slots=True)
class Flagged:
    """`pick` or `reject`; a rating of -1 rejects too."""

    flag: Literal["pick", "reject"]


@dataclass(frozen=True, slots=True)
class Under:
    """The folder, or one of the tags, has this path key or, unless `exact`, is under it."""

    field: PathField
    path: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """The number compares so with `value`. Only a rating that is missing counts, as 0."""

    field: NumberField
    operator: Operator
    value: float


@dataclass(frozen=True, slots=True)
class Taken:
    """start <= taken < end, as texts; None is open.

    Bounds are "2024-05-17T09:30:00", with ".250" behind it where milliseconds matter, so that the
    order of texts is the order of time.
    """

    start: str | None
    end: str | None


@dataclass(frozen=True, slots=True)
class Added:
    """start_ms <= added < end_ms, milliseconds since 1970; None is open."""

    start_ms: int | None
    end_ms: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Inside the box, its edges included, in degrees. With west > east it crosses the date line."""

    south: float
    west: float
    north: float
    east: float


@dataclass(frozen=True, slots=True)
class Has:
    """The photo has such a value. A rating of 0 is none; `flag` is what `Flagged` knows."""

    field: HasField


@dataclass(frozen=True, slots=True)
class Is:
    state: Literal["held", "trashed", "removal-held"]


@dataclass(frozen=True, slots=True)
class Id:
    """The photo's id begins with these hex digits, lower case, at least one."""

    prefix: str


@dataclass(frozen=True, slots=True)
class And:
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    item: Tree


Condition: TypeAlias = (
    Words | Named | Equals | Flagged | Under | Number | Taken | Added | Place | Has | Is | Id
)
Tree: TypeAlias = Condition | And | Or | Not

ALL: Final = And(())
NOTHING: Final = Or(())


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a list: newest first, by when photos were taken or came into the library."""

    by: Literal["taken", "added"] = "taken"
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody asked for: which photos, in which order."""

    tree: Tree = ALL
    sort: Sort = Sort()


def all_of(*trees: Tree) -> Tree:
    """Return what is true where all of `trees` are; of none it is ALL."""
    items = tuple(one for tree in trees for one in (tree.items if type(tree) is And else (tree,)))
    if NOTHING in items:
        return NOTHING
    return items[0] if len(items) == 1 else And(items)


def any_of(*trees: Tree) -> Tree:
    """Return what is true where one of `trees` is; of none it is NOTHING."""
    items = tuple(one for tree in trees for one in (tree.items if type(tree) is Or else (tree,)))
    if ALL in items:
        return ALL
    return items[0] if len(items) == 1 else Or(items)


def negated(tree: Tree) -> Tree:
    """Return what is true where `tree` is not."""
    if tree in (ALL, NOTHING):
        return NOTHING if tree == ALL else ALL
    return tree.item if isinstance(tree, Not) else Not(tree)


def conditions(tree: Tree) -> Iterator[Condition]:
    """Yield the conditions of `tree`, from left to right, negated ones too."""
    if isinstance(tree, And | Or):
        for item in tree.items:
            yield from conditions(item)
    elif isinstance(tree, Not):
        yield from conditions(tree.item)
    else:
        yield tree


def with_defaults(tree: Tree) -> Tree:
    """Return `tree` without what is in the trash, unless it speaks of the trash itself."""
    if Is("trashed") in conditions(tree):
        return tree
    return all_of(tree, Not(Is("trashed")))


def matches(tree: Tree, sample: Sample) -> bool:
    """Return whether `tree` is true of the photo."""
    match tree:
        case And(items):
            return all(matches(item, sample) for item in items)
        case Or(items):
            return any(matches(item, sample) for item in items)
        case Not(item):
            return not matches(item, sample)
        case _:
            return _holds(tree, sample)


def _holds(condition: Condition, sample: Sample) -> bool:
    match condition:
        case Words(wanted, whole, field):
            return any(has_phrase(words(one), wanted, whole) for one in texts(sample, field))
        case Named(field, name):
            return any(fold(one) == name for one in names(sample, field))
        case Equals(field, value):
            return value in values(sample, field)
        case Under(field, path, exact):
            return any(is_under(key, path, exact) for key in keys(sample, field))
        case Number(field, sign, value):
            number = NUMBERS[field](sample)
            return number is not None and _COMPARE[sign](number, value)
        case Taken(start, end):
            return sample.taken is not None and _is_between(sample.taken, start, end)
        case Added(start_ms, end_ms):
            return _is_between(sample.added_ms, start_ms, end_ms)
        case Has(field):
            return HAS[field](sample)
        case _:
            return _is_so(condition, sample)


def _is_so(condition: Flagged | Place | Is | Id, sample: Sample) -> bool:
    match condition:
        case Flagged(flag):
            is_rejected = flag == REJECT and sample.rating == REJECTED_RATING
            return sample.flag == flag or is_rejected
        case Place():
            return _is_inside(condition, sample.latitude, sample.longitude)
        case Is(state):
            match state:
                case "held":
                    return sample.held
                case "trashed":
                    return sample.trashed
            return sample.removal_held
        case Id(prefix):
            return sample.photo.hex().startswith(prefix)


def has_phrase(text: tuple[str, ...], wanted: tuple[str, ...], whole: bool) -> bool:
    """Return whether `wanted` stand side by side in `text`, the last as a beginning or whole."""
    *first, last = wanted
    before = len(first)
    return any(
        (text[at] == last if whole else text[at].startswith(last))
        and list(text[at - before : at]) == first
        for at in range(before, len(text))
    )


def is_under(key: str, path: str, exact: bool = False) -> bool:
    """Return whether the path key `key` is `path` or, unless `exact`, under it."""
    return key == path or (not exact and key.startswith(path + "/"))


_Moment = TypeVar("_Moment", str, int)


def _is_between(moment: _Moment, start: _Moment | None, end: _Moment | None) -> bool:
    return (start is None or moment >= start) and (end is None or moment < end)


def _is_inside(box: Place, latitude: float | None, longitude: float | None) -> bool:
    if latitude is None or longitude is None or not box.south <= latitude <= box.north:
        return False
    if box.west > box.east:
        return longitude >= box.west or longitude <= box.east
    return box.west <= longitude <= box.east


_COMPARE: dict[Operator, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

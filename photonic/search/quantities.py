"""How numbers, periods and places in a query are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from photonic.search import periods
from photonic.search.criteria import (
    Added,
    Has,
    Not,
    Number,
    Place,
    Taken,
    Tree,
    all_of,
)
from photonic.search.periods import Span
from photonic.search.sample import HasField, NumberField
from photonic.search.term import Misread, Part, Reader, Value

_NUMBER = re.compile("-?[0-9]{1,10}(?:[.][0-9]{1,6})?")
_NUMBER_MAX = 1_000_000_000
_PLACE = "expected a box such as place:63.3,-24.6..66.6,-13.5 (south,west..north,east)"

_Parse: TypeAlias = Callable[[Part], Decimal]


def whole(
    field: NumberField, has: HasField | None, least: int = 0, most: int = _NUMBER_MAX
) -> Reader:
    """Return the reader of a whole number; without `has`, each photo has one."""
    expected = f"a number from {least} to {most}" if most < _NUMBER_MAX else "a whole number"

    def parse(part: Part) -> Decimal:
        number = _decimal(part.text)
        if number is None or "." in part.text or not least <= number <= most:
            raise part.misread(f"expected {expected}")
        return number

    return _numeric(field, has, parse, lambda number: Number(field, "=", int(number)))


def measured(field: NumberField, has: HasField, unit: str, decimals: int) -> Reader:
    """Return the reader of a number with a fraction; `unit` may stand with it.

    Equal to it is what would be written so with as many decimals, but with `decimals` at least.
    """

    def parse(part: Part) -> Decimal:
        number = _decimal(re.sub(unit, "", part.text.lower(), count=1))
        if number is None or not 0 <= number <= _NUMBER_MAX:
            raise part.misread("expected a number")
        return number

    def equal(number: Decimal) -> Tree:
        written = max(decimals, -int(number.as_tuple().exponent))
        half = Decimal(5).scaleb(-written - 1)
        low, high = max(number - half, Decimal(0)), number + half
        return all_of(Number(field, ">=", _plain(low)), Number(field, "<", _plain(high)))

    return _numeric(field, has, parse, equal)


def _numeric(
    field: NumberField, has: HasField | None, parse: _Parse, equal: Callable[[Decimal], Tree]
) -> Reader:
    def read(value: Value) -> Tree:
        value.check_no_star("a number is needed")
        if has is not None and value.is_none:
            return Not(Has(has))
        if value.operator != "=":
            return Number(field, value.operator, _plain(parse(Part(value.text))))
        ends = value.ends()
        if ends is None:
            return equal(parse(Part(value.text)))
        low, high = (None if end is None else parse(end) for end in ends)
        if low is not None and high is not None and low > high:
            raise Misread("expected the smaller number first")
        return all_of(
            *([] if low is None else [Number(field, ">=", _plain(low))]),
            *([] if high is None else [Number(field, "<=", _plain(high))]),
        )

    return read


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _plain(number: Decimal) -> float:
    return int(number) if number == number.to_integral_value() else float(number)


def taken(value: Value) -> Tree:
    """Read when photos were taken: local time, as the camera showed it."""
    if value.is_none:
        return Not(Has("taken"))
    return Taken(*(None if moment is None else periods.iso(moment) for moment in _span(value)))


def added(value: Value) -> Tree:
    """Read when photos came into the library: local time in the zone of who asks."""
    start, end = (
        None if moment is None else periods.milliseconds(moment, value.zone)
        for moment in _span(value)
    )
    return Added(start, end)


def _span(value: Value) -> Span:
    value.check_no_star("write 2024-05 for the whole of May")
    text, today = value.text, value.today
    if value.operator != "=":
        begin, past = _period(Part(text), today)
        match value.sign:
            case "<":
                return Span(None, begin)
            case "<=":
                return Span(None, past)
            case ">":
                return Span(past, None)
            case _:
                return Span(begin, None)
    ends = value.ends()
    if ends is None:
        exact = _period(Part(text), today)
        return periods.since(text, today) or Span(*exact)
    first, last = ends
    start = None if first is None else _period(first, today).start
    end = None if last is None else _period(last, today).end
    if start is not None and end is not None and start >= end:
        raise Misread("expected the earlier time first")
    return Span(start, end)


def _period(part: Part, today: date) -> periods.Period:
    try:
        return periods.period(part.text, today)
    except ValueError as error:
        raise part.misread(str(error)) from None


def place(value: Value) -> Tree:
    """Read a box, south,west..north,east in degrees."""
    value.check_sign(exact=True)
    value.check_no_star("a box is needed")
    if value.is_none:
        return Not(Has("place"))
    ends = value.ends()
    if ends is None or ends[0] is None or ends[1] is None:
        raise Misread(_PLACE)
    (south, west), (north, east) = _corner(ends[0]), _corner(ends[1])
    if south > north:
        raise Misread("expected the southern corner first: south,west..north,east")
    return Place(south, west, north, east)


def _corner(part: Part) -> tuple[float, float]:
    latitude, comma, longitude = part.text.partition(",")
    behind = Part(longitude, part.offset + len(latitude) + 1)
    if not comma:
        raise part.misread(_PLACE)
    return _degrees(Part(latitude, part.offset), 90), _degrees(behind, 180)


def _degrees(part: Part, most: int) -> float:
    number = _decimal(part.text)
    if number is None or abs(number) > most:
        raise (part if part.text else Part(",", part.offset - 1)).misread(
            f"expected degrees from -{most} to {most}"
        )
    return _plain(number)

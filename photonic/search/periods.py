"""Periods as people write them: 2024, 2024-05, 2024-05-17T09:30, today, 7d, and spans of them.

A period is local time without zone, from its first moment up to, not including, the first one
after it. Pure: what "today" is comes in as an argument.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

YEAR_MIN, YEAR_MAX = 1000, 9998  # so that no arithmetic leaves the calendar
EXAMPLES = "2024, 2024-05, 2024-05-17, 2024-05-17T09:30, today, yesterday, 7d, 2w, 3m or 1y"

_DIGITS = "([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[Tt]([0-9]{2})(?::([0-9]{2})"
_DIGITS += "(?::([0-9]{2})(?:[.]([0-9]{1,3}))?)?)?)?)?)?"
_ABSOLUTE = re.compile(_DIGITS)
_RELATIVE = re.compile("([0-9]{1,5})([dwmyDWMY])")
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = (timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1), _MILLISECOND)
_FORMATS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")


class Span(NamedTuple):
    """start <= moment < end; None is open."""

    start: datetime | None
    end: datetime | None


class Period(NamedTuple):
    start: datetime
    end: datetime


def period(text: str, today: date) -> Period:
    """Return the period that `text` names; "7d" is the day seven days ago.

    Raises ValueError, with a message for people.
    """
    if found := _ABSOLUTE.fullmatch(text):
        parts = [int(part) for part in found.groups()[:6] if part is not None]
        if found[7]:
            parts.append(int(found[7].ljust(3, "0")))
        return _period(parts)
    day = _relative(text.lower(), today)
    return Period(*(datetime.combine(one, time()) for one in (day, day + timedelta(days=1))))


def since(text: str, today: date) -> Span | None:
    """Return the span from the day of "7d" through today; None if `text` is no such word."""
    if not _RELATIVE.fullmatch(text):
        return None
    tomorrow = datetime.combine(today + timedelta(days=1), time())
    return Span(period(text, today).start, tomorrow)


def spelled(span: Span) -> tuple[str, str]:
    """Return the sign and the value that mean `span`: (":", "2024-05") or (">=", "2024").

    One end at least is given; both have whole milliseconds.
    """
    start, end = span
    if end is None:
        assert start is not None, "a span that is open at both ends is no condition"
        return ">=", _spelled_start(start)
    if start is None:
        return "<", _spelled_start(end)
    for text in _spellings(start):
        if period(text, start.date()) == Period(start, end):
            return ":", text
    return ":", f"{_spelled_start(start)}..{_spelled_end(end)}"


def milliseconds(moment: datetime, zone: tzinfo) -> int:
    """Return the milliseconds since 1970, UTC, of a local time in `zone`."""
    return (moment.replace(tzinfo=zone) - _EPOCH) // _MILLISECOND


def local(moment_ms: int, zone: tzinfo) -> datetime:
    """Return the local time in `zone` of milliseconds since 1970, UTC."""
    return (_EPOCH + moment_ms * _MILLISECOND).astimezone(zone).replace(tzinfo=None)


def iso(moment: datetime) -> str:
    """Return "2024-05-17T09:30:00", with ".250" behind it where there are milliseconds."""
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")


def _period(parts: list[int]) -> Period:
    year, month = parts[0], parts[1] if len(parts) > 1 else 1
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise ValueError(f"years go from {YEAR_MIN} to {YEAR_MAX}")
    if not 1 <= month <= 12:
        raise ValueError(f"there is no month {month}")
    if len(parts) == 1:
        return Period(_midnight(year, 1, 1), _midnight(year + 1, 1, 1))
    days = monthrange(year, month)[1]
    if len(parts) == 2:
        first = _midnight(year, month, 1)
        return Period(first, first + timedelta(days=days))
    if not 1 <= parts[2] <= days:
        raise ValueError(f"{year}-{month:02} has no day {parts[2]}")
    start = _midnight(*parts[:3])
    for part, most, unit in zip(parts[3:], (23, 59, 59, 999), _UNITS, strict=False):
        if part > most:
            raise ValueError("hours go to 23, minutes and seconds to 59")
        start += part * unit
    return Period(start, start + (timedelta(days=1), *_UNITS)[len(parts) - 3])


def _midnight(year: int, month: int, day: int) -> datetime:
    return datetime.combine(date(year, month, day), time())


def _relative(text: str, today: date) -> date:
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    found = _RELATIVE.fullmatch(text)
    if not found:
        raise ValueError(f"expected a day or a time such as {EXAMPLES}")
    count, unit = int(found[1]), found[2]
    if unit in "dw":
        day = today.toordinal() - count * (7 if unit == "w" else 1)
        year = date.fromordinal(max(day, 1)).year
    else:
        months = today.year * 12 + today.month - 1 - count * (12 if unit == "y" else 1)
        year = months // 12
    if year < YEAR_MIN:
        raise ValueError("that is too long ago")
    if unit in "dw":
        return date.fromordinal(day)
    month = months % 12 + 1
    return date(year, month, min(today.day, monthrange(year, month)[1]))


def _spellings(moment: datetime) -> list[str]:
    """Return the periods that hold `moment`, the longest first."""
    return [*(moment.strftime(one) for one in _FORMATS), moment.isoformat(timespec="milliseconds")]


def _spelled_start(start: datetime) -> str:
    return next(one for one in _spellings(start) if period(one, start.date()).start == start)


def _spelled_end(end: datetime) -> str:
    last = end - _MILLISECOND
    return next(one for one in _spellings(last) if period(one, last.date()).end == end)

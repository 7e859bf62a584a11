"""Where a photo stands in time, as one number: what lists go by. Pure.

A place is a whole number that a row of SQLite can have as its key. Its order is that of the local
times that cameras write, so an index over anything else is in the order of time by itself, and
whoever knows the last photo of a page knows where the next page begins.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

SLOTS: Final = 1 << 14  # places of one millisecond; a burst within one second has all of them
SECOND: Final = 1000 * SLOTS
_MILLISECOND, _DAY = SLOTS, 86_400 * SECOND
MONTH: Final = 31 * _DAY  # each has 31 days here; the last of them may be empty

_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
)
_YEAR_9999_MS = 253_402_300_799_000


def begin_of(moment: str) -> int | None:
    """Return the first place of the millisecond of "2024-05-17T09:30:12.250".

    None if the text is no moment. Parts of a millisecond do not count.
    """
    found = _MOMENT.fullmatch(moment)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return None
    fraction = found[7]
    millisecond = int(fraction[:3].ljust(3, "0")) if fraction else 0
    seconds = ((((year * 12 + month - 1) * 31 + day - 1) * 24 + hour) * 60 + minute) * 60 + second
    return seconds * SECOND + millisecond * _MILLISECOND


def place_of(moment: str, photo: bytes) -> int:
    """Return the place that a photo takes if it is free. `moment` must be one."""
    begin = begin_of(moment)
    assert begin is not None, "what is projected has a moment"
    return begin + int.from_bytes(photo[:2], "big") % SLOTS


def second_of(place: int) -> tuple[int, int]:
    """Return the first place of the second of `place`, and the first of the second after it."""
    begin = place - place % SECOND
    return begin, begin + SECOND


def span(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Return places of which all photos with start <= taken < end are in between.

    The first is included, the second is not; None is open. What is in it for less than a second
    too much must be looked at once more (`is_whole`).
    """
    first = begin_of(start) if start is not None else None
    last = begin_of(end) if end is not None else None
    if last is not None and not is_whole(end):
        last = second_of(last)[1]
    return (second_of(first)[0] if first is not None else None), last


def is_whole(moment: str | None) -> bool:
    """Whether a bound falls between two seconds, so that `span` is exact there."""
    if moment is None:
        return True
    return len(moment) == len("2024-05-17T09:30:12") and begin_of(moment) is not None


def place_gap(seconds: float) -> int:
    """Return how far apart two places are that are so many seconds apart."""
    return int(seconds * SECOND)


def month_of(place: int) -> str:
    """Return the month of a place, "2024-05"."""
    return month_text(place // MONTH)


def month_text(number: int) -> str:
    """Return "2024-05" for a month's number, `place // MONTH`."""
    return f"{number // 12:04}-{number % 12 + 1:02}"


def moment_text(moment_ms: int) -> str:
    """Return a moment since 1970 as a text that has a place."""
    bounded_ms = min(max(moment_ms, 0), _YEAR_9999_MS)
    return datetime.fromtimestamp(bounded_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")

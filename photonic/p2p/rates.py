"""What of the network a node may use, as people set it: rates, a daily schedule, a metered link.

`Bandwidth` is plain data: kept in the home folder, shown by REST, and sent as it is to the process
that moves files. Nothing here knows a clock; the time of day comes in as minutes since midnight.

A schedule reads `08:00-22:00 2MB/s, otherwise full`: spans of the day in local time, which may go
over midnight and never overlap, and what holds otherwise (`full`, unless it is said). Its rates are
for each direction, and the lower of all that is set counts.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from photonic import limits
from photonic.errors import LimitsInvalid

FULL = "full"
OTHERWISE = "otherwise"
DAY_MIN = 24 * 60

# A lower-case b alone may mean bits or bytes, so it is no unit.
_UNIT = re.compile(r"(?P<prefix>(?:[kKmMgG]i?)?)(?P<unit>B|[bB]it)", re.ASCII)
_PREFIXES = {
    "": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30,
}  # fmt: skip
_RATE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)(?:/s)?", re.ASCII)
_SPAN = re.compile(r"(?P<begin>[^\s-]+)\s*-\s*(?P<end>\S+)(?P<rate>(?:\s.*)?)", re.DOTALL)
_TIME = re.compile(r"(\d{1,2})(?::(\d{2}))?", re.ASCII)


class Direction(enum.Enum):
    """Which way bytes go, seen from this node."""

    IN = "in"
    OUT = "out"


class PeerBandwidth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one peer. None: only those of all."""

    in_bytes_s: int | None = None
    out_bytes_s: int | None = None

    def rate(self, direction: Direction) -> int | None:
        return self.in_bytes_s if direction is Direction.IN else self.out_bytes_s


class Bandwidth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All limits of one node, in bytes per second. None: no limit. `check` tells if it is sound."""

    in_bytes_s: int | None = None
    out_bytes_s: int | None = None
    peers: dict[str, PeerBandwidth] = {}  # by peer ID
    schedule: str = ""
    metered: bool = False  # bytes cost money: originals wait ...
    metered_bytes_s: int | None = None  # ... or, if this is set, all goes on at this rate
    parallel: int | None = None  # files that are fetched at one time

    @property
    def holds_originals(self) -> bool:
        """Whether originals wait, in both directions."""
        return self.metered and self.metered_bytes_s is None

    def rate(self, direction: Direction, minute: int) -> int | None:
        """Return what may pass in this direction at this minute of the day, over all peers."""
        rates = (
            self.in_bytes_s if direction is Direction.IN else self.out_bytes_s,
            parse_schedule(self.schedule).rate(minute),
            self.metered_bytes_s if self.metered else None,
        )
        return min((rate for rate in rates if rate is not None), default=None)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the day, from its first minute to before its last. May go over midnight."""

    begin_min: int
    end_min: int
    bytes_s: int | None

    @property
    def length_min(self) -> int:
        return (self.end_min - self.begin_min) % DAY_MIN or DAY_MIN

    def minutes(self) -> list[int]:
        return [(self.begin_min + n) % DAY_MIN for n in range(self.length_min)]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What may pass at which time of the day, in each direction."""

    spans: tuple[Span, ...] = ()
    otherwise: int | None = None

    def rate(self, minute: int) -> int | None:
        """Return the rate at `minute` of the day; None for no limit."""
        for span in self.spans:
            if (minute - span.begin_min) % DAY_MIN < span.length_min:
                return span.bytes_s
        return self.otherwise


def check(bandwidth: Bandwidth) -> Bandwidth:
    """Return what was given if it may be used. Raises LimitsInvalid."""
    rates: dict[str, int | None] = {
        "in": bandwidth.in_bytes_s,
        "out": bandwidth.out_bytes_s,
        "metered": bandwidth.metered_bytes_s,
    }
    for peer, limit in bandwidth.peers.items():
        rates |= {f"in of {peer}": limit.in_bytes_s, f"out of {peer}": limit.out_bytes_s}
    for name, rate in rates.items():
        if rate is not None:
            _check_rate(rate, f"{name}: ")
    if bandwidth.metered_bytes_s is not None and not bandwidth.metered:
        raise LimitsInvalid("metered: a rate for a metered link, and the link is not metered")
    if bandwidth.parallel is not None and not 1 <= bandwidth.parallel <= limits.PARALLEL_MAX:
        raise LimitsInvalid(f"parallel: from 1 to {limits.PARALLEL_MAX:,} files at one time")
    if len(bandwidth.peers) > limits.PEERS_KNOWN_MAX:
        raise LimitsInvalid(f"limits for more than {limits.PEERS_KNOWN_MAX} nodes")
    parse_schedule(bandwidth.schedule)
    return bandwidth


def parse_rate(text: str) -> int | None:
    """Return bytes per second of `2MB/s`, `500 KiB/s`, `16Mbit/s`; None for `full`.

    Raises LimitsInvalid, which points at what is wrong.
    """
    return _parse_rate(text, text.strip(), len(text) - len(text.lstrip()))


def show_rate(bytes_s: int | None) -> str:
    """Return a rate as `parse_rate` reads it, exactly."""
    if bytes_s is None:
        return FULL
    for prefix, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if bytes_s >= size and bytes_s * 1_000 % size == 0:
            return f"{bytes_s / size:.12g}{prefix}B/s"
    return f"{bytes_s}B/s"


@lru_cache(maxsize=8)
def parse_schedule(text: str) -> Schedule:
    """Return the schedule that `text` means; an empty one limits nothing.

    Raises LimitsInvalid, which points at what is wrong.
    """
    if len(text) > limits.SCHEDULE_CHARS_MAX:
        raise LimitsInvalid(f"a schedule has at most {limits.SCHEDULE_CHARS_MAX} characters")
    spans: list[Span] = []
    otherwise: int | None = None
    taken: dict[int, str] = {}  # minute -> the span that has it
    parts = _parts(text)
    for number, (part, start) in enumerate(parts):
        if not part:
            raise _wrong("a span is missing here", text, start, 1)
        word, *rest = part.split(None, 1)
        if word.lower() == OTHERWISE:
            if number + 1 < len(parts):
                raise _wrong("what holds otherwise stands last", text, start, len(word))
            rate = "".join(rest)
            otherwise = _parse_rate(text, rate, start + len(part) - len(rate))
            continue
        span, name = _parse_span(text, part, start)
        for minute in span.minutes():
            if minute in taken:
                raise _wrong(f"this overlaps with {taken[minute]}", text, start, len(name))
        taken |= dict.fromkeys(span.minutes(), name)
        spans.append(span)
    if len(spans) > limits.SCHEDULE_SPANS_MAX:
        raise LimitsInvalid(f"a schedule has at most {limits.SCHEDULE_SPANS_MAX} spans")
    return Schedule(tuple(spans), otherwise)


def _parts(text: str) -> list[tuple[str, int]]:
    """Return what stands between the commas, each with the place where it begins."""
    if not text.strip():
        return []
    parts: list[tuple[str, int]] = []
    start = 0
    for part in text.split(","):
        parts.append((part.strip(), start + len(part) - len(part.lstrip())))
        start += len(part) + 1
    return parts


def _parse_span(text: str, part: str, start: int) -> tuple[Span, str]:
    found = _SPAN.fullmatch(part)
    if found is None:
        raise _wrong("expected a span such as 08:00-22:00 and a rate", text, start, len(part))
    begin = _parse_time(text, found["begin"], start, last_min=DAY_MIN - 1)
    end = _parse_time(text, found["end"], start + found.start("end"), last_min=DAY_MIN)
    name = part[: found.end("end")]
    if begin == end:
        raise _wrong("this span is empty; the whole day is 00:00-24:00", text, start, len(name))
    rate = found["rate"].strip()
    rate_start = start + len(part) - len(found["rate"].lstrip())
    return Span(begin, end % DAY_MIN, _parse_rate(text, rate, rate_start)), name


def _parse_time(text: str, word: str, start: int, *, last_min: int) -> int:
    found = _TIME.fullmatch(word)
    minute = int(found[1]) * 60 + int(found[2] or 0) if found else DAY_MIN + 1
    if found is None or minute > last_min or int(found[2] or 0) > 59:
        raise _wrong("expected a time such as 08:00", text, start, len(word))
    return minute


def _parse_rate(text: str, word: str, start: int) -> int | None:
    """Return the rate that `word` means, which stands at `start` of `text`."""
    example = "expected a rate such as 2MB/s, or full for no limit"
    if not word:
        raise _wrong(example, text, start, 1)
    if word.lower() == FULL:
        return None
    found = _RATE.fullmatch(word)
    if found is None or len(word) > limits.RATE_CHARS_MAX:
        raise _wrong(example, text, start, len(word))
    unit = found["unit"]
    size = _unit_bytes(unit)
    if size is None:
        why = f"{unit} is no unit" if unit else "a unit is missing"
        if unit.endswith("b"):
            why = f"{unit} may mean bits or bytes"
        place = start + (found.start("unit") if unit else 0)
        raise _wrong(f"{why}: write MB/s or Mbit/s", text, place, len(unit) or len(word))
    rate = float(found["number"]) * size
    try:
        return _check_rate(rate)
    except LimitsInvalid as error:
        raise _wrong(error.message, text, start, len(word)) from None


def _unit_bytes(unit: str) -> float | None:
    """Return how many bytes a unit is; None if it is none."""
    found = _UNIT.fullmatch(unit)
    if found is None:
        return None
    return _PREFIXES[found["prefix"].lower()] / (1 if found["unit"] == "B" else 8)


def _check_rate(rate: float, name: str = "") -> int:
    if rate < limits.RATE_BYTES_S_MIN:
        least = show_rate(limits.RATE_BYTES_S_MIN)
        raise LimitsInvalid(f"{name}less than {least} would be as good as nothing")
    if rate > limits.RATE_BYTES_S_MAX:
        raise LimitsInvalid(f"{name}more than {show_rate(limits.RATE_BYTES_S_MAX)} is no limit")
    return round(rate)


def _wrong(why: str, text: str, position: int, length: int) -> LimitsInvalid:
    """Return the error that says `why` and points at the characters that are wrong."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    pointer = " " * position + "^" * max(1, length)
    message = f"{why} (character {position + 1})\n  {shown}\n  {pointer}"
    return LimitsInvalid(message, position, length)

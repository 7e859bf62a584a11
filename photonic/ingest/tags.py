"""Values of metadata tags, parsed: dates, numbers, positions, ratings, text. Pure functions.

Files lie: a tag may be a list, an empty string, `0/0`, binary waste or a megabyte of text. Every
function takes what a reader returned and gives a value that is possible and bounded, or None.
Nothing here raises for bad input.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from photonic import limits
from photonic.photos import Position

Value = str | list[str] | dict[str, str]
Tags = Mapping[str, Value]

_YEAR_MIN, _YEAR_MAX = 1826, 2200  # the oldest photograph; no clock is that far ahead
_OFFSET_MIN_MAX = 14 * 60
_DATE = re.compile(
    r"\s*(\d{4})[:\-/.](\d{1,2})[:\-/.](\d{1,2})"
    r"(?:[T ]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?"
    r"\s*(Z|[+-]\d{1,2}:?\d{2})?)?"
)
_ISO6709 = re.compile(r"([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?")
# A QuickTime clock that was never set stands at its epoch, a Unix one at its own.
_EPOCHS = ("1904-01-01T00:00:00", "1970-01-01T00:00:00")
_PLACEHOLDERS = frozenset(  # what cameras write into every picture as its "description"
    {"default", "digital camera", "kodak digital still camera", "minolta digital camera",
     "olympus digital camera", "samsung camera pictures", "sony dsc"}
)  # fmt: skip


class Moment(NamedTuple):
    """A date as written: local time, and the zone in minutes if one was given."""

    local: str
    offset_min: int | None


def text(value: Value | None, chars_max: int = limits.NAME_CHARS_MAX) -> str | None:
    """Return one line or paragraph of readable text, at most `chars_max` long, or None."""
    if isinstance(value, dict):  # a language alternative
        value = value.get('lang="x-default"') or next(iter(value.values()), "")
    if isinstance(value, list):
        value = value[0] if value else ""
    if not value:
        return None
    kept = "".join(
        char if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs", "Cn") else " "
        for char in value[: 4 * chars_max].replace("\r\n", "\n").replace("\x00", " ")
    )
    return kept.strip()[:chars_max].rstrip() or None


def first_text(tags: Tags, *names: str, chars_max: int = limits.NAME_CHARS_MAX) -> str | None:
    """Return the text of the first of `names` that has some."""
    for name in names:
        if found := text(tags.get(name), chars_max):
            return found
    return None


def caption(tags: Tags, *names: str) -> str | None:
    """Return the first description that a person wrote: camera boilerplate is none."""
    for name in names:
        found = text(tags.get(name), limits.CAPTION_CHARS_MAX)
        if found and found.casefold() not in _PLACEHOLDERS and not found.startswith("DCIM\\"):
            return found
    return None


def number(value: Value | None) -> float | None:
    """Return the first number of "28/10", "2.8" or "100 100"; never NaN or infinite."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, str) or not value.strip():
        return None
    upper, _, lower = value.split()[0].partition("/")
    try:
        found = float(upper) / float(lower) if lower else float(upper)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def number_within(value: Value | None, low: float, high: float) -> float | None:
    """Return the number if `low <= number <= high`, rounded to six significant digits."""
    found = number(value)
    return float(f"{found:.6g}") if found is not None and low <= found <= high else None


def whole_within(value: Value | None, low: int, high: int) -> int | None:
    """Return the number as an int if it is a whole one between `low` and `high`."""
    found = number_within(value, low, high)
    return int(found) if found is not None and found == int(found) else None


def moment(value: Value | None, subseconds: Value | None = None) -> Moment | None:
    """Parse an EXIF, XMP, IPTC or video date. A date without a time counts from midnight."""
    match = _DATE.match(text(value) or "")
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        at = datetime(  # noqa: DTZ001 - what a camera's clock shows has no zone
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
        )
    except ValueError:
        return None
    if not _YEAR_MIN <= at.year <= _YEAR_MAX:
        return None
    local = at.isoformat()
    if local in _EPOCHS:
        return None
    digits = (fraction or text(subseconds) or "").strip()
    if digits.isascii() and digits.isdigit() and digits.strip("0"):
        local += f".{digits[:6].ljust(3, '0')}"
    return Moment(local, offset(zone))


def offset(value: Value | None) -> int | None:
    """Parse a zone, "+02:00", "-0600" or "Z", into minutes east of Greenwich."""
    zone = (text(value) or "").strip()
    if zone == "Z":
        return 0
    match = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})", zone)
    if not match:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    if minutes > _OFFSET_MIN_MAX or int(match[3]) > 59:
        return None
    return -minutes if match[1] == "-" else minutes


def degrees(value: Value | None, reference: Value | None = None) -> float | None:
    """Parse one coordinate: EXIF "46/1 50/1 33/1" with its reference, or XMP "50,51.75N"."""
    raw = (text(value) or "").strip()
    side = (text(reference) or "").strip()[:1].upper()
    if raw[-1:].upper() in "NSEW" and raw[-1:]:
        raw, side = raw[:-1], raw[-1:].upper()
    if side not in ("N", "S", "E", "W"):
        return None
    parts = [number(part) for part in raw.replace(",", " ").split()]
    # Cameras write 0/0 for parts that they do not know; without degrees there is no place at all.
    if not 1 <= len(parts) <= 3 or parts[0] is None:
        return None
    if any(part is not None and part < 0 for part in parts):
        return None
    total = sum((part or 0.0) / 60.0**power for power, part in enumerate(parts))
    return -total if side in "SW" else total


def position(
    latitude: float | None, longitude: float | None, altitude_m: float | None = None
) -> Position | None:
    """Return a place, or None for what cannot be one. Zero and zero is a receiver without a fix."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    if altitude_m is not None and not -12_000 <= altitude_m <= 1_000_000:
        altitude_m = None
    return Position(
        round(latitude, 7),
        round(longitude, 7),
        None if altitude_m is None else round(altitude_m, 2),
    )


def iso6709(value: str | None) -> Position | None:
    """Parse a QuickTime location, "+27.1281+100.2508+000.000/"."""
    match = _ISO6709.match(value or "")
    if not match:
        return None
    return position(float(match[1]), float(match[2]), float(match[3]) if match[3] else None)


def stars(value: Value | None) -> int | None:
    """Parse xmp:Rating: -1 is rejected, 0 to 5 are stars; fractions are rounded."""
    found = number_within(value, -1, 5)
    return None if found is None else round(found)


def stars_from_percent(value: Value | None) -> int | None:
    """Parse MicrosoftPhoto:Rating, where 1, 25, 50, 75 and 99 are one to five stars."""
    found = number_within(value, 0, 100)
    if found is None:
        return None
    return 0 if found == 0 else 1 + sum(found >= bound for bound in (13, 38, 63, 88))


def keywords(flat: Iterable[str], paths: Iterable[str] = ()) -> tuple[str, ...]:
    """Join flat keywords and hierarchical ones ("Places|France|Paris"), each once, in order.

    A path says more than its levels, so flat words that are a level of some path are left out:
    Lightroom and darktable write every level of a path as a flat keyword, too.
    """
    whole = [path for raw in paths if (path := text(raw, limits.KEYWORD_CHARS_MAX))]
    levels = {level.strip().casefold() for path in whole for level in path.split("|")}
    words = [word for raw in flat if (word := text(raw, limits.KEYWORD_CHARS_MAX))]
    wanted = whole + [word for word in words if word.casefold() not in levels]
    kept: list[str] = []
    room = limits.KEYWORDS_CHARS_MAX
    for word in dict.fromkeys(wanted):
        room -= len(word)
        if room < 0 or len(kept) == limits.KEYWORDS_PER_PHOTO_MAX:
            break
        kept.append(word)
    return tuple(kept)


def listed(value: Value | None) -> list[str]:
    """Return the entries of a list tag, whether it came as a list, one string or nothing."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, str):
        return [value]
    return value or []


def at_offset(local: str, offset_min: int) -> str:
    """Return the UTC time `local` as the local time of the zone `offset_min`."""
    return (datetime.fromisoformat(local) + timedelta(minutes=offset_min)).isoformat()

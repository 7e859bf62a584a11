"""How long something takes, as people read it."""

from __future__ import annotations

import re

from photonic.errors import UsageInvalid

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def readable_wait(seconds: float | None) -> str:
    """Return a wait with its two largest units: `3 h 10 min`; None is unknown."""
    if seconds is None:
        return "unknown"
    left, words = max(1, round(seconds)), list[str]()
    for size, unit in _UNITS:
        amount, left = divmod(left, size)
        if amount:
            words.append(f"{amount} {unit}")
        if len(words) == 2 or (words and not amount):
            break
    return " ".join(words)


_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 366 * 86_400}


def parse_duration(text: str) -> int:
    """Parse what a person writes as `90d`, `12h` or `30min` into seconds. Raises UsageInvalid."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*([a-z]+)\s*", text.lower())
    if match is None or match[2] not in _SECONDS:
        raise UsageInvalid(f"{text!r} is no time: write 30min, 12h, 7d or 1y")
    return int(match[1]) * _SECONDS[match[2]]

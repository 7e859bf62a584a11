"""Times and sizes as scenarios write them: `90s`, `2h`, `14d`; `25 MB`, `1.7 TB`."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([A-Za-z]+)")


class UnitInvalid(ValueError):
    """A quantity that is none."""


def seconds(text: str) -> float:
    """Parse a time, `2h` or `1d 12h`. Raises UnitInvalid."""
    hint = "write 500ms, 90s, 30min, 2h or 1d 12h"
    return sum(_parse(part, _SECONDS, hint) for part in text.split() or [text])


def size_bytes(text: str) -> int:
    """Parse a size. Raises UnitInvalid."""
    return round(_parse(text, _BYTES, "write 300 kB, 25 MB or 1.7 TB"))


def _parse(text: str, units: dict[str, float] | dict[str, int], hint: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in units:
        raise UnitInvalid(f"{text!r} is no quantity: {hint}")
    return float(match[1]) * units[match[2]]


def readable_time(at_s: float) -> str:
    """Return a moment of a history as people read it: `2 d 03:15:07`."""
    days, rest = divmod(max(0.0, at_s), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    clock = f"{int(hours):02}:{int(minutes):02}:{rest:06.3f}"
    return f"{int(days)} d {clock}" if days else clock

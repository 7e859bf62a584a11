"""How long something takes, as people read it."""

from __future__ import annotations

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

"""How verbs answer: JSON on one line, or sentences for people.

Answers go to standard output, everything else to standard error. Text that came from a peer or a
file is cleaned first: a photo's name must not move the cursor of a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from photonic.errors import ConfigInvalid, PhotonicError, QueryInvalid
from photonic.names import visible

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def print_json(value: object) -> None:
    """Print `value` as one line of ASCII JSON, whatever the terminal's encoding."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def print_line(text: str) -> None:
    """Print one line of plain text, unwrapped, so that it can be copied or piped."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Print one `word  value` line for each pair, values aligned."""
    width = max(map(len, pairs), default=0)
    for word, value in pairs.items():
        print_line(f"{word:<{width}}  {value}")


def confirm(question: str) -> bool:
    """Ask a person on standard error; anything but yes is no, and so is the end of the input."""
    sys.stderr.write(clean(f"{question} [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def ask(question: str) -> str:
    """Ask a person for a line on standard error; the end of the input is an empty one."""
    sys.stderr.write(clean(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def note(text: str) -> None:
    """Tell a person something beside the answer, on standard error."""
    sys.stderr.write(clean(text) + "\n")


def show_error(error: PhotonicError, *, as_json: bool) -> None:
    """Tell what went wrong and what to do about it, on standard error."""
    problems = list(error.problems) if isinstance(error, ConfigInvalid) else []
    if as_json:
        line: dict[str, Any] = {"code": error.code, "message": error.message, "fix": error.fix}
        if problems:
            line["problems"] = problems
        if isinstance(error, QueryInvalid) and error.position is not None:
            line |= {"position": error.position, "length": error.length}
        sys.stderr.write(json.dumps(line) + "\n")
        return
    red, plain = ("\x1b[31m", "\x1b[0m") if _shows_colours() else ("", "")
    for text in problems or error.message.split("\n"):
        sys.stderr.write(f"{red}{clean(text)}{plain}\n")
    sys.stderr.write(f"→ {clean(error.fix)}\n")


def _shows_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def clean(text: str) -> str:
    """Return `text` on one line, with every character that a terminal would obey made visible."""
    return visible(text)


def readable_bytes(size: int) -> str:
    """Return a size as people read it: 1.2 MB."""
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{size} B" if unit == 0 else f"{amount:.3g} {_UNITS[unit]}"


def stars(rating: int | None) -> str:
    """Return a rating as people read it."""
    if rating is None:
        return ""
    return "rejected" if rating < 0 else "★" * rating

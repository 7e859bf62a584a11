"""A term of a query as it was typed, `taken:2024`, and what its readers refuse.

A reader takes a `Value` and returns a tree, or raises `Misread` with the characters that are wrong.
`quantities.py` and `vocabulary.py` have the readers, `grammar.py` what is around the terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from difflib import get_close_matches
from typing import Literal, NamedTuple, TypeAlias

from photonic.search.criteria import Operator, Sort, Tree

RANGE = ".."
Sign: TypeAlias = Literal[":"] | Operator
_HINT_CHARS_MAX = 32  # longer words are like nothing


class Misread(ValueError):
    """A value that cannot be read: what was expected, and which of its characters are wrong."""

    def __init__(self, message: str, offset: int = 0, length: int | None = None) -> None:
        super().__init__(message)
        self.offset, self.length = offset, length


class Part(NamedTuple):
    """Some characters of a value, and where in it they begin."""

    text: str
    offset: int = 0

    def misread(self, message: str) -> Misread:
        return Misread(message, self.offset, len(self.text))


@dataclass(frozen=True, slots=True)
class Value:
    """What stands behind a field's sign. Only what is not quoted may be a keyword or a range."""

    text: str
    sign: Sign = ":"
    is_quoted: bool = False
    has_star: bool = False  # behind it; not part of the text
    today: date = date.max
    zone: tzinfo = UTC

    @property
    def operator(self) -> Operator:
        """The sign for those fields to which : and = are the same."""
        return "=" if self.sign == ":" else self.sign

    @property
    def is_none(self) -> bool:
        """Whether this is the word `none`: the field must have no value."""
        is_bare = not self.is_quoted and not self.has_star
        return is_bare and self.operator == "=" and self.text.lower() == "none"

    def ends(self) -> tuple[Part | None, Part | None] | None:
        """Return the ends of a range, None for one that is open; None for what is no range."""
        before, dots, behind = self.text.partition(RANGE)
        if not dots or self.is_quoted:
            return None
        if not before and not behind:
            raise Misread("expected a beginning or an end beside ..")
        last = Part(behind, len(before) + len(RANGE))
        return Part(before) if before else None, last if behind else None

    def check_sign(self, *, exact: bool) -> None:
        """Refuse < and >, and = too unless it is told apart from : (`exact`)."""
        if self.sign == ":" or (exact and self.sign == "="):
            return
        expected = ": or =" if exact else ":"
        raise Misread(f"expected {expected} here", -len(self.sign), len(self.sign))

    def check_no_star(self, why: str) -> None:
        if self.has_star:
            raise Misread(f"expected no * here: {why}", len(self.text), 1)

    def choose(self, known: Iterable[str]) -> str:
        """Return the one of the `known` words that was typed."""
        self.check_sign(exact=True)
        self.check_no_star("the whole word is needed")
        word, choices = self.text.lower(), list(known)
        if word not in choices:
            raise Misread(f"expected {listed(choices)}{suggestion(word, choices)}")
        return word


Reader: TypeAlias = Callable[[Value], Tree | Sort]


def listed(choices: Iterable[str], joint: str = "or") -> str:
    """Return "red, green or blue"."""
    *first, last = choices
    return f"{', '.join(first)} {joint} {last}" if first else last


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean rating?" for a word that is near a known one, else ""."""
    if len(word) > _HINT_CHARS_MAX:
        return ""
    near = get_close_matches(word.lower(), list(known), n=2, cutoff=0.6)
    return f"; did you mean {listed(near)}?" if near else ""

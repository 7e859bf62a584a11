"""Subjects of which so much was said that the index follows them later, one after another.

To project a subject costs what all that was said of it costs. A member that says something of one
photo ten thousand times would have it projected thousands of times, each time for longer, and no
other work would have a turn. So what comes from others about it waits here, once, however much
comes; and after each that was projected there is a rest in proportion to what it took. Pure: it is
told the time. Only memory has it: `truth` is up to where the index is true without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from photonic import limits
from photonic.crdt.changes import SignedChange
from photonic.ids import NodeId, Subject

_REST_FACTOR: Final = 15.0  # times what it took: a sixteenth of the time is theirs


class Laggard(NamedTuple):
    """A subject that waits, who spoke of it, and up to where the index was true before."""

    subject: Subject
    origin: NodeId
    number: int


class Laggards:
    """See the module."""

    def __init__(self) -> None:
        self._waiting: dict[Subject, Laggard] = {}  # in the order in which they came
        self._rests_until_s = 0.0

    def __contains__(self, subject: object) -> bool:
        return subject in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, one: Laggard) -> bool:
        """Have a subject wait; False if too many do. One that waits keeps its place."""
        if one.subject not in self._waiting:
            if len(self._waiting) >= limits.LAGGARDS_MAX:
                return False
            self._waiting[one.subject] = one
        return True

    def drop(self, subject: Subject) -> None:
        """Have a subject wait no more: it is shown as it is."""
        self._waiting.pop(subject, None)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, now_s: float) -> Laggard | None:
        """Take out the one that waited longest; None while there is none, or rest is kept."""
        if not self._waiting or now_s < self._rests_until_s:
            return None
        return self._waiting.pop(next(iter(self._waiting)))

    def rest(self, took_s: float, now_s: float) -> None:
        """Keep rest after one that took so long."""
        self._rests_until_s = now_s + _REST_FACTOR * took_s

    def truth(self, number: int) -> int:
        """Return up to which entry the index is true if it has all others up to `number`."""
        return min((number, *(one.number for one in self._waiting.values())))


def is_heavy(changes: Sequence[SignedChange]) -> bool:
    """Whether so much was said of a subject that it may wait."""
    return sum(len(signed.data) for signed in changes) > limits.HEAVY_SUBJECT_BYTES

"""What is wrong right now, for the status page: a bounded list, one entry for each code and path.

A problem is a state, not a log line: whoever finds it adds it, and clears it when it is over. The
oldest entry gives way when the list is full, for new trouble matters more than old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from photonic import limits
from photonic.errors import PhotonicError
from photonic.events import Event, ProblemsChanged

log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """One thing that a person should know of, and what to do about it."""

    code: str
    message: str
    fix: str
    path: str  # "" where no file or folder is concerned


class Problems:
    """The problems of one node, oldest first. Used on the event loop's thread only."""

    def __init__(
        self,
        announce: Callable[[Event], object] = lambda event: None,
        kept: int = limits.PROBLEMS_MAX,
    ) -> None:
        self._announce = announce
        self._kept = kept
        self._entries: dict[tuple[str, str], Problem] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, error: PhotonicError, path: str = "") -> None:
        """Note `error` at `path`. Adding the same again changes nothing and announces nothing."""
        key = (error.code, path)
        problem = Problem(error.code, error.message, error.fix, path)
        if self._entries.get(key) == problem:
            return
        self._entries.pop(key, None)
        self._entries[key] = problem
        log.warning("%s: %s → %s", error.code, error.message, error.fix)
        while len(self._entries) > self._kept:
            del self._entries[next(iter(self._entries))]
        self._announce(ProblemsChanged(len(self._entries)))

    def clear(self, path: str, code: str | None = None) -> None:
        """Forget the problems at `path`, or only those with `code`; absent is fine."""
        gone = [key for key in self._entries if key[1] == path and code in (None, key[0])]
        for key in gone:
            del self._entries[key]
        if gone:
            self._announce(ProblemsChanged(len(self._entries)))

    def list(self) -> tuple[Problem, ...]:
        """Return the problems, oldest first."""
        return tuple(self._entries.values())

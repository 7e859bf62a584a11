"""What must hold. The same checkers look at simulated nodes and at real daemons.

A checker hears of every event of the trace (`note`), sees nodes as they are from time to time
(`see`: safety, at every step), and sees all running members once after all faults were undone
(`settle`: liveness). It answers with texts, one for each thing that does not hold; `Panel` asks
them all. A checker knows no node, no clock and no disk; what an observation does not have, it
passes over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from simulations.observations import Observation
from simulations.trace import Event


class Violation(msgspec.Struct, frozen=True):
    """Something that must hold and does not."""

    at_s: float
    checker: str
    text: str


class Checker(Protocol):
    """One promise. Every method may be called at any time; a promise may be broken many times."""

    name: str

    def note(self, event: Event) -> None:
        """Hear what happened."""
        ...

    def see(self, seen: Observation) -> Iterable[str]:
        """Look at a running node: what must hold always."""
        ...

    def settle(self, seen: Mapping[str, Observation]) -> Iterable[str]:
        """Look at all running members after healing: what must hold in the end."""
        ...


class Promise:
    """A checker that looks at nothing yet."""

    name = ""

    def note(self, event: Event) -> None:
        """Hear what happened."""

    def see(self, seen: Observation) -> Iterable[str]:
        del seen
        return ()

    def settle(self, seen: Mapping[str, Observation]) -> Iterable[str]:
        del seen
        return ()


class Panel:
    """All checkers, as one."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self._checkers = checkers
        self.violations: list[Violation] = []

    def note(self, event: Event) -> None:
        for checker in self._checkers:
            checker.note(event)

    def see(self, seen: Observation) -> list[Violation]:
        """Look at one node; return what is wrong, and remember it."""
        return self._keep(
            seen.at_s, ((c.name, text) for c in self._checkers for text in c.see(seen))
        )

    def judge(self, at_s: float, seen: Mapping[str, Observation]) -> list[Violation]:
        """Look at all members; return what is wrong now, which may yet become right."""
        return [Violation(at_s, c.name, text) for c in self._checkers for text in c.settle(seen)]

    def settle(self, at_s: float, seen: Mapping[str, Observation]) -> list[Violation]:
        """Look at all members after healing; return what is wrong, and remember it."""
        return self._keep(at_s, ((c.name, text) for c in self._checkers for text in c.settle(seen)))

    def _keep(self, at_s: float, found: Iterable[tuple[str, str]]) -> list[Violation]:
        fresh = [Violation(at_s, name, text) for name, text in found]
        self.violations += fresh
        return fresh

"""What a history came to: one line of JSON, from which tables are made."""

from __future__ import annotations

import msgspec

from simulations.checkers import Violation


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one history. `figures` are seconds, bytes and counts."""

    scenario: str
    seed: int
    trace: str  # the hash of all that happened: equal for equal histories
    events: int
    acts: int
    passed_over: int
    virtual_s: float
    cpu_s: float
    faults: dict[str, int]
    figures: dict[str, float]
    kept: dict[str, int] = {}  # photos that were evicted, refused to be, promised to be kept
    peak_bytes: int = 0  # of memory, of the process that played it, until then
    violations: tuple[Violation, ...] = ()
    error: str = ""  # of the simulator itself, or a node that could not go on

    @property
    def is_good(self) -> bool:
        return not self.violations and not self.error


def line(outcome: Outcome) -> bytes:
    return msgspec.json.encode(outcome) + b"\n"

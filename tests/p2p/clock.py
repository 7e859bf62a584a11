"""A clock for tests of what waits."""

from __future__ import annotations


class Clock:
    """Time that goes on when it is told to."""

    now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

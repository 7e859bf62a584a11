"""A hybrid logical clock: wall time that never repeats and never runs behind what was seen.

A stamp is `milliseconds << 16 | counter`. Stamps order displays, never truth: which value
supersedes which follows from a change's parents alone, so a wrong clock loses nothing.
"""

from __future__ import annotations

from photonic.world import Clock

_COUNTER_BITS = 16
_DRIFT_MS_MAX = 24 * 3600 * 1000  # a peer's clock further ahead than this is not followed


class HybridClock:
    """Stamps for one library on one node."""

    def __init__(self, clock: Clock, last: int = 0) -> None:
        self._clock, self._last = clock, last

    def next(self) -> int:
        """Return a stamp later than every one given or observed before."""
        self._last = max(self._clock.now_ms() << _COUNTER_BITS, self._last + 1)
        return self._last

    def observe(self, stamp: int) -> None:
        """Take note of a stamp in a change that came from elsewhere."""
        if stamp_ms(stamp) <= self._clock.now_ms() + _DRIFT_MS_MAX:
            self._last = max(self._last, stamp)


def first_stamp(moment_ms: int) -> int:
    """Return the first stamp of a moment."""
    return moment_ms << _COUNTER_BITS


def stamp_ms(stamp: int) -> int:
    """Return the wall time of a stamp, in milliseconds since the Unix epoch."""
    return stamp >> _COUNTER_BITS

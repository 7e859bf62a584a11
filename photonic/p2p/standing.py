"""What a peer's past says about asking it again: its speed, its failures, its breaker. Pure.

A failure or a lie opens the peer's breaker: it is left alone for a while, longer each time. Then
the breaker is half open: the peer is asked one question, and as soon as it answers, everything.
Failures are forgiven when something comes; a lie is remembered, and such a peer comes behind others
that hold the same.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from photonic import limits

_RATE_UNKNOWN = 20e6  # bytes per second: a new peer is tried before a slow one


class Breaker(enum.Enum):
    """How much a peer may be asked."""

    CLOSED = "closed"  # as much as it has room for
    HALF_OPEN = "half-open"  # one question at a time
    OPEN = "open"  # nothing


@dataclass(frozen=True, slots=True)
class Score:
    """What is thought of one peer. Times are monotonic seconds."""

    failures: int = 0  # in a row
    corrupt: int = 0  # ever
    rate_bytes_s: float = _RATE_UNKNOWN
    retry_s: float = 0.0  # after failures it is left alone until then
    barred_s: float = 0.0  # the same after lies, which good answers do not make good
    is_measured: bool = False  # something came: the rate is no guess
    is_on_trial: bool = False  # nothing came since it failed or lied

    @property
    def not_before_s(self) -> float:
        return max(self.retry_s, self.barred_s)

    def breaker(self, now_s: float) -> Breaker:
        """Return how much the peer may be asked now."""
        if now_s < self.not_before_s:
            return Breaker.OPEN
        return Breaker.HALF_OPEN if self.is_on_trial else Breaker.CLOSED

    def wait_s(self, ahead_bytes: int) -> float:
        """Return about how long so many bytes take from this peer; longer from one that lied."""
        return ahead_bytes / self.rate_bytes_s * (1 + self.corrupt)

    def failed(self, now_s: float, jitter: float) -> Score:
        """Count a failure and back off; `jitter` from 0 to 1 spreads the retries of many.

        What fails while the peer is left alone anyway is part of the same failure.
        """
        if now_s < self.not_before_s:
            return self
        wait_s = backoff_s(self.failures, jitter)
        failures, retry_s = self.failures + 1, now_s + wait_s
        return replace(self, failures=failures, retry_s=retry_s, is_on_trial=True)

    def lied(self, now_s: float) -> Score:
        """Count wrong bytes: the peer is left alone longer each time."""
        corrupt = self.corrupt + 1
        barred_s = now_s + limits.CORRUPT_PEER_PENALTY_S * corrupt
        return replace(self, corrupt=corrupt, barred_s=barred_s, is_on_trial=True)

    def brought(self, size_bytes: int, elapsed_s: float, now_s: float) -> Score:
        """Count an answer: its speed, and that the peer is well.

        What still comes while a liar is barred was asked before, and proves nothing.
        """
        rate = max(1.0, size_bytes / max(elapsed_s, 1e-3))
        is_first = self.failures > 0 or not self.is_measured
        return replace(
            self,
            failures=0,
            retry_s=0.0,
            rate_bytes_s=rate if is_first else 0.8 * self.rate_bytes_s + 0.2 * rate,
            is_measured=True,
            is_on_trial=self.is_on_trial and now_s < self.barred_s,
        )


NEW = Score()
"""Of a peer that was never asked."""


def backoff_s(failures: int, jitter: float, most_s: float = limits.FETCH_RETRY_MAX_S) -> float:
    """Return how long to wait after so many failures in a row: doubling, capped, spread."""
    exponent = min(failures, limits.PEER_FAILURES_EXPONENT_MAX)
    full_s: float = min(most_s, limits.FETCH_RETRY_MIN_S * 2**exponent)
    return full_s * (0.5 + 0.5 * jitter)


def is_too_slow(
    oldest_s: float, rate_bytes_s: float, others: Iterable[Score], now_s: float
) -> bool:
    """Tell whether to give up on a stream whose oldest question is `oldest_s` old.

    Only if somebody else who holds what was asked is well and has been much faster: a slow peer
    is better than none.
    """
    if oldest_s < limits.FETCH_SLOW_S:
        return False
    fast = limits.FETCH_SLOW_FACTOR * rate_bytes_s
    return any(other.not_before_s <= now_s and other.rate_bytes_s > fast for other in others)

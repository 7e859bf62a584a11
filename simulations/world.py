"""The outside as a seed: clocks that only move when told, and randomness that repeats."""

from __future__ import annotations

import random

import trio

EPOCH_MS = 1_700_000_000_000  # when every history begins


class VirtualClock:
    """Time stands still until `advance`; `skew_ms` is what this node's wall clock is off by."""

    def __init__(self, start_ms: int = EPOCH_MS, skew_ms: int = 0) -> None:
        self._now_ms, self._skew_ms = start_ms, skew_ms

    def now_ms(self) -> int:
        return self._now_ms + self._skew_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def advance(self, by_ms: int) -> None:
        assert by_ms >= 0, "time goes one way"
        self._now_ms += by_ms


class MachineClock:
    """The clocks of one simulated machine: trio's virtual time, and a wall clock that is wrong."""

    def __init__(self, ahead_s: float = 0.0, drift: float = 0.0) -> None:
        self._ahead_s, self._drift = ahead_s, drift

    def now_ms(self) -> int:
        now_s = trio.current_time()
        return EPOCH_MS + int((now_s * (1 + self._drift) + self._ahead_s) * 1_000)

    def monotonic_s(self) -> float:
        return trio.current_time()

    def jump(self, by_s: float) -> None:
        """Let the wall clock jump, as when somebody sets it."""
        self._ahead_s += by_s


class SeededEntropy:
    """Randomness that repeats: keys, tokens and jitter follow from the seed."""

    def __init__(self, seed: int | str) -> None:
        self._dice = random.Random(seed)

    def token(self, size_bytes: int) -> bytes:
        return self._dice.randbytes(size_bytes)

    def uniform(self, low: float, high: float) -> float:
        return self._dice.uniform(low, high)

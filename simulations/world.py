"""The outside as a seed: a clock that only moves when told, and randomness that repeats."""

from __future__ import annotations

import random
from pathlib import Path

from photonic.world import SystemFiles, World


class VirtualClock:
    """Time stands still until `advance`; `skew_ms` is what this node's wall clock is off by."""

    def __init__(self, start_ms: int = 1_700_000_000_000, skew_ms: int = 0) -> None:
        self._now_ms, self._skew_ms = start_ms, skew_ms

    def now_ms(self) -> int:
        return self._now_ms + self._skew_ms

    def monotonic_s(self) -> float:
        return self._now_ms / 1000

    def advance(self, by_ms: int) -> None:
        assert by_ms >= 0, "time goes one way"
        self._now_ms += by_ms


class SeededEntropy:
    """Randomness that repeats: keys, tokens and jitter follow from the seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    def token(self, size_bytes: int) -> bytes:
        return self._dice.randbytes(size_bytes)

    def uniform(self, low: float, high: float) -> float:
        return self._dice.uniform(low, high)


class NoFiles(SystemFiles):
    """Nodes here keep everything in memory: touching a disk is a mistake."""

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        raise AssertionError(f"the simulated node wrote {len(data)} bytes to {path} ({mode:o})")


def simulated_world(seed: int, skew_ms: int = 0) -> tuple[World, VirtualClock]:
    """Return the world of one node, and the clock to move."""
    clock = VirtualClock(skew_ms=skew_ms)
    return World(clock, SeededEntropy(seed), NoFiles()), clock

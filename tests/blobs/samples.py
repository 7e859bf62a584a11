"""Bytes and worlds for the tests of blobs: seeded, so that a failure can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass

from photonic import limits
from photonic.world import SystemFiles, World


def noise(size_bytes: int, seed: int = 0) -> bytes:
    """Return bytes that no two seeds share."""
    return random.Random(f"{seed}/{size_bytes}").randbytes(size_bytes)


def tiff(size_bytes: int, seed: int = 0) -> bytes:
    """Return what begins like an uncompressed TIFF and shrinks like one: to a half or so."""
    some = random.Random(seed)
    rows = (
        bytes([some.randrange(250)]) * some.randrange(4, 40) + some.randbytes(some.randrange(16))
        for _ in range(size_bytes // 4)
    )
    body = bytearray(b"II*\0")
    while len(body) < size_bytes:
        body += next(rows)
    return bytes(body[:size_bytes])


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def jpeg(metadata: bytes, pixels: bytes) -> bytes:
    """Return what is a JPEG to a chunk cutter: segments, a start of scan, the scan, an end."""
    head = b"\xff\xd8" + segment(0xE1, metadata) + segment(0xDB, bytes(65))
    return head + segment(0xDA, bytes(10)) + pixels + b"\xff\xd9"


@dataclass
class StepClock:
    """A clock that moves one second whenever it is read."""

    ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        self.ms += 1_000
        return self.ms

    def monotonic_s(self) -> float:
        return self.now_ms() / 1_000


class SeededEntropy:
    """Randomness that a failing test can repeat."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def token(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)

    def uniform(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)


@dataclass
class SmallDisk(SystemFiles):
    """The machine's files, on a disk that has this much room left whatever is written."""

    room_bytes: int = 1 << 40

    def free_bytes(self, path: object) -> int:
        return self.room_bytes + limits.DISK_RESERVE_BYTES


def small_world(room_bytes: int = 1 << 40) -> World:
    return World(clock=StepClock(), files=SmallDisk(room_bytes))

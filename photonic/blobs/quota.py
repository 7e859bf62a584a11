"""How much of the disk one store may use, where somebody said so: its own bytes, counted.

What a store has is what the ledger says of blobs with files of their own, and the sizes of the
files in `packs`, `partial` and `damaged`. Counting is repeated as often as it may cost
(`limits.QUOTA_COUNT_SHARE`), in between what this process was let write is added (each with what
a pack puts in front of it), and nothing is refused before a fresh count says so. What is begun is
promised its room (`incoming.py`), so one process never goes beyond the quota; two that write at
one time (the daemon takes in, its carrier fetches) go beyond by no more than the other wrote since
it was counted, which is the next count's to see.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from photonic import limits
from photonic.blobs.ledger import Ledger
from photonic.blobs.packs import ENTRY_BYTES_MORE
from photonic.errors import StoreFull
from photonic.world import Clock

_FOLDERS = ("packs", "partial", "damaged")


def folder_bytes(root: Path) -> int:
    """Count the bytes of what is packed, on its way in, and damaged. Blocks.

    A file that grows in the middle counts with what the disk gave it, not with its length.
    """
    found = 0
    for name in _FOLDERS:
        with suppress(FileNotFoundError):
            for path in (root / name).iterdir():
                with suppress(FileNotFoundError):  # it got its final name meanwhile
                    status = path.stat()
                    found += min(status.st_size, status.st_blocks * 512)
    return found


def plain_bytes(ledger: Ledger) -> int:
    """Count the bytes of blobs that have files of their own, or are about to get them. Blocks."""
    ((all_bytes, packed_bytes),) = ledger.read(
        "SELECT (SELECT total(size_bytes) FROM blobs INDEXED BY verified),"
        " (SELECT total(size_bytes) FROM blobs INDEXED BY packed WHERE pack IS NOT NULL)"
    )
    return int(all_bytes - packed_bytes)


class Quota:
    """The bound of one store in one process. Its methods block and may be called from threads."""

    def __init__(self, root: Path, bytes_max: int | None, ledger: Ledger, clock: Clock) -> None:
        """Bound the store below `root`, if there is a bound."""
        self._root, self._ledger, self._clock = root, ledger, clock
        self.bytes_max = bytes_max
        self._lock = threading.Lock()
        self._counted_bytes, self._since_bytes = 0, 0
        self._fresh_until_s: float | None = None

    def check(self, size_bytes: int, promised_bytes: int = 0) -> None:
        """Raise StoreFull unless this much may be written now, beside what is promised already."""
        if self.bytes_max is None:
            return
        with self._lock:
            wanted_bytes = size_bytes + ENTRY_BYTES_MORE + promised_bytes
            left_bytes = self._left(wanted_bytes)
            if self._is_stale() or (left_bytes < 0 and self._since_bytes):
                self._count()
                left_bytes = self._left(wanted_bytes)
            if left_bytes < 0:
                free_bytes = max(0, left_bytes + size_bytes)
                place = f"{self._root}, which may keep {self.bytes_max:,} bytes,"
                raise StoreFull(place, size_bytes, free_bytes)
            self._since_bytes += size_bytes + ENTRY_BYTES_MORE

    def note(self, size_bytes: int) -> None:
        """Take in that this much was written which was promised, and not checked by itself."""
        with self._lock:
            self._since_bytes += size_bytes

    def used_bytes(self) -> int:
        """Return how much is stored, by the last count, whether there is a bound or not."""
        with self._lock:
            if self._is_stale():
                self._count()
            return self._counted_bytes + self._since_bytes

    def room(self, disk_bytes: int, free_bytes: int) -> tuple[int, int]:
        """Return how many bytes there is room for, and for how many more, on such a disk."""
        left_bytes = self.left_bytes()
        more_bytes = free_bytes if left_bytes is None else min(free_bytes, left_bytes)
        return min(disk_bytes, self.bytes_max or disk_bytes), more_bytes

    def left_bytes(self) -> int | None:
        """Return how much may still be stored; None without a bound."""
        if self.bytes_max is None:
            return None
        with self._lock:
            if self._is_stale():
                self._count()
            return max(0, self._left(0))

    def _left(self, size_bytes: int) -> int:
        assert self.bytes_max is not None
        return self.bytes_max - self._counted_bytes - self._since_bytes - size_bytes

    def _is_stale(self) -> bool:
        return self._fresh_until_s is None or self._clock.monotonic_s() >= self._fresh_until_s

    def _count(self) -> None:
        began_s = self._clock.monotonic_s()
        # In this order: what moves from one place to the other meanwhile is counted twice.
        self._counted_bytes = folder_bytes(self._root) + plain_bytes(self._ledger)
        self._since_bytes = 0
        now_s = self._clock.monotonic_s()
        self._fresh_until_s = now_s + (now_s - began_s) / limits.QUOTA_COUNT_SHARE

"""Looks at disks from outside, twice a second: is what left one of them on enough of the others?

What counts is what files hash to; no node is asked. A file is hashed once, and again when the disk
says that it is another one. A disk that is away, or whose node is dead, is looked at all the same:
what it has is a copy.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from blake3 import blake3

LOOK_S = 0.5
_TRIES_MAX = 4  # before it is called a violation
Sight = tuple[int, int, int, int]  # inode, size, and when bytes and inode changed last


def _sight(status: os.stat_result) -> Sight:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Disk:
    """The originals in the store of one node, as its disk has them."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "blobs" / "blobs"
        self._known: dict[Sight, str] = {}

    def look(self) -> frozenset[str]:
        """Return what the files that are there now hash to."""
        known = self._known
        self._known = {}  # what is gone is forgotten: an inode is used again
        for path in _files(self.folder):
            with suppress(FileNotFoundError):  # it went meanwhile
                sight = _sight(path.stat())
                name = known.get(sight) or _hash(path, sight)
                if name:
                    self._known[sight] = name
        return frozenset(self._known.values())

    def wait_leaving(self, within_s: float) -> bool:
        """Look all the time until a file leaves, for so long at most; return whether one did."""
        until_s, names = time.monotonic() + within_s, set(_files(self.folder))
        while names <= (now := set(_files(self.folder))):
            if time.monotonic() > until_s:
                return False
            names = now
        return True

    def weigh(self) -> int:
        """Return how many bytes the files have that are there now."""
        return sum(path.stat().st_size for path in _files(self.folder))


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def _hash(path: Path, sight: Sight) -> str:
    """Return what a file hashes to; nothing if it changes meanwhile."""
    found = blake3().update_mmap(path).hexdigest()
    return found if _sight(path.stat()) == sight else ""


class Breach(NamedTuple):
    """A photo that left, and was on too few of the other disks."""

    photo: str
    copies: int
    at_s: float


class EvictionWatch:
    """Looks, while its context lasts, at the disk that lets photos go, and at all others.

    The first is looked at before the others: what is not there has left it by then, so whoever
    promised to keep it has it when the others are looked at. What seems to be on too few is looked
    at again before it is called a breach, for a file may be written anew at that moment.
    """

    def __init__(self, first: Disk, others: Sequence[Disk], min_copies: int) -> None:
        self._first, self._others, self._min_copies = first, others, min_copies
        self._shots: set[str] = set()
        self._over, self._began_s = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._error: Exception | None = None
        self.looks = 0
        self.slowest_s = 0.0  # from one look to the next
        self.seen: set[str] = set()  # shots that were ever on any of the disks
        self.gone: set[str] = set()  # of these, what has ever left the first
        self.least: int | None = None  # copies on the others of a shot that was not on the first
        self.here: frozenset[str] = frozenset()
        self.there: list[frozenset[str]] = [frozenset() for _ in others]
        self.breaches: list[Breach] = []
        self.broken = threading.Event()  # a breach, or this cannot look any more

    def expect(self, shots: Collection[str]) -> None:
        """Look after these from now on. Before anybody has them."""
        self._shots = self._shots | set(shots)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _watch(self) -> None:
        next_s = time.monotonic()
        try:
            while not self._over.wait(max(0.0, next_s - time.monotonic())):
                began_s = time.monotonic()
                self.look()
                next_s = max(next_s + LOOK_S, time.monotonic())
                self.slowest_s = max(self.slowest_s, next_s - began_s)
        except Exception as error:  # noqa: BLE001 - it is raised where the context ends
            self._error = error
            self.broken.set()

    def look(self) -> None:
        """Look at all disks once, and judge what is there."""
        self._see()
        low = self._low(self.seen - self.here)
        for _ in range(_TRIES_MAX):
            if not low:
                break
            self._see()
            low = self._low(low - self.here)
        gone = self.seen - self.here
        self.gone |= gone
        at_s = time.monotonic() - self._began_s
        self.breaches += [Breach(photo, self.copies(photo), at_s) for photo in sorted(low)]
        if gone:
            fewest = min(map(self.copies, gone))
            self.least = fewest if self.least is None else min(self.least, fewest)
        self.looks += 1
        if low:
            self.broken.set()

    def _see(self) -> None:
        self.here = self._first.look()
        self.there = [disk.look() for disk in self._others]
        self.seen |= self._shots.intersection(self.here.union(*self.there))

    def _low(self, photos: Collection[str]) -> set[str]:
        return {photo for photo in photos if self.copies(photo) < self._min_copies}

    def copies(self, photo: str) -> int:
        """Return on how many of the other disks a photo was at the last look."""
        return sum(photo in disk for disk in self.there)

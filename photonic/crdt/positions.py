"""Where photos were taken, in memory: what the index may not have on the disk in the clear.

Built from the sealed places of an index, in pieces and in any time; what is written meanwhile is
told to `note`. A photo costs 24 bytes. Questions wait until it is whole. Any thread may ask; one
writes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Degrees: TypeAlias = tuple[float, float]  # latitude, longitude
Box: TypeAlias = tuple[float, float, float, float]  # south, west, north, east; west > east: across
Rows: TypeAlias = list[tuple[int, float, float]]
Read: TypeAlias = Callable[[int], tuple[Rows, bool]]
"""Gives photos from a place in time on, in order, and whether there may be more."""

_FRESH_MAX: Final = 4_096  # that were noted and are not in order yet
_BOXES_MAX: Final = 8  # whose answers are remembered


class Positions:
    """See the module."""

    def __init__(self, read: Read, writing: threading.RLock) -> None:
        """`writing` is held by whoever writes the index and calls `note`."""
        self._read, self._writing = read, writing
        self._begin: int | None = 0  # of the next piece; None: all of them were read
        self._lock = threading.RLock()
        self._places: list[npt.NDArray[np.int64]] = []  # that were read, until all are
        self._spots: list[npt.NDArray[np.float64]] = []
        self._n = np.empty(0, np.int64)
        self._degrees = np.empty((0, 2), np.float64)
        self._fresh: dict[int, Degrees | None] = {}
        self._answers: dict[Box, frozenset[int]] = {}

    # --- what is there -----------------------------------------------------------------------

    def load_piece(self) -> bool:
        """Read one more piece of the index; False if all of it was read."""
        with self._writing, self._lock:
            if self._begin is None:
                return False
            rows, has_more = self._read(self._begin)
            if rows:
                self._places.append(np.array([n for n, _, _ in rows], np.int64))
                self._spots.append(np.array([spot for _, *spot in rows], np.float64))
            self._begin = rows[-1][0] + 1 if rows and has_more else None
            if self._begin is None:
                self._n = np.concatenate((self._n, *self._places))
                self._degrees = np.concatenate((self._degrees, *self._spots))
                self._places, self._spots = [], []
            return self._begin is not None

    def load(self) -> None:
        """Read what was not read yet."""
        while self._begin is not None and self.load_piece():
            pass

    @property
    def is_loaded(self) -> bool:
        return self._begin is None

    def note(self, changes: Mapping[int, Degrees | None]) -> None:
        """Take note of photos by their places in time; None: nothing is known (any more)."""
        if not changes:
            return
        with self._lock:
            begin = self._begin
            # What lies behind the pieces that were read is read as it is now.
            known = changes if begin is None else {n: changes[n] for n in changes if n < begin}
            self._fresh.update(known)
            self._answers.clear()
            if len(self._fresh) > _FRESH_MAX:
                self._settle()

    def _settle(self) -> None:
        """Put what was noted in order, once all was read."""
        if not self._fresh or self._begin is not None:
            return
        noted = np.fromiter(self._fresh, np.int64, len(self._fresh))
        kept = ~np.isin(self._n, noted)
        there = sorted((n, *spot) for n, spot in self._fresh.items() if spot is not None)
        n = np.array([row[0] for row in there], np.int64)
        degrees = np.array([row[1:] for row in there], np.float64).reshape(-1, 2)
        n, degrees = (
            np.concatenate((self._n[kept], n)),
            np.concatenate((self._degrees[kept], degrees)),
        )
        order = np.argsort(n, kind="stable")
        self._n, self._degrees, self._fresh = n[order], degrees[order], {}

    def __len__(self) -> int:
        self.load()
        with self._lock:
            self._settle()
            return len(self._n)

    @property
    def size_bytes(self) -> int:
        """How much memory it takes."""
        with self._lock:
            return int(self._n.nbytes + self._degrees.nbytes)

    def of(self, n: int) -> Degrees | None:
        """Return where the photo at a place in time was taken."""
        self.load()
        with self._lock:
            if n in self._fresh:
                return self._fresh[n]
            at = int(np.searchsorted(self._n, n))
            if at < len(self._n) and int(self._n[at]) == n:
                return float(self._degrees[at, 0]), float(self._degrees[at, 1])
        return None

    # --- questions ---------------------------------------------------------------------------

    def inside(self, box: Box) -> npt.NDArray[np.int64]:
        """Return the photos inside a box, its edges included, in the order of time."""
        self.load()
        south, west, north, east = box
        with self._lock:
            self._settle()
            latitude, longitude = self._degrees[:, 0], self._degrees[:, 1]
            from_west, to_east = longitude >= west, longitude <= east
            is_across = west > east  # the date line
            sides = from_west | to_east if is_across else from_west & to_east
            return self._n[(latitude >= south) & (latitude <= north) & sides]

    def answer(self, box: Box) -> frozenset[int]:
        """Return the photos inside a box; of one that was asked for lately, at once."""
        self.load()
        with self._lock:
            known = self._answers.get(box)
            if known is None:
                known = frozenset(self.inside(box).tolist())
                while len(self._answers) >= _BOXES_MAX:
                    self._answers.pop(next(iter(self._answers)))
                self._answers[box] = known
            return known


# --- what SQL asks -------------------------------------------------------------------------------


def json_inside(positions: Positions, box: Box) -> str:
    """Return the photos inside a box as JSON, for `json_each`."""
    return str(positions.inside(box).tolist())

"""The whole index made anew beside the old one, while that one goes on answering.

Each shard is taken in, then all is merged into a file that takes the old one's place
(`index_builders.py`). While a flood of foreign commits is on, a shard is taken in as soon as it was
quiet for a while, so that little is left to do when the flood is over. What changes afterwards is
noted: those shards are stale when the file is in place, and what the store came to have is marked
again. Who stops early loses nothing but time: the shards stay stale until a rebuild is finished.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from photonic import limits
from photonic.crdt.index import PhotoIndex
from photonic.crdt.keys import ROOT
from photonic.crdt.loader import mark_made
from photonic.index_builders import Builder

_STAGED, _ALL = 50, 100  # percent: the two stages take about as long


class Rebuild:
    """One rebuild; the catalog's thread owns it."""

    def __init__(
        self, index: PhotoIndex, builder: Builder, lacking: Iterable[int], now_s: float
    ) -> None:
        """`lacking`: the shards that the old index lacks, which may change soon again."""
        self._index, self._builder = index, builder
        self._changed = dict.fromkeys(lacking, now_s)  # shards to take in, and when they changed
        self._times = dict.fromkeys(range(ROOT), 0)  # that each was taken in
        self._is_all_told = False
        self._late: set[int] = set()  # shards that changed when all was told
        self._path: Path | None = None
        index.remember_marks()

    @property
    def is_apart(self) -> bool:
        """Whether another process does the work."""
        return self._builder.is_apart

    @property
    def percent(self) -> int:
        """How much is done."""
        done, of = self._builder.merged
        if of == 0:
            told = sum(self._times.values()) + len(self._changed)
            return _STAGED * self._builder.staged // max(ROOT, told)
        return _STAGED + (_ALL - _STAGED) * done // of

    @property
    def is_busy(self) -> bool:
        """Whether there is nothing to do but to wait."""
        return self._path is None and self._builder.is_busy

    def touch(self, shards: Iterable[int], now_s: float) -> None:
        """Note what changed."""
        if self._is_all_told:
            self._late.update(shards)
        else:
            self._changed |= dict.fromkeys(shards, now_s)

    def take_in_quiet(self, now_s: float) -> None:
        """Take in the shards that changed and then did not for a while.

        One that goes on changing is waited for longer each time, so that the work stays in
        proportion to what there is.
        """
        quiet = [
            number
            for number, changed_s in self._changed.items()
            if now_s - changed_s >= limits.FLOOD_CALM_S * 2 ** self._times[number]
        ]
        self._take_in(quiet)

    def take_in_all(self) -> None:
        """Take in what is left, and merge. May be repeated."""
        if not self._is_all_told:
            fresh = {number for number, times in self._times.items() if times == 0}
            self._take_in(sorted(fresh | self._changed.keys()))
            self._builder.build()
            self._is_all_told = True

    def _take_in(self, shards: list[int]) -> None:
        if shards:
            self._builder.stage(shards)
        for number in shards:
            self._times[number] += 1
            self._changed.pop(number, None)

    def step(self) -> bool:
        """Do a piece; True when the file can be put in place. Raises what the builder raises."""
        self._path = self._builder.step()
        return self._path is not None

    def finish(self, journal_number: int) -> None:
        """Put the new file in the old one's place; it is true up to the journal's entry."""
        assert self._path is not None, "it is built"
        mark_made(self._path, self._late, journal_number)
        self._index.replace(self._path)
        marks = self._index.take_marks()
        for is_held in (True, False):
            blobs = [blob for blob, mark in marks.items() if mark is is_held]
            for start in range(0, len(blobs), limits.PAGE_ITEMS_MAX):
                self._index.mark_held(blobs[start : start + limits.PAGE_ITEMS_MAX], is_held)

    def stop(self) -> None:
        """End it early, and throw away what was made."""
        self._builder.stop()
        self._index.take_marks()

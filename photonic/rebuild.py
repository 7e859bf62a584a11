"""The whole index made anew beside the old one, while that one goes on answering.

First the catalog is projected, piece by piece on its own thread; then another thread builds the
file (`crdt/loader.py`), which takes the old one's place. What changes meanwhile is noted: those
shards are stale afterwards, and what the store came to have is marked again. Who stops early loses
nothing but time, for the shards stay stale until a rebuild is finished.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from photonic import limits
from photonic.crdt.batches import Batch
from photonic.crdt.index import PhotoIndex
from photonic.crdt.loader import Loader

_STAGED, _ALL = 50, 100  # percent: the two stages take about as long


class Rebuild:
    """One rebuild. All but the building happens on the catalog's thread."""

    def __init__(
        self, index: PhotoIndex, batches: Iterator[tuple[int, Batch]], now_ms: int
    ) -> None:
        """`batches` projects the whole catalog, shard by shard, each with its shard's number."""
        self._index, self._batches = index, batches
        self._loader = Loader(index, now_ms)
        self._shard = 0
        self._touched: set[int] = set()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._is_built = False
        index.remember_marks()

    @property
    def percent(self) -> int:
        """How much is done."""
        if self._thread is None:
            return _STAGED * self._shard // limits.SHARDS
        done, of = self._loader.progress
        return _STAGED + (_ALL - _STAGED) * done // max(1, of)

    @property
    def is_building(self) -> bool:
        """Whether there is nothing to do but to wait for the other thread."""
        return self._thread is not None and self._thread.is_alive()

    def touch(self, shards: Iterable[int]) -> None:
        """Note what changed since the rebuild began."""
        self._touched.update(shards)

    def step(self) -> bool:
        """Stage a piece, or go on with the next stage; True when the file can be put in place.

        Raises what the building raised.
        """
        if self._thread is None:
            following = next(self._batches, None)
            if following is not None:
                self._shard, batch = following
                self._loader.add(batch)
                return False
            self._thread = threading.Thread(target=self._build, name="index")
            self._thread.start()
        elif not self._thread.is_alive():
            self._thread.join()
            if self._error is not None:
                raise self._error
            return self._is_built
        return False

    def _build(self) -> None:
        try:
            self._is_built = self._loader.build()
        except BaseException as error:  # noqa: BLE001 - raised by `step` on the catalog's thread
            self._error = error

    def finish(self, journal_number: int) -> None:
        """Put the new file in the old one's place; it is true up to the journal's entry."""
        marks = self._index.take_marks()
        self._loader.finish()
        self._index.mark_stale(self._touched, journal_number)
        for is_held in (True, False):
            blobs = [blob for blob, mark in marks.items() if mark is is_held]
            for start in range(0, len(blobs), limits.PAGE_ITEMS_MAX):
                self._index.mark_held(blobs[start : start + limits.PAGE_ITEMS_MAX], is_held)

    def stop(self) -> None:
        """End it early, and throw away what was made."""
        if self._thread is not None:
            self._loader.stop()
            self._thread.join()
        self._index.take_marks()
        self._loader.discard()

"""Room for what is taken in: a file is copied only where its previews will fit, too.

Without that a batch fills the last of the disk with originals, its previews find no room, and no
photo of it comes into the catalog: nobody fetches it then, and nothing of it may ever be let go.
What an earlier try left in the store like this is not copied again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from photonic import limits
from photonic.blobs.store import BlobStore, Partial
from photonic.ids import BlobId


class Room:
    """Of one importer. `copy` blocks; the rest is used on the event loop's thread."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._unshown = 0  # files that were copied, and whose previews are still to be made
        # Waits where the buffer is rather full.
        self.make_way: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def take(self) -> None:
        """Wait until a file may be copied, and count its previews."""
        await self.make_way()
        self._unshown += 1

    def give_back(self, count: int = 1) -> None:
        """So many files have their previews, or get none."""
        self._unshown -= count

    def copy(self, path: Path, blob: BlobId) -> Partial:
        """Return a copy of a file in the store, to be finished. Raises StoreFull, OSError."""
        held = self._store.held(blob)
        if held is not None:
            return self._store.begin(held.ref, self._store.chunk_list(blob))
        previews_bytes = self._unshown * limits.IMPORT_PREVIEWS_BYTES
        self._store.check_room(path.stat().st_size + previews_bytes)
        return self._store.stage(path)

"""The blob that a lane answers from, kept open: its chunks are asked one after another.

To look it up and to open it for each chunk costs as much as to send one. It is closed when another
one is asked, and when nothing is: a blob that was dropped meanwhile is to free its room. What is
read from it is verified by whoever reads, as ever.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol

from photonic.blobs.chunks import ChunkList
from photonic.blobs.store import BlobStore
from photonic.ids import BlobId


class Source(Protocol):
    """What answers are read from: a store, or one blob of it that is kept open."""

    def chunk_list(self, blob: BlobId) -> ChunkList:
        """Return the chunk list of a held blob. Raises BlobMissing."""
        ...

    def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        """Return a range, shorter where the blob ends. Raises BlobMissing, OSError."""
        ...


class OpenBlob:
    """See the module. A `Source` for one thread."""

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._open: tuple[BlobId, ChunkList, BinaryIO] | None = None

    def chunk_list(self, blob: BlobId) -> ChunkList:
        return self._turn_to(blob)[0]

    def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        _, file = self._turn_to(blob)
        file.seek(offset_bytes)
        return file.read(-1 if size_bytes is None else size_bytes)

    def _turn_to(self, blob: BlobId) -> tuple[ChunkList, BinaryIO]:
        if self._open is None or self._open[0] != blob:
            self.close()
            self._open = (blob, self._store.chunk_list(blob), self._store.reader(blob))
        return self._open[1], self._open[2]

    def close(self) -> None:
        """Let go of what is open; may be repeated."""
        if self._open is not None:
            self._open[2].close()
            self._open = None

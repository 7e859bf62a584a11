"""A small blob on its way in: in memory, until it is packed together with others.

One that is lost with its process comes again whole, which costs less than a file of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from photonic.blobs.chunks import ChunkList
from photonic.blobs.partial import Room
from photonic.blobs.store import Held, Origin
from photonic.blobs.verify import check_chunk
from photonic.errors import BlobCorrupt, BlobMissing
from photonic.ids import digest
from photonic.photos import BlobRef


class SmallPartial:
    """Verified chunks of a blob of at most `limits.PACKED_BLOB_BYTES_MAX`."""

    def __init__(
        self,
        ref: BlobRef,
        chunks: ChunkList,
        origin: Origin,
        room: Room,
        finish: Callable[[SmallPartial], Held],
    ) -> None:
        """Make a partial with nothing in it; `room` is asked before each write."""
        self.ref, self.chunks, self.origin = ref, chunks, origin
        self._room, self._finish = room, finish
        self._lock = threading.Lock()
        self.finishing = threading.Lock()
        self._pieces: dict[int, bytes] = {}
        self.missing_bytes = ref.size_bytes
        self._is_dropped = False
        self.is_repair = False  # of a damaged blob, of which files are left to be removed

    def missing(self) -> tuple[int, ...]:
        with self._lock:
            return tuple(index for index in range(len(self.chunks)) if index not in self._pieces)

    def write(self, index: int, data: bytes | memoryview) -> None:
        check_chunk(self.ref, self.chunks, index, data)
        self._room.check_room(len(data))
        self._take(index, bytes(data))

    def _take(self, index: int, piece: bytes) -> None:
        with self._lock:
            if index not in self._pieces:
                self._pieces[index] = piece
                self.missing_bytes -= len(piece)

    def fill(self, data: bytes) -> None:
        """Take over the chunks that are right in what is thought to be the blob."""
        for index, chunk in enumerate(self.chunks.chunks):
            piece = data[self.chunks.offsets[index] : self.chunks.offsets[index + 1]]
            if len(piece) == chunk.size_bytes and digest(piece) == chunk.hash:
                self._take(index, piece)

    def drop(self) -> None:
        """Never become a blob."""
        self._is_dropped = True

    def whole(self) -> bytes:
        """Return the blob.

        Raises ValueError while chunks are missing, BlobCorrupt if it lies, and BlobMissing after
        `drop`.
        """
        if self._is_dropped:
            raise BlobMissing(self.ref.blob)
        if missing := self.missing():
            raise ValueError(f"{len(missing)} chunks of the blob are missing")
        data = b"".join(self._pieces[index] for index in range(len(self.chunks)))
        if digest(data) != self.ref.blob:
            raise BlobCorrupt(self.ref.blob, "(the whole, though every chunk is right)")
        return data

    def finish(self) -> Held:
        return self._finish(self)

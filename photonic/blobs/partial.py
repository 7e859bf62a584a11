"""A blob on its way in, as a file that grows chunk by chunk.

Which chunks are there is never written down: reopening reads the file and verifies each chunk
against the chunk list, so nothing can claim what the disk lost. (A bitmap on disk would have to be
durable in step with the data, and would still be a claim; reading runs at several GB/s.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from photonic.blobs.chunks import ChunkList
from photonic.blobs.store import Held, Origin
from photonic.blobs.verify import InOrderHash, check_chunk
from photonic.errors import BlobCorrupt
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.world import Files


class Room(Protocol):
    """What a partial asks about the disk it is on."""

    def check_room(self, size_bytes: int) -> None: ...

    def naming_full(self, size_bytes: int) -> AbstractContextManager[None]: ...


class FilePartial:
    """The store's only door for bytes from outside: `write` verifies before it stores."""

    def __init__(
        self,
        ref: BlobRef,
        chunks: ChunkList,
        path: Path,
        origin: Origin,
        files: Files,
        room: Room,
        finish: Callable[[FilePartial], Held],
    ) -> None:
        """Make a partial with nothing in it; `room` is asked before each write."""
        self.ref, self.chunks, self.path, self.origin = ref, chunks, path, origin
        self._files, self._room, self._finish = files, room, finish
        self._lock = threading.Lock()
        self.finishing = threading.Lock()  # held by the one thread that gives the final name
        self._missing = set(range(len(chunks)))
        self._missing_bytes = chunks.size_bytes
        self._whole = InOrderHash()
        self._verified: BlobId | None = None

    @property
    def missing_bytes(self) -> int:
        return self._missing_bytes

    def missing(self) -> tuple[int, ...]:
        with self._lock:
            return tuple(sorted(self._missing))

    def write(self, index: int, data: bytes | memoryview) -> None:
        check_chunk(self.ref, self.chunks, index, data)
        with self._lock:
            if index not in self._missing:
                return
        self._room.check_room(len(data))
        with self._room.naming_full(len(data)):
            self._files.write_at(self.path, self.chunks.offsets[index], data)
        with self._lock:
            self._take(index, data)

    def finish(self) -> Held:
        return self._finish(self)

    def reopen(self) -> None:
        """Take over the chunks that are in the file already, each verified."""
        if not self.path.exists():
            return
        with self.path.open("rb", buffering=0) as file:
            for index, chunk in enumerate(self.chunks.chunks):
                data = file.read(chunk.size_bytes)
                if len(data) == chunk.size_bytes and digest(data) == chunk.hash:
                    self._take(index, data)
                else:
                    # A file that is shorter than the list ends here; a hole goes on behind it.
                    file.seek(self.chunks.offsets[index + 1])

    def _take(self, index: int, data: bytes | memoryview) -> None:
        """Count a stored chunk; two threads may have stored the same one."""
        if index in self._missing:
            self._missing.discard(index)
            self._missing_bytes -= len(data)
            self._whole.feed(index, data)

    def vouch(self, verified: BlobId) -> None:
        """Take the file as complete: the caller has just hashed the whole of it."""
        self._missing.clear()
        self._missing_bytes = 0
        self._verified = verified

    def check_whole(self) -> None:
        """Raise ValueError while chunks are missing, BlobCorrupt if the whole is wrong."""
        with self._lock:
            if self._missing:
                raise ValueError(f"{len(self._missing)} chunks of the blob are missing")
            if self._verified is None:
                self._verified = self._whole.finish(self.path, self.chunks)
            if self._verified != self.ref.blob:
                raise BlobCorrupt(self.ref.blob, "(the whole, though every chunk is right)")

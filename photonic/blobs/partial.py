"""A blob on its way in, as a file that grows chunk by chunk.

Reopening reads what came since the last note (notes.py) and verifies each chunk against the chunk
list. What is noted was durable before it was noted; it is read at the end, when the whole is
verified, and if that fails nothing noted is believed any more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Protocol

from photonic import limits
from photonic.blobs.chunks import ChunkList
from photonic.blobs.notes import decode, encode
from photonic.blobs.store import Held, Origin
from photonic.blobs.verify import InOrderHash, check_chunk, forget_cached
from photonic.errors import BlobCorrupt, BlobDamaged, BlobMissing
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
        note: Path | None = None,
    ) -> None:
        """Make a partial with nothing in it; `room` is asked before each write.

        What it has is noted at `note`, if that is given.
        """
        self.ref, self.chunks, self.path, self.origin = ref, chunks, path, origin
        self._files, self._room, self._finish = files, room, finish
        self._lock = threading.Lock()
        self.finishing = threading.Lock()  # held by the one thread that gives the final name
        self._missing = set(range(len(chunks)))
        self._missing_bytes = chunks.size_bytes
        self._whole = InOrderHash()
        self._verified: BlobId | None = None
        self._is_dropped, self._writers = False, 0
        self._is_idle = threading.Condition(self._lock)
        self._note, self._unnoted_bytes, self._is_noting = note, 0, False
        self.is_staged = note is None  # a file that nobody else knows of, and nobody goes on with
        self._is_believed = False  # some chunks are there only because a note says so
        self._is_doubted = False  # an fsync failed: what memory has may not be on the disk

    @property
    def missing_bytes(self) -> int:
        return self._missing_bytes

    def missing(self) -> tuple[int, ...]:
        with self._lock:
            return tuple(sorted(self._missing))

    def write(self, index: int, data: bytes | memoryview) -> None:
        check_chunk(self.ref, self.chunks, index, data)
        with self._lock:
            if index not in self._missing or self._is_dropped:
                return
            self._writers += 1
        try:
            self._room.check_room(len(data))
            with self._room.naming_full(len(data)):
                self._files.write_at(self.path, self.chunks.offsets[index], data)
            with self._lock:
                self._take(index, data)
                stored = self._to_note(len(data))
            if stored is not None:
                self._write_note(stored)
        finally:
            with self._lock:
                self._writers -= 1
                self._is_idle.notify_all()

    def _to_note(self, size_bytes: int) -> set[int] | None:
        """Count bytes that were stored; return what is to be noted now, if a note is due."""
        self._unnoted_bytes += size_bytes
        is_due = self._unnoted_bytes >= limits.PARTIAL_NOTE_BYTES and not self._is_noting
        if self._note is None or not is_due:
            return None
        self._unnoted_bytes, self._is_noting = 0, True
        return set(range(len(self.chunks))) - self._missing

    def _write_note(self, stored: set[int]) -> None:
        """Make durable what is stored, and then the note of it. Raises OSError for the former."""
        assert self._note is not None, "it has no place for a note"
        try:
            inode = self.path.stat().st_ino
            self._files.sync(self.path)
            with suppress(OSError):  # no room for a note: more is read again, and that is all
                self._files.write_durable(self._note, encode(self.chunks, inode, stored))
        except FileNotFoundError:
            pass  # another thread gave it its final name: there is nothing to go on with
        except OSError:
            self.doubt()
            raise
        finally:
            self._is_noting = False

    def doubt(self) -> None:
        """Believe nothing that was stored: the disk failed to make it durable.

        The kernel tells that once, forgets what it could not write, and the next fsync succeeds.
        So the whole is read from the disk before it becomes a blob.
        """
        with self._lock:
            self._whole, self._verified, self._is_doubted = InOrderHash(), None, True

    def finish(self) -> Held:
        return self._finish(self)

    def reopen(self) -> None:
        """Take over the chunks that are in the file already, each noted or verified."""
        if not self.path.exists():
            return
        with self.path.open("rb", buffering=0) as file:
            noted = self._noted(os.fstat(file.fileno()))
            for index, chunk in enumerate(self.chunks.chunks):
                if index in noted:
                    self._missing.discard(index)
                    self._missing_bytes -= chunk.size_bytes
                    self._is_believed = True
                    file.seek(chunk.size_bytes, os.SEEK_CUR)
                    continue
                data = file.read(chunk.size_bytes)
                if len(data) == chunk.size_bytes and digest(data) == chunk.hash:
                    self._take(index, data)
                else:
                    # A file that is shorter than the list ends here; a hole goes on behind it.
                    file.seek(self.chunks.offsets[index + 1])

    def _noted(self, status: os.stat_result) -> frozenset[int]:
        try:
            data = b"" if self._note is None else self._note.read_bytes()
        except OSError:
            return frozenset()
        noted = decode(data, self.chunks, status.st_ino)
        is_long_enough = not noted or self.chunks.offsets[max(noted) + 1] <= status.st_size
        return noted if is_long_enough else frozenset()

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

    def drop(self) -> None:
        """Never become a blob, and write no more: the file may be another partial's from now on.

        Waits for what is being written.
        """
        with self._lock:
            self._is_dropped = True
            self._is_idle.wait_for(lambda: not self._writers)

    def check_whole(self) -> None:
        """Raise ValueError while chunks are missing, BlobCorrupt if the whole is wrong.

        Raises BlobMissing after `drop`, and BlobDamaged if what is wrong may be what was noted, or
        what the disk lost: then the note is gone, and whoever begins anew verifies every chunk.
        """
        with self._lock:
            if self._is_dropped:
                raise BlobMissing(self.ref.blob)
            if self._missing:
                raise ValueError(f"{len(self._missing)} chunks of the blob are missing")
            if self._is_doubted:
                forget_cached(self.path)
            if self._verified is None:
                self._verified = self._whole.finish(self.path, self.chunks)
            if self._verified == self.ref.blob:
                self._is_doubted = False
                return
            if self._is_believed or self._is_doubted:
                if self._note is not None:
                    self._files.remove(self._note)
                what = "some of what was stored of it earlier is wrong, and is fetched again"
                raise BlobDamaged(self.ref.blob, what)
            raise BlobCorrupt(self.ref.blob, "(the whole, though every chunk is right)")

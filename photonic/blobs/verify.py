"""The checks at the door: no byte is stored, shown or served before it has passed one of these.

Pure functions of bytes and names, besides `hash_file` and `inspect`, which read. What fails is
`BlobCorrupt`; whose fault that is, the caller knows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import blake3

from photonic import limits
from photonic.blobs.chunks import ChunkList
from photonic.errors import BlobCorrupt
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef


def check_list(ref: BlobRef, chunks: ChunkList) -> None:
    """Raise BlobCorrupt unless `chunks` is the chunk list that `ref` names."""
    if chunks.id != ref.chunks or chunks.size_bytes != ref.size_bytes:
        raise BlobCorrupt(ref.blob, "(the chunk list is another one)")


def check_chunk(ref: BlobRef, chunks: ChunkList, index: int, data: bytes | memoryview) -> None:
    """Raise BlobCorrupt unless `data` is the chunk `index` of the list."""
    if not 0 <= index < len(chunks):
        raise BlobCorrupt(ref.blob, f"(there is no chunk {index})")
    chunk = chunks.chunks[index]
    if len(data) != chunk.size_bytes or digest(data) != chunk.hash:
        raise BlobCorrupt(ref.blob, f"(in chunk {index})")


def hash_file(path: Path) -> BlobId:
    """Return the BLAKE3 of a file, read through a window. Raises OSError."""
    whole = blake3.blake3()
    with path.open("rb", buffering=0) as file:
        window = memoryview(bytearray(limits.READ_BYTES))
        while count := file.readinto(window):
            whole.update(window[:count])
    return BlobId(whole.digest())


Pace = Callable[[int], None]  # told of bytes before they are read; blocks as long as they must wait


def at_once(size_bytes: int) -> None:
    """Be the pace of whoever need not wait."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What reading a stored blob again found, chunk by chunk.

    `damaged`: chunks whose bytes are others, or that are not there. `unread`: chunks that the disk
    would not give, which says nothing about their bytes. `excess_bytes`: how much longer the file
    is than its list. `file_id` tells one file from another that has its name later.
    """

    damaged: tuple[int, ...]
    unread: tuple[int, ...]
    excess_bytes: int
    file_id: tuple[int, int]
    is_named_right: bool  # its BLAKE3 is its name; only known where everything was read
    reason: str = ""  # what the disk said

    @property
    def is_sound(self) -> bool:
        wrong = self.damaged or self.unread or self.excess_bytes
        return self.is_named_right and not wrong


def inspect(
    path: Path,
    blob: BlobId,
    chunks: ChunkList,
    pace: Pace,
    only: Collection[int] | None = None,
) -> Inspection:
    """Read the chunks of a stored blob from the disk, not from memory, and judge each.

    `only` these, where it is given. Leaves nothing of what it read in the page cache. Blocks; needs
    the memory of one chunk. Raises OSError if the file cannot even be opened.
    """
    whole, damaged, unread, reason = blake3.blake3(), list[int](), list[int](), ""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        _forget_cached(handle)  # what rots is the disk: a copy in memory would hide it
        for index, chunk in enumerate(chunks.chunks):
            if only is not None and index not in only:
                continue
            if chunks.offsets[index] >= status.st_size:
                damaged.append(index)
                continue
            pace(chunk.size_bytes)
            try:
                data = _read_at(handle, chunks.offsets[index], chunk.size_bytes)
            except OSError as error:
                unread.append(index)
                reason = error.strerror or str(error)
                continue
            whole.update(data)
            if len(data) != chunk.size_bytes or digest(data) != chunk.hash:
                damaged.append(index)
            _forget_cached(handle)
    finally:
        os.close(handle)
    return Inspection(
        tuple(damaged),
        tuple(unread),
        max(0, status.st_size - chunks.size_bytes),
        (status.st_dev, status.st_ino),
        only is None and whole.digest() == blob,
        reason,
    )


def read_chunk(path: Path, chunks: ChunkList, index: int) -> bytes | None:
    """Return a chunk from a file that may be damaged; None if it is wrong or cannot be read."""
    chunk = chunks.chunks[index]
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = _read_at(handle, chunks.offsets[index], chunk.size_bytes)
        finally:
            os.close(handle)
    except OSError:
        return None
    return data if len(data) == chunk.size_bytes and digest(data) == chunk.hash else None


def _read_at(handle: int, offset_bytes: int, size_bytes: int) -> bytes:
    """Return a range, shorter where the file ends: one call of the system may bring less."""
    parts: list[bytes] = []
    while size_bytes and (part := os.pread(handle, size_bytes, offset_bytes)):
        parts.append(part)
        offset_bytes, size_bytes = offset_bytes + len(part), size_bytes - len(part)
    return b"".join(parts)


def forget_cached(path: Path) -> None:
    """Let the next read of a file come from the disk, as far as it is there. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _forget_cached(handle)
    finally:
        os.close(handle)


def _forget_cached(handle: int) -> None:
    """Take a file's pages out of the page cache, where there is one."""
    with suppress(OSError, AttributeError):
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)


class InOrderHash:
    """The BLAKE3 of a blob whose chunks come in any order, read again only where they did not.

    Feed it verified chunks as they are stored. It takes those that continue what it has; `finish`
    reads the rest from the file.
    """

    def __init__(self) -> None:
        self._whole = blake3.blake3()
        self._next = 0

    def feed(self, index: int, data: bytes | memoryview) -> None:
        """Take in a chunk that is stored now; each index at most once."""
        if index == self._next:
            self._whole.update(data)
            self._next += 1

    def finish(self, path: Path, chunks: ChunkList) -> BlobId:
        """Return the hash of the whole blob that is stored at `path`. Raises OSError."""
        if self._next < len(chunks):
            with path.open("rb", buffering=0) as file:
                file.seek(chunks.offsets[self._next])
                for chunk in chunks.chunks[self._next :]:
                    self._whole.update(file.read(chunk.size_bytes))
            self._next = len(chunks)
        return BlobId(self._whole.digest())

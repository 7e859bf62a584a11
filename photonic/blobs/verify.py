"""The checks at the door: no byte is stored, shown or served before it has passed one of these.

Pure functions of bytes and names, besides `hash_file`, which reads. What fails is `BlobCorrupt`;
whose fault that is, the caller knows.
"""

from __future__ import annotations

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

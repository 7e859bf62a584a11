"""Content-defined chunks: where a blob is cut, and the list that names the pieces.

The cutting is a pure function of the bytes: FastCDC with one set of sizes up to
`limits.BIG_BLOB_BYTES` and another above, and a forced cut where a JPEG's scan starts, so that a
file whose metadata was rewritten shares every chunk of its pixels with the original. A chunk list
can therefore be made again from the blob. Not here: any opinion on where blobs are kept.

A file is read through a window, never mapped (a mapped file that somebody truncates kills the
process) and never held whole.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, NamedTuple

import blake3
from pyfastcdc import FastCDC

from photonic import limits
from photonic.errors import BlobTooLarge, CutterMissing, FileUnsettled, FrameInvalid
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef

_MAGIC = b"PCL1"  # names the layout and the cutting rules: a new cutter is a new magic
_ENTRY = struct.Struct(">32sI")
_SOI, _SOS = b"\xff\xd8", 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG markers without a length

assert _ENTRY.size == limits.CHUNK_LIST_ENTRY_BYTES


class Chunk(NamedTuple):
    """One piece of a blob: the BLAKE3 of its bytes, and how many they are."""

    hash: bytes
    size_bytes: int


@dataclass(frozen=True)
class ChunkList:
    """The pieces of one blob in order. Its encoding is canonical; `id` is the BLAKE3 of that."""

    chunks: tuple[Chunk, ...]

    @cached_property
    def encoded(self) -> bytes:
        return _MAGIC + b"".join(_ENTRY.pack(*chunk) for chunk in self.chunks)

    @cached_property
    def id(self) -> bytes:
        return digest(self.encoded)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each chunk begins in the blob, and behind the last one, the blob's size."""
        return (0, *accumulate(chunk.size_bytes for chunk in self.chunks))

    @property
    def size_bytes(self) -> int:
        return self.offsets[-1]

    def __len__(self) -> int:
        return len(self.chunks)

    @classmethod
    def decode(cls, data: bytes) -> ChunkList:
        """Parse foreign bytes. Raises FrameInvalid; what it returns encodes to `data` again."""
        body = len(data) - len(_MAGIC)
        if not data.startswith(_MAGIC) or body % _ENTRY.size:
            raise FrameInvalid("a chunk list is torn, or of a newer kind")
        if body // _ENTRY.size > limits.CHUNKS_PER_BLOB_MAX:
            raise FrameInvalid(f"a chunk list names {body // _ENTRY.size:,} chunks")
        chunks = tuple(Chunk(*entry) for entry in _ENTRY.iter_unpack(data[len(_MAGIC) :]))
        for chunk in chunks:
            if not 0 < chunk.size_bytes <= limits.BIG_CHUNK_BYTES_MAX:
                raise FrameInvalid(f"a chunk list names a chunk of {chunk.size_bytes:,} bytes")
        found = cls(chunks)
        found.__dict__["encoded"] = bytes(data)  # need not be made again
        return found


def anchor(chunk_hash: bytes) -> int:
    """Return the number that stands for a chunk where blobs are looked up by their chunks."""
    return int.from_bytes(chunk_hash[:8], "big", signed=True)


def anchors(encoded: bytes) -> set[int]:
    """Return some chunks of an encoded list by which its blob is found: the last, and the least.

    The last chunk is the one that new metadata at the front leaves alone, the least are the same
    for two lists as likely as they share chunks. What is no list has none.
    """
    size, count = _ENTRY.size, (len(encoded) - len(_MAGIC)) // _ENTRY.size
    if count < 1:
        return set()
    starts = range(len(_MAGIC), len(_MAGIC) + count * size, size)
    hashes = [encoded[start : start + 8] for start in starts]
    many = limits.ANCHORS_MIN - 1 + count // limits.CHUNKS_PER_ANCHOR
    return {anchor(some) for some in (hashes[-1], *nsmallest(many, hashes))}


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a blob's bytes finds."""

    ref: BlobRef
    chunks: ChunkList


def scan(path: Path) -> Scan:
    """Read the file at `path` once; return its name and its chunks.

    Blocks; memory is bounded whatever the size. Raises OSError, FileUnsettled if the file is
    longer or shorter at the end than it was at the start, BlobTooLarge, CutterMissing.
    """
    with path.open("rb", buffering=0) as file:
        size_bytes = file.seek(0, io.SEEK_END)
        found = _scan(file, size_bytes)
        if file.read(1):
            raise FileUnsettled(f"{path} grew while it was read")
        return found


def scan_bytes(data: bytes) -> Scan:
    """Do what `scan` does for bytes in memory."""
    return _scan(io.BytesIO(data), len(data))


def start_of_scan(file: BinaryIO, size_bytes: int) -> int | None:
    """Return where the first start-of-scan marker of a JPEG lies, None if this is none.

    Reads a few bytes of each segment. A file that only begins like a JPEG is no error: None.
    """
    file.seek(0)
    if file.read(2) != _SOI:
        return None
    offset = 2
    for _ in range(limits.JPEG_SEGMENTS_MAX):
        file.seek(offset)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return None
        marker = head[1]
        if marker == _SOS:
            return offset if offset < size_bytes else None
        if marker == 0xFF:
            offset += 1  # a fill byte
        elif marker in _STANDALONE:
            offset += 2
        else:
            length = int.from_bytes(head[2:4], "big")
            if length < 2:
                return None
            offset += 2 + length
    return None


class _Section:
    """A part of a file as the cutter reads it, bounded at its end."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._left = file, size_bytes

    def readinto(self, window: memoryview) -> int:
        data = self._file.read(min(len(window), self._left))
        window[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _cutter(size_bytes: int) -> FastCDC:
    if size_bytes > limits.BIG_BLOB_BYTES:
        sizes = (
            limits.BIG_CHUNK_BYTES_MIN,
            limits.BIG_CHUNK_BYTES_AVG,
            limits.BIG_CHUNK_BYTES_MAX,
        )
    else:
        sizes = (limits.CHUNK_BYTES_MIN, limits.CHUNK_BYTES_AVG, limits.CHUNK_BYTES_MAX)
    least, average, most = sizes
    cutter = FastCDC(average, min_size=least, max_size=most)
    if ".cy." not in type(cutter).__module__:
        raise CutterMissing("pyfastcdc runs without its compiled part")
    return cutter


def _pieces(file: BinaryIO, size_bytes: int) -> Iterator[memoryview]:
    """Yield the chunks' bytes in order; each is valid until the next is asked for."""
    scan_at = start_of_scan(file, size_bytes)
    file.seek(0)
    sections = (size_bytes,) if scan_at is None else (scan_at, size_bytes - scan_at)
    for section in sections:
        for chunk in _cutter(size_bytes).cut_stream(_Section(file, section)):
            yield chunk.data


def _scan(file: BinaryIO, size_bytes: int) -> Scan:
    whole, chunks, seen = blake3.blake3(), list[Chunk](), 0
    for piece in _pieces(file, size_bytes):
        if len(chunks) == limits.CHUNKS_PER_BLOB_MAX:
            raise BlobTooLarge(size_bytes)
        whole.update(piece)
        chunks.append(Chunk(digest(piece), len(piece)))
        seen += len(piece)
    if seen != size_bytes:
        raise FileUnsettled(f"a file of {size_bytes:,} bytes ended after {seen:,}")
    found = ChunkList(tuple(chunks))
    return Scan(BlobRef(BlobId(whole.digest()), size_bytes, found.id), found)

"""Which chunks of a partial are on the disk for good, noted beside it from time to time.

    ROOT/partial/<64 hex digits>.have
    "PHV1", id of the chunk list, inode of the partial u64, one bit for each chunk, BLAKE3 of these

Written after an fsync of the partial, so that whoever goes on after a crash reads again only what
came since the last note. A note is believed no further than to the end: the BLAKE3 of the whole is
made from what is read there, and if it is wrong, the note goes and every chunk is looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Collection

from photonic.blobs.chunks import ChunkList
from photonic.ids import digest

_HEAD = struct.Struct(">4s32sQ")
_MAGIC = b"PHV1"
_DIGEST_BYTES = 32


def encode(chunks: ChunkList, inode: int, stored: Collection[int]) -> bytes:
    """Return the note that these chunks of the list are in the file with this inode."""
    bits = bytearray((len(chunks) + 7) // 8)
    for index in stored:
        bits[index // 8] |= 1 << index % 8
    body = _HEAD.pack(_MAGIC, chunks.id, inode) + bytes(bits)
    return body + digest(body)


def decode(data: bytes, chunks: ChunkList, inode: int) -> frozenset[int]:
    """Return the chunks that a note names; none if it is torn, or of another file or list."""
    body, end = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(body) != _HEAD.size + (len(chunks) + 7) // 8 or digest(body) != end:
        return frozenset()
    if _HEAD.unpack_from(body) != (_MAGIC, chunks.id, inode):
        return frozenset()
    bits = body[_HEAD.size :]
    return frozenset(index for index in range(len(chunks)) if bits[index // 8] & (1 << index % 8))

"""What two members say to each other on a blob stream, protocol "/photonic/blobs/1".

The one who opened the stream asks, the other answers in the order of the questions. Every question
carries a number, which its answers repeat.

Messages are arrays: what is added at the end of one is ignored by whoever does not know it, and has
its default where it is not said. So a question says whether compressed bytes are understood
(`takes_lz4`), and an older photonic neither says so nor gets any. Beside it stands how much the one
who asks lets in per second (`bytes_s`, 0 for no limit), for the other one does not see a wire that
is slow because little is asked for.
"""

from __future__ import annotations

import msgspec


class AskBlob(msgspec.Struct, tag="blob?", frozen=True, array_like=True):
    """Send me a small blob as a whole, with its chunk list."""

    number: int
    blob: bytes
    chunks: bytes  # id of the chunk list
    takes_lz4: bool = False
    bytes_s: int = 0


class AskList(msgspec.Struct, tag="list?", frozen=True, array_like=True):
    """Send me the chunk list of a blob."""

    number: int
    blob: bytes
    chunks: bytes


class AskChunks(msgspec.Struct, tag="chunks?", frozen=True, array_like=True):
    """Send me these chunks of a blob, in this order; the indices ascend."""

    number: int
    blob: bytes
    chunks: bytes
    indices: tuple[int, ...]
    takes_lz4: bool = False
    bytes_s: int = 0


class GiveBlob(msgspec.Struct, tag="blob", frozen=True, array_like=True):
    """A small blob and its encoded chunk list: the whole answer to `AskBlob`."""

    number: int
    chunk_list: bytes
    data: bytes


class GiveList(msgspec.Struct, tag="list", frozen=True, array_like=True):
    """An encoded chunk list: the whole answer to `AskList`."""

    number: int
    chunk_list: bytes


class GiveChunk(msgspec.Struct, tag="chunk", frozen=True, array_like=True):
    """One chunk; the answer to `AskChunks` is one of these for each index."""

    number: int
    index: int
    data: bytes


class GiveBlobLz4(msgspec.Struct, tag="blob-lz4", frozen=True, array_like=True):
    """As `GiveBlob`; the data are an LZ4 block, of so many bytes when they are undone."""

    number: int
    chunk_list: bytes
    size_bytes: int
    data: bytes


class GiveChunkLz4(msgspec.Struct, tag="chunk-lz4", frozen=True, array_like=True):
    """As `GiveChunk`; the data are an LZ4 block, of so many bytes when they are undone."""

    number: int
    index: int
    size_bytes: int
    data: bytes


class Missing(msgspec.Struct, tag="missing", frozen=True, array_like=True):
    """I do not hold that blob with that chunk list. Ends the answer."""

    number: int


class Busy(msgspec.Struct, tag="busy", frozen=True, array_like=True):
    """Ask somebody else, or me after a while. Ends the answer."""

    number: int


Question = AskBlob | AskList | AskChunks
Answer = GiveBlob | GiveList | GiveChunk | GiveBlobLz4 | GiveChunkLz4 | Missing | Busy

"""What two members say to each other on a blob stream, protocol "/photonic/blobs/1".

The one who opened the stream asks, the other answers in the order of the questions. Bodies go
uncompressed: photos do not shrink. Every question carries a number, which its answers repeat.
"""

from __future__ import annotations

import msgspec


class AskBlob(msgspec.Struct, tag="blob?", frozen=True, array_like=True):
    """Send me a small blob as a whole, with its chunk list."""

    number: int
    blob: bytes
    chunks: bytes  # id of the chunk list


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


class Missing(msgspec.Struct, tag="missing", frozen=True, array_like=True):
    """I do not hold that blob with that chunk list. Ends the answer."""

    number: int


class Busy(msgspec.Struct, tag="busy", frozen=True, array_like=True):
    """Ask somebody else, or me after a while. Ends the answer."""

    number: int


Question = AskBlob | AskList | AskChunks
Answer = GiveBlob | GiveList | GiveChunk | Missing | Busy

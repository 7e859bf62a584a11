"""Chunks made smaller for the wire with LZ4, where that is quicker than to send them as they are.

Camera files hardly shrink, and what is compressed already not at all; uncompressed TIFFs, scans and
sidecars become a half to a third. The price is time of the thread that sends, so it is paid only
where the wire is what is waited for: on a wire that takes bytes faster than LZ4 takes them away,
compressing makes a transfer slower. `Compressor` goes by what both took lately.
What comes is undone by `decompressed`, after the exchange has judged the size that was announced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import lz4.block

from photonic import limits
from photonic.errors import FrameInvalid
from photonic.ids import BlobId
from photonic.world import Clock

HEAD_BYTES = 16
# How files begin whose bytes are compressed already: JPEG, PNG, GIF, JPEG XL, gzip, zip.
_HEADS = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"\xff\x0a",
    b"\0\0\0\x0cJXL ",
    b"\x1f\x8b",
    b"PK\3\4",
)
# HEIC, AVIF, CR3, MP4 and MOV say what they are behind a length, WebP and AVI likewise.
_HEADS_LATER = {(4, b"ftyp"), (8, b"WEBP"), (8, b"AVI ")}


def is_compressed(head: bytes) -> bool:
    """Whether a file that begins like this holds compressed bytes, whatever a sample says."""
    return head.startswith(_HEADS) or any(
        head[at : at + len(word)] == word for at, word in _HEADS_LATER
    )


def sample_gain(data: bytes) -> float:
    """Return which share of `data` goes away, judged by a piece from its middle; at most 1."""
    begin = max(0, (len(data) - limits.LZ4_SAMPLE_BYTES) // 2)
    sample = memoryview(data)[begin : begin + limits.LZ4_SAMPLE_BYTES]
    if not sample:
        return 0.0
    return 1 - len(lz4.block.compress(sample, store_size=False)) / len(sample)


def pays(gain: float, wire_bytes_s: float, lz4_bytes_s: float) -> bool:
    """Whether to compress what gets smaller by `gain`: the wire's time saved is more than taken."""
    is_slow = wire_bytes_s * limits.LZ4_PAYS_FACTOR < gain * lz4_bytes_s
    return is_slow and gain > limits.LZ4_GAIN_MIN


class Speed:
    """What something does in a second, by what it did lately."""

    def __init__(self, bytes_s: float) -> None:
        """`bytes_s` until it has done something."""
        self._first_bytes_s = bytes_s
        self._size_bytes = self._elapsed_s = 0.0

    @property
    def bytes_s(self) -> float:
        if not self._size_bytes:
            return self._first_bytes_s
        return self._size_bytes / self._elapsed_s if self._elapsed_s else math.inf

    def add(self, size_bytes: int, elapsed_s: float) -> None:
        self._size_bytes += size_bytes
        self._elapsed_s += max(0.0, elapsed_s)
        if self._size_bytes > limits.LZ4_JUDGED_BYTES:  # what is long ago counts ever less
            self._size_bytes, self._elapsed_s = self._size_bytes / 2, self._elapsed_s / 2


class Compressor:
    """Decides for one lane, chunk by chunk. Used by the thread that sends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # A wire that took nothing yet is a fast one: its first bytes go into a buffer anyway.
        self._wire, self._lz4 = Speed(math.inf), Speed(limits.LZ4_BYTES_S)
        self._never: dict[BlobId, bool] = {}  # blobs that hold compressed bytes, or do not

    def send(self, size_bytes: int, send: Callable[[], object]) -> None:
        """Do what sends so many bytes, waits for limits and all, and note how long it takes."""
        began_s = self._clock.monotonic_s()
        send()
        self._wire.add(size_bytes, self._clock.monotonic_s() - began_s)

    def compress(
        self, blob: BlobId, data: bytes, head: Callable[[], bytes], limit_bytes_s: int = 0
    ) -> bytes | None:
        """Return `data` of a blob compressed, None if it is to go as it is.

        `head` reads the blob's first `HEAD_BYTES`; what it raises is raised. The peer lets in
        `limit_bytes_s`, 0 for no limit.
        """
        wire_bytes_s = min(self._wire.bytes_s, limit_bytes_s or math.inf)
        lz4_bytes_s = self._lz4.bytes_s
        if not pays(1.0, wire_bytes_s, lz4_bytes_s) or self._is_never(blob, head):
            return None
        if not pays(sample_gain(data), wire_bytes_s, lz4_bytes_s):
            return None
        began_s = self._clock.monotonic_s()
        packed = lz4.block.compress(data, store_size=False)
        self._lz4.add(len(data), self._clock.monotonic_s() - began_s)
        return packed if len(packed) < (1 - limits.LZ4_GAIN_MIN) * len(data) else None

    def _is_never(self, blob: BlobId, head: Callable[[], bytes]) -> bool:
        found = self._never.get(blob)
        if found is None:
            found = self._never[blob] = is_compressed(head())
            while len(self._never) > limits.CHUNK_LISTS_CACHED_MAX:
                del self._never[next(iter(self._never))]
        return found


def decompressed(data: bytes, size_bytes: int) -> bytes:
    """Undo LZ4; exactly `size_bytes` come out, and no more memory than that is used.

    Raises FrameInvalid. The caller has judged the size.
    """
    with suppress(lz4.block.LZ4BlockError):
        plain = lz4.block.decompress(data, uncompressed_size=size_bytes)
        if len(plain) == size_bytes:
            return bytes(plain)
    raise FrameInvalid("a peer sent compressed bytes that cannot be read")

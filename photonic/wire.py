"""How messages become bytes: msgpack structs in length-prefixed, optionally compressed frames.

A frame is a big-endian u32 (bit 31: the body is zlib; bits 0-30: body length in bytes) and the
body. Nothing here reads a socket: `FrameReader` is fed bytes and returns bodies.
Every failure is `FrameInvalid`; the caller ends the stream, for there is no way to find the next
frame in a stream that is out of step.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar

import msgspec

from photonic import limits
from photonic.errors import FrameInvalid

M = TypeVar("M")

_HEAD = struct.Struct(">I")
_COMPRESSED = 1 << 31
_COMPRESS_FROM_BYTES = 512
_EMPTY = b"\xc4\x00"  # msgpack: bytes, none of them
_BYTES, _BYTES_HEAD = 0xC6, struct.Struct(">BI")  # bytes, as many as 32 bits say

_encoder = msgspec.msgpack.Encoder()


def encode(message: object) -> bytes:
    """Return the msgpack of a message struct."""
    return _encoder.encode(message)


def decode(body: bytes | bytearray | memoryview, kind: type[M]) -> M:
    """Parse the msgpack of a message. Raises FrameInvalid."""
    try:
        message: M = _decoder(kind).decode(body)  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise FrameInvalid(f"a peer sent what is no message: {error}") from error
    return message


@cache
def _decoder(kind: Hashable) -> msgspec.msgpack.Decoder[Any]:
    """Return what reads messages of a kind: to make one costs more than to read a message."""
    return msgspec.msgpack.Decoder(kind)


def is_deeper(body: bytes | memoryview, most: int) -> bool:
    """Tell whether lists and maps stand in one another more than `most` deep in some msgpack.

    What a parser takes before it gives up depends on its caller's stack; this does not. Bytes that
    are no msgpack are as deep as they are until there.
    """
    left: list[int] = []  # of each list and map that is open: entries to come
    at, size = 0, len(body)
    while at < size:
        tag = body[at]
        at += 1
        entries = -1
        if tag >= 0x80 and tag <= 0x9F:
            entries = (tag & 0x0F) * (2 if tag < 0x90 else 1)
        elif 0xA0 <= tag <= 0xBF:
            at += tag & 0x1F
        elif tag in _SIZED:
            width, extra = _SIZED[tag]
            at += width + extra + int.from_bytes(body[at : at + width])
        elif tag in _FIXED:
            at += _FIXED[tag]
        elif tag in _NESTING:
            width, times = _NESTING[tag]
            entries = times * int.from_bytes(body[at : at + width])
            at += width
        if entries > 0:
            left.append(entries)
            if len(left) > most:
                return True
            continue
        while left:
            left[-1] -= 1
            if left[-1]:
                break
            left.pop()
    return False


# msgpack's tags: strings, bytes and extensions by the width of their length; numbers and small
# extensions; lists and maps.
_SIZED = {
    0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1),
    0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0),
}  # fmt: skip
_FIXED = {
    0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
    0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_NESTING = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def frame(body: bytes, *, compress: bool = False) -> bytes:
    """Return `body` as one frame. Raises FrameInvalid if it is longer than a frame may be."""
    if len(body) > limits.FRAME_BYTES_MAX:
        raise FrameInvalid(f"a message of {len(body):,} bytes does not fit into a frame")
    if compress and len(body) >= _COMPRESS_FROM_BYTES:
        packed = zlib.compress(body, 1)
        if len(packed) < len(body):
            return _HEAD.pack(_COMPRESSED | len(packed)) + packed
    return _HEAD.pack(len(body)) + body


def frame_head(message: object, size_bytes: int) -> bytes:
    """Return the frame of a message up to its last field, which is empty in it.

    In its place follow so many bytes, which need not be copied for it. Raises FrameInvalid.
    """
    body = encode(message)
    assert body.endswith(_EMPTY), "the last field is empty bytes"
    head = body[: -len(_EMPTY)] + _BYTES_HEAD.pack(_BYTES, size_bytes)
    if len(head) + size_bytes > limits.FRAME_BYTES_MAX:
        raise FrameInvalid(f"a message of {size_bytes:,} bytes does not fit into a frame")
    return _HEAD.pack(len(head) + size_bytes) + head


class FrameReader:
    """Cuts a byte stream into frame bodies. Holds at most one frame."""

    def __init__(self, frame_bytes_max: int = limits.FRAME_BYTES_MAX) -> None:
        self._max = frame_bytes_max
        self._buffer = bytearray()

    @property
    def is_mid_frame(self) -> bool:
        """Whether the stream would be torn if it ended here."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take in the next bytes of the stream, return the bodies they complete."""
        self._buffer += data
        bodies, start = [], 0
        while len(self._buffer) - start >= _HEAD.size:
            (head,) = _HEAD.unpack_from(self._buffer, start)
            size = head & ~_COMPRESSED
            if size > self._max:
                raise FrameInvalid(f"a peer announced a frame of {size:,} bytes")
            end = start + _HEAD.size + size
            if len(self._buffer) < end:
                break
            body = bytes(self._buffer[start + _HEAD.size : end])
            bodies.append(self._inflate(body) if head & _COMPRESSED else body)
            start = end
        del self._buffer[:start]
        return bodies

    def _inflate(self, body: bytes) -> bytes:
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(body, self._max)
        except zlib.error as error:
            raise FrameInvalid(f"a compressed frame cannot be read: {error}") from error
        if inflater.unconsumed_tail or not inflater.eof:
            raise FrameInvalid("a compressed frame is longer than it may be, or torn")
        return data

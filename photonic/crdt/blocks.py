"""One block of a document update (Yjs, format v1), read from foreign bytes.

Our documents are flat maps from text to bytes under one root. They need a small part of that
format, and only that part is read here; anything else, and any number spelt longer than it need be,
is `UpdateInvalid`. Bytes that end early are an IndexError, which the caller expects.

    block := 00 length                                   GC: a place in the order, nothing else
           | 0a length                                   SKIP: these blocks are not in the update
           | 21 01 01 'c' key length                     DELETED: overwritten, or lost to a twin
           | 28 01 01 'c' key 01 74 value                ITEM: an entry
           | 81 or a1 origin length                      DELETED, having overwritten its origin,
           | 88 or a8 origin 01 74 value                 ITEM, overwriting its origin, which has
                                                         the key
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from photonic import limits

_ROOT = b"\x01\x01c"  # the parent is a root, by a name of one byte
_ITEM_START = b"\x28" + _ROOT
_VALUE_START = b"\x01\x74"  # one value, of bytes
_KEY_FLAG, _ORIGIN_FLAG = 0x20, 0x80
CLIENT_END = 1 << 53  # numbers that other implementations hold exactly
_CLOCK_END = 1 << 32


class UpdateInvalid(ValueError):
    """Bytes that are no update of a flat map of bytes; the reason is a person's to read."""


class Kind(IntEnum):
    """What a block is. The numbers are those of the format."""

    GC = 0
    DELETED = 1
    ITEM = 8
    SKIP = 10


GC, DELETED, ITEM, SKIP = Kind.GC, Kind.DELETED, Kind.ITEM, Kind.SKIP


class Block(NamedTuple):
    """One block: `length` places in the order of `client` from `clock` on."""

    client: int
    clock: int
    length: int
    kind: Kind
    key: str | None  # None behind an origin, which has it
    value: bytes | None  # of an ITEM
    origin: tuple[int, int] | None  # client and clock of what it overwrites
    start: int  # bytes of the update
    end: int


def read_section_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Return client, clock, number of blocks, and where the first block is."""
    length, at = read_number(data, at)
    client, at = read_number(data, at)
    clock, at = read_number(data, at)
    if not length:
        raise UpdateInvalid("a client has no blocks")
    if client >= CLIENT_END:
        raise UpdateInvalid("a client has a number that is too large")
    return client, clock, length, at


def read_block(data: bytes, start: int, client: int, clock: int) -> Block:
    if data[start : start + 4] == _ITEM_START:  # nearly all of them
        key, at = _key(data, start + 4)
        value, end = _value(data, at)
        if clock >= _CLOCK_END:
            raise UpdateInvalid("a client has too many blocks")
        return Block(client, clock, 1, ITEM, key, value, None, start, end)
    return _rare_block(data, start, client, clock)


def _rare_block(data: bytes, start: int, client: int, clock: int) -> Block:
    info, at = data[start], start + 1
    kind = _KINDS.get(info)
    if kind is None:
        raise UpdateInvalid(f"a block is of a kind ({info:#04x}) that no entry has")
    key: str | None = None
    value: bytes | None = None
    origin: tuple[int, int] | None = None
    if info & _ORIGIN_FLAG:
        origin_client, at = read_number(data, at)
        origin_clock, at = read_number(data, at)
        if origin_client >= CLIENT_END or origin_clock >= _CLOCK_END:
            raise UpdateInvalid("an origin has a number that is too large")
        origin = (origin_client, origin_clock)
    elif info & _KEY_FLAG:
        if data[at : at + 3] != _ROOT:
            raise UpdateInvalid("an entry is outside of the map")
        key, at = _key(data, at + 3)
    if kind is ITEM:
        value, at = _value(data, at)
        length = 1
    else:
        length, at = read_number(data, at)
    if not 0 < length <= _CLOCK_END - clock:
        raise UpdateInvalid("a block is empty, or a client has too many blocks")
    return Block(client, clock, length, kind, key, value, origin, start, at)


def piece_of(data: bytes, block: Block, start: int, end: int) -> bytes:
    """Return the places from `start` to before `end` of a block of an update, as a block."""
    if (start, end) == (block.clock, block.clock + block.length):
        return data[block.start : block.end]
    assert block.clock <= start < end <= block.clock + block.length, "no piece of it"
    length = number(end - start)
    if block.kind is DELETED and start > block.clock:  # it goes on from the place before it
        return b"\x81" + number(block.client) + number(start - 1) + length
    head = data[block.start : block.end].removesuffix(number(block.length))
    return head + length


_KINDS = {
    0x00: GC,
    0x0A: SKIP,
    0x21: DELETED,
    0x28: ITEM,
    0x81: DELETED,
    0x88: ITEM,
    0xA1: DELETED,
    0xA8: ITEM,
}


def _key(data: bytes, at: int) -> tuple[str, int]:
    length, at = read_number(data, at)
    if not 0 < length <= limits.DOCUMENT_KEY_BYTES_MAX:
        raise UpdateInvalid(f"a key has {length:,} bytes")
    end = at + length
    if end > len(data):
        raise UpdateInvalid("it ends in the middle")
    try:
        return data[at:end].decode(), end
    except UnicodeDecodeError:
        raise UpdateInvalid("a key is no text") from None


def _value(data: bytes, at: int) -> tuple[bytes, int]:
    if data[at : at + 2] != _VALUE_START:
        raise UpdateInvalid("an entry is not one value of bytes")
    length, at = read_number(data, at + 2)
    if length > limits.CHANGE_BYTES_MAX:
        raise UpdateInvalid(f"an entry of {length:,} bytes is longer than one may be")
    end = at + length
    if end > len(data):
        raise UpdateInvalid("it ends in the middle")
    return data[at:end], end


def skip_deletes(data: bytes, at: int) -> int:
    """Return where the set of deletes ends."""
    clients, at = read_number(data, at)
    for _ in range(clients):
        _, at = read_number(data, at)
        ranges, at = read_number(data, at)
        for _ in range(ranges):
            _, at = read_number(data, at)
            _, at = read_number(data, at)
    return at


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of at most 56 bits, spelt in the shortest way, and where it ends."""
    byte = data[at]
    if byte < 0x80:
        return byte, at + 1
    value, shift = byte & 0x7F, 7
    while byte >= 0x80:
        if shift == 56:
            raise UpdateInvalid("a number is too large")
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift += 7
    if not byte:
        raise UpdateInvalid("a number is spelt longer than it need be")
    return value, at + 1


def number(value: int) -> bytes:
    pieces = bytearray()
    while value >= 0x80:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)

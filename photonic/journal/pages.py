"""Rows out of single pages of a SQLite file, without the tree above them. Pure.

For salvage only: when SQLite refuses a damaged file, its leaf pages still hold the rows, and the
checksum that each of our rows carries says which of them are as they were written. What is
malformed is passed over: nothing here raises on bad bytes. Pages are of 4,096 bytes, as our
journals have them.

The format is SQLite's own: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from photonic import limits

PAGE_BYTES = 4096
_TABLE_LEAF = 13
_FILE_HEADER_BYTES = 100  # on the first page, before the page itself
_LOCAL_BYTES_MAX = PAGE_BYTES - 35
_LOCAL_BYTES_MIN = (PAGE_BYTES - 12) * 32 // 255 - 23
_OVERFLOW_BYTES = PAGE_BYTES - 4
_ROW_BYTES_MAX = limits.UPDATE_BYTES_MAX + limits.MIB
_COLUMNS_MAX = 16
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Value = int | float | str | bytes | None
ReadPage = Callable[[int], bytes | None]  # by number, from 1; None if there is none


class Row(NamedTuple):
    """One row of some table."""

    number: int
    values: tuple[Value, ...]


def rows(page_number: int, page: bytes, read_page: ReadPage) -> Iterator[Row]:
    """Yield the rows of a page, if it is a leaf of a table; long ones go on in other pages."""
    start = _FILE_HEADER_BYTES if page_number == 1 else 0
    if len(page) != PAGE_BYTES or page[start] != _TABLE_LEAF:
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for cell in range(min(count, PAGE_BYTES // 4)):
        pointer = start + 8 + 2 * cell
        at = int.from_bytes(page[pointer : pointer + 2], "big")
        size, at = _varint(page, at)
        number, at = _varint(page, at)
        if not 0 < size <= _ROW_BYTES_MAX:
            continue
        payload = _payload(page, at, size, read_page)
        values = None if payload is None else _record(payload)
        if values is not None:
            yield Row(number, values)


def free_pages(first_page: bytes, read_page: ReadPage, page_count: int) -> set[int]:
    """Return the pages that are in no tree: what they hold was deleted."""
    free: set[int] = set()
    trunk = int.from_bytes(first_page[32:36], "big")
    while 0 < trunk <= page_count and trunk not in free:
        page = read_page(trunk)
        if page is None:
            break
        free.add(trunk)
        leaves = min(int.from_bytes(page[4:8], "big"), PAGE_BYTES // 4 - 2)
        free |= {int.from_bytes(page[8 + 4 * i : 12 + 4 * i], "big") for i in range(leaves)}
        trunk = int.from_bytes(page[:4], "big")
    return free


def _payload(page: bytes, at: int, size: int, read_page: ReadPage) -> bytes | None:
    if size <= _LOCAL_BYTES_MAX:
        return page[at : at + size] if at + size <= PAGE_BYTES else None
    local = _LOCAL_BYTES_MIN + (size - _LOCAL_BYTES_MIN) % _OVERFLOW_BYTES
    if local > _LOCAL_BYTES_MAX:
        local = _LOCAL_BYTES_MIN
    if at + local + 4 > PAGE_BYTES:
        return None
    parts, missing = [page[at : at + local]], size - local
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    while missing > 0:
        more = read_page(following)
        if more is None or len(more) != PAGE_BYTES:
            return None
        parts.append(more[4 : 4 + min(missing, _OVERFLOW_BYTES)])
        missing -= len(parts[-1])
        following = int.from_bytes(more[:4], "big")
    return b"".join(parts)


def _record(payload: bytes) -> tuple[Value, ...] | None:
    """Parse a row's payload; None if it is no sound record."""
    header_end, at = _varint(payload, 0)
    body = header_end
    if header_end > len(payload):
        return None
    values: list[Value] = []
    while at < header_end and len(values) < _COLUMNS_MAX:
        kind, at = _varint(payload, at)
        if kind in _INTEGER_BYTES:
            size = _INTEGER_BYTES[kind]
            value: Value = int.from_bytes(payload[body : body + size], "big", signed=True)
        elif kind in (8, 9):
            size, value = 0, kind - 8
        elif kind == 0:
            size, value = 0, None
        elif kind >= 12:
            size = (kind - 12) // 2
            raw = payload[body : body + size]
            value = raw.decode(errors="replace") if kind % 2 else raw
        else:
            return None  # a float, or reserved: no table of ours has one
        body += size
        if body > len(payload):
            return None
        values.append(value)
    return tuple(values)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends; 0 behind the end of the bytes."""
    value = 0
    for taken in range(9):
        byte = data[at] if at < len(data) else 0
        at += 1
        if taken == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return value, at

"""Cursors: where a page ended, as text that is opaque to whoever carries it. Pure."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec

from photonic.errors import QueryInvalid
from photonic.search.criteria import Sort

_Cursor = tuple[str, int, int | bytes]


def written_cursor(sort: Sort | None, first: int, second: int | bytes) -> str:
    """Return a cursor; `sort` None is that of acts."""
    raw = msgspec.msgpack.encode((_mark(sort), first, second))
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_cursor(cursor: str | None, sort: Sort | None) -> tuple[int, Any] | None:
    """Return what a cursor was made of. Raises QueryInvalid if no such list gave it out."""
    if cursor is None:
        return None
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        mark, first, second = msgspec.msgpack.decode(raw, type=_Cursor)
    except (ValueError, msgspec.MsgspecError) as error:
        raise QueryInvalid("the cursor is none that a page gave out") from error
    is_right = isinstance(second, bytes) == (sort is None) and all(
        -(1 << 63) <= number < 1 << 63 for number in (first, second) if isinstance(number, int)
    )
    if mark != _mark(sort) or not is_right:
        raise QueryInvalid("the cursor is of a list in another order")
    return first, second


def _mark(sort: Sort | None) -> str:
    if sort is None:
        return "acts"
    return f"{sort.by}{'+' if sort.oldest_first else '-'}"

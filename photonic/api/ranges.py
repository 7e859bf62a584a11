"""Which bytes of a file a request wants: Range, If-Range and If-None-Match (RFC 9110).

Pure: header texts in, a plan out. One range is served; of several, and of a header that cannot be
read, the whole file is, as the RFC allows. Nothing here reads a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_DIGITS_MAX = 19  # more digits than any file's size has: read as "behind every end"
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Plan:
    """What to answer: the status, and the half-open piece of the file to send with it."""

    status: int  # 200, 206, 304 or 416
    start: int = 0
    stop: int = 0

    @property
    def length(self) -> int:
        return self.stop - self.start


def plan(
    size: int,
    etag: str,
    *,
    wanted: str | None = None,
    if_range: str | None = None,
    if_none_match: str | None = None,
) -> Plan:
    """Decide what to answer about a file of `size` bytes whose quoted, strong tag is `etag`."""
    if if_none_match is not None and has_tag(if_none_match, etag):
        return Plan(304)
    whole = Plan(200, 0, size)
    if wanted is None or (if_range is not None and if_range.strip() != etag):
        return whole  # a date in If-Range never matches, for we tell no Last-Modified
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or not any(match.groups()):
        return whole
    first, last = (_number(digits) for digits in match.groups())
    if first is None:
        return _last_bytes(size, last or 0)
    if last is not None and last < first:
        return whole  # malformed, not unsatisfiable
    if first >= size:
        return Plan(416)
    return Plan(206, first, size if last is None else min(last + 1, size))


def has_tag(header: str, etag: str) -> bool:
    """Tell whether an If-None-Match header names `etag`, by weak comparison."""
    if header.strip() == "*":
        return True
    return any(tag.removeprefix("W/") == etag for tag in _TAG.findall(header))


def _last_bytes(size: int, length: int) -> Plan:
    if length == 0:
        return Plan(416)
    if size == 0:
        return Plan(200)  # satisfiable, but no Content-Range can say so
    return Plan(206, max(0, size - length), size)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX

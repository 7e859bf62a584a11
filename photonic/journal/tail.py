"""What the end of a SQLite write-ahead log says of the last stop. A pure reading of its bytes.

SQLite itself drops what follows the last whole commit when it opens a log, and says nothing. This
module says it: how many bytes of an unfinished commit were dropped (the last stop was abrupt; with
`synchronous=FULL` nothing in it was ever answered), and whether whole commits follow a frame that
cannot be read (then the log was damaged afterwards, and what was answered is missing).

The format is SQLite's own: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

PAGE_BYTES = 4096
_HEADER, _FRAME_HEADER = struct.Struct(">8I"), struct.Struct(">6I")
_MAGIC_LITTLE, _MAGIC_BIG = 0x377F0682, 0x377F0683
_MASK = 0xFFFFFFFF
_Sums = tuple[int, int]


class Frame(NamedTuple):
    """One page's new content, as it stands in the log."""

    number: int  # of the page, from 1
    data: bytes
    is_commit: bool  # the last one of a transaction
    is_sound: bool  # it and all frames before it are as they were written


class Tail(NamedTuple):
    """What a log's end tells."""

    committed_frames: int
    torn_bytes: int  # behind the last whole commit
    commits_cut: int  # whole or not, among the torn bytes

    @property
    def is_damaged(self) -> bool:
        """Whether a commit that had been answered is cut.

        A second commit is begun only after the first is on the disk, so that one alone may be the
        one that never ended, and of two the first was whole once.
        """
        return self.commits_cut > 1


def read_tail(log: bytes) -> Tail:
    """Say where SQLite will cut a log, and what is behind the cut."""
    committed = torn = commits_cut = seen = 0
    for frame in frames(log):
        seen += 1
        if frame.is_sound and frame.is_commit:
            committed, torn, commits_cut = seen, 0, 0
            continue
        torn += _FRAME_HEADER.size + len(frame.data)
        commits_cut += frame.is_commit
    return Tail(committed, torn, commits_cut)


def frames(log: bytes) -> Iterator[Frame]:
    """Yield the frames since the log was last begun anew, sound or not, the last maybe in part."""
    if len(log) < _HEADER.size + _FRAME_HEADER.size:
        return
    magic, _, page_bytes, _, *rest = _HEADER.unpack_from(log)
    salts, header_sums = tuple(rest[:2]), tuple(rest[2:])
    order = ">" if magic == _MAGIC_BIG else "<"
    sums = _add(log[: _HEADER.size - 8], order, (0, 0))
    is_sound = magic in (_MAGIC_LITTLE, _MAGIC_BIG) and sums == header_sums
    if not is_sound:  # then the frames must say which ones belong together
        page_bytes, salts = PAGE_BYTES, _guess_salts(log)
    for start in range(_HEADER.size, len(log), _FRAME_HEADER.size + page_bytes):
        if start + _FRAME_HEADER.size > len(log):
            return
        number, size_after, *rest = _FRAME_HEADER.unpack_from(log, start)
        if tuple(rest[:2]) != salts or number == 0:
            is_sound = False  # of an earlier use of the log, or its header was lost
            continue
        data = log[start + _FRAME_HEADER.size : start + _FRAME_HEADER.size + page_bytes]
        if is_sound:
            sums = _add(log[start : start + 8], order, sums)
            is_sound = len(data) == page_bytes
            if is_sound:
                sums = _add(data, order, sums)
                is_sound = sums == tuple(rest[2:])
        yield Frame(number, data, size_after != 0, is_sound)


def _guess_salts(log: bytes) -> tuple[int, ...]:
    """Return the first salts that two frames share: those of an earlier use come later."""
    seen: set[tuple[int, ...]] = set()
    step = _FRAME_HEADER.size + PAGE_BYTES
    for start in range(_HEADER.size, len(log) - _FRAME_HEADER.size + 1, step):
        number, _, *rest = _FRAME_HEADER.unpack_from(log, start)
        salts = tuple(rest[:2])
        if number and salts in seen:
            return salts
        seen.add(salts)
    return next(iter(seen))


def _add(data: bytes, order: str, sums: _Sums) -> _Sums:
    """Go on with SQLite's running checksum over `data`, whose length is a multiple of 8."""
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for word in words:
        first = (first + word + second) & _MASK
        second = (second + next(words) + first) & _MASK
    return first, second

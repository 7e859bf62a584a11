"""A new journal out of what can still be read of a damaged one.

SQLite refuses a file as a whole where one page of its tree is damaged. Here every page is looked
at by itself, the log's included, and each row whose own checksum holds is copied. The damaged
file is not changed: it is set aside under another name, for a person to look at. What was lost is
named by document, for the rows of `documents` say what there should be.

A salvage that is cut short at any point is done again, or finished, at the next opening.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from photonic import limits
from photonic.ids import digest
from photonic.journal.pages import PAGE_BYTES, Row, free_pages, rows
from photonic.journal.schema import (
    CHECKSUM_BYTES,
    INSERT_ENTRY,
    INSERT_TALLY,
    NUMBER_MAX,
    EntryRow,
    Tally,
    count_entries,
    entry_checksum,
    open_database,
    row_checksum,
    transaction,
)
from photonic.journal.tail import frames, read_tail
from photonic.world import SystemFiles

SALVAGED = "salvaged"  # the name of the fact that keeps the report until it is settled
_BUILDING, _READY, _ASIDE = ".salvage", ".salvaged", ".damaged-"
_ROWS_PER_COMMIT = 256


class LostEntries(msgspec.Struct, array_like=True, frozen=True):
    """A document of which not all entries were found, or for which that cannot be said."""

    shard: int
    document: int
    expected: int | None  # entries; None if what was expected is lost, too
    found: int


class Salvage(msgspec.Struct, array_like=True, frozen=True):
    """What a salvage found."""

    reason: str
    set_aside: str  # the name of the damaged file now
    entries: int  # that were copied
    lost: tuple[LostEntries, ...]
    is_vague: bool = False  # more may be lost than is named, for what there was is lost, too


class _Found(NamedTuple):
    """What the pages told beside the entries."""

    tallies: dict[tuple[int, int], Tally]
    facts: dict[str, bytes]
    sequences: list[int]


def salvage(path: Path, log: bytes, reason: str) -> Salvage:
    """Put a new journal in the place of the damaged one at `path`, which nobody has open.

    `log` is its write-ahead log. Raises OSError and sqlite3.Error if the disk refuses; then the
    damaged file is still where it was.
    """
    building = _beside(path, _BUILDING)
    for leftover in (building, _beside(building, "-wal"), _beside(building, "-shm")):
        leftover.unlink(missing_ok=True)
    aside = _free_name(path)
    if log:
        SystemFiles().write_durable(_beside(aside, "-wal"), log)
    db = open_database(building)
    try:
        report = _fill(db, path, log, reason, aside.name)
    finally:
        db.close()  # it takes the log into the file and deletes it
    mode = path.stat().st_mode & 0o777
    SystemFiles().publish(building, _beside(path, _READY), mode=mode)
    finish(path)
    return report


def finish(path: Path) -> None:
    """Put a salvaged journal that is complete into its place; nothing if there is none."""
    ready = _beside(path, _READY)
    if not ready.exists():
        return
    for stale in ("-wal", "-shm"):  # a log that the new file must never meet
        _beside(path, stale).unlink(missing_ok=True)
    sync_folder(path.parent)
    if path.exists():
        path.replace(_free_name(path))
    ready.replace(path)
    sync_folder(path.parent)
    for number in _numbers_aside(path)[: -limits.JOURNAL_SET_ASIDE_MAX]:
        for suffix in ("", "-wal"):
            _beside(path, f"{_ASIDE}{number}{suffix}").unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fill(db: sqlite3.Connection, path: Path, log: bytes, reason: str, aside: str) -> Salvage:
    found = _Found({}, {}, [0])
    with path.open("rb") as file:
        entries = _sort_rows(_Pages(file.fileno(), log).rows(), found)
        while batch := list(islice(entries, _ROWS_PER_COMMIT)):
            with transaction(db):
                # Of two rows with one number one was merged from the other, and is longer.
                db.executemany(
                    f"{INSERT_ENTRY} ON CONFLICT (number) DO UPDATE SET shard = excluded.shard,"
                    " document = excluded.document, data = excluded.data,"
                    " checksum = excluded.checksum, size = excluded.size"
                    " WHERE excluded.size > entries.size",
                    batch,
                )
    tallies = count_entries(db)
    lost = _compare(found.tallies, tallies, found.facts.get(SALVAGED))
    report = Salvage(
        reason,
        aside,
        sum(tally.entries for tally in tallies.values()),
        lost,
        is_vague=not found.tallies or any(one.expected is None for one in lost),
    )
    facts = {**found.facts, SALVAGED: msgspec.msgpack.encode(report)}
    with transaction(db):
        for place, tally in tallies.items():
            turn = found.tallies.get(place, tally).turn + 1
            db.execute(INSERT_TALLY, tally._replace(turn=turn).row(*place))
        db.executemany(
            "INSERT INTO facts VALUES (?,?,?)",
            ((name, value, row_checksum(name, value)) for name, value in facts.items()),
        )
        (last,) = db.execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()
        db.execute("DELETE FROM sqlite_sequence")
        db.execute(
            "INSERT INTO sqlite_sequence VALUES ('entries', ?)", (max(last, *found.sequences),)
        )
    return report


def _compare(
    expected: dict[tuple[int, int], Tally],
    tallies: dict[tuple[int, int], Tally],
    former: bytes | None,
) -> tuple[LostEntries, ...]:
    """Name the documents that do not add up, and those that an unsettled salvage named."""
    named = {(one.shard, one.document): one for one in read_report(former).lost} if former else {}
    for place in expected.keys() | tallies.keys():
        had, has = expected.get(place), tallies.get(place, Tally())
        if had is None or (had.entries, had.mark) != (has.entries, has.mark):
            named[place] = LostEntries(*place, had.entries if had else None, has.entries)
    return tuple(named[place] for place in sorted(named))


def read_report(fact: bytes) -> Salvage:
    """Parse the fact that keeps a salvage's report; an empty one if it cannot be read."""
    try:
        return msgspec.msgpack.decode(fact, type=Salvage)
    except msgspec.MsgspecError:
        return Salvage("unknown", "", 0, ())


def _sort_rows(some: Iterable[Row], found: _Found) -> Iterator[EntryRow]:
    """Yield the sound entries; note what else is worth having. The rest is passed over."""
    for number, values in some:
        match values:
            case (None, int(), int(), bytes(), bytes(), int()):
                entry = EntryRow(number, *values[1:])  # type: ignore[arg-type]
                if entry.is_sound:
                    yield entry
            case (None, int(shard), int(document), bytes(data), bytes(check)):  # the first format
                if digest(data)[:CHECKSUM_BYTES] == check and document in (0, 1):
                    check = entry_checksum(number, shard, document, data)
                    yield EntryRow(number, shard, document, data, check, len(data))
            case (None, int(turn), int(entries), int(small), bytes(mark), bytes(check)):
                if row_checksum(number, turn, entries, small, mark) == check:
                    tally = Tally(turn, entries, small, int.from_bytes(mark, "big"))
                    _keep_newest(found.tallies, divmod(number, 2), tally)
            case (str(name), bytes(value), bytes(check)):
                if row_checksum(name, value) == check:
                    # Facts are numbers and sets that only grow.
                    former = found.facts.get(name, b"")
                    found.facts[name] = max(former, value, key=lambda one: (len(one), one))
            case ("entries", int(last)) if 0 <= last < NUMBER_MAX:
                found.sequences.append(last)


def _keep_newest(
    tallies: dict[tuple[int, int], Tally], place: tuple[int, int], tally: Tally
) -> None:
    tallies[place] = max(tallies.get(place, tally), tally)  # by turn


class _Pages:
    """The pages of a damaged file under what its log says of them."""

    def __init__(self, handle: int, log: bytes) -> None:
        self._handle = handle
        tail = read_tail(log)
        newest: dict[int, bytes] = {}
        sound: dict[int, bytes] = {}
        for position, frame in enumerate(frames(log)):
            # What was never committed is left out, but for a log that was damaged afterwards.
            if position >= tail.committed_frames and not tail.is_damaged:
                break
            if len(frame.data) == PAGE_BYTES:
                newest[frame.number] = frame.data
                if frame.is_sound:
                    sound[frame.number] = frame.data
        self._newest, self._sound = newest, sound
        in_file = os.fstat(handle).st_size // PAGE_BYTES
        self._count = max([in_file, *(n for n in newest if n <= in_file + len(newest))])

    def rows(self) -> Iterator[Row]:
        first = self._read_newest(1) or bytes(PAGE_BYTES)
        free = free_pages(first, self._read_newest, self._count)
        for number in range(1, self._count + 1):
            page = self._read_newest(number)
            if page is not None and number not in free:
                yield from rows(number, page, self._read_newest)
        for number in self._newest.keys() - self._sound.keys() | {
            n for n in self._sound if self._sound[n] != self._newest[n]
        }:  # under a frame that is damaged
            page = self._read_sound(number)
            if page is not None:
                yield from rows(number, page, self._read_sound)

    def _read_newest(self, number: int) -> bytes | None:
        return self._newest.get(number) or self._read_file(number)

    def _read_sound(self, number: int) -> bytes | None:
        return self._sound.get(number) or self._read_file(number)

    def _read_file(self, number: int) -> bytes | None:
        if not 0 < number <= self._count:
            return None
        page = os.pread(self._handle, PAGE_BYTES, (number - 1) * PAGE_BYTES)
        return page if len(page) == PAGE_BYTES else None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _numbers_aside(path: Path) -> list[int]:
    start = len(path.name + _ASIDE)
    names = (one.name[start:] for one in path.parent.glob(f"{path.name}{_ASIDE}*"))
    return sorted(int(name) for name in names if name.isdigit())


def _free_name(path: Path) -> Path:
    return _beside(path, f"{_ASIDE}{max([0, *_numbers_aside(path)]) + 1}")

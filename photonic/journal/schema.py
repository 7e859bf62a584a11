"""The journal's tables, how an older journal becomes one of today, and what its rows prove.

`MIGRATIONS` is a numbered list; the number that a file has reached is its `user_version`. Each
step is one transaction. Every row that matters carries a checksum over all that it says, its own
place included, so that a row which damage moved elsewhere is as unsound as one that it changed.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from photonic import limits
from photonic.errors import JournalNewer
from photonic.ids import digest
from photonic.journal.pages import PAGE_BYTES
from photonic.journal.segments import is_full

CHECKSUM_BYTES = 8
ENTRY_COLUMNS = "number, shard, document, data, checksum, size"
_PLACE = struct.Struct(">QIB")
NUMBER_MAX = 1 << 53  # more is damage: nothing here is counted so far
SHARD_MAX = limits.SHARDS  # the root
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG}
_DAMAGED_EXTENDED = {
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
    sqlite3.SQLITE_IOERR_DATA,
}
_NOT_THE_FILE = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip

_TABLES_1 = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    shard INTEGER NOT NULL,
    document INTEGER NOT NULL,
    data BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_document ON entries (shard, document, number);
CREATE TABLE IF NOT EXISTS digests (
    shard INTEGER PRIMARY KEY,
    changes BLOB NOT NULL,
    holdings BLOB NOT NULL,
    count INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS quarantine (
    number INTEGER PRIMARY KEY,
    peer BLOB NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT
"""
# The index knows the sizes, so that what to merge next is decided without reading entries.
# A document's `place` is shard * 2 + document; its row says what its entries must add up to.
_TABLES_2 = """
ALTER TABLE entries ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE digests ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';
ALTER TABLE facts ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';
DROP INDEX entries_by_document;
CREATE INDEX entries_by_document ON entries (shard, document, number, size);
CREATE TABLE documents (
    place INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    small INTEGER NOT NULL,
    mark BLOB NOT NULL,
    checksum BLOB NOT NULL
) STRICT;
CREATE TABLE damaged (
    number INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    document INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT
"""


class EntryRow(NamedTuple):
    """A row of `entries`, in the order of its columns; a damaged file may give any type."""

    number: int
    shard: int
    document: int
    data: bytes
    checksum: bytes
    size: int

    @property
    def is_sound(self) -> bool:
        raw: tuple[object, ...] = self  # for the names promise types that damage need not keep
        number, shard, document, data, checksum, size = raw
        return (
            isinstance(number, int) and 0 < number < NUMBER_MAX
            and isinstance(shard, int) and 0 <= shard <= SHARD_MAX
            and isinstance(document, int) and 0 <= document <= 1
            and isinstance(data, bytes) and size == len(data)
            and checksum == entry_checksum(number, shard, document, data)
        )  # fmt: skip

    @property
    def raw_data(self) -> bytes:
        """What stands in the place of the data, as bytes."""
        data: object = self.data
        return data if isinstance(data, bytes) else repr(data).encode()


class Tally(NamedTuple):
    """What a document's entries add up to. A row that is gone leaves no other trace."""

    turn: int = 0  # how often it was written
    entries: int = 0
    small: int = 0  # how many entries follow the newest full one
    mark: int = 0  # all checksums, each taken by exclusive or

    def with_entry(self, size_bytes: int, checksum: bytes) -> Tally:
        small = 0 if is_full(size_bytes) else self.small + 1
        mark = self.mark ^ int.from_bytes(checksum[:CHECKSUM_BYTES], "big")
        return Tally(self.turn + 1, self.entries + 1, small, mark)

    def row(self, shard: int, document: int) -> tuple[int, int, int, int, bytes, bytes]:
        """Return it as a row of `documents`."""
        place, mark = place_of(shard, document), self.mark.to_bytes(CHECKSUM_BYTES, "big")
        check = row_checksum(place, self.turn, self.entries, self.small, mark)
        return place, self.turn, self.entries, self.small, mark, check


def place_of(shard: int, document: int) -> int:
    return shard * 2 + document


def entry_checksum(number: int, shard: int, document: int, data: bytes) -> bytes:
    return digest(_PLACE.pack(number, shard, document) + data)[:CHECKSUM_BYTES]


def row_checksum(*values: int | str | bytes) -> bytes:
    """Return the checksum of a row of `digests`, `facts` or `documents`."""
    return digest(repr(values).encode())[:CHECKSUM_BYTES]


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK if anything fails. Raises what failed."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


# --- opening ---------------------------------------------------------------------------------


def open_database(path: Path | None) -> sqlite3.Connection:
    """Open or create the file and bring its tables to today's. Raises sqlite3.Error, JournalNewer.

    SQLite finds a torn or damaged log by itself and cuts it: see tail.py.
    """
    # The catalog thread opens it and the catalog thread uses it; the check is off only so that
    # closing may happen after that thread ended.
    db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        db.text_factory = lambda raw: raw.decode(errors="replace")
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "journal_mode=WAL",
            "synchronous=FULL",
            f"wal_autocheckpoint={limits.JOURNAL_WAL_PAGES}",
            f"journal_size_limit={limits.JOURNAL_WAL_BYTES_KEPT}",
            "cell_size_check=ON",
            # Nothing is ever deleted but what a merged entry carries on: wiping it would only
            # double what a merge writes. Free pages are used again, so none are given back.
            "secure_delete=OFF",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def is_damage(error: sqlite3.Error, *, is_opening: bool = False) -> bool:
    """Whether an error says that the file itself is damaged, and not that the disk refuses.

    While opening, whatever is not the disk's or another process's fault is: the statements are
    known to be right, so tables that they do not find were there once.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the binding, on values that no row of ours has
        return is_opening and isinstance(error, sqlite3.DatabaseError)
    if code in _DAMAGED_EXTENDED or code & 0xFF in _DAMAGED:
        return True
    return is_opening and code & 0xFF not in _NOT_THE_FILE


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= len(MIGRATIONS):
        columns = [row[1] for row in db.execute("PRAGMA table_info(entries)")]
        if columns == list(EntryRow._fields):
            raise sqlite3.DatabaseError(f"the file says version {version}, its tables do not")
        raise JournalNewer(version)
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        with transaction(db):
            migration(db)
            db.execute(f"PRAGMA user_version={number}")


def _make_tables(db: sqlite3.Connection) -> None:
    for statement in _TABLES_1.split(";"):
        db.execute(statement)


def _add_proofs(db: sqlite3.Connection) -> None:
    """Checksums over places, tallies of documents, sizes. An entry that is unsound stays so."""

    def checksum(number: int, shard: int, document: int, data: bytes, former: bytes) -> bytes:
        if digest(data)[:CHECKSUM_BYTES] != former:
            return b""
        return entry_checksum(number, shard, document, data)

    db.create_function("entry_checksum", 5, checksum, deterministic=True)
    db.create_function("row_checksum", -1, row_checksum, deterministic=True)
    for statement in _TABLES_2.split(";"):
        db.execute(statement)
    db.execute(
        "UPDATE entries SET size = length(data),"
        " checksum = entry_checksum(number, shard, document, data, checksum)"
    )
    db.execute("UPDATE digests SET checksum = row_checksum(shard, changes, holdings, count)")
    db.execute("UPDATE facts SET checksum = row_checksum(name, value)")
    for place, tally in count_entries(db).items():
        db.execute(INSERT_TALLY, tally.row(*place))


def count_entries(
    db: sqlite3.Connection, place: tuple[int, int] | None = None, turn: int = 0
) -> dict[tuple[int, int], Tally]:
    """Return what the entries of every document, or of one, add up to, damaged ones included."""
    where, values = ("", ()) if place is None else (" WHERE shard=? AND document=?", place)
    tallies: dict[tuple[int, int], Tally] = {}
    for shard, document, size, checksum in db.execute(
        f"SELECT shard, document, size, checksum FROM entries{where}"  # noqa: S608 - ours
        " ORDER BY shard, document, number",
        values,
    ):
        tally = tallies.get((shard, document), Tally(turn))
        # A damaged row may give any type; it is counted all the same.
        tallies[shard, document] = tally.with_entry(
            size if isinstance(size, int) else 0, checksum if isinstance(checksum, bytes) else b""
        )
    return tallies


def documents_with_entries(db: sqlite3.Connection) -> set[tuple[int, int]]:
    """Return the documents that have entries, sound or not. Reads the index alone."""
    found = db.execute("SELECT DISTINCT shard, document FROM entries")
    return {
        (shard, document)
        for shard, document in found
        if isinstance(shard, int) and 0 <= shard <= SHARD_MAX and document in (0, 1)
    }


INSERT_ENTRY = f"INSERT INTO entries ({ENTRY_COLUMNS}) VALUES (?,?,?,?,?,?)"  # noqa: S608
INSERT_TALLY = "INSERT OR REPLACE INTO documents VALUES (?,?,?,?,?,?)"
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_make_tables, _add_proofs)

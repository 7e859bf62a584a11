"""The index: photos as rows, for lists, searches and counts. Derived and disposable (I9).

It is written after the journal and remembers the journal entry up to which it is true, and which
shards are to be projected again. Losing the file costs a rebuild, nothing else. Nothing looks
through the whole of it at a start: damage shows when it is read, and then it is made again.
Blocking: one thread owns it; `query.py` reads it on others.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import PoolProxiedConnection, StaticPool
from sqlmodel import create_engine

from photonic.crdt.batches import AlbumRow, Batch, EditRow, write_albums, write_edits
from photonic.crdt.migrations import migrate, must_remake
from photonic.crdt.place_seal import PlaceSeal, PlaceUnreadable
from photonic.crdt.positions import Positions, Rows, json_inside
from photonic.crdt.removals import Touched
from photonic.crdt.rows import BlobTable, blob_ref, tags_of, unpacked
from photonic.crdt.shelf import Shelf
from photonic.crdt.tables import JOURNAL, REMOVAL_HELD
from photonic.crdt.terms import HAS, SEALED
from photonic.ids import BlobId
from photonic.search.words import path_key, stem_key, tag_key

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = NORMAL",  # a crash costs the last batches, never the file
    "secure_delete = OFF",
    "busy_timeout = 5000",
    "temp_store = MEMORY",
    "journal_size_limit = 67108864",
)
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 65_536, 8_192
_READERS_MAX = 8
_PLACES_AT_ONCE = 5_000  # that are opened in one go


class PhotoIndex:
    """Writes the index. `query.PhotoQuery` reads it."""

    def __init__(self, path: Path | None, seal: PlaceSeal | None = None) -> None:
        """Open or create the index at `path`; None keeps it in memory.

        An older one is brought up to date, or emptied where it cannot be; a damaged one is dropped,
        as is one whose places were not sealed with `seal` (None: with a key that nobody keeps).
        `journal_number` tells how much is there.
        """
        self._path, self.seal = path, seal or PlaceSeal()
        self._writing = threading.RLock()
        self._connection: PoolProxiedConnection | None = None
        self.is_damaged = False
        self._marks: dict[bytes, bool] | None = None  # that a new file must hear of, too
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.positions = Positions(self._read_places, self._writing)
        self.engine = _engine(path, self._note_error, lambda: self.positions)
        try:
            self._open()
        except (sqlite3.DatabaseError, PlaceUnreadable):
            if path is None:
                raise
            self.remake()

    def _open(self) -> None:
        connection = self._connection = self.engine.raw_connection()
        try:
            db = connection.driver_connection
            assert isinstance(db, sqlite3.Connection)
            if self._path is not None and must_remake(db):
                raise PlaceUnreadable("an older index has places in the clear")
            migrate(db)
            db.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
            self._db, self._shelf = db, Shelf(db, self.seal)
            self.positions = Positions(self._read_places, self._writing)
            self._read_places(0, 1)  # does its first place open?
        except BaseException:
            self._let_go()
            raise
        self.is_damaged = False

    def _let_go(self) -> None:
        """Close every connection to the file as it is now."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None
        self.engine.dispose()

    def close(self) -> None:
        with self._writing:
            if self._connection is not None:
                self._connection.close()
            self.engine.dispose()

    def remake(self) -> None:
        """Throw the file away and begin with an empty one; readers go on with the new one."""
        with self._writing:
            if self._path is None:
                self.clear()
                return
            self._let_go()
            for part in self._path.parent.glob(self._path.name + "*"):
                part.unlink()
            self._open()

    def replace(self, made: Path) -> None:
        """Put another file in the place of this one; readers go on with the new one."""
        with self._writing:
            assert self._path is not None, "an index in memory has no file"
            self._let_go()
            for ending in ("-wal", "-shm"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            made.replace(self._path)
            self._open()

    @property
    def path(self) -> Path | None:
        return self._path

    def _note_error(self, error: BaseException | None) -> None:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
            self.is_damaged = True

    @contextmanager
    def _transaction(self) -> Iterator[Shelf]:
        with self._writing:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._shelf
                self._shelf.write()
                self._db.execute("COMMIT")
                self.positions.note(self._shelf.positions)
                self._shelf.positions.clear()
            except BaseException as error:
                self._note_error(error)
                if not self.is_damaged:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    self._shelf.forget()
                raise

    # --- how much is there -------------------------------------------------------------------

    @property
    def journal_number(self) -> int:
        """The journal entry up to which this index is true, but for `stale`; 0 for a new one."""
        return self.number(JOURNAL)

    def number(self, name: str) -> int:
        """Return what was noted under a name; 0 if nothing was."""
        with self._writing:
            row = self._db.execute("SELECT value FROM tally WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def note_number(self, name: str, value: int) -> None:
        """Remember a number under a name."""
        with self._transaction():
            self._write_number(name, value)

    def _write_number(self, name: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO tally VALUES (?, ?)", (name, value))

    def stale(self) -> list[int]:
        """Return the shards that are to be projected again."""
        with self._writing:
            found = self._db.execute("SELECT shard FROM stale ORDER BY shard").fetchall()
        return [shard for (shard,) in found]

    def mark_stale(self, shards: Iterable[int], journal_number: int) -> None:
        """Note shards that are to be projected again; all else is true up to the entry."""
        with self._transaction():
            rows = [(shard,) for shard in shards]
            self._db.executemany("INSERT OR IGNORE INTO stale VALUES (?)", rows)
            self._write_number(JOURNAL, journal_number)

    # --- writing -----------------------------------------------------------------------------

    def apply(self, batch: Batch, journal_number: int | None = None) -> None:
        """Replace what changed, in one transaction. May be repeated."""
        with self._transaction() as shelf:
            if batch.holders:
                shelf.put_holders(batch.holders, batch.uncounted)
            shelf.put(batch.rows, batch.held, batch.now_ms)
            shelf.remove(batch.gone)
            write_albums(self._db, batch.albums)
            write_edits(self._db, batch.edits)
            if batch.seqs:
                rows = shelf.holders.seq_rows(batch.seqs)
                self._db.executemany("INSERT OR IGNORE INTO seq VALUES (?, ?, ?)", rows)
            if batch.projected:
                done = [(shard,) for shard in batch.projected]
                self._db.executemany("DELETE FROM stale WHERE shard = ?", done)
            if journal_number is not None:
                self._write_number(JOURNAL, journal_number)

    def mark_held(self, blobs: Iterable[bytes], is_held: bool = True) -> list[BlobId]:
        """Note what the store came to have; return the originals among it that photos need."""
        marks = dict.fromkeys(blobs, is_held)
        if not marks:
            return []
        with self._transaction() as shelf:
            if self._marks is not None:
                self._marks |= marks
            return shelf.mark(marks)

    def remember_marks(self) -> None:
        """Remember what `mark_held` is told from now on, for a file that takes this one's place."""
        with self._writing:
            self._marks = {}

    def take_marks(self) -> dict[bytes, bool]:
        """Return what was remembered, and remember no more."""
        with self._writing:
            marks, self._marks = self._marks or {}, None
        return marks

    def take_removals(self) -> list[Touched]:
        """Return where removals came or went since this was asked last."""
        with self._writing:
            touched, self._shelf.removals = self._shelf.removals, []
        return touched

    def set_trashed(self, photos: Mapping[BlobId, int]) -> None:
        """Show photos of which a removal is known as LIVE, IN_TRASH or REMOVAL_HELD."""
        with self._transaction() as shelf:
            shelf.set_trashed(photos)
            rows = [(state == REMOVAL_HELD, photo) for photo, state in photos.items()]
            self._db.executemany("UPDATE removal SET held = ? WHERE photo = ?", rows)

    def clear(self) -> None:
        """Forget everything; the next projection begins from the first shard."""
        with self._writing:
            self._db.execute("PRAGMA user_version = 0")
            migrate(self._db)
            self._shelf = Shelf(self._db, self.seal)
            self.positions = Positions(self._read_places, self._writing)

    # --- for whoever compares with the store -------------------------------------------------

    def held_after(self, key: bytes, limit: int) -> list[tuple[bytes, str, bool]]:
        """Return (blob, kind, whether it is thought to be here) of blobs behind a key, in order."""
        with self._writing:
            return self._shelf.held_after(key, limit)

    def photo_count(self) -> int:
        return self.number("photos")

    # --- what only memory has ----------------------------------------------------------------

    def _read_places(self, begin: int, limit: int = _PLACES_AT_ONCE) -> tuple[Rows, bool]:
        """Return photos with their places, opened. The caller keeps writers out."""
        found = self._db.execute(
            "SELECT n, photo, place FROM photo WHERE n >= ? AND place IS NOT NULL"
            " ORDER BY n LIMIT ?",
            (begin, limit),
        ).fetchall()
        opened = self.seal.open
        try:
            return [(n, *opened(photo, place)) for n, photo, place in found], len(found) >= limit
        except PlaceUnreadable:
            self.is_damaged = True  # it is made again
            raise

    def count_sealed(self) -> int:
        """Return how many photos have something that could not be opened here."""
        with self._writing:
            row = self._db.execute(
                "SELECT count FROM term WHERE kind = ? AND key = ?", (HAS, SEALED)
            ).fetchone()
        return int(row[0]) if row else 0


def _engine(
    path: Path | None,
    note_error: Callable[[BaseException | None], None],
    positions: Callable[[], Positions],
) -> Engine:
    pool: dict[str, Any] = {"poolclass": StaticPool}
    if path is not None:
        pool = {"pool_size": _READERS_MAX, "max_overflow": 0}
    engine = create_engine(
        f"sqlite:///{path}" if path else "sqlite://",
        connect_args={"check_same_thread": False},
        **pool,
    )

    @event.listens_for(engine, "connect")
    def _prepare(db: sqlite3.Connection, _record: object) -> None:
        db.isolation_level = None
        for pragma in (*_PRAGMAS, f"cache_size = -{_READER_CACHE_KIB}"):
            db.execute(f"PRAGMA {pragma}")
        db.create_function("has_any", 2, _has_any, deterministic=True)
        db.create_function("is_tagged", 2, _is_tagged, deterministic=True)
        db.create_function("path_key", 1, path_key, deterministic=True)
        db.create_function("is_same_shot", 2, _is_same_shot, deterministic=True)
        db.create_function("is_inside", 5, lambda n, *box: n in positions().answer(box))
        db.create_function("all_inside", 4, lambda *box: json_inside(positions(), box))
        db.create_function("count_inside", 4, lambda *box: len(positions().answer(box)))

    @event.listens_for(engine, "handle_error")
    def _hear(context: ExceptionContext) -> None:
        note_error(context.original_exception)

    return engine


# --- what SQL cannot ask by itself ---------------------------------------------------------------


def _has_any(terms: bytes, wanted: bytes) -> bool:
    """Whether a row has one of the wanted terms; both are packed."""
    return not _wanted(wanted).isdisjoint(unpacked(terms))


@lru_cache(maxsize=8)
def _wanted(wanted: bytes) -> frozenset[int]:
    return frozenset(unpacked(wanted))


def _is_same_shot(one: str, other: str) -> bool:
    """Whether two files of one second are called alike, but for the extension."""
    stem = stem_key(one)
    return bool(stem) and stem == stem_key(other)


def _is_tagged(tags: str, path: str) -> bool:
    return any(tag_key(tag) == path for tag in tags_of(tags))


__all__ = ["AlbumRow", "Batch", "BlobTable", "EditRow", "PhotoIndex", "blob_ref"]

"""The ledger: which blobs are held, how they are cut, and when they were last verified.

SQLite in WAL mode with full synchronisation: a row is on disk when its call returns. A blob is
entered twice, as *intended* before its file gets the final name and as *held* after, so that a
crash in between leaves a short list to check and not a whole disk. Derived: `FileStore.rebuild`
makes it again from the files. Raises LedgerDamaged for anything that SQLite refuses, StoreFull
where there is no room for a row.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photonic.blobs.chunks import ChunkList, Scan
from photonic.blobs.store import Held, Origin
from photonic.errors import LedgerDamaged, StoreFull
from photonic.ids import BlobId
from photonic.photos import BlobRef

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS blobs (
    blob BLOB PRIMARY KEY NOT NULL,
    size_bytes INTEGER NOT NULL,
    chunks_id BLOB NOT NULL,
    origin TEXT NOT NULL,
    verified_at_ms INTEGER,  -- NULL: intended, not yet held
    chunks BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS intended ON blobs (blob) WHERE verified_at_ms IS NULL;
CREATE INDEX IF NOT EXISTS verified ON blobs (verified_at_ms, size_bytes);
"""
_PAGE_ROWS = 1_000


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise LedgerDamaged(f"{path}: {error}") from error


def _held(
    blob: BlobId, size_bytes: int, chunks_id: bytes, verified_at_ms: int, origin: str
) -> Held:
    return Held(BlobRef(blob, size_bytes, chunks_id), verified_at_ms, Origin(origin))


class Ledger:
    """One SQLite file, used from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._writer = _connect(path)
        try:
            with self._guarded(self._writing, self._writer) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = FULL")
                (version,) = db.execute("PRAGMA user_version").fetchone()
                if version not in (0, _SCHEMA_VERSION):
                    raise LedgerDamaged(f"{path} was written by a newer photonic")
                db.executescript(_SCHEMA)
                db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            # Whoever reads must not wait for the disk behind somebody's commit.
            self._reader = _connect(path)
        except BaseException:
            self._writer.close()
            raise

    @contextmanager
    def _guarded(
        self, lock: threading.Lock, db: sqlite3.Connection
    ) -> Iterator[sqlite3.Connection]:
        """Give out a connection to one thread at a time; name SQLite's failures."""
        with lock:
            try:
                yield db
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                    raise StoreFull(str(self._path), 1, 0) from error
                raise LedgerDamaged(f"{self._path}: {error}") from error

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._guarded(self._reading, self._reader) as db:
            return db.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded(self._writing, self._writer) as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def intend(self, scans: Sequence[Scan], origin: Origin) -> None:
        """Note, durably, that these blobs are about to get their final names."""
        rows = [
            (s.ref.blob, s.ref.size_bytes, s.ref.chunks, origin.value, s.chunks.encoded)
            for s in scans
        ]
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, NULL, ?)", rows)

    def record(self, scans: Sequence[Scan], origin: Origin, verified_at_ms: int) -> None:
        """Enter blobs as held: their bytes are verified, durable, and under their final names."""
        rows = [
            (s.ref.blob, s.ref.size_bytes, s.ref.chunks, origin.value, verified_at_ms,
             s.chunks.encoded)
            for s in scans
        ]  # fmt: skip
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?)", rows)

    def touch(self, verified: Sequence[tuple[BlobId, int]]) -> None:
        """Enter later verifications of held blobs, in ms; one that is not held stays so."""
        rows = [(at_ms, blob) for blob, at_ms in verified]
        with self._transaction() as db:
            db.executemany(
                "UPDATE blobs SET verified_at_ms = ? WHERE blob = ? AND verified_at_ms IS NOT NULL",
                rows,
            )

    def oldest(self, limit: int, now_ms: int) -> list[Held]:
        """Return held blobs, the longest verified first; before them, those from after `now_ms`."""
        rows: list[tuple[Any, ...]] = []
        for place in ("> ?", "<= ?"):
            rows += self._read(
                "SELECT blob, size_bytes, chunks_id, verified_at_ms, origin"  # noqa: S608
                f" FROM blobs WHERE verified_at_ms {place} ORDER BY verified_at_ms LIMIT ?",
                now_ms,
                limit - len(rows),
            )
        return [_held(BlobId(blob), *rest) for blob, *rest in rows]

    def overdue(self, before_ms: int) -> tuple[int, int]:
        """Count the held blobs that were last verified before a time, and their bytes."""
        ((count, size_bytes),) = self._read(
            "SELECT count(*), total(size_bytes) FROM blobs WHERE verified_at_ms < ?", before_ms
        )
        return count, int(size_bytes)

    def forget(self, blob: BlobId) -> None:
        """Strike a blob out; absent is fine."""
        with self._transaction() as db:
            db.execute("DELETE FROM blobs WHERE blob = ?", (blob,))

    def held(self, blob: BlobId) -> Held | None:
        """Return what is entered of a held blob; an intended one is not held."""
        rows = self._read(
            "SELECT size_bytes, chunks_id, verified_at_ms, origin FROM blobs"
            " WHERE blob = ? AND verified_at_ms IS NOT NULL",
            blob,
        )
        return _held(blob, *rows[0]) if rows else None

    def held_among(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        """Return those of `blobs` that are held."""
        found: set[BlobId] = set()
        for start in range(0, len(blobs), _PAGE_ROWS // 2):
            some = blobs[start : start + _PAGE_ROWS // 2]
            rows = self._read(
                f"SELECT blob FROM blobs WHERE blob IN ({','.join('?' * len(some))})"  # noqa: S608
                " AND verified_at_ms IS NOT NULL",
                *some,
            )
            found.update(BlobId(blob) for (blob,) in rows)
        return found

    def entry(self, blob: BlobId) -> tuple[Held, ChunkList] | None:
        """Return all that is entered of a held blob."""
        rows = self._read(
            "SELECT size_bytes, chunks_id, verified_at_ms, origin, chunks FROM blobs"
            " WHERE blob = ? AND verified_at_ms IS NOT NULL",
            blob,
        )
        return (_held(blob, *rows[0][:4]), ChunkList.decode(rows[0][4])) if rows else None

    def refs(self, after: BlobId | None) -> Iterator[BlobRef]:
        """Yield held blobs in order; what is entered meanwhile may be among them or not."""
        last = after or b""
        while rows := self._read(
            "SELECT blob, size_bytes, chunks_id FROM blobs"
            " WHERE blob > ? AND verified_at_ms IS NOT NULL ORDER BY blob LIMIT ?",
            last,
            _PAGE_ROWS,
        ):
            for blob, size_bytes, chunks_id in rows:
                yield BlobRef(BlobId(blob), size_bytes, chunks_id)
            last = rows[-1][0]

    def intended(self) -> list[tuple[Scan, Origin]]:
        """Return the blobs that a crash left between intended and held."""
        rows = self._read(
            "SELECT blob, size_bytes, chunks_id, origin, chunks FROM blobs"
            " WHERE verified_at_ms IS NULL"
        )
        return [
            (Scan(BlobRef(BlobId(blob), size, chunks_id), ChunkList.decode(chunks)), Origin(origin))
            for blob, size, chunks_id, origin, chunks in rows
        ]

    def close(self) -> None:
        """Close the file; may be repeated."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()

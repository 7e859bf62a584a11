"""The ledger: which blobs are held and where, how they are cut, when they were last verified.

SQLite in WAL mode with full synchronisation: a row is on disk when its call returns, and several
processes may use the file at one time. A blob with a file of its own is entered twice, as
*intended* before the file gets the final name and as *held* after, so that a crash in between
leaves a short list to check and not a whole disk. Beside the blobs are *anchors*: a few chunks of
each bigger one, by which it is found when a blob is to come that shares some of its chunks.
Derived: `FileStore.rebuild` makes it again from the files. Raises LedgerDamaged for anything that
SQLite refuses, StoreFull where there is no room for a row, StoreBusy while another process writes
for longer than `limits.LEDGER_WAIT_S`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from photonic import limits
from photonic.blobs.chunks import ChunkList, Scan, anchor, anchors
from photonic.blobs.store import Held, Origin
from photonic.errors import LedgerDamaged, StoreBusy, StoreFull
from photonic.ids import BlobId
from photonic.photos import BlobRef

_SCHEMA_VERSION = 2
_COLUMNS = (
    "blob BLOB PRIMARY KEY NOT NULL",
    "size_bytes INTEGER NOT NULL",
    "chunks_id BLOB NOT NULL",
    "origin TEXT NOT NULL",
    "verified_at_ms INTEGER",  # NULL: intended, not yet held
    "chunks BLOB NOT NULL",
    "pack INTEGER",  # NULL: it has a file of its own; since version 2
    "place INTEGER",
)
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS intended ON blobs (blob) WHERE verified_at_ms IS NULL",
    "CREATE INDEX IF NOT EXISTS verified ON blobs (verified_at_ms, size_bytes)",
    "CREATE INDEX IF NOT EXISTS packed ON blobs (pack, place, size_bytes) WHERE pack IS NOT NULL",
    # `source` is the begin of a blob's id: what it points to may be gone, and then it means nothing
    """CREATE TABLE IF NOT EXISTS anchors
       (chunk INTEGER, source INTEGER, PRIMARY KEY (chunk, source)) WITHOUT ROWID""",
)
_RETRACTED = "dropped"  # beside the origins of what is held or intended
_PAGE_ROWS = 1_000
T = TypeVar("T")


class Place(NamedTuple):
    """Where a packed blob is: in which pack, and at which byte its entry begins."""

    pack: int
    offset_bytes: int


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(
            path, timeout=limits.LEDGER_WAIT_S, isolation_level=None, check_same_thread=False
        )
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
            self._upgrade()
            # Whoever reads must not wait for the disk behind somebody's commit.
            self._reader = _connect(path)
        except BaseException:
            self._writer.close()
            raise

    def _version(self, db: sqlite3.Connection) -> int:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > _SCHEMA_VERSION:
            raise LedgerDamaged(f"{self._path} was written by a newer photonic")
        return version

    def _upgrade(self) -> None:
        """Bring a new ledger, or an older one, to the present form: as a whole or not at all."""
        with self._guarded(self._writing, self._writer) as db:
            if self._version(db) == _SCHEMA_VERSION:
                return
        with self._transaction() as db:
            if self._version(db) == _SCHEMA_VERSION:
                return  # another process was faster
            db.execute(f"CREATE TABLE IF NOT EXISTS blobs ({', '.join(_COLUMNS)})")
            there = {row[1] for row in db.execute("PRAGMA table_info (blobs)")}
            for column in _COLUMNS:
                if column.split()[0] not in there:
                    db.execute(f"ALTER TABLE blobs ADD COLUMN {column}")
            for statement in _INDEXES:
                db.execute(statement)
            # Anchors come in no order: what a million of them are put between stays in memory.
            (cache,) = db.execute("PRAGMA cache_size").fetchone()
            db.execute(f"PRAGMA cache_size = -{limits.LEDGER_UPGRADE_BYTES // limits.KIB}")
            rows = db.execute(
                "SELECT blob, chunks FROM blobs WHERE size_bytes > ?",
                (limits.SMALL_BLOB_BYTES,),
            )
            db.executemany(_ADD_ANCHOR, _anchor_rows(rows))
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            db.execute(f"PRAGMA cache_size = {cache}")

    @contextmanager
    def _guarded(
        self, lock: threading.Lock, db: sqlite3.Connection
    ) -> Iterator[sqlite3.Connection]:
        """Give out a connection to one thread at a time; name SQLite's failures."""
        with lock:
            try:
                yield db
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code == sqlite3.SQLITE_FULL:
                    raise StoreFull(str(self._path), 1, 0) from error
                if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise StoreBusy(f"{self._path}: {error}") from error
                raise LedgerDamaged(f"{self._path}: {error}") from error

    def read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
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
            db.executemany(
                "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, NULL, ?, NULL, NULL)", rows
            )

    def record(
        self,
        scans: Sequence[Scan],
        origin: Origin,
        verified_at_ms: int,
        places: Mapping[BlobId, Place] | None = None,
    ) -> None:
        """Enter blobs as held: their bytes are verified, durable, and where they are to be.

        That is under their final names, or at those `places`.
        """
        rows = [
            (s.ref.blob, s.ref.size_bytes, s.ref.chunks, origin.value, verified_at_ms,
             s.chunks.encoded, *((places or {}).get(s.ref.blob) or (None, None)))
            for s in scans
        ]  # fmt: skip
        bigger = (
            (s.ref.blob, s.chunks.encoded)
            for s in scans
            if s.ref.size_bytes > limits.SMALL_BLOB_BYTES
        )
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            db.executemany(_ADD_ANCHOR, _anchor_rows(bigger))

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
            rows += self.read(
                "SELECT blob, size_bytes, chunks_id, verified_at_ms, origin"  # noqa: S608
                f" FROM blobs WHERE verified_at_ms {place} ORDER BY verified_at_ms LIMIT ?",
                now_ms,
                limit - len(rows),
            )
        return [_held(BlobId(blob), *rest) for blob, *rest in rows]

    def overdue(self, before_ms: int) -> tuple[int, int]:
        """Count the held blobs that were last verified before a time, and their bytes."""
        ((count, size_bytes),) = self.read(
            "SELECT count(*), total(size_bytes) FROM blobs WHERE verified_at_ms < ?", before_ms
        )
        return count, int(size_bytes)

    def forget(self, blob: BlobId) -> Place | None:
        """Strike a blob out; absent is fine. Return where it was packed, if it was."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT blob, chunks, pack, place FROM blobs WHERE blob = ?", (blob,)
            ).fetchall()
            db.execute("DELETE FROM blobs WHERE blob = ?", (blob,))
            db.executemany(
                "DELETE FROM anchors WHERE chunk = ? AND source = ?",
                _anchor_rows(row[:2] for row in rows),
            )
        return None if not rows or rows[0][2] is None else Place(*rows[0][2:])

    def retract(self, blob: BlobId) -> None:
        """Note, durably, that the file of a blob is about to go: it is not held any more."""
        with self._transaction() as db:
            statement = "UPDATE blobs SET verified_at_ms = NULL, origin = ? WHERE blob = ?"
            db.execute(statement, (_RETRACTED, blob))

    def retracted(self) -> list[BlobId]:
        """Return the blobs whose files a crash may have left behind when they were to go."""
        statement = "SELECT blob FROM blobs WHERE verified_at_ms IS NULL AND origin = ?"
        rows = self.read(statement, _RETRACTED)
        return [BlobId(blob) for (blob,) in rows]

    def sync(self) -> None:
        """Make durable whatever can be read here; for whoever is alone.

        A process that was killed while it committed may have left what is to be seen, and not yet
        on the disk: nobody may be told of it before it is.
        """
        with self._guarded(self._writing, self._writer) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def held(self, blob: BlobId) -> Held | None:
        """Return what is entered of a held blob; an intended one is not held."""
        found = self.find(blob)
        return None if found is None else found[0]

    def find(self, blob: BlobId) -> tuple[Held, Place | None] | None:
        """Return what is entered of a held blob, and where it is packed if it is."""
        rows = self.read(
            "SELECT size_bytes, chunks_id, verified_at_ms, origin, pack, place FROM blobs"
            " WHERE blob = ? AND verified_at_ms IS NOT NULL",
            blob,
        )
        if not rows:
            return None
        *held, pack, offset_bytes = rows[0]
        return _held(blob, *held), None if pack is None else Place(pack, offset_bytes)

    def held_among(self, blobs: Sequence[BlobId]) -> dict[BlobId, int | None]:
        """Return those of `blobs` that are held, each with its pack if it is in one."""
        found: dict[BlobId, int | None] = {}
        for some in _pages(blobs):
            rows = self.read(
                f"SELECT blob, pack FROM blobs WHERE blob IN ({_marks(some)})"  # noqa: S608
                " AND verified_at_ms IS NOT NULL",
                *some,
            )
            found |= {BlobId(blob): pack for blob, pack in rows}
        return found

    def entry(self, blob: BlobId) -> tuple[Held, ChunkList] | None:
        """Return all that is entered of a held blob."""
        rows = self.read(
            "SELECT size_bytes, chunks_id, verified_at_ms, origin, chunks FROM blobs"
            " WHERE blob = ? AND verified_at_ms IS NOT NULL",
            blob,
        )
        return (_held(blob, *rows[0][:4]), ChunkList.decode(rows[0][4])) if rows else None

    def refs(self, after: BlobId | None) -> Iterator[BlobRef]:
        """Yield held blobs in order; what is entered meanwhile may be among them or not."""
        last = after or b""
        while rows := self.read(
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
        rows = self.read(
            "SELECT blob, size_bytes, chunks_id, origin, chunks FROM blobs"
            " WHERE verified_at_ms IS NULL AND origin != ?",
            _RETRACTED,
        )
        return [
            (Scan(BlobRef(BlobId(blob), size, chunks_id), ChunkList.decode(chunks)), Origin(origin))
            for blob, size, chunks_id, origin, chunks in rows
        ]

    # --- blobs that share chunks -------------------------------------------------------------

    def kin(self, chunks: ChunkList) -> list[BlobId]:
        """Return held blobs that share chunks with this list, most likely the best first.

        One question for the whole list; some that share only a few chunks may be missed.
        """
        hits: Counter[int] = Counter()
        for some in _pages([anchor(chunk.hash) for chunk in chunks.chunks]):
            rows = self.read(
                f"SELECT source FROM anchors WHERE chunk IN ({_marks(some)}) LIMIT ?",  # noqa: S608
                *some,
                limits.ANCHOR_HITS_MAX,
            )
            hits.update(source for (source,) in rows)
        found: list[BlobId] = []
        for source, _ in hits.most_common(limits.REUSE_SOURCES_MAX):
            begin = source.to_bytes(8, "big", signed=True)
            rows = self.read(
                "SELECT blob FROM blobs WHERE blob BETWEEN ? AND ? AND verified_at_ms IS NOT NULL",
                begin + bytes(24),
                begin + b"\xff" * 24,
            )
            found += [BlobId(blob) for (blob,) in rows]
        return found

    # --- packs -------------------------------------------------------------------------------

    def packed_in(self, pack: int) -> list[tuple[BlobId, int, int]]:
        """Return what a pack holds: blob, offset of its entry, size of the blob; in that order."""
        rows = self.read(
            "SELECT blob, place, size_bytes FROM blobs WHERE pack = ? ORDER BY place", pack
        )
        return [(BlobId(blob), place, size_bytes) for blob, place, size_bytes in rows]

    def packs(self) -> dict[int, tuple[int, int]]:
        """Return for each pack how many blobs it holds, and their bytes."""
        rows = self.read(
            "SELECT pack, count(*), total(size_bytes) FROM blobs WHERE pack IS NOT NULL"
            " GROUP BY pack"
        )
        return {pack: (count, int(size_bytes)) for pack, count, size_bytes in rows}

    def move(self, moves: Iterable[tuple[BlobId, Place, Place | None]]) -> None:
        """Enter that packed blobs are somewhere else now: (blob, from, to; None: in a file).

        One that is not where it was said to be any more stays as it is.
        """
        rows = [(*(to or (None, None)), blob, *before) for blob, before, to in moves]
        with self._transaction() as db:
            db.executemany(
                "UPDATE blobs SET pack = ?, place = ? WHERE blob = ? AND pack = ? AND place = ?",
                rows,
            )

    def close(self) -> None:
        """Close the file; may be repeated."""
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()


_ADD_ANCHOR = "INSERT OR IGNORE INTO anchors VALUES (?, ?)"


def _anchor_rows(rows: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[int, int]]:
    """Yield the anchors of blobs, which come with their encoded chunk lists."""
    for blob, encoded in rows:
        source = int.from_bytes(blob[:8], "big", signed=True)
        for chunk in anchors(encoded):
            yield chunk, source


def _pages(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield runs of items, each for one statement."""
    for start in range(0, len(items), _PAGE_ROWS // 2):
        yield items[start : start + _PAGE_ROWS // 2]


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))

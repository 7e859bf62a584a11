"""The promise book: which blobs this store must keep, because others rely on it, and which may go.

A node that was asked promises to keep blobs for a while; a node that drops one relies on others.
Both at once would be the end of a photo, so one blob is either promised or leaving, and never both:
`promise` refuses what leaves, `leave` refuses what is promised, and each is one step.

Promises are durable before they are told, and hold over restarts. Their time is counted by this
process's monotonic clock and only while it runs: what was off, asleep or restarted keeps its
promises longer, and no wall clock, however wrong, ends one early. What leaves, leaves by this
process: so that is in memory, and a crash ends it; what proves that it may go is written down
(`prove`), so that after a crash the eviction is completed in the log, or forgotten. What was
evicted is remembered (`away`), for a node does not fetch by itself what it has just let go.

Methods block, and may be called from any thread. A book that SQLite refuses is put aside, and then
everything is promised for as long as a promise may be: nobody knows what stood in it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from photonic import limits
from photonic.errors import BlobPromised, LedgerDamaged, StoreFull
from photonic.ids import BlobId
from photonic.world import Clock

log = logging.getLogger(__name__)

_TABLES = (
    """CREATE TABLE IF NOT EXISTS promise (
        blob BLOB PRIMARY KEY NOT NULL, until_s REAL NOT NULL,
        verified_at_ms INTEGER NOT NULL, verified_s REAL NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS promise_until ON promise (until_s)",
    "CREATE TABLE IF NOT EXISTS proof (blob BLOB PRIMARY KEY NOT NULL, proof BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS away (blob BLOB PRIMARY KEY NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS clock (name TEXT PRIMARY KEY NOT NULL, ran_s REAL NOT NULL)",
)
_ASKED_AT_ONCE = 500
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_RAN, _EVERYTHING_UNTIL = "ran", "everything until"
_LONGEST_S = limits.PROMISE_KEEP_S_MAX + limits.PROMISE_MARGIN_S


class PromiseBook:
    """See the module. One process has it open, the store's owner."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.RLock()
        self._leaving: set[BlobId] = set()
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
                raise LedgerDamaged(f"{path}: {error}") from error  # it may be well tomorrow
            log.warning("%s cannot be read (%s): everything counts as promised", path, error)
            self._put_aside()
            self._open()
            self._note_clock(_EVERYTHING_UNTIL, self.ran_s + _LONGEST_S)

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            for statement in _TABLES:
                self._db.execute(statement)
            clocks = dict(self._db.execute("SELECT name, ran_s FROM clock"))
        except BaseException:
            self._db.close()
            raise
        self._before_s = float(clocks.get(_RAN, 0.0))
        self._everything_until_s = float(clocks.get(_EVERYTHING_UNTIL, 0.0))
        self._began_s = self._clock.monotonic_s()

    def _put_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                aside = self._path.with_name(f"{self._path.name}.damaged{suffix}")
                self._path.with_name(self._path.name + suffix).replace(aside)

    @property
    def ran_s(self) -> float:
        """How long processes have had this book open, in all: the time of promises."""
        return self._before_s + max(0.0, self._clock.monotonic_s() - self._began_s)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, durable when it ends; the time goes on with it."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._note_clock(_RAN, self.ran_s)
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                    raise StoreFull(str(self._path), 1, 0) from error
                raise LedgerDamaged(f"{self._path}: {error}") from error

    def _note_clock(self, name: str, ran_s: float) -> None:
        self._db.execute("INSERT OR REPLACE INTO clock VALUES (?, ?)", (name, ran_s))
        if name == _EVERYTHING_UNTIL:
            self._everything_until_s = ran_s

    def tick(self) -> None:
        """Let time go on over a restart: to be called now and then while something is promised."""
        with self._writing() as db:
            db.execute("DELETE FROM promise WHERE until_s < ?", (self.ran_s,))

    def close(self) -> None:
        """Close the file; may be repeated."""
        with self._lock:
            self._db.close()

    # --- promises ----------------------------------------------------------------------------

    def promise(self, verified: Mapping[BlobId, int], keep_s: float) -> frozenset[BlobId]:
        """Promise to keep blobs for so long; return those that are, durably.

        `verified`: when each was read from the disk, as the ledger says (ms). What leaves is not
        promised. Whoever asks looks *afterwards* whether the store still holds what is promised.
        """
        with self._writing() as db:
            now_s = self.ran_s
            staying = {b: at_ms for b, at_ms in verified.items() if b not in self._leaving}
            ((count,),) = db.execute("SELECT count(*) FROM promise").fetchall()
            if count + len(staying) > limits.PROMISES_MAX:
                return frozenset()
            until_s = now_s + keep_s + limits.PROMISE_MARGIN_S
            known = self._verified(staying)
            db.executemany(
                "INSERT INTO promise VALUES (?, ?, ?, ?) ON CONFLICT (blob) DO UPDATE SET"
                " until_s = max(until_s, excluded.until_s),"
                " verified_at_ms = excluded.verified_at_ms, verified_s = excluded.verified_s",
                [(blob, until_s, at_ms, known.get(blob, now_s)) for blob, at_ms in staying.items()],
            )
        return frozenset(staying)

    def promised(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those of `blobs` that others rely on, now."""
        with self._lock:
            now_s = self.ran_s
            if now_s < self._everything_until_s:
                return frozenset(blobs)
            rows = self._rows(
                "SELECT blob FROM promise WHERE until_s >= ? AND blob", [now_s], blobs
            )
        return frozenset(BlobId(blob) for (blob,) in rows)

    def count(self) -> int:
        """Return how many blobs are promised now."""
        with self._lock:
            statement = "SELECT count(*) FROM promise WHERE until_s >= ?"
            ((count,),) = self._db.execute(statement, (self.ran_s,)).fetchall()
        return int(count)

    def ages(self, verified: Mapping[BlobId, int]) -> dict[BlobId, float]:
        """Return how long ago blobs were read from the disk for a promise, where that is known.

        `verified`: when the ledger says that each was verified last. Another time than was noted
        means that it came anew, over the wire, or was read by somebody else: that is not known.
        """
        with self._lock:
            now_s = self.ran_s
            return {blob: now_s - at_s for blob, at_s in self._verified(verified).items()}

    def _verified(self, verified: Mapping[BlobId, int]) -> dict[BlobId, float]:
        rows = self._rows("SELECT blob, verified_at_ms, verified_s FROM promise WHERE blob", [],
                          verified)  # fmt: skip
        return {BlobId(blob): at_s for blob, at_ms, at_s in rows if verified[BlobId(blob)] == at_ms}

    # --- what leaves -------------------------------------------------------------------------

    def leave(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Let blobs leave: none of them is promised to anybody until `stay`.

        Returns those that may; not what is promised, nor what leaves already.
        """
        with self._lock:
            free = frozenset(blobs) - self.promised(blobs) - self._leaving
            self._leaving |= free
            return free

    def stay(self, blobs: Collection[BlobId]) -> None:
        """These do not leave any more, or have left; forget what proved that they may."""
        with self._lock:
            proven = [(blob,) for blob in self.proofs(blobs)]
            if proven:
                with self._writing() as db:
                    db.executemany("DELETE FROM proof WHERE blob = ?", proven)
            self._leaving.difference_update(blobs)

    @contextmanager
    def leaving(self, blob: BlobId) -> Iterator[None]:
        """Let a blob leave for the length of this. Raises BlobPromised.

        One that leaves already, by whoever asked others for it, goes on leaving afterwards.
        """
        with self._lock:
            is_known = blob in self._leaving
            if not is_known and not self.leave([blob]):
                raise BlobPromised(blob)
        try:
            yield
        finally:
            if not is_known:
                self.stay([blob])

    def prove(self, proofs: Mapping[BlobId, bytes]) -> None:
        """Write down, durably, why blobs that leave may go. From now on they count as away."""
        with self._writing() as db:
            assert self._leaving.issuperset(proofs), "only what leaves is proven"
            db.executemany("INSERT OR REPLACE INTO proof VALUES (?, ?)", proofs.items())

    def proofs(self, blobs: Collection[BlobId] | None = None) -> dict[BlobId, bytes]:
        """Return what was proven, of some blobs or of all: after a crash, what is to be settled."""
        with self._lock:
            if blobs is None:
                rows = self._db.execute("SELECT blob, proof FROM proof").fetchall()
            else:
                rows = self._rows("SELECT blob, proof FROM proof WHERE blob", [], blobs)
        return {BlobId(blob): proof for blob, proof in rows}

    # --- what is away ------------------------------------------------------------------------

    def note_away(self, blobs: Collection[BlobId]) -> None:
        """Remember that these were evicted."""
        with self._writing() as db:
            db.executemany("INSERT OR IGNORE INTO away VALUES (?)", [(blob,) for blob in blobs])

    def call_back(self, blobs: Collection[BlobId]) -> None:
        """Somebody wants these here again."""
        with self._writing() as db:
            db.executemany("DELETE FROM away WHERE blob = ?", [(blob,) for blob in blobs])

    def away_behind(self, blob: bytes, limit: int) -> list[BlobId]:
        """Return what was let go and not called back, in the order of the ids, behind one."""
        statement = "SELECT blob FROM away WHERE blob > ? ORDER BY blob LIMIT ?"
        with self._lock:
            return [BlobId(one) for (one,) in self._db.execute(statement, (blob, limit))]

    def away(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those of `blobs` that this node let go, or is about to: it does not want them."""
        with self._lock:
            rows = self._rows("SELECT blob FROM away WHERE blob", [], blobs)
            rows += self._rows("SELECT blob FROM proof WHERE blob", [], blobs)
        return frozenset(BlobId(blob) for (blob,) in rows)

    def _rows(
        self, statement: str, values: Sequence[object], blobs: Collection[BlobId]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a question that ends with the blobs it is about."""
        found: list[tuple[Any, ...]] = []
        wanted = list(blobs)
        for start in range(0, len(wanted), _ASKED_AT_ONCE):
            some = wanted[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            found += self._db.execute(f"{statement} IN ({marks})", (*values, *some)).fetchall()
        return found

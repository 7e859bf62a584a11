"""A whole index made at once, in the order of time.

What a catalog gives comes shard by shard, which is in no order; each photo of it would touch pages
all over the index (measured: 400 us a photo and forty times its bytes written). So it is staged in
runs that are sorted by time, and then merged: every list of the index grows at its end, and each
page is written about once. What has no order by time is staged too, and sorted last.

    add(batch)  as often as need be: stages it; memory is bounded by a run
    build()     makes the file; needs no catalog, so it may run on another thread; `stop` ends it
    finish()    puts the file in the place of the index's own

A load that ends early leaves files that the next one, or `discard`, throws away.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from photonic import limits
from photonic.crdt.batches import Batch, write_albums, write_edits
from photonic.crdt.index import PhotoIndex
from photonic.crdt.migrations import VERSION
from photonic.crdt.projection import PhotoRow
from photonic.crdt.rows import Blobs
from photonic.crdt.shelf import Shelf
from photonic.crdt.tables import schema
from photonic.crdt.timeline import place_of

_Staged = tuple[PhotoRow, int]  # with which of its blobs are held
_LAST: Final = ("CREATE INDEX photo_", "CREATE INDEX file_")  # are made when all photos are there
_CACHE_KIB = 65_536
_STAGE = """
CREATE TABLE stage.photo (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE stage.holder (key BLOB NOT NULL, nodes BLOB NOT NULL);
CREATE TABLE stage.seq (author INTEGER NOT NULL, seq INTEGER NOT NULL, change BLOB NOT NULL);
CREATE TABLE stage.blob_key (key BLOB NOT NULL, n INTEGER NOT NULL);
"""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Staged)


class _Stopped(Exception):
    """Nobody waits for the build any more."""


class Loader:
    """See the module. One thread at a time, but for `stop` and `progress`."""

    def __init__(self, index: PhotoIndex, now_ms: int) -> None:
        """Begin a load beside `index`, which stays as it is until `finish`."""
        assert index.path is not None, "an index in memory is small"
        self._index, self._now_ms = index, now_ms
        self._path = index.path.with_name(index.path.name + ".new")
        self._stage = index.path.with_name(index.path.name + ".stage")
        self.discard()
        self._db = _open(self._path, self._stage)
        self._last = _make_tables(self._db)
        self._shelf = Shelf(self._db, is_new=True)
        self._run: list[tuple[int, bytes]] = []
        self._run_bytes = 0
        self._runs: list[tuple[int, int]] = []  # first and last id of each
        self._staged, self._done = 0, 0  # photos
        self._is_stopped = False

    def discard(self) -> None:
        """Throw away what is there; may be repeated."""
        if hasattr(self, "_db"):
            self._db.close()
        for path in (self._path, self._stage):
            for part in path.parent.glob(path.name + "*"):
                part.unlink()

    def add(self, batch: Batch) -> None:
        """Stage a batch. Each photo comes once; `gone` and `projected` say nothing here."""
        self._db.execute("BEGIN")
        for row in batch.rows:
            held = Blobs.of(row.blobs, batch.held).held
            data = _encoder.encode((row, held))
            self._run.append((place_of(row.sorted_by, row.photo), data))
            self._run_bytes += len(data)
        self._staged += len(batch.rows)
        if self._run_bytes >= limits.INDEX_RUN_BYTES:
            self._end_run()
        self._shelf.put_holders(batch.holders)
        seqs = self._shelf.holders.seq_rows(batch.seqs)
        self._db.executemany("INSERT INTO stage.seq VALUES (?, ?, ?)", seqs)
        write_albums(self._db, batch.albums)
        write_edits(self._db, batch.edits)
        self._db.execute("COMMIT")

    def _end_run(self) -> None:
        if self._run:
            first = self._runs[-1][1] + 1 if self._runs else 1
            self._run.sort()
            rows = [(first + i, n, data) for i, (n, data) in enumerate(self._run)]
            self._db.executemany("INSERT INTO stage.photo VALUES (?, ?, ?)", rows)
            self._runs.append((first, first + len(rows) - 1))
        self._run, self._run_bytes = [], 0

    # --- building ----------------------------------------------------------------------------

    def build(self) -> bool:
        """Make the index of all that was staged; False if it was stopped."""
        try:
            self._build()
        except _Stopped:
            return False
        except sqlite3.OperationalError:
            if not self._is_stopped:
                raise
            return False
        return True

    def stop(self) -> None:
        """End a build on another thread soon; only `discard` may follow."""
        self._is_stopped = True
        self._db.interrupt()

    @property
    def progress(self) -> tuple[int, int]:
        """How many photos are built, of how many."""
        return self._done, self._staged

    def _build(self) -> None:
        db = self._db
        db.execute("BEGIN")
        self._end_run()
        db.execute("INSERT OR REPLACE INTO holder SELECT key, nodes FROM stage.holder ORDER BY 1")
        db.execute("COMMIT")
        merged = heapq.merge(*(self._sorted_run(*run) for run in self._runs))
        while photos := _some(merged, limits.INDEX_LOAD_PHOTOS):
            db.execute("BEGIN")
            rows = [row for row, _ in photos]
            stored = {
                blob.ref.blob
                for row, held in photos
                for position, blob in enumerate(row.blobs)
                if held >> position & 1
            }
            self._shelf.put(rows, stored, self._now_ms)
            self._shelf.write()
            db.execute("COMMIT")
            self._done += len(rows)
            if self._is_stopped:
                raise _Stopped
        db.execute("BEGIN")
        db.execute("INSERT OR IGNORE INTO seq SELECT * FROM stage.seq ORDER BY 1, 2, 3")
        db.execute("INSERT INTO blob_key SELECT * FROM stage.blob_key ORDER BY 1, 2")
        for statement in self._last:
            db.execute(statement)
        db.execute("COMMIT")
        db.execute(f"PRAGMA user_version = {VERSION}")

    def _sorted_run(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        return iter(
            self._db.execute(
                "SELECT n, data FROM stage.photo WHERE id BETWEEN ? AND ? ORDER BY id",
                (first, last),
            )
        )

    def finish(self) -> None:
        """Put what was built in the index's place. Its journal number is 0 until it is noted."""
        self._db.close()
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        self._index.replace(self._path)
        self.discard()


def _open(path: Path, stage: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for schema_name in ("main", "stage"):
        if schema_name == "stage":
            db.execute("ATTACH ? AS stage", (str(stage),))
        # Whatever stops the load makes the file worthless, so nothing is written twice for it.
        db.execute(f"PRAGMA {schema_name}.journal_mode = OFF")
        db.execute(f"PRAGMA {schema_name}.synchronous = OFF")
    db.execute(f"PRAGMA main.cache_size = -{_CACHE_KIB}")
    return db


def _make_tables(db: sqlite3.Connection) -> list[str]:
    """Make the tables; return the statements that are for later."""
    db.executescript(_STAGE)
    made = schema()
    for statement in made:
        if not statement.startswith(_LAST):
            db.execute(statement)
    return [statement for statement in made if statement.startswith(_LAST)]


def _some(merged: Iterator[tuple[int, bytes]], most: int) -> list[_Staged]:
    found: list[_Staged] = []
    for _, data in merged:
        found.append(_decoder.decode(data))
        if len(found) == most:
            break
    return found

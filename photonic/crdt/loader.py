"""A whole index made at once, in the order of time.

What a catalog gives comes shard by shard, which is in no order; each photo of it would touch pages
all over the index (measured: 400 us a photo and forty times its bytes written). So it is staged in
runs that are sorted by time, and then merged: every list of the index grows at its end, and each
page is written about once. What has no order by time is staged too, and sorted last.

    begin(shard)  says whose batches come next; what was staged of that shard before is forgotten
    add(batch)    as often as need be: stages it; memory is bounded by a run
    build()       makes the file; needs no catalog, so it may run on another thread; `stop` ends it
    close()       makes it durable, for `PhotoIndex.replace`

A load that ends early leaves files that the next one, or `discard`, throws away.
"""

from __future__ import annotations

import heapq
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from photonic import limits
from photonic.crdt.batches import Batch, write_albums, write_edits
from photonic.crdt.migrations import VERSION
from photonic.crdt.new_shelf import NewShelf, ReadyPhoto
from photonic.crdt.place_seal import PlaceSeal
from photonic.crdt.tables import JOURNAL, schema
from photonic.crdt.timeline import place_of

_LAST: Final = ("CREATE INDEX photo_", "CREATE INDEX file_")  # are made when all photos are there
_CACHE_KIB = 65_536
_STAGE = """
CREATE TABLE stage.photo (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE stage.holder (key BLOB NOT NULL, nodes BLOB NOT NULL, hints BLOB NOT NULL);
CREATE TABLE stage.seq (author INTEGER NOT NULL, seq INTEGER NOT NULL, change BLOB NOT NULL);
CREATE TABLE stage.blob_key (key BLOB NOT NULL, n INTEGER NOT NULL);
"""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ReadyPhoto)


class _Stopped(Exception):
    """Nobody waits for the build any more."""


class Loader:
    """See the module. One thread at a time, but for `stop` and `progress`."""

    def __init__(self, index: Path, now_ms: int, seal: PlaceSeal | None = None) -> None:
        """Begin a load beside the file `index`, which may be in use; its places are sealed so."""
        self.path, self._stage = made_beside(index)
        self._now_ms = now_ms
        discard(index)
        self._db = _open(self.path, self._stage)
        self._last = _make_tables(self._db)
        self._shelf = NewShelf(self._db, seal or PlaceSeal())
        self._run: list[tuple[int, bytes]] = []
        self._run_bytes = 0
        self._runs: list[tuple[int, int]] = []  # first and last id of each
        self._staged, self._done = 0, 0  # photos
        self._stamp = 0
        self._stamps: dict[int, int] = {}  # by shard
        self._forgotten: set[int] = set()  # stamps
        self._is_stopped = False

    def begin(self, shard: int) -> None:
        """Stage a shard, from its beginning."""
        if shard in self._stamps:
            self._forgotten.add(self._stamps[shard])
        self._stamp += 1
        self._stamps[shard] = self._stamp

    def add(self, batch: Batch) -> None:
        """Stage a batch. Each photo comes once; `gone` and `projected` say nothing here."""
        self._db.execute("BEGIN")
        for row in batch.rows:
            data = _encoder.encode(self._shelf.ready(row, batch.held, self._stamp))
            self._run.append((place_of(row.sorted_by, row.photo), data))
            self._run_bytes += len(data)
        self._staged += len(batch.rows)
        if self._run_bytes >= limits.INDEX_RUN_BYTES:
            self._end_run()
        self._shelf.put_holders(batch.holders, batch.uncounted)
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

    def build(self, note: Callable[[int, int], None] = lambda _done, _of: None) -> bool:
        """Make the index of all that was staged; False if it was stopped. `note` hears of it."""
        try:
            self._build(note)
        except _Stopped:
            return False
        except sqlite3.OperationalError:
            if not self._is_stopped:
                raise
            return False
        return True

    def stop(self) -> None:
        """End a build on another thread soon; only `abandon` may follow."""
        self._is_stopped = True
        self._db.interrupt()

    @property
    def progress(self) -> tuple[int, int]:
        """How many photos are built, of how many."""
        return self._done, self._staged

    def _build(self, note: Callable[[int, int], None]) -> None:
        db = self._db
        db.execute("BEGIN")
        self._end_run()
        # Of a shard that was staged again, what came last counts.
        db.execute(
            "INSERT OR REPLACE INTO holder (key, nodes, hints)"
            " SELECT key, nodes, hints FROM stage.holder ORDER BY key, rowid"
        )
        db.execute("DELETE FROM holder WHERE nodes = x''")
        db.execute("COMMIT")
        merged = heapq.merge(*(self._sorted_run(*run) for run in self._runs))
        while photos := _some(merged, limits.INDEX_LOAD_PHOTOS):
            db.execute("BEGIN")
            there = [one for one in photos if one[1].stamp not in self._forgotten]
            self._shelf.put_ready(there, self._now_ms)
            self._shelf.write()
            db.execute("COMMIT")
            self._done += len(photos)
            note(self._done, self._staged)
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

    def close(self) -> None:
        """Make what was built durable, at `path`. `mark_made` says how true it is."""
        self._db.close()
        self._stage.unlink()
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def abandon(self) -> None:
        """Throw away what is there; may be repeated."""
        self._db.close()
        for path in (self.path, self._stage):
            path.unlink(missing_ok=True)


def mark_made(path: Path, stale: Iterable[int], journal_number: int) -> None:
    """Note in a file that was made up to which entry it is true, but for stale shards.

    Before it is put in place: no index may look truer than it is, even if there is no room left.
    """
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany("INSERT INTO stale VALUES (?)", [(shard,) for shard in stale])
        db.execute("INSERT OR REPLACE INTO tally VALUES (?, ?)", (JOURNAL, journal_number))


def discard(index: Path) -> None:
    """Throw away what a load beside `index` left that was ended, maybe with its process."""
    for path in made_beside(index):
        for part in path.parent.glob(path.name + "*"):
            part.unlink(missing_ok=True)


def made_beside(index: Path) -> tuple[Path, Path]:
    """Return where a load makes its file, and where it keeps what it staged."""
    return index.with_name(index.name + ".new"), index.with_name(index.name + ".stage")


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


def _some(merged: Iterator[tuple[int, bytes]], most: int) -> list[tuple[int, ReadyPhoto]]:
    return [(place, _decoder.decode(data)) for place, data in islice(merged, most)]

"""What was read already: files that did not change since are not read again, even after a restart.

A memory and no truth. Whatever is doubtful is forgotten, losing the database costs one more reading
of the folders, and SQLite's failures are never those of an import. What a file held is remembered
only after the catalog has it durably. Any thread.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from photonic import limits
from photonic.ids import HASH_BYTES, BlobId
from photonic.world import Clock

log = logging.getLogger(__name__)

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name BLOB NOT NULL UNIQUE,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode BLOB NOT NULL,
    blob BLOB NOT NULL
) STRICT;
"""


class Sight(NamedTuple):
    """A file in one state; for a sidecar with the photo that it was taken in for."""

    path: Path
    size_bytes: int
    mtime_ns: int
    ctime_ns: int  # the only one that a copy which keeps times cannot set
    inode: int
    photo: bytes = b""

    @property
    def name(self) -> bytes:
        return os.fsencode(self.path) + b"\0" + self.photo

    @property
    def state(self) -> tuple[int, int, int, bytes]:
        return (self.size_bytes, self.mtime_ns, self.ctime_ns, self.inode.to_bytes(8, "big"))


def sight(path: Path, photo: bytes = b"") -> Sight:
    """Look at a file. Raises OSError."""
    status = path.stat()
    return Sight(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, photo)


class Seen:
    """The memory of one library on one node, in one SQLite file."""

    def __init__(self, path: Path | None, clock: Clock) -> None:
        """Open or create it at `path`; None keeps it in memory. A damaged one is begun anew."""
        self._clock, self._lock = clock, threading.Lock()
        try:
            self._db = _open(path)
        except (sqlite3.Error, OSError) as error:
            log.warning("%s is begun anew: %s", path, error)
            try:
                if path is not None:
                    path.unlink(missing_ok=True)
                self._db = _open(path)
            except (sqlite3.Error, OSError):
                self._db = _open(None)  # no room, say: this run remembers, the next does not

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def blob(self, seen: Sight) -> BlobId | None:
        """Return what the file held if it was taken in in this very state, else None."""
        try:
            with self._lock:
                row = self._db.execute(
                    "SELECT size_bytes, mtime_ns, ctime_ns, inode, blob FROM seen WHERE name=?",
                    (seen.name,),
                ).fetchone()
        except sqlite3.Error as error:
            log.warning("what was read already is not known: %s", error)
            return None
        if row is None or row[:4] != seen.state or len(row[4]) != HASH_BYTES:
            return None
        return BlobId(row[4])

    def note(self, some: Iterable[tuple[Sight, BlobId]]) -> None:
        """Remember what files held, each as it was when it was looked at *before* it was read.

        A file that changed a moment ago is left out: it may change again within the same tick of
        the disk's clock, and look as if it had not.
        """
        latest_ns = (self._clock.now_ms() - int(limits.SETTLE_S * 1_000)) * 1_000_000
        rows = [
            (one.name, *one.state, blob)
            for one, blob in some
            if max(one.mtime_ns, one.ctime_ns) <= latest_ns
        ]
        try:
            with self._lock, self._db:
                self._db.executemany(
                    "INSERT OR REPLACE INTO seen"
                    " (name, size_bytes, mtime_ns, ctime_ns, inode, blob) VALUES (?,?,?,?,?,?)",
                    rows,
                )
                self._db.execute(
                    "DELETE FROM seen WHERE number <= (SELECT max(number) FROM seen) - ?",
                    (limits.SEEN_FILES_MAX,),
                )
        except sqlite3.Error as error:
            log.warning("what was read is not remembered: %s", error)


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path or ":memory:", check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # a lost row costs one reading
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"its version is {version}")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        db.close()
        raise
    return db

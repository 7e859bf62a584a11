"""The durable record of every update: SQLite, append-only, committed in batches.

What is in here is what the node knows; documents, index and status are derived from it. `commit`
returns only when the batch is on disk (WAL, synchronous=FULL), and nothing is announced before
(invariant I3). Every entry has a checksum; a damaged one is told and left out, and what it held
comes back from any peer by anti-entropy. Blocking: one thread owns it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from photonic import limits
from photonic.errors import JournalDamaged
from photonic.ids import digest

CHANGES, HOLDINGS = 0, 1
_CHECKSUM_BYTES = 8

_SCHEMA = """
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
) STRICT;
"""
_QUARANTINE_KEPT = 256
_QUARANTINE_BYTES_MAX = 64 * limits.KIB


class Entry(NamedTuple):
    """One update of one document of one shard."""

    shard: int
    document: int
    data: bytes


class ShardDigest(NamedTuple):
    """What the entries of a shard's documents add up to (see shards.py), and how many changes."""

    changes: bytes
    holdings: bytes
    change_count: int

    def of(self, document: int) -> bytes:
        return self.changes if document == CHANGES else self.holdings


class Quarantined(NamedTuple):
    """An update that was refused at the door."""

    peer: bytes
    reason: str
    at_ms: int
    data: bytes


class Journal:
    """The journal of one library on one node."""

    def __init__(self, path: Path | None) -> None:
        """Open or create the journal at `path`; None keeps it in memory (simulator, tests)."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # The catalog thread opens it and the catalog thread uses it; the check is off only so
        # that closing may happen after that thread ended.
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self.damaged: list[JournalDamaged] = []

    def close(self) -> None:
        self._db.close()

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever committed; 0 before the first."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name='entries'").fetchone()
        return int(row[0]) if row else 0

    def updates(self, shard: int, document: int) -> list[bytes]:
        """Return the sound updates of a document, oldest first; damaged ones are told."""
        rows = self._db.execute(
            "SELECT number, data, checksum FROM entries WHERE shard=? AND document=?"
            " ORDER BY number",
            (shard, document),
        )
        return [data for number, data, check in rows if self._is_sound(number, shard, data, check)]

    def entry_count(self, shard: int, document: int) -> int:
        """Return how many entries a document has; compaction makes it one."""
        row = self._db.execute(
            "SELECT count(*) FROM entries WHERE shard=? AND document=?", (shard, document)
        ).fetchone()
        return int(row[0])

    def _is_sound(self, number: int, shard: int, data: bytes, checksum: bytes) -> bool:
        if digest(data)[:_CHECKSUM_BYTES] == checksum:
            return True
        self.damaged.append(JournalDamaged(f"entry {number} of shard {shard} fails its checksum"))
        return False

    def shards_since(self, number: int) -> list[int]:
        """Return the shards with an entry newer than `number`."""
        rows = self._db.execute("SELECT DISTINCT shard FROM entries WHERE number>?", (number,))
        return sorted(row[0] for row in rows)

    def digests(self) -> dict[int, ShardDigest]:
        rows = self._db.execute("SELECT shard, changes, holdings, count FROM digests")
        return {shard: ShardDigest(*value) for shard, *value in rows}

    def fact(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return bytes(row[0]) if row else None

    def commit(
        self,
        entries: Iterable[Entry],
        digests: Mapping[int, ShardDigest],
        facts: Mapping[str, bytes],
    ) -> None:
        """Make a batch durable, all of it or nothing. Raises sqlite3.Error (disk full)."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO entries (shard, document, data, checksum) VALUES (?,?,?,?)",
                ((*entry, digest(entry.data)[:_CHECKSUM_BYTES]) for entry in entries),
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO digests VALUES (?,?,?,?)",
                ((shard, *value) for shard, value in digests.items()),
            )
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?,?)", facts.items())

    def compact(self, shard: int, document: int, snapshot: bytes) -> None:
        """Replace all entries of a document by one that carries everything they carried."""
        with self._transaction():
            self._db.execute("DELETE FROM entries WHERE shard=? AND document=?", (shard, document))
            self._db.execute(
                "INSERT INTO entries (shard, document, data, checksum) VALUES (?,?,?,?)",
                (shard, document, snapshot, digest(snapshot)[:_CHECKSUM_BYTES]),
            )

    def quarantine(self, item: Quarantined) -> None:
        """Keep a refused update aside, bounded: the oldest go first."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO quarantine (peer, reason, at_ms, data) VALUES (?,?,?,?)",
                (item.peer, item.reason, item.at_ms, item.data[:_QUARANTINE_BYTES_MAX]),
            )
            self._db.execute(
                "DELETE FROM quarantine WHERE number NOT IN"
                " (SELECT number FROM quarantine ORDER BY number DESC LIMIT ?)",
                (_QUARANTINE_KEPT,),
            )

    def quarantined(self) -> list[Quarantined]:
        rows = self._db.execute(
            "SELECT peer, reason, at_ms, data FROM quarantine ORDER BY number DESC"
        )
        return [Quarantined(*row) for row in rows]

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK if anything fails."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
                return
            except sqlite3.Error:
                self._rollback()
                raise
        self._rollback()

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

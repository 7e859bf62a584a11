"""The directory's file, read by a process other than the one that keeps it.

It writes nothing, and sees what was committed before each question. A row that does not add up to
its own name is not made good here, for that is the keeper's to do: it is RowUnsound.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from photonic.crdt.changes import SignedChange, read
from photonic.errors import ChangeInvalid
from photonic.ids import BlobId, LibraryId, NodeId


class RowUnsound(Exception):
    """The directory must be made good before anybody goes by it."""


class DirectoryView:
    """See the module; `directory.Directory` says what the tables hold."""

    def __init__(self, path: Path, library: LibraryId) -> None:
        """Open the directory that another process keeps. Raises sqlite3.Error."""
        self._library, self._db = library, reader(path)

    def close(self) -> None:
        self._db.close()

    def last(self, shard: int) -> int:
        """Return the number of the newest row of a shard; 0 if there is none."""
        (found,) = self._db.execute(
            "SELECT max(number) FROM changes WHERE shard=?", (shard,)
        ).fetchone()
        return found or 0

    def changes(self, shard: int) -> list[SignedChange]:
        """Return every change of a shard. Raises RowUnsound, sqlite3.Error."""
        found = []
        rows = self._db.execute("SELECT id, data FROM changes WHERE shard=?", (shard,))
        for name, data in rows.fetchall():  # at once: an open statement holds up the keeper's log
            try:
                signed = read(self._library, data)
            except ChangeInvalid as error:
                raise RowUnsound(f"a change in shard {shard} cannot be read: {error}") from error
            if int.from_bytes(signed.id[:8], "big", signed=True) != name:
                raise RowUnsound(f"a change in shard {shard} is not the one that it is called")
            found.append(signed)
        return found

    def holdings(self, shard: int) -> Iterator[tuple[BlobId, NodeId, bool]]:
        """Yield all that is said of the blobs of a shard."""
        rows = self._db.execute("SELECT blob, node, held FROM holdings WHERE shard=?", (shard,))
        for blob, node, held in rows.fetchall():
            yield BlobId(blob), NodeId(node), bool(held)


def reader(path: Path) -> sqlite3.Connection:
    """Open a file of SQLite that another process writes, for reading alone."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)

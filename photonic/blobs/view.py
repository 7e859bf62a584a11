"""What a store holds, asked by a process other than the one that keeps it. Writes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from photonic.blobs.shelf import LEDGER, final_path
from photonic.ids import BlobId

_ASKED_AT_ONCE = 500


class StoreView:
    """Answers `has_many` as `files.FileStore` does; one thread's."""

    def __init__(self, root: Path) -> None:
        """Open the store below `root`; where none is, nothing is held. Raises sqlite3.Error."""
        self._root, self._db = root, None
        path = root / LEDGER
        if path.exists():
            self._db = sqlite3.connect(
                f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None
            )

    def has_many(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those of `blobs` that are held. Raises sqlite3.Error."""
        if self._db is None:
            return frozenset()
        found: set[BlobId] = set()
        asked = list(blobs)
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            some = asked[start : start + _ASKED_AT_ONCE]
            rows = self._db.execute(
                f"SELECT blob FROM blobs WHERE blob IN ({','.join('?' * len(some))})"  # noqa: S608
                " AND verified_at_ms IS NOT NULL",
                some,
            )
            found.update(BlobId(blob) for (blob,) in rows.fetchall())
        return frozenset(blob for blob in found if final_path(self._root, blob).exists())

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

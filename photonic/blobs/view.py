"""What a store holds, asked by a process other than the one that keeps it. Writes nothing.

It tells what `files.FileStore.has_many` does, and needs nothing of it but the ledger and the names
of files: an older ledger, which knows of no packs, is read as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

from photonic.blobs.packs import pack_path
from photonic.blobs.shelf import LEDGER, PACKS, final_path
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
            columns = {row[1] for row in self._db.execute("PRAGMA table_info (blobs)")}
            self._pack_column = "pack" if "pack" in columns else "NULL"

    def has_many(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those of `blobs` that are held. Raises sqlite3.Error."""
        if self._db is None:
            return frozenset()
        entered = self._entered(self._db, list(blobs))
        packs = {pack for pack in entered.values() if pack is not None}
        there = {pack for pack in packs if pack_path(self._root / PACKS, pack).exists()}
        # What was in a pack that is gone may have been moved to another one since it was asked for.
        moved = [blob for blob, pack in entered.items() if pack is not None and pack not in there]
        entered |= self._entered(self._db, moved)
        return frozenset(
            blob for blob, pack in entered.items() if pack in there or self._is_there(blob, pack)
        )

    def _entered(self, db: sqlite3.Connection, asked: list[BlobId]) -> dict[BlobId, int | None]:
        """Return those that are entered as held, each with its pack if it is in one."""
        found: dict[BlobId, int | None] = {}
        for start in range(0, len(asked), _ASKED_AT_ONCE):
            some = asked[start : start + _ASKED_AT_ONCE]
            rows = db.execute(
                f"SELECT blob, {self._pack_column} FROM blobs"  # noqa: S608
                f" WHERE blob IN ({','.join('?' * len(some))}) AND verified_at_ms IS NOT NULL",
                some,
            )
            found |= {BlobId(blob): pack for blob, pack in rows.fetchall()}
        return found

    def _is_there(self, blob: BlobId, pack: int | None) -> bool:
        if pack is None:
            return final_path(self._root, blob).exists()
        return pack_path(self._root / PACKS, pack).exists()

    def close(self) -> None:
        if self._db is not None:
            self._db.close()

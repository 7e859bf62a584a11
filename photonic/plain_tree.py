"""Files with the names that people gave them, in a folder that needs no photonic to be read.

Whoever comes first has a name, others get part of their id into it. Which name is whose is written
down before a byte is (beside the tree, while it is made), so a second run after a kill finds the
same names, and copies only what it has not finished. A file gets its name when its bytes are
verified and durable.
"""

from __future__ import annotations

import os
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, TypeVar

import blake3

from photonic import limits
from photonic.errors import BlobCorrupt, ExportUnwritable
from photonic.ids import BlobId

_PIECE_BYTES: Final = 1 * limits.MIB
_SHORT: Final = 8  # hex digits
_SCHEMA = """
CREATE TABLE IF NOT EXISTS names (
    folded TEXT PRIMARY KEY, path TEXT NOT NULL, blob BLOB NOT NULL, done INTEGER NOT NULL
) WITHOUT ROWID;
"""
T = TypeVar("T")
Open = Callable[[], BinaryIO]


class PlainTree:
    """A tree that is being made. Blocking; used by one thread."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        """Both are on one disk; `scratch` outlives a kill, and goes when the tree is complete."""
        self.folder, self._part = folder, scratch / "part"
        self._db = sqlite3.connect(scratch / "names.sqlite3", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def put(self, wanted: PurePosixPath, blob: BlobId, opened: Open) -> tuple[PurePosixPath, bool]:
        """Give verified bytes the name `wanted`, or one like it; return it, and if it is new.

        Raises BlobCorrupt, ExportUnwritable, and OSError where what `opened` gives cannot be read.
        """
        for candidate in _candidates(wanted, blob):
            folded = _folded(candidate)
            row = (folded, str(candidate), blob)
            self._db.execute("INSERT OR IGNORE INTO names VALUES (?, ?, ?, 0)", row)
            spelled, owner, done = self._db.execute(
                "SELECT path, blob, done FROM names WHERE folded=?", (folded,)
            ).fetchone()
            if owner != blob:
                continue
            path = PurePosixPath(spelled)
            if done:
                return path, False
            self._copy(path, blob, opened)
            self._db.execute("UPDATE names SET done=1 WHERE folded=?", (folded,))
            return path, True
        raise AssertionError("a blob's whole id is a name of its own")

    def _copy(self, path: PurePosixPath, blob: BlobId, opened: Open) -> None:
        hasher = blake3.blake3()
        with opened() as reading, self._written() as writing:
            while piece := reading.read(_PIECE_BYTES):
                hasher.update(piece)
                _write(writing, piece, self.folder)
            if hasher.digest() != blob:
                raise BlobCorrupt(blob)
            _named(self.folder, lambda: os.fsync(writing.fileno()))
        _named(self.folder, lambda: self._publish(self.folder / path))

    def _written(self) -> BinaryIO:
        return _named(self.folder, lambda: self._part.open("wb"))

    def _publish(self, final: Path) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        self._part.replace(final)
        handle = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(file: BinaryIO, piece: bytes, folder: Path) -> None:
    _named(folder, lambda: file.write(piece))


def _named(folder: Path, work: Callable[[], T]) -> T:
    """Do something with the tree's own disk, whose trouble is not the archive's."""
    try:
        return work()
    except OSError as error:
        raise ExportUnwritable(f"{folder}: {error.strerror or error}") from error


def _candidates(wanted: PurePosixPath, blob: BlobId) -> Iterator[PurePosixPath]:
    yield wanted
    for digits in (blob.hex()[:_SHORT], blob.hex()):
        stem, dot, suffix = wanted.name.partition(".")
        yield wanted.with_name(f"{stem}~{digits}{dot}{suffix}")


def _folded(path: PurePosixPath) -> str:
    """Return a path as file systems compare it that know no case, and spell in another way."""
    return unicodedata.normalize("NFC", str(path)).casefold()

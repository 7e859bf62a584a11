"""What the tree shows and what it goes by: a small database beside the index. Derived, disposable.

Of every file that the builder puts into the tree there is an entry *before* it is there, and until
after it is gone: so what lies in the tree without an entry was put there by somebody else. Without
this file all of it is read from the catalog again, and the same tree comes out. Blocking; one
thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from photonic.ids import BlobId, ChangeId
from photonic.tree.paths import Claim, key_of
from photonic.tree.picture import Picture, SidecarVersion

T = TypeVar("T")
_VERSION = 1
_SCHEMA = """
CREATE TABLE photo (photo BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE claim (key TEXT NOT NULL, photo BLOB NOT NULL, path TEXT NOT NULL, at INTEGER NOT NULL,
    change BLOB NOT NULL, PRIMARY KEY (key, photo, change)) WITHOUT ROWID;
CREATE INDEX claim_photo ON claim (photo);
CREATE TABLE need (blob BLOB NOT NULL, photo BLOB NOT NULL, PRIMARY KEY (blob, photo))
    WITHOUT ROWID;
CREATE TABLE entry (path TEXT PRIMARY KEY, photo BLOB NOT NULL, blob BLOB NOT NULL, sidecar BLOB,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX entry_photo ON entry (photo);
CREATE TABLE shard (number INTEGER PRIMARY KEY, digest BLOB NOT NULL);
"""
_ASKED_AT_ONCE = 500
_CACHE_KIB = 64 * 1024  # ids are in no order, so what is written lies anywhere
_CHECKPOINT_PAGES = 8_000
_pictures = msgspec.msgpack.Decoder(Picture)
_sidecars = msgspec.msgpack.Decoder(SidecarVersion)
_encode = msgspec.msgpack.Encoder().encode


class Entry(NamedTuple):
    """A file of ours in the tree; `size`, `mtime_ns` and `inode` are 0 until it is there."""

    path: str
    photo: BlobId
    blob: BlobId
    sidecar: SidecarVersion | None
    size: int
    mtime_ns: int
    inode: int


class TreeLedger:
    """See the module."""

    def __init__(self, path: Path) -> None:
        """Open the database, or make it anew if it is of another version or damaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.is_new = not path.exists()
        try:
            self._db = self._open(path)
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self.is_new = True
            self._db = self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")  # what a crash loses is found out
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"version {version}")
            if version == 0:
                db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Do several writes at once, or none of them."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- what the catalog says ---------------------------------------------------------------

    def learn(self, pictures: Iterable[Picture], gone: Collection[BlobId] = ()) -> set[BlobId]:
        """Note what photos are now, and which are none any more; return whom that may move."""
        some = {picture.photo: picture for picture in pictures}
        photos = [*some, *gone]
        keys = set(self._keys_of(photos))
        for part in _parts(photos):
            marks = ",".join("?" * len(part))
            for table in ("photo", "claim", "need"):
                gone_now = f"DELETE FROM {table} WHERE photo IN ({marks})"  # noqa: S608
                self._db.execute(gone_now, part)
        claims = [(key_of(claim.path), claim) for one in some.values() for claim in one.claimed()]
        keys |= {key for key, _ in claims}
        self._db.executemany(
            "INSERT INTO photo VALUES (?, ?)", ((p, _encode(one)) for p, one in some.items())
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO claim VALUES (?, ?, ?, ?, ?)",
            ((key, one.photo, one.path, one.at, one.change) for key, one in claims),
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO need VALUES (?, ?)",
            ((blob, photo) for photo, one in some.items() for blob in one.blobs()),
        )
        return {*photos, *(claim.photo for claim in self.claims(keys))}

    def _keys_of(self, photos: Sequence[BlobId]) -> Iterator[str]:
        for part in _parts(photos):
            marks = ",".join("?" * len(part))
            for (key,) in self._db.execute(
                f"SELECT key FROM claim WHERE photo IN ({marks})",  # noqa: S608
                part,
            ).fetchall():
                yield key

    def claims(self, keys: Iterable[str]) -> list[Claim]:
        """Return every claim of some keys."""
        found: list[Claim] = []
        for part in _parts(list(keys)):
            marks = ",".join("?" * len(part))
            rows = self._db.execute(
                f"SELECT photo, path, at, change FROM claim WHERE key IN ({marks})",  # noqa: S608
                part,
            )
            found += [Claim(BlobId(p), path, at, ChangeId(c)) for p, path, at, c in rows]
        return found

    def is_claimed(self, key: str, but: BlobId) -> bool:
        """Whether another photo has a claim to a key."""
        asked = "SELECT 1 FROM claim WHERE key = ? AND photo <> ? LIMIT 1"
        return self._db.execute(asked, (key, but)).fetchone() is not None

    def pictures(self, photos: Sequence[BlobId]) -> list[Picture]:
        found: list[Picture] = []
        for part in _parts(photos):
            marks = ",".join("?" * len(part))
            asked = f"SELECT record FROM photo WHERE photo IN ({marks})"  # noqa: S608
            found += [_pictures.decode(row) for (row,) in self._db.execute(asked, part)]
        return found

    def photos_after(self, photo: bytes, limit: int) -> list[BlobId]:
        """Return photos in the order of their ids, behind one."""
        asked = "SELECT photo FROM photo WHERE photo > ? ORDER BY photo LIMIT ?"
        return [BlobId(row) for (row,) in self._db.execute(asked, (photo, limit))]

    def photos_of(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        """Return the photos that show any of some blobs."""
        found: set[BlobId] = set()
        for part in _parts(blobs):
            marks = ",".join("?" * len(part))
            asked = f"SELECT photo FROM need WHERE blob IN ({marks})"  # noqa: S608
            found |= {BlobId(row) for (row,) in self._db.execute(asked, part)}
        return found

    def digests(self) -> dict[int, bytes]:
        """Return of each shard what it came to when all of it was learnt."""
        return dict(self._db.execute("SELECT number, digest FROM shard").fetchall())

    def note_digest(self, number: int, digest: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO shard VALUES (?, ?)", (number, digest))

    # --- what is in the tree -----------------------------------------------------------------

    def entries(self, photos: Sequence[BlobId]) -> list[Entry]:
        """Return the files of some photos."""
        found: list[Entry] = []
        for part in _parts(photos):
            marks = ",".join("?" * len(part))
            asked = f"SELECT * FROM entry WHERE photo IN ({marks})"  # noqa: S608
            found += map(_entry, self._db.execute(asked, part))
        return found

    def entries_at(self, paths: Sequence[str]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for part in _parts(paths):
            marks = ",".join("?" * len(part))
            asked = f"SELECT * FROM entry WHERE path IN ({marks})"  # noqa: S608
            found |= {row[0]: _entry(row) for row in self._db.execute(asked, part)}
        return found

    def put(self, entries: Iterable[Entry]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (*one[:3], _encode(one.sidecar) if one.sidecar else None, *one[4:])
                for one in entries
            ),
        )

    def forget(self, paths: Iterable[str]) -> None:
        self._db.executemany("DELETE FROM entry WHERE path = ?", ((path,) for path in paths))

    def counts(self) -> tuple[int, int]:
        """Return how many originals and how many sidecars the tree shows."""
        asked = "SELECT count(*), count(sidecar) FROM entry WHERE inode <> 0"
        total, sidecars = self._db.execute(asked).fetchone()
        return total - sidecars, sidecars


def _entry(row: Sequence[object]) -> Entry:
    path, photo, blob, sidecar, size, mtime_ns, inode = row
    decoded = _sidecars.decode(sidecar) if isinstance(sidecar, bytes) else None
    return Entry(path, photo, blob, decoded, size, mtime_ns, inode)  # type: ignore[arg-type]


def _parts(some: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), _ASKED_AT_ONCE):
        yield some[start : start + _ASKED_AT_ONCE]

"""The disk of a simulated machine: real files in memory, and what becomes of them without power.

Files lie in a folder of a file system in memory, so that SQLite and every `open` of the product
work as ever. What safety rests on comes through `photonic.world.Files` and `sqlite3.connect`, and
is seen: each fsync and each commit takes its time, may be the one at which the power goes, and
makes durable what was written before it. A power cut leaves an *image* for the next start: a copy
of the folder in which what was never fsynced is lost, torn or there, as the dice say.

SQLite's own promises are taken for granted here (tests/journal proves them with real power cuts):
a database with `synchronous=FULL` keeps what was committed; one with NORMAL may lose any number of
its last commits, back to the last checkpoint; what was not committed is not there.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photonic.world import Abilities, SystemFiles
from simulations.threads import pause

_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_PAGE_BYTES = 4_096  # what a disk writes as a whole
_SYNC_S = 0.004


@dataclass(slots=True)
class _Unsynced:
    """A file of which something may be lost."""

    durable_bytes: int  # how long it was at its last fsync
    ranges: list[tuple[int, int]] = field(default_factory=list)  # offset and length, written since


class Disk:
    """One machine's disk. `on_cut` is called when the power goes at a sync that was chosen."""

    def __init__(self, folder: Path, dice: random.Random, room_bytes: int, scale: int = 1) -> None:
        """`room_bytes` is virtual: each byte of a blob that is kept takes `scale` of them."""
        self._folder, self._dice, self._generation = folder, dice, 0
        self.room_bytes, self._scale = room_bytes, scale
        self._used = (0, 0)  # bytes of blobs, as they were after so many syncs
        self.left_bytes: int | None = None  # of a full one
        self.sync_s = _SYNC_S
        self.syncs = 0
        self.cut_at_sync: int | None = None
        self.on_cut: Callable[[], None] = lambda: None
        self.root = folder / "0"
        self.root.mkdir(parents=True)
        self.files = SimulatedFiles(self)
        self.databases: weakref.WeakSet[_Database] = weakref.WeakSet()

    def owns(self, path: str) -> bool:
        return path.startswith(f"{self.root}/")

    def sync(self) -> None:
        """Something is about to become durable."""
        self.syncs += 1
        if self.cut_at_sync is not None and self.syncs >= self.cut_at_sync:
            self.cut_at_sync = None
            self.on_cut()
        pause(self.sync_s * self._dice.uniform(0.5, 2))

    def free_bytes(self) -> int:
        if self.left_bytes is not None:
            return self.left_bytes
        if self._scale == 1:  # a few photos are nothing
            return self.room_bytes
        if self._used[1] != self.syncs:
            blobs = (self.root / "home" / "blobs").rglob("*")
            held = sum(path.stat().st_size for path in blobs if path.is_file())
            self._used = (held, self.syncs)
        return max(0, self.room_bytes - self._scale * self._used[0])

    def check_room(self, size_bytes: int) -> None:
        """Raises OSError if the disk is full."""
        if self.left_bytes is not None:
            if size_bytes > self.left_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.left_bytes -= size_bytes

    # --- images -------------------------------------------------------------------------------

    def copy(self, name: str) -> None:
        """Keep a copy of all that is there now, as somebody's backup would."""
        target = self._folder / name
        shutil.rmtree(target, ignore_errors=True)
        copy_tree(self.root, target)

    def put_back(self, name: str) -> None:
        """Let the disk be what a copy has. Nothing may use it."""
        self._begin_anew()
        copy_tree(self._folder / name, self.root)

    def cut_power(self) -> int:
        """Leave what is in use to itself, and be what is left without power; return what is lost.

        Whoever still runs on the old folder writes where nobody looks.
        """
        old, files = self.root, self.files
        levels: dict[str, int] = {}
        for db in self.databases:  # the least of all who write there
            levels[db.path] = min(db.level, levels.get(db.path, db.level))
        self._begin_anew()
        copy_tree(old, self.root)
        lost = sum(self._lose(old, path, one) for path, one in files.unsynced.items())
        for log in sorted(self.root.rglob("*.db-wal")):
            database = str(old / log.relative_to(self.root))[: -len("-wal")]
            if levels.get(database, 1) < 2:
                lost += _forget_commits(old / log.relative_to(self.root), log, self._dice)
        for shared in sorted(self.root.rglob("*.db-shm")):
            shared.unlink()
        return lost

    def _begin_anew(self) -> None:
        self._generation += 1
        self.root = self._folder / str(self._generation)
        self.files = SimulatedFiles(self)
        self.databases = weakref.WeakSet()

    def _lose(self, old: Path, path: str, unsynced: _Unsynced) -> int:
        """Lose what was not fsynced of a file, or some of it; return how much."""
        target = self.root / Path(path).relative_to(old)
        if not target.is_file() or self._dice.random() < 0.3:  # it had been written back
            return 0
        size, lost = target.stat().st_size, 0
        with target.open("r+b") as file:
            for offset, length in unsynced.ranges:
                for start in range(offset, offset + length, _PAGE_BYTES):
                    if start < size and self._dice.random() < 0.5:
                        piece = min(_PAGE_BYTES, offset + length - start, size - start)
                        file.seek(start)
                        file.write(bytes(piece))
                        lost += piece
            if size > unsynced.durable_bytes and self._dice.random() < 0.5:
                cut = self._dice.randint(unsynced.durable_bytes, size)
                file.truncate(cut)
                lost += size - cut
        return lost

    def rot(self, path: Path) -> None:
        """Turn one bit of a file, whatever its permissions."""
        size = path.stat().st_size
        if not size:
            return
        place, bit = self._dice.randrange(size), 1 << self._dice.randrange(8)
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(place)
            old = file.read(1)[0]
            file.seek(place)
            file.write(bytes([old ^ bit]))
        path.chmod(0o444)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder; what is removed meanwhile is left out."""
    target.mkdir(parents=True, exist_ok=True)
    shutil.copymode(source, target)
    for entry in sorted(os.scandir(source), key=lambda each: each.name):
        if entry.is_dir(follow_symlinks=False):
            copy_tree(Path(entry.path), target / entry.name)
        elif entry.is_file(follow_symlinks=False):
            shutil.copy2(entry.path, target / entry.name)


def _forget_commits(log: Path, copy: Path, dice: random.Random) -> int:
    """Cut the end off a write-ahead log, as a disk may that was never told to sync it.

    What a checkpoint has begun to carry over was synced before, and stays.
    """
    size = copy.stat().st_size
    if size <= _WAL_HEADER_BYTES:
        return 0
    with copy.open("rb") as file:
        page = int.from_bytes(file.read(_WAL_HEADER_BYTES)[8:12], "big")
    frame = page + _FRAME_HEADER_BYTES
    frames, kept = (size - _WAL_HEADER_BYTES) // frame, _checkpointed(log)
    stays = dice.randint(min(kept, frames), frames)
    after = _WAL_HEADER_BYTES + stays * frame
    os.truncate(copy, after)
    return size - after


def _checkpointed(log: Path) -> int:
    """Return how many frames of a log a checkpoint has tried to carry over (nBackfillAttempted)."""
    shared = log.with_name(log.name[: -len("-wal")] + "-shm")
    if not shared.is_file():
        return 1 << 31
    with shared.open("rb") as file:
        head = file.read(136)
    return max(int.from_bytes(head[at : at + 4], sys.byteorder) for at in (96, 128))


class SimulatedFiles(SystemFiles):
    """The product's files: each sync is seen, and what comes before it may be lost."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._numbers = 0
        self.unsynced: dict[str, _Unsynced] = {}

    def _note(self, path: Path, offset_bytes: int, size_bytes: int) -> None:
        known = self.unsynced.get(str(path))
        if known is None:
            durable = path.stat().st_size if path.exists() else 0
            known = self.unsynced[str(path)] = _Unsynced(durable)
        known.ranges.append((offset_bytes, size_bytes))

    def _settle(self, path: Path) -> None:
        self._disk.sync()
        self.unsynced.pop(str(path), None)

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        self._disk.check_room(len(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._numbers += 1
        temporary = path.with_name(f".{path.name}.{self._numbers:08x}.tmp")
        self.unsynced[str(temporary)] = _Unsynced(0, [(0, len(data))])
        temporary.write_bytes(data)
        self.publish(temporary, path, mode=mode)

    def publish(self, temporary: Path, final: Path, *, mode: int = 0o444) -> None:
        self.publish_many([(temporary, final)], mode=mode)

    def publish_many(self, pairs: Sequence[tuple[Path, Path]], *, mode: int = 0o444) -> None:
        for temporary, _ in pairs:
            temporary.chmod(mode)
            self._settle(temporary)
        for temporary, final in pairs:
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(final)
        self._disk.sync()  # the names

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        self._disk.check_room(len(data))
        self._note(path, offset_bytes, len(data))
        super().write_at(path, offset_bytes, data)

    def sync(self, path: Path) -> None:
        path.stat()
        self._settle(path)

    def cut(self, path: Path, size_bytes: int) -> None:
        super().cut(path, size_bytes)
        if str(path) in self.unsynced:
            known = self.unsynced[str(path)]
            known.durable_bytes = min(known.durable_bytes, size_bytes)

    def copy(self, source: Path, target: Path) -> None:
        size = source.stat().st_size
        self._disk.check_room(size)
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        self.unsynced[str(target)] = _Unsynced(0, [(0, size)])
        shutil.copyfile(source, target)

    def abilities(self, folder: Path) -> Abilities:
        del folder
        return Abilities(shares_blocks=False, copies_in_kernel=False, hard_links=True)

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.unsynced.pop(str(path), None)

    def size_bytes(self, path: Path) -> int:
        del path
        return self._disk.room_bytes

    def free_bytes(self, path: Path) -> int:
        del path
        return self._disk.free_bytes()


class _Database(sqlite3.Connection):
    """A connection whose commits are syncs."""

    path = ""
    disk: Disk | None = None

    @property
    def level(self) -> int:
        """How SQLite syncs: 2 is FULL, 1 NORMAL, 0 not at all; a closed one had FULL or had not."""
        try:
            row = super().execute("PRAGMA synchronous").fetchone()
        except sqlite3.Error:
            return 2
        return int(row[0])

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT" and self.disk is not None and self.disk.owns(self.path):
            self.disk.check_room(0)
            self.disk.sync()
        return super().execute(sql, *values)


@contextmanager
def watched_databases(disk_of: Callable[[str], Disk | None]) -> Iterator[None]:
    """Let the commits of databases on simulated disks be syncs. Process-wide."""
    connect = sqlite3.connect

    def watched(database: Any, *args: Any, **settings: Any) -> sqlite3.Connection:
        disk = disk_of(str(database))
        if disk is None or "uri" in settings or settings.get("isolation_level", 0) is not None:
            plain: sqlite3.Connection = connect(database, *args, **settings)
            return plain
        made: _Database = connect(database, *args, factory=_Database, **settings)
        made.path, made.disk = str(database), disk
        disk.databases.add(made)
        return made

    sqlite3.connect = watched  # type: ignore[assignment]
    try:
        yield
    finally:
        sqlite3.connect = connect

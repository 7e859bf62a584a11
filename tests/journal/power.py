"""A disk that loses what was not synced: every write of SQLite is recorded, then half-forgotten.

`record` puts a layer between SQLite and the files of this process: a VFS of our own, registered as
the default one in the very library that `sqlite3` uses. It opens files by the VFS that was there
and then gives each a copy of its table of methods, in which write, truncate, sync and close are
ours: they append what happens to a trace and call the original. The trace outlives a SIGKILL.

`rebuild` makes of a trace the files as a disk might have them after the power failed: all up to a
file's last sync, and of what came after it each write kept, dropped or torn between sectors.

Not modelled: a disk that answers a sync and lies, and one that damages what it does not write.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

SECTOR_BYTES = 512
_OPEN_CREATE = 0x4
_METHODS_VERSION_3 = 19  # pointers behind the version number
_WRITE, _TRUNCATE, _SYNC = 2, 3, 4  # their places, of which xClose is 0

WRITE, TRUNCATE, SYNC = "write", "truncate", "sync"
DELETE, CREATE, NOTE = "delete", "create", "note"


class Record(msgspec.Struct, array_like=True, frozen=True):
    """One line of a trace: what was about to happen to a file, or a note of the workload."""

    kind: str
    path: str = ""
    offset: int = 0  # of a write; the size of a truncate; whether a delete is durable at once
    data: bytes = b""


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_int),
        ("file_bytes", ctypes.c_int),
        ("path_bytes", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("delete", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    _fields_ = (("version", ctypes.c_int), ("calls", ctypes.c_void_p * (_METHODS_VERSION_3 - 1)))


_P, _INT, _I64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_Open = ctypes.CFUNCTYPE(_INT, _P, _P, _P, _INT, ctypes.POINTER(_INT))
_Delete = ctypes.CFUNCTYPE(_INT, _P, ctypes.c_char_p, _INT)
_Write = ctypes.CFUNCTYPE(_INT, _P, _P, _INT, _I64)
_Truncate = ctypes.CFUNCTYPE(_INT, _P, _I64)
_Sync = ctypes.CFUNCTYPE(_INT, _P, _INT)


def sqlite_library() -> Path | None:
    """Return the shared library that this process's `sqlite3` runs on; None if it is built in."""
    assert sqlite3.sqlite_version  # it is loaded
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    paths = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()}
    found = sorted(path for path in paths if Path(path).name.startswith("libsqlite3.so"))
    return Path(found[0]) if found else None


class Recorder:
    """The layer, once in a process; before `begin` it lets everything through unseen."""

    def __init__(self, library: Path) -> None:
        self._lib = ctypes.CDLL(str(library))
        self._lib.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._trace: int | None = None
        self.happened = 0
        self._kill_at = 0
        self._paths: dict[int, str] = {}
        self._tables: dict[int, _Methods] = {}
        below = self._lib.sqlite3_vfs_find(None)
        self._below = below
        self._open_below = _Open(below.contents.open)
        self._delete_below = _Delete(below.contents.delete)
        self._vfs = _Vfs.from_buffer_copy(below.contents)
        self._vfs.name = b"power"
        self._alive: list[Any] = [_Open(self._open), _Delete(self._delete)]
        self._vfs.open = ctypes.cast(self._alive[0], ctypes.c_void_p).value
        self._vfs.delete = ctypes.cast(self._alive[1], ctypes.c_void_p).value
        assert self._lib.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == 0

    def begin(self, trace: Path, kill_at: int) -> None:
        """Record from now on; end this process before the `kill_at`th operation, if that is > 0."""
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._kill_at = kill_at

    def note(self, data: bytes) -> None:
        """Put a note of the workload into the trace."""
        self._append(Record(NOTE, data=data))

    def _append(self, record: Record) -> None:
        assert self._trace is not None
        line = msgspec.msgpack.encode(record)
        line = len(line).to_bytes(4, "big") + line
        assert os.write(self._trace, line) == len(line)

    def _happens(self, kind: str, path: str, offset: int = 0, data: bytes = b"") -> None:
        if self._trace is None or path.endswith("-shm"):
            return
        self._append(Record(kind, path, offset, data))
        self.happened += 1
        if self.happened == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    # --- what SQLite calls -------------------------------------------------------------------

    def _open(self, _: int, name: int | None, file: int, flags: int, out: Any) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        if path and flags & _OPEN_CREATE and not Path(path).exists():
            self._happens(CREATE, path)
        code = self._open_below(ctypes.addressof(self._below.contents), name, file, flags, out)
        table = ctypes.c_void_p.from_address(file)
        if code == 0 and path and table.value:
            self._paths[file] = path
            table.value = ctypes.addressof(self._ours(table.value))
        return int(code)

    def _ours(self, address: int) -> _Methods:
        """Return a table of methods with ours in it."""
        if address in self._tables:
            return self._tables[address]
        theirs = _Methods.from_address(address)
        write_below = _Write(theirs.calls[_WRITE])
        truncate_below = _Truncate(theirs.calls[_TRUNCATE])
        sync_below = _Sync(theirs.calls[_SYNC])

        def write(file: int, data: int, size: int, offset: int) -> int:
            self._happens(WRITE, self._paths[file], offset, ctypes.string_at(data, size))
            return int(write_below(file, data, size, offset))

        def truncate(file: int, size: int) -> int:
            self._happens(TRUNCATE, self._paths[file], size)
            return int(truncate_below(file, size))

        def sync(file: int, flags: int) -> int:
            code = int(sync_below(file, flags))
            self._happens(SYNC, self._paths[file])
            return code

        ours = _Methods.from_buffer_copy(theirs)
        for place, kind, call in (
            (_WRITE, _Write, write),
            (_TRUNCATE, _Truncate, truncate),
            (_SYNC, _Sync, sync),
        ):
            entry = kind(call)
            self._alive.append(entry)
            ours.calls[place] = ctypes.cast(entry, ctypes.c_void_p).value
        self._tables[address] = ours
        return ours

    def _delete(self, _: int, name: bytes, is_durable: int) -> int:
        self._happens(DELETE, name.decode(), is_durable)
        code = self._delete_below(ctypes.addressof(self._below.contents), name, is_durable)
        return int(code)


# --- after the power is back -----------------------------------------------------------------


def read_trace(trace: Path) -> Iterator[Record]:
    """Yield what was recorded, the operation before which the process ended included."""
    data = trace.read_bytes()
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield msgspec.msgpack.decode(data[at + 4 : at + 4 + size], type=Record)
        at += 4 + size


@dataclass
class _Disk:
    """One name on the disk: what is there for sure, and what happened since."""

    sure: bytes | None = None
    since: list[Record] = field(default_factory=list)

    def settle(self) -> None:
        """All that happened is on the disk."""
        self.sure, self.since = self.after(lambda record: record), []

    def settle_name(self) -> None:
        """That the file was made or deleted is on the disk, but not what was written into it."""
        for position, record in reversed(list(enumerate(self.since))):
            if record.kind in (CREATE, DELETE):
                self.sure = b"" if record.kind == CREATE else None
                self.since = self.since[position + 1 :]
                return

    @property
    def is_new(self) -> bool:
        return any(record.kind == CREATE for record in self.since)

    def after(self, lose: Callable[[Record], Record | None]) -> bytes | None:
        """Return the bytes under this name when `lose` has judged each record since."""
        content = None if self.sure is None else bytearray(self.sure)
        for record in self.since:
            if (kept := lose(record)) is None:
                if record.kind == DELETE:
                    break  # the old name stayed, so what came later was in a file without a name
                continue
            if kept.kind == DELETE:
                content = None
                continue
            if content is None:
                content = bytearray()
            if kept.kind == TRUNCATE:
                content = content[: kept.offset].ljust(kept.offset, b"\0")
            elif kept.kind == WRITE:
                content.extend(bytes(max(0, kept.offset - len(content))))
                content[kept.offset : kept.offset + len(kept.data)] = kept.data
        return None if content is None else bytes(content)


def rebuild(records: list[Record], folder: Path, seed: int) -> None:
    """Write the files as a disk may have them when the power fails after `records`."""
    disks: dict[str, _Disk] = {}
    for record in records:
        if record.kind == NOTE:
            continue
        disk = disks.setdefault(record.path, _Disk())
        if record.kind == SYNC:
            if disk.is_new and not record.path.endswith(".db"):
                # With the first sync of a log that it made SQLite syncs the folder.
                for other in disks.values():
                    other.settle_name()
            disk.settle()
        else:
            disk.since.append(record)
            if record.kind == DELETE and record.offset:
                disk.settle()
    chance = random.Random(seed)
    lose = chance.choice((_lose_all, _lose_nothing, _lose_some(chance), _lose_some(chance)))
    for path, disk in disks.items():
        content = disk.after(lose)
        if content is not None:
            (folder / Path(path).name).write_bytes(content)


def _lose_all(_: Record) -> Record | None:
    return None


def _lose_nothing(record: Record) -> Record | None:
    return record


def _lose_some(chance: random.Random) -> Callable[[Record], Record | None]:
    kept_share = chance.random()

    def lose(record: Record) -> Record | None:
        if chance.random() < kept_share:
            return record
        if record.kind != WRITE or chance.random() < 0.5:
            return None
        cut = chance.randrange(len(record.data) // SECTOR_BYTES + 1) * SECTOR_BYTES
        if chance.random() < 0.5:
            return Record(WRITE, record.path, record.offset, record.data[:cut])
        return Record(WRITE, record.path, record.offset + cut, record.data[cut:])

    return lose

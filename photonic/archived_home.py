"""The home folder of a node that is gone, as everything is restored from it: read, never written.

It may lie on a disk that is mounted read-only, was copied while something was amiss, or has sectors
that cannot be read. Nothing derived is asked: a plain file says by its name what it must be, a
packed one by its entry, so a lost or damaged ledger costs nothing. SQLite cannot open a journal
whose log is not empty without writing beside it; so the journal is copied (what the disk does not
give becomes zeros, which its checksums tell), and the copy is opened, salvaged if need be.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from photonic import limits
from photonic.blobs.packs import HEAD_BYTES, Entry, entries_in
from photonic.errors import ArchiveUnusable, HomeInUse, HomeUnusable
from photonic.identity import SEED_BYTES, Identity
from photonic.ids import LIBRARY_BYTES, BlobId
from photonic.ingest.places import shown
from photonic.layout import Layout, LibraryRecord

_HEX = re.compile(r"[0-9a-f]{64}")
_LIBRARY = re.compile(rf"[0-9a-f]{{{2 * LIBRARY_BYTES}}}")
_PIECE_BYTES: Final = 1 * limits.MIB
_SECTOR_BYTES: Final = 4 * limits.KIB


class StoredFile(NamedTuple):
    """A file that lies where a blob of this name belongs; nobody has looked at its bytes yet."""

    blob: BlobId
    path: Path


class ArchivedHome:
    """What one folder has. Make it with `opened`. Blocking."""

    def __init__(self, folder: Path, record: LibraryRecord) -> None:
        self.folder, self.record = folder, record
        self.notes: list[str] = []  # what of the folder could not be read, as sentences
        self._layout = Layout(folder)

    @property
    def identity(self) -> Identity | None:
        """Return the node that this folder was, if its key lies there in the clear.

        Not by the vault, which mends the rights of what it reads.
        """
        with suppress(OSError):
            seed = self._layout.node_key.read_bytes()
            return Identity(seed) if len(seed) == SEED_BYTES else None
        return None

    # --- files -------------------------------------------------------------------------------

    def files(self) -> Iterator[StoredFile]:
        """Yield every file that is called as a blob is, in the order of the names."""
        for path in self._walk(self._layout.blobs / "blobs"):
            if _HEX.fullmatch(path.name):
                yield StoredFile(BlobId(bytes.fromhex(path.name)), path)

    def packs(self) -> Iterator[Path]:
        """Yield the files of small blobs."""
        for path in self._walk(self._layout.blobs / "packs"):
            if path.suffix == ".pack":
                yield path

    def packed(self, pack: Path) -> Iterator[Entry]:
        """Yield what is whole in a pack; the rest is passed over. Holds the pack in memory."""
        pieces: list[bytes] = []
        try:
            lost = _read_readable(pack, pieces.append)
        except OSError as error:
            self._note(pack, error.strerror or str(error))
            return
        if lost:
            self._note(pack, f"{lost:,} bytes are lost")
        yield from entries_in(b"".join(pieces))

    def damaged(self, blob: BlobId) -> Path | None:
        """Return what the node itself had put aside as damaged of a blob."""
        path = self._layout.blobs / "damaged" / blob.hex()
        return path if path.is_file() else None

    def _walk(self, folder: Path) -> Iterator[Path]:
        def tell(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                self._note(Path(error.filename or folder), error.strerror or str(error))

        for parent, folders, names in os.walk(folder, onerror=tell):
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                if _is_plain(path):
                    yield path

    def _note(self, path: Path, what: str) -> None:
        self.notes.append(f"{shown(path)} cannot be read: {what}")

    # --- the catalog -------------------------------------------------------------------------

    def copy_catalog(self, target: Path) -> Path:
        """Copy the journal, and what was derived from it and may have kept what it lost.

        Into `target`, which is made anew. Returns where the copied journal is.
        """
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True, mode=0o700)
        journal = self._layout.journal(self.record.library)
        directory = self._layout.directory(self.record.library)
        for path in self._walk(journal.parent):
            is_ours = path.name.startswith((journal.name, directory.name))
            if is_ours and not path.name.endswith("-shm"):
                with (target / path.name).open("xb") as file:
                    lost = _read_readable(path, file.write)
                if lost:
                    self._note(path, f"{lost:,} bytes are lost")
        return target / journal.name


@contextmanager
def opened(folder: Path) -> Iterator[ArchivedHome]:
    """Open an archive's folder, and keep a node from starting in it meanwhile.

    Raises ArchiveUnusable, HomeInUse.
    """
    if not folder.is_dir():
        raise ArchiveUnusable(f"there is no folder {shown(folder)}")
    with _kept_still(folder):
        yield ArchivedHome(folder, _record(folder))


@contextmanager
def _kept_still(folder: Path) -> Iterator[None]:
    """Hold the home's lock, without writing. A folder that has none was never a running home."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            raise HomeInUse(str(folder), int(text) if text.isdigit() else None) from None
        except OSError:
            pass  # a file system without locks: a disk that is only read
        yield
    finally:
        os.close(handle)


def _record(folder: Path) -> LibraryRecord:
    """Return which library a folder keeps; where library.json is lost, its journal says it."""
    layout = Layout(folder)
    record = None
    with suppress(HomeUnusable, ValueError):
        record = layout.read_record()
    if record is not None and _LIBRARY.fullmatch(record.id):
        return record
    with suppress(OSError):
        found = [
            path.parent.name
            for path in sorted((folder / "libraries").glob("*/journal.db"))
            if _LIBRARY.fullmatch(path.parent.name)
        ]
        if len(found) == 1:
            return LibraryRecord(found[0], "restored", "archive")
    raise ArchiveUnusable(f"{shown(folder)} is not the home folder of a node with a library")


def _is_plain(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def _read_readable(path: Path, take: Callable[[bytes], object]) -> int:
    """Read what the disk gives of a file, zeros for the rest; return how much that is."""
    lost = 0
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size_bytes = os.fstat(handle).st_size
        for start in range(0, size_bytes, _PIECE_BYTES):
            piece_bytes = min(_PIECE_BYTES, size_bytes - start)
            piece = _read_at(handle, start, piece_bytes)
            if piece is None:
                piece, missing = _by_sectors(handle, start, piece_bytes)
                lost += missing
            take(piece)
    finally:
        os.close(handle)
    return lost


def _by_sectors(handle: int, start: int, size_bytes: int) -> tuple[bytes, int]:
    pieces: list[bytes] = []
    lost = 0
    for at in range(start, start + size_bytes, _SECTOR_BYTES):
        sector_bytes = min(_SECTOR_BYTES, start + size_bytes - at)
        sector = _read_at(handle, at, sector_bytes)
        if sector is None:
            lost += sector_bytes
        pieces.append(sector or bytes(sector_bytes))
    return b"".join(pieces), lost


def _read_at(handle: int, offset_bytes: int, size_bytes: int) -> bytes | None:
    """Return a whole piece; None if the disk does not give it."""
    pieces = bytearray()
    while len(pieces) < size_bytes:
        try:
            some = os.pread(handle, size_bytes - len(pieces), offset_bytes + len(pieces))
        except OSError:
            return None
        if not some:
            return None
        pieces += some
    return bytes(pieces)


def packed_at(pack: Path, offset_bytes: int, size_bytes: int) -> bytes:
    """Return the bytes of a packed blob, which the caller judges. Raises OSError."""
    handle = os.open(pack, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(handle, size_bytes, offset_bytes + HEAD_BYTES)
    finally:
        os.close(handle)

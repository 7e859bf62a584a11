"""The folder that the tree is in: folders, links to stored files, and sidecars. All block.

Others may write there at the same time: whoever the tree is exported to makes files in the folders
that photos lie in. So nothing here follows a link, a folder that is not ours is not used, and what
others put where something of ours belongs is moved aside rather than overwritten.

With `writers` the folders of photos are open to all and sticky: in them everybody may make files,
and only their owner may rename or remove them; originals are ours and read-only. The folder around
the tree is closed to other users of this machine. A sidecar is given to the writers where this
process may do that (`chown`); else they may write into it and not replace it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from photonic import limits
from photonic.errors import TreeElsewhere, TreeTaken, TreeUnwritable

HIDDEN = ".photonic"
_FICLONE = 0x40049409  # Linux: make a file that shares another one's blocks
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP)
_ASIDE_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Writers:
    """As whom other machines write in the tree."""

    uid: int
    gid: int


class TreeDisk:
    """See the module. Paths are relative, with "/" between their parts."""

    def __init__(self, root: Path, token: Callable[[], str], writers: Writers | None) -> None:
        """`token` gives names that nobody can foresee."""
        self.root, self._token, self._writers = root, token, writers
        self._folders: set[str] = set()  # that are there, and as they should be

    def prepare(self, store: Path) -> None:
        """Make the root. Raises TreeElsewhere where no file of `store` can be shown without a
        second copy, and TreeUnwritable."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o755)
            self.root.chmod(0o755)
            (self.root / HIDDEN).mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise TreeUnwritable(str(self.root), error.strerror or str(error)) from error
        probe = store / f".{self._token()}.tmp"
        target = self.root / HIDDEN / self._token()
        try:
            probe.write_bytes(b"photonic")
            self._share(probe, target)
        except OSError as error:
            raise TreeElsewhere(str(self.root), str(store)) from error
        finally:
            probe.unlink(missing_ok=True)
            target.unlink(missing_ok=True)

    # --- folders -----------------------------------------------------------------------------

    def make_folder(self, folder: str) -> None:
        """Make a folder for photos, and those around it. Raises TreeTaken."""
        if folder in self._folders:
            return
        parts = PurePosixPath(folder).parts
        for depth in range(1, len(parts)):
            self._make_one("/".join(parts[:depth]), None)
        if parts:
            self._make_one(folder, 0o1777 if self._writers else 0o755)
        elif self._writers:
            self.root.chmod(0o1777)
        self._folders.add(folder)

    def _make_one(self, folder: str, mode: int | None) -> None:
        path = self.root / folder
        with suppress(FileExistsError):
            path.mkdir(mode=0o755)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise TreeTaken(str(path))
        if mode is not None and stat.S_IMODE(found.st_mode) != mode:
            path.chmod(mode)

    def _clear_folders(self, folder: str) -> None:
        """Remove folders that nothing is left in, from the inside."""
        while folder:
            try:
                (self.root / folder).rmdir()
            except OSError:
                return
            self._folders.discard(folder)
            folder = folder.rpartition("/")[0]

    # --- files -------------------------------------------------------------------------------

    def look(self, path: str) -> os.stat_result | None:
        """Return what is known of a regular file, None for anything else."""
        try:
            found = (self.root / path).lstat()
        except OSError:
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def link(self, source: Path, path: str) -> os.stat_result:
        """Show a stored file at a path; one that is shown there already stays as it is.

        Raises TreeTaken, OSError.
        """
        self.make_folder(path.rpartition("/")[0])
        target = self.root / path
        try:
            self._share(source, target)
        except FileExistsError:
            there, stored = self.look(path), source.stat()
            if there is not None and there.st_ino == stored.st_ino:
                return there
            self._move_aside(path)
            self._share(source, target)
        return target.lstat()

    def _share(self, source: Path, target: Path) -> None:
        """Make `target` the same bytes on the disk, once. Raises OSError."""
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._reflink(source, target)

    def _reflink(self, source: Path, target: Path) -> None:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444)
        try:
            with source.open("rb") as reading:
                fcntl.ioctl(handle, _FICLONE, reading.fileno())
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)

    def write(
        self, path: str, data: bytes, replaces: int | None = None, kept_as: str = ""
    ) -> os.stat_result:
        """Show a sidecar at a path, as a whole or not at all. Raises TreeTaken, OSError.

        `replaces` is the inode of ours that may be there: `displaced` gives it under the name
        `kept_as` for a while, for whoever has it open writes into it still. Anything else that is
        there is moved aside.
        """
        self.make_folder(path.rpartition("/")[0])
        target = self.root / path
        temporary = target.with_name(f".{self._token()}.tmp")
        mode = 0o666 if self._writers else 0o644
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
                if self._writers:
                    with suppress(PermissionError):
                        os.fchown(file.fileno(), self._writers.uid, self._writers.gid)
            there = self.look(path)
            if there is not None and there.st_ino == replaces:
                kept = self.root / HIDDEN / f"{kept_as}-{self._token()}"
                os.link(target, kept, follow_symlinks=False)
            elif os.path.lexists(target):
                self._move_aside(path)
            temporary.rename(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return target.lstat()

    def _move_aside(self, path: str) -> None:
        """Give what others put where something of ours belongs another name beside it."""
        for number in range(1, _ASIDE_MAX):
            other = self.root / f"{path}~{number}"
            if not os.path.lexists(other):
                (self.root / path).rename(other)
                return
        raise TreeTaken(str(self.root / path))

    def remove(self, path: str, inode: int) -> None:
        """Take a file of ours out of the tree; what is not it stays. Raises OSError."""
        there = self.look(path)
        if there is not None and there.st_ino == inode:
            (self.root / path).unlink(missing_ok=True)
        self._clear_folders(path.rpartition("/")[0])

    def read(self, path: str) -> tuple[bytes, os.stat_result] | None:
        """Return a small file as it is and as it was before and after; None if it is none, or
        was written meanwhile."""
        return _read(self.root / path)

    # --- what others have open ---------------------------------------------------------------

    def displaced(self) -> Iterator[tuple[str, Path, os.stat_result]]:
        """Yield the files that were replaced and are kept still, each with what it is kept as."""
        for entry in os.scandir(self.root / HIDDEN):
            name, dash, _ = entry.name.rpartition("-")
            if dash and entry.is_file(follow_symlinks=False):
                yield name, Path(entry.path), entry.stat(follow_symlinks=False)

    def walk(self) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """Yield every file in the tree, folder by folder; links are not followed."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(self.root / folder))
            except OSError:
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield path, entry


def _read(path: Path) -> tuple[bytes, os.stat_result] | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            return None
        data = file.read(limits.SIDECAR_BYTES_MAX + 1)
        after = os.fstat(file.fileno())
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return (data, after) if same and len(data) == after.st_size else None


def read_displaced(path: Path) -> bytes | None:
    """Return what a file holds that was replaced."""
    found = _read(path)
    return found[0] if found else None

"""The outside, as protocols: clock, randomness, files.

Product code asks a `World` and never the machine, so that the simulator can be the machine.
The network's protocol is `photonic.p2p.transport.Transport`, for it speaks of streams and peers.
The real implementations are here because they are a few lines each; they decide nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import random
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

_FICLONE = 0x40049409  # Linux: _IOW(0x94, 9, int), make the target share the source's blocks
_COPY_IN_KERNEL_BYTES = 1 << 30
_COPY_BYTES = 1 << 20
_SYNCS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a file system can do beside reading and writing."""

    shares_blocks: bool  # a copy takes no room until one of the two changes
    copies_in_kernel: bool  # a copy does not pass through this process
    hard_links: bool


class Clock(Protocol):
    """Time. Wall time may jump either way; monotonic time never goes back."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, by the wall clock."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some moment in the past."""
        ...


class Entropy(Protocol):
    """Randomness: secret bytes, and jitter that nobody needs to keep secret."""

    def token(self, size_bytes: int) -> bytes: ...

    def uniform(self, low: float, high: float) -> float: ...


class Files(Protocol):
    """The file operations that safety rests on. Each may block and may raise OSError."""

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        """Replace `path` as a whole: temporary file, fsync, rename, fsync of the folder."""
        ...

    def publish(self, temporary: Path, final: Path, *, mode: int = 0o444) -> None:
        """fsync `temporary`, give it its final name, fsync both folders."""
        ...

    def publish_many(self, pairs: Sequence[tuple[Path, Path]], *, mode: int = 0o444) -> None:
        """Do `publish` for every (temporary, final), sharing the waits for the disk.

        No file gets its final name before all of them are durable; missing folders are made.
        After a failure each file has either name, and whoever has the final one is durable.
        """
        ...

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        """Write all of `data` into `path`, made if it is missing. Not durable by itself."""
        ...

    def sync(self, path: Path) -> None:
        """Make what was written into `path` durable; its name must be so already.

        Of a folder: the names in it.
        """
        ...

    def cut(self, path: Path, size_bytes: int) -> None:
        """Shorten `path`. Not durable by itself."""
        ...

    def copy(self, source: Path, target: Path) -> None:
        """Copy the bytes of `source` to the new file `target`: shared where the disk can.

        Not durable by itself. Raises FileExistsError if there is a target already.
        """
        ...

    def abilities(self, folder: Path) -> Abilities:
        """Try what the file system of `folder` can do; leaves nothing there."""
        ...

    def remove(self, path: Path) -> None:
        """Remove `path`; absent is fine."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Bytes that this process may still write in the file system that holds `path`."""
        ...

    def size_bytes(self, path: Path) -> int:
        """How large the file system is that holds `path`."""
        ...

    def walk(self, folder: Path) -> Iterator[Path]:
        """Yield every regular file below `folder`, sorted within each folder."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class SystemEntropy:
    """The operating system's randomness."""

    def token(self, size_bytes: int) -> bytes:
        return secrets.token_bytes(size_bytes)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)


class SystemFiles:
    """The machine's file systems."""

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            self.publish(temporary, path, mode=mode)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise

    def publish(self, temporary: Path, final: Path, *, mode: int = 0o444) -> None:
        handle = os.open(temporary, os.O_RDONLY)
        try:
            os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(final)
        for folder in {final.parent, temporary.parent}:
            _sync_folder(folder)

    def publish_many(self, pairs: Sequence[tuple[Path, Path]], *, mode: int = 0o444) -> None:
        def settle(paths: Sequence[str]) -> None:
            for path in paths:
                handle = os.open(path, os.O_RDONLY)
                try:
                    os.fchmod(handle, mode)
                    os.fsync(handle)
                finally:
                    os.close(handle)

        # Waits for the disk overlap (measured on ext4: 5,200 files/s against 2,500 in a row).
        # Each thread gets its share at once: to hand out file by file costs as much as a file.
        temporaries = [str(temporary) for temporary, _ in pairs]
        shares = [temporaries[start::_SYNCS_AT_ONCE] for start in range(_SYNCS_AT_ONCE)]
        pool = _syncing()
        list(pool.map(settle, filter(None, shares)))
        finals = dict.fromkeys(final.parent for _, final in pairs)
        changed = dict.fromkeys(temporary.parent for temporary, _ in pairs) | finals
        for folder in finals:
            changed |= dict.fromkeys(_make_folder(folder))
        for temporary, final in pairs:
            temporary.replace(final)
        list(pool.map(_sync_folder, changed))

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                written = os.pwrite(handle, rest, offset_bytes)
                rest, offset_bytes = rest[written:], offset_bytes + written
        finally:
            os.close(handle)

    def sync(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def cut(self, path: Path, size_bytes: int) -> None:
        os.truncate(path, size_bytes)

    def copy(self, source: Path, target: Path) -> None:
        with source.open("rb") as reading, target.open("xb") as writing:
            try:
                fcntl.ioctl(writing.fileno(), _FICLONE, reading.fileno())
                return
            except OSError:
                pass  # no reflinks between these two places: ENOTSUP, EXDEV, EINVAL, ENOTTY
            if not _copy_in_kernel(reading.fileno(), writing.fileno()):
                shutil.copyfileobj(reading, writing, _COPY_BYTES)

    def abilities(self, folder: Path) -> Abilities:
        names = [folder / f".{secrets.token_hex(8)}.tmp" for _ in range(3)]
        try:
            with names[0].open("w+b") as first, names[1].open("xb") as second:
                first.write(b"photonic" * 512)
                first.flush()
                shares_blocks = _can(lambda: fcntl.ioctl(second.fileno(), _FICLONE, first.fileno()))
                first.seek(0)
                copies = _can(lambda: os.copy_file_range(first.fileno(), second.fileno(), 8, 0, 0))
            links = _can(lambda: os.link(names[0], names[2]))
        finally:
            for name in names:
                name.unlink(missing_ok=True)
        return Abilities(shares_blocks, copies, links)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        status = os.statvfs(path)
        return status.f_bavail * status.f_frsize

    def size_bytes(self, path: Path) -> int:
        status = os.statvfs(path)
        return status.f_blocks * status.f_frsize

    def walk(self, folder: Path) -> Iterator[Path]:
        for parent, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    yield path


class SeparateFiles(SystemFiles):
    """As the machine's, but for copies: they share nothing with what they were made of.

    Where blocks are shared, one bad sector is the end of both.
    """

    def copy(self, source: Path, target: Path) -> None:
        with source.open("rb") as reading, target.open("xb") as writing:
            shutil.copyfileobj(reading, writing, _COPY_BYTES)


def _can(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _make_folder(folder: Path) -> list[Path]:
    """Make `folder` and what is missing above it; return the folders that gained an entry."""
    gained: list[Path] = []
    missing = folder
    while not missing.exists():
        missing = missing.parent
        gained.append(missing)
    folder.mkdir(parents=True, exist_ok=True)
    return gained


def _copy_in_kernel(source: int, target: int) -> bool:
    """Copy by copy_file_range; False, with nothing written, where the kernel will not."""
    copied = 0
    while True:
        try:
            count = os.copy_file_range(source, target, _COPY_IN_KERNEL_BYTES)
        except OSError as error:
            refused = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
            if copied or error.errno not in refused:
                raise
            return False
        if count == 0:
            # Some virtual file systems say 0 although there are bytes: then read them.
            return copied > 0
        copied += count


@cache
def _syncing() -> ThreadPoolExecutor:
    """Return the threads that wait for the disk, which stay: to start them for each batch cost a
    sixth of landing many small files."""
    return ThreadPoolExecutor(_SYNCS_AT_ONCE, thread_name_prefix="syncing")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a node asks the outside for, except its peers."""

    clock: Clock = field(default_factory=SystemClock)
    entropy: Entropy = field(default_factory=SystemEntropy)
    files: Files = field(default_factory=SystemFiles)
    host: str = field(default_factory=platform.node)  # what the machine calls itself

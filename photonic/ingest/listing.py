"""What is in a folder, and whether it is complete: looks at the disk, for `watch`. All block.

Links are not followed, and what is neither a folder nor a regular file is not there. Names that
are hidden, or that programs give to what they have not finished, are passed over.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from photonic import limits
from photonic.ids import digest

# Names that programs give to what they have not finished writing.
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp", ".temp", "~")


class State(NamedTuple):
    """What tells two states of a file apart."""

    size_bytes: int
    mtime_ns: int


class Listing(NamedTuple):
    folders: list[Path]
    files: list[tuple[Path, State]]


def identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one mounted or made at the same place."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def is_any_readable(folders: Iterable[Path]) -> bool:
    return any(os.access(path, os.R_OK | os.X_OK, effective_ids=True) for path in folders)


def list_some(entries: Iterator[os.DirEntry[str]]) -> Listing | None:
    """Take some entries of a folder; None if there are no more."""
    some = list(islice(entries, limits.WATCH_LISTED_MAX))
    found = Listing([], [])
    for entry in some:
        if not _has_wanted_name(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            found.folders.append(Path(entry.path))
        elif (state := state_of(Path(entry.path))) is not None:
            found.files.append((Path(entry.path), state))
    return found if some else None


def sort(root: Path, paths: Iterable[Path]) -> tuple[Listing, list[Path]]:
    """Tell folders, files and what is gone apart; what lies behind a link is none of them."""
    found, gone = Listing([], []), []
    is_real: dict[Path, bool] = {root: True}
    for path in dict.fromkeys(paths):
        chain = [path, *path.parents]
        for part in reversed(chain[: chain.index(root)]):
            if part not in is_real:
                is_real[part] = is_real[part.parent] and not part.is_symlink()
        if not is_real[path]:
            continue
        if (state := state_of(path)) is not None:
            found.files.append((path, state))
        elif path.is_dir():
            found.folders.append(path)
        elif not os.path.lexists(path):
            gone.append(path)
    return found, gone


def look(paths: Iterable[Path]) -> list[tuple[State | None, bool]]:
    """Return each file's state, and whether some program has it open for writing."""
    states = ((path, state_of(path)) for path in paths)
    return [(state, state is not None and _is_open_for_writing(path)) for path, state in states]


def state_of(path: Path) -> State | None:
    """Return the state of a regular file, None for anything else."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return State(status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _is_open_for_writing(path: Path) -> bool:
    """Ask by a read lease, which the kernel refuses while there is a writer.

    False where it cannot be told: another user's file, a network disk. Standing still is all there
    is to go by then.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False  # the importer says why it cannot be read
    try:
        # Who opens it for writing right now breaks the lease, which is told by a signal: by one
        # that does nothing, for SIGIO, the default, would end the node.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    else:
        return False
    finally:
        os.close(handle)  # which gives the lease back


def is_wanted(path: Path, root: Path) -> bool:
    return (
        root in path.parents
        and _has_wanted_name(path.name)
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def _has_wanted_name(name: str) -> bool:
    return not name.startswith(".") and not name.lower().endswith(_UNFINISHED)


def name_of(path: Path, state: State) -> bytes:
    """Return a file in one state as a few bytes: many are remembered."""
    return digest(b"%b\0%d\0%d" % (os.fsencode(path), *state))[:16]

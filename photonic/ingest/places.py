"""Files and folders in words: how their names are shown, and what it means that one fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from photonic.errors import FileVanished, FolderUnreadable, PhotonicError, PhotoUnreadable


def shown(path: Path) -> str:
    """Return a path as text: what is no UTF-8 in it is replaced visibly."""
    return os.fsencode(path).decode("utf-8", "replace")


def shown_name(path: Path) -> str:
    return shown(Path(path.name))


def below(path: Path, root: Path) -> str:
    """Return the folder of a file, as text, as it is called from `root`; "" for `root` itself."""
    parent = path.parent
    return shown(parent.relative_to(root)).removeprefix(".") if parent != root else ""


def explained(error: OSError, path: Path) -> PhotonicError:
    """Return what a system error at `path` means to a person."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return FolderUnreadable(f"{shown(path)} may not be read")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return FileVanished(f"{shown(path)} is gone")
    return PhotoUnreadable(f"{shown(path)}: {error.strerror or error}")

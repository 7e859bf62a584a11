"""Landlock: this process may read below some folders, and do nothing else with files, for ever.

Linux's own sandbox for processes without privileges (5.13 and newer), through three system calls
that the C library has no functions for. What it does not cover (owners, modes, times, attributes)
`seccomp` refuses. Threads that run already are not bound, so it is called before there are any.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1  # a flag: tell the version and make nothing
_PATH_BENEATH = 1  # a kind of rule
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_ATTRIBUTES = struct.Struct("=QQQ")  # what of files, of TCP, and of others' scope is handled
_RULE = struct.Struct("=Qi")
# How many rights each version knows: of files, of TCP, of scope (abstract sockets, signals).
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_FROM, _TCP_RIGHTS = 4, 2
_SCOPE_FROM, _SCOPES = 6, 2

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return the version that the kernel has; 0: none, or it is turned off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION)))


def restrict(readable: Iterable[Path], *, speaks: bool = False) -> None:
    """Leave this process the right to read what is at or below these paths; absent ones are fine.

    Connections by TCP are refused, too, unless it `speaks`.

    Raises OSError, with nothing changed, where the kernel will not. Needs no_new_privs.
    """
    known = version()
    if not known:
        raise OSError("this kernel has no Landlock")
    attributes = _ATTRIBUTES.pack(
        (1 << _FILE_RIGHTS[min(known, max(_FILE_RIGHTS))]) - 1,
        (1 << _TCP_RIGHTS) - 1 if known >= _TCP_FROM and not speaks else 0,
        (1 << _SCOPES) - 1 if known >= _SCOPE_FROM else 0,
    )
    # An older kernel takes a shorter structure.
    size = 24 if known >= _SCOPE_FROM else 16 if known >= _TCP_FROM else 8
    rules = _call(_CREATE_RULESET, attributes, size, 0)
    try:
        for path in readable:
            with suppress(FileNotFoundError):
                _allow(rules, path)
        _call(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = _READ_FILE | (_READ_FOLDER if path.is_dir() else 0)
        _call(_ADD_RULE, rules, _PATH_BENEATH, _RULE.pack(rights, handle), 0)
    finally:
        os.close(handle)


def _call(number: int, *arguments: int | bytes) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result

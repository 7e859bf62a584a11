"""A disk that loses power: it counts the steps of the real file functions and stops at one.

What was never fsynced may be lost: the contents of files, and renames whose folder was not synced.
Which of that is lost, the test chooses. The functions of `os` themselves are wrapped, so that what
is tested is the order in which the product really calls them.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Choose = Callable[[], bool]


class Crash(BaseException):
    """The machine stopped. No handler for errors may see it."""


class FailingDisk:
    """Wraps os.pwrite, copy_file_range, fsync and replace below one folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path, steps: int) -> None:
        self.steps = steps
        self.seen = 0
        self.is_dead = False
        self._root = str(root.resolve())
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._renames: list[tuple[str, str]] = []
        self._replace = os.replace
        for name in ("pwrite", "copy_file_range", "fsync", "replace", "unlink"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def step(self) -> None:
        """Count one step; from the fatal one on, all of them fail."""
        with self._lock:
            self.seen += 1
            if self.is_dead or self.seen > self.steps:
                self.is_dead = True
                raise Crash

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            target = args[1] if name == "copy_file_range" else args[0]
            path = Path(f"/proc/self/fd/{target}").readlink() if isinstance(target, int) else target
            if not str(path).startswith(self._root):
                return real(*args, **options)
            self.step()
            result = real(*args, **options)
            with self._lock:
                self._note(name, str(path), args)
            return result

        return wrapped

    def _note(self, name: str, path: str, args: tuple[Any, ...]) -> None:
        if name in ("pwrite", "copy_file_range"):
            self._dirty.add(path)
        elif name == "replace":
            old, new = map(str, args[:2])
            self._renames.append((old, new))
            if old in self._dirty:
                self._dirty.discard(old)
                self._dirty.add(new)
        elif name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode):
            self._renames = [r for r in self._renames if str(Path(r[1]).parent) != path]
        elif name == "fsync":
            self._dirty.discard(path)

    def lose_power(self, choose: Choose) -> None:
        """Undo what was not durable, as far as `choose` says so."""
        for old, new in reversed(self._renames):
            if Path(new).exists() and choose():
                self._replace(new, old)
                if new in self._dirty:
                    self._dirty.add(old)
        for name in sorted(self._dirty):
            path = Path(name)
            if path.exists() and choose():
                path.chmod(0o600)
                size = path.stat().st_size
                path.write_bytes(bytes(size) if choose() else b"")

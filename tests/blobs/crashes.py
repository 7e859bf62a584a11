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


def grows(path: object) -> bool:
    """Whether a file is written again after an fsync: then that one still counts."""
    name = Path(str(path))
    return name.suffix == ".pack" or (name.parent.name == "partial" and not name.suffix)


class FailingDisk:
    """Wraps os.pwrite, copy_file_range, fsync and replace below one folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path, steps: int) -> None:
        self.steps = steps
        self.seen = 0
        self.is_dead = False
        self._root = str(root.resolve())
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._durable: dict[str, bytes] = {}  # what a file held that grows after its fsync
        self._renames: list[tuple[str, str]] = []
        self._replace = os.replace
        for name in ("pwrite", "copy_file_range", "fsync", "replace", "unlink", "truncate"):
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
            with self._lock:
                if grows(path) and str(path) not in self._durable:
                    # What another life wrote, or what it began with.
                    is_there = Path(path).exists()
                    self._durable[str(path)] = Path(path).read_bytes() if is_there else b""
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
            self._durable[new] = self._durable.pop(old, b"")
        elif name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode):
            self._renames = [r for r in self._renames if str(Path(r[1]).parent) != path]
        elif name == "fsync":
            self._dirty.discard(path)
            self._durable[path] = Path(path).read_bytes() if grows(path) else b""

    def lose_power(self, choose: Choose) -> None:
        """Undo what was not durable, as far as `choose` says so."""
        for old, new in reversed(self._renames):
            if Path(new).exists() and choose():
                self._replace(new, old)
                if new in self._dirty:
                    self._dirty.add(old)
                self._durable[old] = self._durable.pop(new, b"")
        for name in sorted(self._dirty):
            path = Path(name)
            if path.exists() and choose():
                path.chmod(0o600)
                kept, size = self._durable.get(name, b""), path.stat().st_size
                lost = bytes(max(0, size - len(kept)))
                path.write_bytes(kept + lost if choose() else kept)

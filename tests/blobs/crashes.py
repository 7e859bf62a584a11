"""A disk that loses power: it counts the steps of the real file functions and stops at one.

What was never fsynced may be lost: the contents of files, and renames and removals whose folder was
not synced. Which of that is lost, the test chooses. A process that is killed loses none of it, and
none of it is safe for that: a power failure may come later. The functions of `os` themselves are
wrapped, so that what is tested is the order in which the product really calls them.
"""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from photonic import world
from photonic.blobs.ledger import Ledger

Choose = Callable[[], bool]


class Crash(BaseException):
    """The machine stopped. No handler for errors may see it."""


def grows(path: object) -> bool:
    """Whether a file is written again after an fsync: then that one still counts."""
    name = Path(str(path))
    return name.suffix == ".pack" or (name.parent.name == "partial" and not name.suffix)


def wrap_ledger(patch: pytest.MonkeyPatch, disk: FailingDisk) -> None:
    """Let the machine stop right before and right after each of the ledger's commits, too."""
    for name in ("intend", "record", "retract", "forget", "move"):
        real = getattr(Ledger, name)

        def wrapped(self: Ledger, *args: Any, _real: Any = real) -> Any:
            disk.step()
            result = _real(self, *args)
            disk.step()
            return result

        patch.setattr(Ledger, name, wrapped)


@dataclass(frozen=True)
class Named:
    """A file of this name, as it was before the name went to another one or to none."""

    path: str
    spare: str | None  # another name of that file; None: there was none
    durable: bytes | None
    is_dirty: bool


@dataclass(frozen=True)
class Change:
    """A change of names that is not durable until the folder of `path` is synced."""

    path: str
    before: Named
    came_from: str | None = None  # the other name of a rename


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
        self._changes: list[Change] = []
        self._spares = Path(tempfile.mkdtemp(dir=root.resolve().parent))
        self._numbers = itertools.count()
        self._replace, self._link = os.replace, os.link
        # One after another: the same step is to be the same one each time.
        monkeypatch.setattr(world, "_SYNCS_AT_ONCE", 1)
        for name in ("pwrite", "copy_file_range", "fsync", "replace", "unlink", "truncate"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def revive(self, steps: int) -> None:
        """Let so many more steps happen."""
        with self._lock:
            self.seen, self.steps, self.is_dead = 0, steps, False

    def settled(self, path: Path) -> None:
        """Take what a file that grows holds now as durable: the test has changed it."""
        with self._lock:
            self._durable[str(path)] = path.read_bytes()

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
                going = args[1] if name == "replace" else path
                before = self._spare(str(going)) if name in ("replace", "unlink") else None
            result = real(*args, **options)
            with self._lock:
                self._note(name, str(path), args, before)
            return result

        return wrapped

    def _spare(self, path: str) -> Named:
        """Keep the file that has this name, which is about to go."""
        if not Path(path).exists():
            return Named(path, None, None, False)
        spare = str(self._spares / str(next(self._numbers)))
        self._link(path, spare)
        return Named(path, spare, self._durable.get(path), path in self._dirty)

    def _note(self, name: str, path: str, args: tuple[Any, ...], before: Named | None) -> None:
        if name in ("pwrite", "copy_file_range", "truncate"):
            self._dirty.add(path)
        elif name == "unlink" and before is not None:
            self._changes.append(Change(path, before))
            self._dirty.discard(path)
            self._durable.pop(path, None)
        elif name == "replace" and before is not None:
            old, new = map(str, args[:2])
            if old != new:
                self._changes.append(Change(new, before, old))
                self._rename(old, new)
        elif name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode):
            self._changes = [c for c in self._changes if str(Path(c.path).parent) != path]
        elif name == "fsync":
            self._dirty.discard(path)
            self._durable[path] = Path(path).read_bytes() if grows(path) else b""

    def _rename(self, old: str, new: str) -> None:
        self._dirty.discard(new)
        if old in self._dirty:
            self._dirty.discard(old)
            self._dirty.add(new)
        self._durable[new] = self._durable.pop(old, b"")

    def lose_power(self, choose: Choose) -> None:
        """Undo what was not durable, as far as `choose` says so."""
        for change in reversed(self._changes):
            is_new_there = Path(change.path).exists()
            if change.came_from is not None and is_new_there and choose():
                self._replace(change.path, change.came_from)
                self._rename(change.path, change.came_from)
                self._restore(change.before)
            elif change.came_from is None and not is_new_there and choose():
                self._restore(change.before)
        for name in sorted(self._dirty):
            path = Path(name)
            if path.exists() and choose():
                path.chmod(0o600)
                kept, size = self._durable.get(name, b""), path.stat().st_size
                lost = bytes(max(0, size - len(kept)))
                path.write_bytes(kept + lost if choose() else kept)
        self._changes, self._dirty, self._durable = [], set(), {}

    def _restore(self, before: Named) -> None:
        if before.spare is not None and Path(before.spare).exists():
            self._replace(before.spare, before.path)
            if before.durable is not None:
                self._durable[before.path] = before.durable
            if before.is_dirty:
                self._dirty.add(before.path)

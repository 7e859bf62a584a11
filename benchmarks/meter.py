"""What a transfer costs: time, processor time and memory of both ends, each with its children.

Linux only: it reads /proc. Processor time is that of the whole tree, reaped children included.
Memory is the sum of each living process's own peak, so it is never too small, and somewhat too
large where processes share pages or have their peaks at different times.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_LOOK_S = 0.1
_RESETS_PEAK = "5"


@dataclass(slots=True)
class Taken:
    """What one transfer took. Ends are "giver" and "taker"; one that is absent is none."""

    seconds: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)
    wire_bytes: int | None = None  # between the ends, both ways, with all headers
    own_bytes: int | None = None  # of the files' content, as the program itself counts them
    flush_s: float = 0.0  # until the disk had it all, after the end
    note: str = ""


class Meter:
    """A context that measures: the clock runs from its beginning to its end.

    Processes that run already are given at the beginning, and count from then on; what is started
    within is added. An end's processes must still be there at the end, be it as zombies.
    """

    def __init__(self, **pids: int) -> None:
        self.taken = Taken()
        self._roots = dict(pids)
        self._before = {end: _cpu_s(pid) for end, pid in pids.items()}
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._peaks: defaultdict[str, float] = defaultdict(float)
        self._began_s = 0.0

    def __enter__(self) -> Self:
        for pid in self._roots.values():
            for one in tree(pid):
                _reset_peak(one)
        self._look()
        self._watcher.start()
        self._began_s = time.monotonic()
        return self

    def add(self, end: str, pid: int) -> None:
        """Count a process that was started just now, with its children."""
        self._before[end] = 0.0
        self._roots[end] = pid

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.taken.seconds = time.monotonic() - self._began_s
        self._over.set()
        self._watcher.join()
        if kind is None:
            self._look()
            self.taken.peak_mb = dict(self._peaks)
            for end, pid in self._roots.items():
                self.taken.cpu_s[end] = _cpu_s(pid) - self._before[end]

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        for end, pid in list(self._roots.items()):
            peak_mb = sum(_peak_mb(one) for one in tree(pid))
            self._peaks[end] = max(self._peaks[end], peak_mb)


def tree(root: int) -> list[int]:
    """Return a process and all its descendants that are there now."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    with os.scandir(_PROC) as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdecimal()]
    for pid in pids:
        if fields := _stat(pid):
            children[int(fields[1])].append(pid)
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children[found[-1]]
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none if the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_s(root: int) -> float:
    # user, system, and both of the children that were waited for: fields 14 to 17 of proc(5)
    return _TICK_S * sum(sum(map(int, _stat(pid)[11:15])) for pid in tree(root))


def _peak_mb(pid: int) -> float:
    try:
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0.0
    kilobytes = (int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return next(kilobytes, 0) * 1024 / 1e6  # a zombie has none


def _reset_peak(pid: int) -> None:
    """Forget what the process needed before: the import of the files, for one."""
    try:
        (_PROC / str(pid) / "clear_refs").write_text(_RESETS_PEAK)
    except (FileNotFoundError, ProcessLookupError):
        return  # gone meanwhile

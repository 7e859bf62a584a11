"""What one process alone may change in a store, told to the others by locks on a file.

The daemon and its carrier use one store at one time. The ledger is safe for that by itself; a file
that grows (a partial, a pack) is not, so a process claims it before it touches it. The kernel ends
the claims of whoever dies, however it does. Each claim is one byte of the file that is locked: byte
0 tells that somebody uses the store, a byte far behind it stands for a name.

Not here: threads. Those of one store share its claims, which are counted, and see to themselves.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections import Counter
from pathlib import Path

from photonic import limits
from photonic.errors import StoreBusy

_FLOCK = struct.Struct("hhqqi4x")  # l_type, l_whence, l_start, l_len, l_pid: of Linux
_STEP_S = 0.05
_NAME_BITS = 56


class Claims:
    """The claims of one store that a process has opened. Any thread may call its methods."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[int] = Counter()
        self._handle: int | None = None
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def use_alone(self) -> bool:
        """Wait until nobody else uses the store, within bounds; tell whether that is so now.

        `use` ends it.
        """
        return self._wait(fcntl.F_WRLCK)

    def use(self) -> None:
        """Use the store as others may, too. Raises StoreBusy while somebody uses it alone."""
        if not self._wait(fcntl.F_RDLCK):
            raise StoreBusy("another process has the blob store for itself")

    def take(self, name: bytes) -> bool:
        """Claim what has this name (7 bytes of it count); False if another process has it.

        Taken twice, it is to be released twice.
        """
        place = _place(name)
        with self._lock:
            if not self._taken[place] and not self._order(fcntl.F_WRLCK, place):
                return False
            self._taken[place] += 1
            return True

    def release(self, name: bytes) -> None:
        """Give a claim back."""
        place = _place(name)
        with self._lock:
            assert self._taken[place], "nobody claimed it"
            self._taken[place] -= 1
            if not self._taken[place]:
                del self._taken[place]
                self._order(fcntl.F_UNLCK, place)

    def close(self) -> None:
        """Give everything back; may be repeated."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def __del__(self) -> None:
        self.close()

    def _wait(self, kind: int) -> bool:
        for _ in range(int(limits.STORE_SETTLE_WAIT_S / _STEP_S)):
            if self._order(kind, 0):
                return True
            threading.Event().wait(_STEP_S)
        return False

    def _order(self, kind: int, start: int) -> bool:
        if self._handle is None:
            return True  # a closed store changes nothing any more
        order = _FLOCK.pack(kind, os.SEEK_SET, start, 1, 0)
        try:
            # Of the open file, not of the process: closing another handle must not end it.
            fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, order)
        except (BlockingIOError, PermissionError):
            return False
        return True


def _place(name: bytes) -> int:
    return 1 + (int.from_bytes(name[:8], "big") >> (64 - _NAME_BITS))

"""Where the questions of one lane wait until the limit of what may come in lets them through.

Blocking threads use it: whoever reads the lane takes what may be asked, and never waits here, for
answers come meanwhile. Where there is a limit, a thread of the turnstile's own waits, for one
question after another. What an answer costs on the wire is guessed when it is asked for, and set
right by what comes: chunks may come compressed, and are guessed to shrink as the last ones did.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from photonic import limits
from photonic.p2p.exchange import (
    Answered,
    ChunkCame,
    Effect,
    Refused,
    Wanted,
    WholeCame,
    cost_bytes,
)


class Allowance(NamedTuple):
    """How much may come in."""

    wait: Callable[[int, Callable[[], bool]], object]  # until so many bytes may, or it is over
    settle: Callable[[int], object]  # so many more came, or fewer (negative), than were waited for
    rate: Callable[[], int | None]  # per second; None: there is no limit


class Turnstile:
    """See the module. `add` and `close` are for any thread, the rest is the reader's."""

    def __init__(self, allowance: Allowance, wake: Callable[[], object]) -> None:
        """`wake` is called, on another thread, when there is something to `take`."""
        self._allowance, self._wake = allowance, wake
        self._changed = threading.Condition()
        self._waiting: deque[Wanted] = deque()
        self._through: deque[tuple[Wanted, int]] = deque()  # with what was waited for
        self._thread: threading.Thread | None = None
        self._is_busy = self._is_over = False
        self._guessed_bytes: deque[int] = deque()  # of what was taken and is not answered
        self._wire_bytes = self._plain_bytes = 0.0  # of what came lately

    def add(self, wanted: Sequence[Wanted]) -> None:
        """Have these wait, behind the others."""
        with self._changed:
            self._waiting.extend(wanted)
            self._changed.notify()

    @property
    def has_waiting(self) -> bool:
        """Whether something is still to be asked."""
        return bool(self._waiting or self._through or self._is_busy)

    def take(self) -> Wanted | None:
        """Return what may be asked next; None if nothing may, and `wake` tells when."""
        with self._changed:
            if not self._through and self._waiting and self._allowance.rate() is None:
                wanted = self._waiting.popleft()
                self._through.append((wanted, self._guess(wanted)))
            if self._through:
                wanted, guessed_bytes = self._through.popleft()
                self._guessed_bytes.append(guessed_bytes)
                return wanted
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(target=self._let_through, name="asking")
                self._thread.start()
            return None

    def _let_through(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.wait_for(lambda: self._waiting or self._is_over)
                if self._is_over:
                    return
                self._is_busy = True
                wanted = self._waiting.popleft()
                guessed_bytes = self._guess(wanted)
            self._allowance.wait(guessed_bytes, lambda: self._is_over)
            with self._changed:
                self._through.append((wanted, guessed_bytes))
            self._wake()

    def _guess(self, wanted: Wanted) -> int:
        share = self._wire_bytes / self._plain_bytes if self._plain_bytes else 1.0
        return round(cost_bytes(wanted) * min(1.0, share))

    def came(self, effects: Sequence[Effect], size_bytes: int) -> None:
        """Set the guesses right, by what came in so many bytes."""
        more_bytes = size_bytes
        for effect in effects:
            if isinstance(effect, ChunkCame | WholeCame):
                self._plain_bytes += len(effect.data)
            elif isinstance(effect, Answered | Refused):  # they come in the order of the questions
                more_bytes -= self._guessed_bytes.popleft()
        self._wire_bytes += size_bytes
        if self._plain_bytes > limits.LZ4_JUDGED_BYTES:  # what is long ago counts ever less
            self._wire_bytes, self._plain_bytes = self._wire_bytes / 2, self._plain_bytes / 2
        self._allowance.settle(more_bytes)

    def close(self) -> None:
        """Let nothing through any more; returns when nobody waits for the limit."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

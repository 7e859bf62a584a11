"""The fetching end of a lane: one thread asks and reads, another verifies and writes.

Blocking. The reader keeps reading while the writer waits for the disk, as far as
`limits.LANE_AHEAD_MESSAGES` reaches. What passes the exchange has the right place and size; its
hash is judged by the store's door. Both threads end together, with what ended the first of them.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from photonic import limits, wire
from photonic.errors import StreamBroken
from photonic.p2p.blob_messages import Answer
from photonic.p2p.exchange import Asker, Effect, Wanted, cost_bytes
from photonic.p2p.lane_sockets import FrameSource, Socket, is_readable

_WAKE = b"\0"


class LaneFetch:
    """What one lane is asked. `run` is its reading thread's; the rest is for any thread."""

    def __init__(
        self,
        lane: Socket,
        keep: Callable[[Sequence[Effect], int], None],
        may: Callable[[int], None],
    ) -> None:
        """`keep` stores what came, of so many bytes, on a thread of its own; `may` waits until as
        many bytes may be asked for."""
        self._lane, self._keep_some, self._may = lane, keep, may
        self._asker = Asker()
        self._to_ask: deque[Wanted] = deque()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._waking = threading.Lock()  # else a late one might write into whatever came after
        self._is_over = False

    def ask(self, wanted: Sequence[Wanted]) -> None:
        """Ask these next; never waits."""
        self._to_ask.extend(wanted)
        self._wake()

    def stop(self) -> None:
        """End it soon."""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        with self._waking, suppress(OSError):  # full: it will wake anyway; closed: it has ended
            os.write(self._waker, _WAKE)

    def run(self) -> None:
        """Fetch until stopped. Raises StreamBroken, OSError, FrameInvalid, PhotonicError."""
        try:
            self._read()
        finally:
            with self._waking:
                os.close(self._waker)
                self._waker = -1
            os.close(self._woken)

    def _read(self) -> None:
        source = FrameSource(self._lane)
        while not self._is_over:
            self._send_questions()
            is_owed = self._asker.is_owed
            wait_s = limits.FETCH_STALL_S if is_owed else limits.LANE_IDLE_S
            has_answer, is_woken = is_readable(self._lane, wait_s, self._woken)
            if is_woken:
                os.read(self._woken, limits.KIB)
            elif not has_answer:
                if not is_owed:
                    return
                raise StreamBroken(f"a peer owed an answer and was silent {wait_s:g} s")
            if has_answer:
                source.read()
                self._take_in(source)

    def _send_questions(self) -> None:
        frames: list[bytes] = []
        size_bytes = 0
        while self._to_ask and self._asker.can_ask and size_bytes < limits.REQUEST_BYTES_MAX:
            wanted = self._to_ask.popleft()
            size_bytes += cost_bytes(wanted)
            frames.append(wire.frame(wire.encode(self._asker.ask(wanted))))
        if frames:
            self._may(size_bytes)
            self._lane.sendall(b"".join(frames))
            if self._to_ask:
                self._wake()

    def _take_in(self, source: FrameSource) -> None:
        effects: list[Effect] = []
        size_bytes = 0
        while source.has_frame():
            body = source.take()
            size_bytes += len(body)
            effects += self._asker.handle(wire.decode(body, Answer))  # type: ignore[arg-type]
        if effects:
            self._keep_some(effects, size_bytes)

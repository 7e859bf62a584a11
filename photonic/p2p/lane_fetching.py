"""The fetching end of a lane: one thread asks, reads, and stores what it read.

Blocking. What comes while it writes waits in the socket's buffers, and another lane reads on: a
thread of its own for the writing cost more than it brought (both wait for the interpreter's lock).
What passes the exchange has the right place and size; its hash is judged by the store's door.
However a lane ends, what was read of it by then is stored.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from photonic import limits, wire
from photonic.errors import StreamBroken
from photonic.p2p.blob_messages import Answer
from photonic.p2p.exchange import Asker, Effect, Wanted
from photonic.p2p.lane_sockets import FrameSource, Socket, is_readable, round_trip_s
from photonic.p2p.turnstile import Allowance, Turnstile

_WAKE = b"\0"


class Keeping(Protocol):
    """Where what comes over a lane goes: into the store, and to the node."""

    def keep(self, effects: Sequence[Effect], size_bytes: int) -> None:
        """Store what came, of so many bytes. Raises BlobCorrupt for the peer's lie."""
        ...

    def wait_s(self) -> float | None:
        """Return in how long what is kept and not told is to be told; None: nothing is."""
        ...

    def tell(self) -> None:
        """Tell the node what is kept and not told; nothing is fine."""
        ...


class LaneFetch:
    """What one lane is asked. `run` is its reading thread's; the rest is for any thread."""

    def __init__(
        self,
        lane: Socket,
        keeping: Keeping,
        allowance: Allowance,
    ) -> None:
        self._lane, self._keeping, self._allowance = lane, keeping, allowance
        self._asker, self._turnstile = Asker(), Turnstile(allowance, self._wake)
        # What is asked ahead may wait in sockets, and comes twice if this process dies.
        way_s = round_trip_s(lane)
        is_near = way_s is not None and way_s < limits.LANE_NEAR_S
        self._window_bytes = limits.LANE_NEAR_WINDOW_BYTES if is_near else None
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._waking = threading.Lock()  # else a late one might write into whatever came after
        self._is_over = False

    def ask(self, wanted: Sequence[Wanted]) -> None:
        """Ask these next; never waits."""
        self._turnstile.add(wanted)
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
            self._keeping.tell()
            self._turnstile.close()
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
            untold_s = self._keeping.wait_s()
            wait_s = wait_s if untold_s is None else untold_s
            has_answer, is_woken = is_readable(self._lane, wait_s, self._woken)
            if is_woken:
                os.read(self._woken, limits.KIB)
            elif not has_answer and untold_s is not None:
                self._keeping.tell()
            elif not has_answer:
                if self._turnstile.has_waiting and not is_owed:
                    continue  # the peer owes nothing: a limit of this node does
                if not is_owed:
                    return
                raise StreamBroken(f"a peer owed an answer and was silent {wait_s:g} s")
            if has_answer:
                source.read()
                self._take_in(source)
        with suppress(StreamBroken, OSError):  # stopped: what came by then is not asked for again
            while is_readable(self._lane, 0.0)[0]:
                source.read()
                self._take_in(source)

    def _send_questions(self) -> None:
        """Send what may be asked now."""
        frames: list[bytes] = []
        rate = self._allowance.rate()
        while self._may_ask() and (wanted := self._turnstile.take()) is not None:
            frames.append(wire.frame(wire.encode(self._asker.ask(wanted, rate))))
        if frames:
            self._lane.sendall(b"".join(frames))

    def _may_ask(self) -> bool:
        is_open = self._window_bytes is None or self._asker.owed_bytes < self._window_bytes
        return is_open and self._asker.can_ask

    def _take_in(self, source: FrameSource) -> None:
        effects: list[Effect] = []
        size_bytes = 0
        try:
            while source.has_frame():
                body = source.take()
                size_bytes += len(body)
                effects += self._asker.handle(wire.decode(body, Answer))  # type: ignore[arg-type]
        finally:  # whatever is wrong with one answer, those before it were right
            self._turnstile.came(effects, size_bytes)
            if effects:
                self._keeping.keep(effects, size_bytes)

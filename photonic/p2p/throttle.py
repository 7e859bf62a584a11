"""The limits of transfers at work: whoever is about to move bytes waits here until it may.

One of a node is waited for, that of the process which moves its bytes: so what is set holds for the
sum, over lanes and libp2p streams. Tasks of the event loop and plain threads may wait for the same
one at one time; the settings (`rates.Bandwidth`) may be replaced at any time, from any thread.
Where nothing is limited, nothing waits and nothing is counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import trio

from photonic import limits
from photonic.ids import NodeId, parse_peer_id
from photonic.p2p.bandwidth import Gate, Pass, may_move
from photonic.p2p.rates import Bandwidth, Direction
from photonic.world import Clock

_LEAST_WAIT_S = 1e-3
_NO_LIMITS = Bandwidth()


class Throttle:
    """See the module. A wait that is cancelled gives up its turn."""

    def __init__(self, clock: Clock, bandwidth: Bandwidth = _NO_LIMITS) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gates = {direction: Gate() for direction in Direction}
        self._bandwidth = bandwidth
        self.replace(bandwidth)

    @property
    def bandwidth(self) -> Bandwidth:
        return self._bandwidth

    def replace(self, bandwidth: Bandwidth) -> None:
        """Go by these limits from now on; who waits already does so within a second."""
        with self._lock:
            self._bandwidth = bandwidth
            self._peers = {
                direction: {
                    parse_peer_id(peer): rate
                    for peer, limit in bandwidth.peers.items()
                    if (rate := limit.rate(direction)) is not None
                }
                for direction in Direction
            }
            self._look(self._clock.monotonic_s())

    def rate(self, direction: Direction, peer: NodeId | None = None) -> int | None:
        """Return what may pass now per second, with a peer or over all; None for no limit."""
        with self._lock:
            self._look_if_due(self._clock.monotonic_s())
            return self._gates[direction].rate(peer if peer is not None else NodeId(b""))

    def may_give(self, size_bytes: int) -> bool:
        """Whether a blob of this size may be given to peers now."""
        return may_move(size_bytes, self._bandwidth)

    def settle(self, peer: NodeId, direction: Direction, size_bytes: int) -> None:
        """Count how many more bytes passed than were waited for; never waits.

        Negative where there were fewer: what is asked for may come compressed, or not at all.
        """
        if size_bytes:
            with self._lock:
                self._gates[direction].settle(peer, size_bytes, self._clock.monotonic_s())

    # --- on the event loop -------------------------------------------------------------------

    async def take(self, peer: NodeId, direction: Direction, size_bytes: int) -> None:
        """Wait until so many bytes may pass."""
        while size_bytes > 0:
            size_bytes -= await self.take_some(peer, direction, size_bytes)

    async def take_some(self, peer: NodeId, direction: Direction, size_bytes: int) -> int:
        """Wait until some bytes may pass, and return how many of `size_bytes` these are."""
        bell = _TrioBell()
        wanted = self._ask(peer, direction, size_bytes, bell.ring)
        try:
            while (wait_s := self._wait_s(wanted, direction)) is not None:
                await bell.wait(wait_s)
        finally:
            self._done(wanted, direction)
        return wanted.size_bytes

    # --- in threads --------------------------------------------------------------------------

    def take_blocking(
        self,
        peer: NodeId,
        direction: Direction,
        size_bytes: int,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        """Block until so many bytes may pass, or `is_over`, which is asked once a second or so."""
        while size_bytes > 0 and not is_over():
            size_bytes -= self.take_some_blocking(peer, direction, size_bytes, is_over)

    def take_some_blocking(
        self,
        peer: NodeId,
        direction: Direction,
        size_bytes: int,
        is_over: Callable[[], bool] = lambda: False,
    ) -> int:
        """Block until some bytes may pass, and return how many these are; 0 if it is over."""
        if self._is_open(peer, direction):
            return size_bytes
        bell = threading.Event()
        wanted = self._ask(peer, direction, size_bytes, bell.set)
        try:
            while (wait_s := self._wait_s(wanted, direction)) is not None:
                if is_over():
                    return 0
                bell.wait(wait_s)
                bell.clear()
        finally:
            self._done(wanted, direction)
        return wanted.size_bytes

    # --- turns -------------------------------------------------------------------------------

    def _is_open(self, peer: NodeId, direction: Direction) -> bool:
        """Whether there is no limit, and so no turn to wait for."""
        with self._lock:
            self._look_if_due(self._clock.monotonic_s())
            return self._gates[direction].slice_bytes(peer) is None

    def _ask(
        self, peer: NodeId, direction: Direction, size_bytes: int, wake: Callable[[], object]
    ) -> Pass:
        with self._lock:
            self._look_if_due(self._clock.monotonic_s())
            gate = self._gates[direction]
            slice_bytes = gate.slice_bytes(peer)
            if slice_bytes is None:
                return Pass(peer, size_bytes, wake, is_admitted=True)
            wanted = Pass(peer, min(size_bytes, slice_bytes), wake)
            gate.ask(wanted)
            return wanted

    def _wait_s(self, wanted: Pass, direction: Direction) -> float | None:
        """Admit whoever's turn it is; return how long `wanted` is to wait before asking again.

        That is never long, however low a limit: at most what a slice or two take.
        """
        if wanted.is_admitted:
            return None
        with self._lock:
            now_s = self._clock.monotonic_s()
            self._look_if_due(now_s)
            wait_s = self._gates[direction].admit(now_s)
            if _is_through(wanted):
                return None
            assert wait_s is not None, "it waits itself"
            return max(_LEAST_WAIT_S, wait_s)

    def _done(self, wanted: Pass, direction: Direction) -> None:
        with self._lock:
            if not wanted.is_admitted:
                self._gates[direction].withdraw(wanted)

    def _look_if_due(self, now_s: float) -> None:
        if now_s >= self._looked_s + limits.THROTTLE_LOOK_S:
            self._look(now_s)

    def _look(self, now_s: float) -> None:
        """Set the rates by the time of day."""
        self._looked_s = now_s
        minute = minute_of_day(self._clock)
        for direction, gate in self._gates.items():
            rate = self._bandwidth.rate(direction, minute)
            gate.set_rates(rate, self._peers[direction], now_s)


def _is_through(wanted: Pass) -> bool:
    return wanted.is_admitted  # behind a call, for it changes under the reader's eyes


class _TrioBell:
    """Wakes one task, from any thread."""

    def __init__(self) -> None:
        self._event = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def ring(self) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._ring, idempotent=True)

    def _ring(self) -> None:
        self._event.set()

    async def wait(self, wait_s: float) -> None:
        """Return when it rings, or after so long."""
        with trio.move_on_after(wait_s):
            await self._event.wait()
        self._event = trio.Event()


def minute_of_day(clock: Clock) -> int:
    """Return the minute of the day, in this machine's local time."""
    local = time.localtime(clock.now_ms() / 1_000)
    return local.tm_hour * 60 + local.tm_min

"""What came over one lane, on its way into the store and to the node: stored at once, told later.

Each report costs the node about as much as what is in it, so what came in a few milliseconds is
told in one. Used by the thread that reads the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from photonic import limits
from photonic.p2p import lane_messages as said
from photonic.p2p.arrivals import Arrivals
from photonic.p2p.exchange import Effect, Wanted
from photonic.world import Clock


class LaneKeeping:
    """See the module."""

    def __init__(
        self,
        arrivals: Arrivals,
        number_of: Callable[[Wanted], int],
        tell: Callable[[Sequence[said.Event], int], object],
        clock: Clock,
    ) -> None:
        """`tell` hears what happened, and how many bytes came meanwhile."""
        self._arrivals, self._number_of, self._tell, self._clock = arrivals, number_of, tell, clock
        self._events: list[said.Event] = []
        self._size_bytes = 0
        self._due_s: float | None = None  # when what is untold is to be told

    def keep(self, effects: Sequence[Effect], size_bytes: int) -> None:
        """Store what came, of so many bytes. Raises BlobCorrupt; what came before is stored."""
        events, lie = self._arrivals.keep(effects, self._number_of)
        self._events += events
        self._size_bytes += size_bytes
        now_s = self._clock.monotonic_s()
        if self._due_s is None:
            self._due_s = now_s + limits.LANE_CAME_S
        if lie is not None:
            raise lie
        if now_s >= self._due_s:
            self.tell()

    def wait_s(self) -> float | None:
        """Return in how long what is untold is to be told; None: nothing is."""
        return None if self._due_s is None else max(0.0, self._due_s - self._clock.monotonic_s())

    def tell(self) -> None:
        """Tell what is untold."""
        if self._due_s is not None:
            events, size_bytes = self._events, self._size_bytes
            self._events, self._size_bytes, self._due_s = [], 0, None
            self._tell(_together(events), size_bytes)


def _together(events: Sequence[said.Event]) -> list[said.Event]:
    """Return the same events, with one for all chunks of a blob that were stored in a row."""
    some: list[said.Event] = []
    for event in events:
        match some[-1] if some else None, event:
            case said.Stored(blob, before), said.Stored(same, more) if same == blob:
                some[-1] = said.Stored(blob, before + more)
            case _:
                some.append(event)
    return some

"""Who may move how many bytes, and when: token buckets and turns, to which time comes in.

Whoever wants to move bytes asks a `Gate` for a `Pass`. There is one gate for each direction. It
lets no more through than its bucket and the peer's own have; among the peers that wait, the one
that had least lately comes next, however many passes each waits for. Passes of one peer come in
the order in which they were asked.

Promises (tests/p2p/test_bandwidth.py): over any time no more passes than the rate and one burst, as
long as no pass is larger than a burst; peers that wait all the time get equal shares; a peer that
waits behind its own limit holds up nobody; nobody waits for ever.
Not here: clocks, threads, event loops (throttle.py), and what people set (rates.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from photonic import limits
from photonic.ids import BlobId, NodeId
from photonic.p2p.planner import Assignment, Need
from photonic.p2p.rates import Bandwidth

_TOLERANCE_BYTES = 1.0  # so that rounding never lets a wait end just too early, again and again


@dataclass(slots=True, eq=False)
class Pass:
    """Leave to move some bytes to or from a peer, once it is admitted."""

    peer: NodeId
    size_bytes: int
    wake: Callable[[], object]  # called once when it is admitted; neither blocks nor raises
    is_admitted: bool = False


class Bucket:
    """Tokens for bytes. Fills at its rate, never above one burst."""

    def __init__(self, bytes_s: int, now_s: float) -> None:
        self.bytes_s = bytes_s
        self._level = self.burst_bytes
        self._filled_s = now_s

    @property
    def burst_bytes(self) -> float:
        return max(limits.THROTTLE_BURST_BYTES_MIN, limits.THROTTLE_BURST_S * self.bytes_s)

    @property
    def slice_bytes(self) -> int:
        """What is asked for at a time, so that all who wait see bytes move."""
        most, least = limits.THROTTLE_SLICE_BYTES_MAX, limits.THROTTLE_SLICE_BYTES_MIN
        return int(min(most, max(least, limits.THROTTLE_SLICE_S * self.bytes_s)))

    def set_rate(self, bytes_s: int, now_s: float) -> None:
        """Go on at another rate. What was saved up stays, as far as the new burst holds it."""
        self._fill(now_s)
        self.bytes_s = bytes_s

    def delay_s(self, size_bytes: int, now_s: float) -> float:
        """Return how long until so many bytes may be taken: all of a burst for what is larger."""
        self._fill(now_s)
        lacking = min(size_bytes, self.burst_bytes) - self._level
        if lacking <= _TOLERANCE_BYTES:
            return 0.0
        return lacking / self.bytes_s

    def take(self, size_bytes: int, now_s: float) -> None:
        """Take so many bytes; `delay_s` said that they may be taken."""
        self._fill(now_s)
        self._level -= size_bytes

    def settle(self, size_bytes: int, now_s: float) -> None:
        """Take what passed beside what was taken for it; what is negative did not pass.

        The former is made up for before anything else may pass, the latter is there again as far
        as the burst holds it.
        """
        self._fill(now_s)
        self._level = min(self.burst_bytes, self._level - size_bytes)

    def _fill(self, now_s: float) -> None:
        flowed = max(0.0, now_s - self._filled_s) * self.bytes_s
        self._level = min(self.burst_bytes, self._level + flowed)
        self._filled_s = max(now_s, self._filled_s)


@dataclass(slots=True)
class _Flow:
    """One peer at a gate."""

    own: Bucket | None = None
    waiting: deque[Pass] = field(default_factory=deque)
    had: float = 0.0  # bytes, on the scale of `Gate._reached`

    def delay_s(self, now_s: float) -> float:
        """Return how long its own limit still holds back its next pass."""
        return 0.0 if self.own is None else self.own.delay_s(self.waiting[0].size_bytes, now_s)


class Gate:
    """One direction. Time never goes back from call to call."""

    def __init__(self) -> None:
        self._all: Bucket | None = None
        self._flows: dict[NodeId, _Flow] = {}
        # Turns by start-time fair queueing: what the peer in turn had had, when it got its turn.
        # Whoever comes anew, or was held back by its own limit, counts as having had as much.
        self._reached = 0.0

    def set_rates(self, bytes_s: int | None, peers: Mapping[NodeId, int], now_s: float) -> None:
        """Change the limits, of all together and of some peers.

        Whoever waits goes on waiting, for no more than is asked for at a time now: a pass that is
        large for a low rate would hold up everybody for long.
        """
        self._all = _changed(self._all, bytes_s, now_s)
        for peer in peers.keys() | self._flows.keys():
            flow = self._flows.setdefault(peer, _Flow(had=self._reached))
            flow.own = _changed(flow.own, peers.get(peer), now_s)
            most = self.slice_bytes(peer)
            for waiting in flow.waiting:
                waiting.size_bytes = min(waiting.size_bytes, most or waiting.size_bytes)

    def rate(self, peer: NodeId) -> int | None:
        """Return what may pass to or from a peer per second, at most; None for no limit."""
        return min((bucket.bytes_s for bucket in self._buckets(peer)), default=None)

    def slice_bytes(self, peer: NodeId) -> int | None:
        """Return how much to ask for at a time; None for no limit."""
        return min((bucket.slice_bytes for bucket in self._buckets(peer)), default=None)

    def _buckets(self, peer: NodeId) -> list[Bucket]:
        flow = self._flows.get(peer)
        both = (self._all, flow.own if flow is not None else None)
        return [bucket for bucket in both if bucket is not None]

    def ask(self, wanted: Pass) -> None:
        """Let `wanted` wait for its turn; `admit` admits it, at once if it may.

        Its size is what is admitted, and may have become smaller by then.
        """
        flow = self._flows.setdefault(wanted.peer, _Flow())
        if not flow.waiting:
            flow.had = max(flow.had, self._reached)
        flow.waiting.append(wanted)

    def withdraw(self, wanted: Pass) -> None:
        """Forget a pass that nobody waits for any more; one that was admitted stays counted."""
        flow = self._flows.get(wanted.peer)
        if flow is not None and wanted in flow.waiting:
            flow.waiting.remove(wanted)

    def settle(self, peer: NodeId, size_bytes: int, now_s: float) -> None:
        """Count what passed beside what was admitted, or (negative) did not; see `Bucket`."""
        for bucket in self._buckets(peer):
            bucket.settle(size_bytes, now_s)
        if (flow := self._flows.get(peer)) is not None:
            flow.had += size_bytes

    def admit(self, now_s: float) -> float | None:
        """Admit and wake whoever's turn it is, as far as there is room.

        Returns in how many seconds to call again; None when nobody waits.
        """
        while True:
            waiting = [flow for flow in self._flows.values() if flow.waiting]
            delays = [flow.delay_s(now_s) for flow in waiting]
            for flow, delay_s in zip(waiting, delays, strict=True):
                if delay_s > 0:
                    flow.had = max(flow.had, self._reached)
            held_back_s = min((d for d in delays if d > 0), default=None)
            ready = [flow for flow, d in zip(waiting, delays, strict=True) if d <= 0]
            if not waiting:
                self._rest()
            if not ready:
                return held_back_s
            turn = min(ready, key=lambda flow: flow.had)
            size_bytes = turn.waiting[0].size_bytes
            delay_s = 0.0 if self._all is None else self._all.delay_s(size_bytes, now_s)
            if delay_s > 0:
                return delay_s if held_back_s is None else min(delay_s, held_back_s)
            self._let_through(turn, now_s)

    def _let_through(self, flow: _Flow, now_s: float) -> None:
        passing = flow.waiting.popleft()
        for bucket in (self._all, flow.own):
            if bucket is not None:
                bucket.take(passing.size_bytes, now_s)
        self._reached = flow.had
        flow.had += passing.size_bytes
        passing.is_admitted = True
        passing.wake()

    def _rest(self) -> None:
        """Nobody waits: who had how much is over, and peers without a limit are forgotten."""
        self._reached = max((flow.had for flow in self._flows.values()), default=self._reached)
        self._flows = {peer: flow for peer, flow in self._flows.items() if flow.own is not None}


def _changed(bucket: Bucket | None, bytes_s: int | None, now_s: float) -> Bucket | None:
    if bytes_s is None:
        return None
    if bucket is None:
        return Bucket(bytes_s, now_s)
    if bucket.bytes_s != bytes_s:
        bucket.set_rate(bytes_s, now_s)
    return bucket


# --- which files -----------------------------------------------------------------------------


def may_move(size_bytes: int, bandwidth: Bandwidth) -> bool:
    """Whether a blob of this size may come or go now: on a metered link, no originals."""
    return not bandwidth.holds_originals or size_bytes <= limits.METERED_BLOB_BYTES_MAX


def open_needs(
    needs: Iterable[Need], under_way: Collection[BlobId], bandwidth: Bandwidth
) -> Iterator[Need]:
    """Yield the needs that may be planned now.

    When as many files are under way as may be, these are the needs of those files alone.
    """
    parallel = bandwidth.parallel
    is_full = parallel is not None and len(under_way) >= parallel
    for need in needs:
        is_next = not is_full or need.ref.blob in under_way
        if is_next and may_move(need.ref.size_bytes, bandwidth):
            yield need


def keep_parallel(
    assignments: Iterable[Assignment], under_way: Collection[BlobId], parallel: int | None
) -> Iterator[Assignment]:
    """Yield assignments, in order, as long as they begin no more files than `parallel` allows."""
    begun = set(under_way)
    for assignment in assignments:
        blob = assignment.wanted.ref.blob
        if parallel is None or blob in begun or len(begun) < parallel:
            begun.add(blob)
            yield assignment

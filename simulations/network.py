"""A network between simulated machines: who reaches whom, how fast, and what becomes of bytes.

Machines are at places; what joins two of them is a `links.Preset`. A connection is TCP as its two
ends see it: bytes come in order or not at all, a lost packet costs a retransmission, and while
nothing passes both ends believe in the connection until their own patience ends. Each direction of
each pair is a wire of its own, with its own queue, so that a partition may be one-sided.

`transport.SimulatedTransport` speaks over it; nothing here knows what is said.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

import trio

from simulations.links import Preset
from simulations.scenario import Scenario

PACKET_BYTES = 1_400
STRANGER = "stranger"  # a machine that belongs to nobody here
_PATIENCE_S = (10.0, 25.0)  # heartbeats that are not answered, until an end gives up
_CLOSED_AGAIN_S = 3.0  # at most until TCP sends again what did not pass


@dataclass(slots=True)
class Wire:
    """One direction between two machines."""

    free_s: float = 0.0  # when the last bit of what is queued has left
    blocks: set[str] = field(default_factory=set)  # why nothing passes
    held: list[Segment] = field(default_factory=list)  # what waits for it to pass again


@dataclass(slots=True, eq=False)
class Flow:
    """What comes in order: one direction of a stream."""

    arrives_s: float = 0.0  # the last of it


@dataclass(slots=True, eq=False)
class Segment:
    """Some bytes on their way from one machine to another."""

    source: str
    target: str
    size_bytes: float
    arrive: Callable[[], None]  # at the other end
    is_wanted: Callable[[], bool]  # whether its connection still stands at the other end
    flow: Flow  # what it must not overtake
    number: int = 0  # in the order of sending


class Network:
    """All places, machines and wires of one history."""

    def __init__(self, scenario: Scenario, dice: random.Random) -> None:
        self._scenario, self._dice = scenario, dice
        self._numbers = count(1)
        self._heap: list[tuple[float, int, Segment]] = []
        self._news = trio.Event()
        self._names = [*scenario.nodes, STRANGER]
        self.place: dict[str, str | None] = {n: p.place for n, p in scenario.nodes.items()}
        self.place[STRANGER] = None
        self._epochs = dict.fromkeys(self._names, 1)
        self._wires = {(a, b): Wire() for a in self._names for b in self._names if a != b}
        self._carried: set[frozenset[str]] = set()
        self._on_change: list[Callable[[], None]] = []
        self.bytes_moved = 0

    def listen(self, listener: Callable[[], None]) -> None:
        """`listener` is called when it changed who can reach whom."""
        self._on_change.append(listener)

    # --- where machines are -------------------------------------------------------------------

    def address(self, name: str) -> str | None:
        """Return where a machine can be dialled, None if it is nowhere."""
        place = self.place[name]
        if place is None:
            return None
        where = list(self._scenario.places).index(place)
        return f"/ip4/10.{where}.{self._names.index(name) + 1}.{self._epochs[name]}/tcp/4001"

    def machine_at(self, address: str) -> str | None:
        return next((name for name in self._names if self.address(name) == address), None)

    def neighbours(self, name: str) -> list[str]:
        """Return who is at the same place, where multicast reaches."""
        here = self.place[name]
        return [n for n in self._names if n != name and here is not None and self.place[n] == here]

    def preset(self, a: str, b: str) -> Preset | None:
        here, there = self.place[a], self.place[b]
        if here is None or there is None:
            return None
        preset = self._scenario.preset(here, there)
        if preset is not None and preset.is_carried and frozenset((a, b)) not in self._carried:
            return None
        return preset

    def can_dial(self, a: str, b: str) -> bool:
        """Whether a connection from `a` to `b` can be begun: nobody dials into a NAT."""
        preset = self.preset(a, b)
        if preset is None or not self.passes(a, b) or not self.passes(b, a):
            return False
        return self.place[a] == self.place[b] or not self._is_far_end(a, b, preset)

    def _is_far_end(self, a: str, b: str, preset: Preset) -> bool:
        """Whether `b` is the one behind the NAT of what joins it to `a`."""
        return preset.is_behind_nat and self._far_place(a, b) == self.place[b]

    def _far_place(self, a: str, b: str) -> str | None:
        """Of two places that a link joins, the second one named is far from the middle."""
        for pair in self._scenario.links:
            near, _, far = pair.partition(" ")
            if {near, far} == {self.place[a], self.place[b]}:
                return far
        return None

    def passes(self, a: str, b: str) -> bool:
        return self.preset(a, b) is not None and not self._wires[a, b].blocks

    def reasons(self, a: str, b: str) -> tuple[str, ...]:
        """Return why nothing passes from `a` to `b`; nothing if it does."""
        if self.preset(a, b) is None:
            return ("away",)
        return tuple(sorted(self._wires[a, b].blocks))

    def latency_s(self, a: str, b: str) -> float | None:
        preset = self.preset(a, b)
        return preset.one_way_s() if preset is not None else None

    def rate_bytes_s(self, a: str, b: str, preset: Preset) -> float:
        """Return how fast bytes leave `a` for `b`, over what joins them."""
        goes_up = self._far_place(a, b) == self.place[a]
        return (preset.up_bytes_s if goes_up else preset.down_bytes_s) * self._scenario.hurry

    # --- what changes -------------------------------------------------------------------------

    def move(self, name: str, place: str | None) -> None:
        """Take a machine to another place; it has another address there."""
        self.place[name] = place
        self._epochs[name] += 1
        self._changed()

    def readdress(self, name: str) -> None:
        self._epochs[name] += 1
        self._changed()

    def carry(self, a: str, b: str, *, is_there: bool) -> None:
        (self._carried.add if is_there else self._carried.discard)(frozenset((a, b)))
        self._changed()

    def block(self, a: str, b: str, why: str) -> None:
        """Let nothing pass from `a` to `b`, until each reason is gone. May be repeated."""
        self._wires[a, b].blocks.add(why)
        self._changed()

    def unblock(self, a: str, b: str, why: str) -> None:
        self._wires[a, b].blocks.discard(why)
        self._release(a, b)
        self._changed()

    def heal(self) -> None:
        """Undo every block, and let somebody carry what has to be carried."""
        self._carried = {frozenset(pair) for pair in self.pairs()}
        for (a, b), wire in self._wires.items():
            wire.blocks.clear()
            self._release(a, b)
        self._changed()

    def pairs(self) -> list[tuple[str, str]]:
        """Return all pairs of the history's own machines."""
        return [pair for pair in self._wires if STRANGER not in pair]

    def blocks(self, why: str) -> list[tuple[str, str]]:
        return [pair for pair, wire in self._wires.items() if why in wire.blocks]

    def _changed(self) -> None:
        for pair, wire in self._wires.items():
            if wire.held and self.passes(*pair):
                self._release(*pair)
        for listener in self._on_change:
            listener()

    def _release(self, a: str, b: str) -> None:
        wire = self._wires[a, b]
        if wire.blocks or self.preset(a, b) is None:
            return
        held, wire.held = wire.held, []
        again_s = trio.current_time() + self._dice.uniform(0, _CLOSED_AGAIN_S)
        for segment in sorted(held, key=lambda each: each.number):
            if segment.is_wanted():
                segment.flow.arrives_s = max(segment.flow.arrives_s, again_s)
                self.post(segment)

    def patience_s(self) -> float:
        """Return how long an end believes in a connection on which nothing comes any more."""
        return self._dice.uniform(*_PATIENCE_S)

    # --- bytes --------------------------------------------------------------------------------

    def post(self, segment: Segment) -> float | None:
        """Send; return when it arrives, None if that is not known."""
        segment.number = segment.number or next(self._numbers)
        preset = self.preset(segment.source, segment.target)
        wire = self._wires[segment.source, segment.target]
        if preset is None or wire.blocks:
            wire.held.append(segment)
            return None
        size, now_s = segment.size_bytes, trio.current_time()
        rate = self.rate_bytes_s(segment.source, segment.target, preset)
        wire.free_s = max(wire.free_s, now_s) + size / rate
        arrives_s = wire.free_s + preset.one_way_s() + self._delay_s(preset, size)
        segment.flow.arrives_s = arrives_s = max(arrives_s, segment.flow.arrives_s)
        heappush(self._heap, (arrives_s, next(self._numbers), segment))
        if self._heap[0][2] is segment:
            self._news.set()
        return arrives_s

    def _delay_s(self, preset: Preset, size_bytes: float) -> float:
        """Return what jitter and lost packets cost a segment."""
        delay_s = self._dice.random() * preset.jitter_ms / 1_000
        packets = max(1, int(size_bytes / PACKET_BYTES))
        lost = 1 - (1 - preset.loss) ** packets if preset.loss else 0.0
        timeout_s = 0.2 + 2 * preset.one_way_s()
        while lost and self._dice.random() < lost and delay_s < 60:
            delay_s += timeout_s
            timeout_s *= 2
            lost = preset.loss  # again, and then only the one packet
        return delay_s

    async def run(self) -> None:
        """Deliver, until cancelled."""
        while True:
            self._news = trio.Event()
            until_s = self._heap[0][0] if self._heap else float("inf")
            with trio.move_on_at(until_s):
                await self._news.wait()
            while self._heap and self._heap[0][0] <= trio.current_time():
                self._deliver(heappop(self._heap)[2])

    def _deliver(self, segment: Segment) -> None:
        if not segment.is_wanted():
            return
        if not self.passes(segment.source, segment.target):
            self._wires[segment.source, segment.target].held.append(segment)
            return
        self.bytes_moved += int(segment.size_bytes)
        segment.arrive()

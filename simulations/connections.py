"""Connections between simulated machines: two ends that may believe different things, and streams.

A connection is TCP as its ends see it. An end learns that the other one is gone when that says so
and is heard, or when its own patience is over; what is sent meanwhile is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import trio

from photonic import limits
from photonic.errors import StreamBroken
from photonic.ids import NodeId
from photonic.p2p.messages import BLOB_PROTOCOL
from simulations.network import Flow, Network, Segment

CONTROL_BYTES = 64  # to open, accept or end a stream
_WINDOW_SEGMENTS = 4  # unread and under way, of one direction of a stream
_SEGMENT_BYTES = 64 * limits.KIB
_LIE_BYTES_MIN = 256  # shorter pieces are no photos
_SEGMENT_S = 0.2  # as long takes one, of bytes that stand for many, while four streams share a link


class Witness(Protocol):
    """Who is told what goes over the network; the trace."""

    def message(
        self, source: str, target: str, protocol: str, size_bytes: int, arrives_s: float | None
    ) -> None: ...


@dataclass(slots=True)
class Ether:
    """What the transports of one history share. `scale`: virtual bytes a byte of a file's bytes."""

    network: Network
    witness: Witness
    nursery: trio.Nursery
    scale: int = 1
    running: dict[str, Party] = field(default_factory=dict)
    names: dict[NodeId, str] = field(default_factory=dict)
    liars: set[str] = field(default_factory=set)  # who sends other bytes than a photo has

    def told(self, source: str, protocol: str, piece: bytes) -> bytes:
        """Return what a machine sends instead of a piece of a message."""
        if source not in self.liars or protocol != BLOB_PROTOCOL or len(piece) < _LIE_BYTES_MIN:
            return piece
        middle = len(piece) // 2
        return piece[:middle] + bytes([piece[middle] ^ 1]) + piece[middle + 1 :]


class Party(Protocol):
    """A transport, as the ends of its connections know it."""

    name: str  # of its machine
    ether: Ether
    is_dead: bool  # the power is gone: whatever code still runs here reaches nobody

    @property
    def node(self) -> NodeId: ...

    def addresses(self) -> tuple[str, ...]: ...

    def accept(self, end: End, theirs: SimulatedStream, protocol: str) -> None:
        """Hear of a stream that a peer opens, and answer whether it may."""
        ...

    def look(self) -> None:
        """The network is another one now."""
        ...

    def die(self) -> None:
        """Be gone at once, and tell nobody."""
        ...


class End:
    """One end of a connection, as its machine believes in it."""

    far: End

    def __init__(self, owner: Party, other: Party) -> None:
        self.owner, self.other = owner, other
        self.is_live = True
        self.on_end: list[Callable[[], None]] = []
        self._streams: dict[SimulatedStream, None] = {}
        self._address = owner.ether.network.address(owner.name)
        self._is_doubted = False

    def send(self, size_bytes: float, arrive: Callable[[], None]) -> float | None:
        """Send something to the far end; lost if either end is gone when it would arrive."""
        if not self.is_live or self.owner.is_dead:
            return None
        segment = Segment(
            self.owner.name, self.other.name, size_bytes, arrive, lambda: self.far.is_live, Flow()
        )
        return self.owner.ether.network.post(segment)

    def add(self, stream: SimulatedStream) -> None:
        self._streams = {each: None for each in self._streams if not each.is_over}
        self._streams[stream] = None

    def abort(self) -> None:
        """End it here, and tell the other end, if that gets through. May be repeated."""
        if self.is_live:
            self.send(CONTROL_BYTES, self.far.lose)
            self.far.doubt_soon()
            self.lose()

    def lose(self) -> None:
        """End it here. May be repeated."""
        if not self.is_live:
            return
        self.is_live = False
        if self.owner.is_dead:
            self.far.doubt_soon()
        for stream in list(self._streams):
            stream.break_off()
        for forget in self.on_end:
            forget()

    def doubt(self) -> None:
        """Begin to lose patience if nothing comes from the other end any more, or never can."""
        network = self.owner.ether.network
        here, there = self.owner.name, self.other.name
        has_moved = network.address(here) != self._address
        if has_moved or not (network.passes(here, there) and network.passes(there, here)):
            self.doubt_soon()

    def segment_bytes(self, scale: int) -> int:
        """Return how much is sent at once of bytes each of which stands for `scale`.

        A slow link must not be silent while a segment is under way: nodes would give it up.
        """
        network, here, there = self.owner.ether.network, self.owner.name, self.other.name
        preset = network.preset(here, there)
        if scale == 1 or preset is None:
            return _SEGMENT_BYTES
        rate_bytes_s = network.rate_bytes_s(here, there, preset)
        return min(_SEGMENT_BYTES, max(1, int(rate_bytes_s * _SEGMENT_S / scale)))

    def doubt_soon(self) -> None:
        if self.is_live and not self._is_doubted:
            self._is_doubted = True
            self.owner.ether.nursery.start_soon(self._lose_patience)

    async def _lose_patience(self) -> None:
        network = self.owner.ether.network
        await trio.sleep(network.patience_s())
        self._is_doubted = False
        here, there = self.owner.name, self.other.name
        both = network.passes(here, there) and network.passes(there, here)
        stays = both and network.address(here) == self._address and self.far.is_live
        if not stays and self.is_live and not self.owner.is_dead:
            self.abort()


class SimulatedStream:
    """One end of a stream; see transport.Stream. A cancelled `send` tears the stream."""

    def __init__(self, end: End, protocol: str, far: SimulatedStream | None = None) -> None:
        self._end, self._protocol, self.far = end, protocol, far
        self.answered = trio.Event()
        self._buffer = bytearray()
        self._sent_bytes = self._taken_bytes = 0  # what is sent; what the far reader took of it
        self._untold_bytes = 0  # that were read here, and the far writer does not know
        self._flow = Flow()
        self._is_closed = self._has_ended = self._is_broken = not end.is_live
        self._is_refused = False  # nobody reads at the far end any more
        self._changed = trio.Event()
        self._scale = end.owner.ether.scale if protocol == BLOB_PROTOCOL else 1
        self._segment_bytes = end.segment_bytes(self._scale)
        self._window_bytes = _WINDOW_SEGMENTS * self._segment_bytes
        end.add(self)

    @property
    def peer(self) -> NodeId:
        return self._end.other.node

    @property
    def _under_way_bytes(self) -> int:
        return self._sent_bytes - self._taken_bytes

    @property
    def _may_send(self) -> bool:
        return not (self._is_broken or self._is_refused)

    @property
    def is_over(self) -> bool:
        return self._is_broken or (self._is_closed and self._has_ended and not self._buffer)

    def answer(self, far: SimulatedStream) -> None:
        self.far = far
        self.answered.set()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def send(self, data: bytes) -> None:
        try:
            await self._send(data)
        except BaseException:
            self.break_off()
            self._end.send(CONTROL_BYTES, self._break_far)
            raise

    async def _send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest:
            while self._under_way_bytes >= self._window_bytes and self._may_send:
                await self._changed.wait()
            if not self._may_send or self._is_closed:
                raise StreamBroken("the stream is closed")
            room = min(self._segment_bytes, self._window_bytes - self._under_way_bytes)
            piece, rest = bytes(rest[:room]), rest[room:]
            self._sent_bytes += len(piece)
            end = self._end
            piece = end.owner.ether.told(end.owner.name, self._protocol, piece)
            arrives_s = self._post(len(piece), partial(self._deliver, piece))
            end.owner.ether.witness.message(
                end.owner.name, end.other.name, self._protocol, len(piece), arrives_s
            )

    def _post(self, size_bytes: int, arrive: Callable[[], None]) -> float | None:
        """Send what comes after everything that was sent on this stream before."""
        if not self._end.is_live or self._end.owner.is_dead:
            return None
        segment = Segment(
            self._end.owner.name,
            self._end.other.name,
            size_bytes * self._scale + CONTROL_BYTES,
            arrive,
            lambda: self._end.far.is_live,
            self._flow,
        )
        return self._end.owner.ether.network.post(segment)

    def _deliver(self, piece: bytes) -> None:
        if self.far is not None and not self.far._is_broken:
            self.far._buffer += piece
            self.far._announce()

    async def receive(self, size_max: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._buffer:
            if self._is_broken:
                raise StreamBroken("the stream was broken, or its connection")
            if self._has_ended:
                return b""
            await self._changed.wait()
        data = bytes(self._buffer[:size_max])
        del self._buffer[:size_max]
        self._untold_bytes += len(data)
        if self._untold_bytes >= self._window_bytes // 4:
            told_bytes, self._untold_bytes = self._untold_bytes, 0
            self._end.send(0, lambda: self._note_taken(told_bytes))
        return data

    def _note_taken(self, size_bytes: int) -> None:
        if self.far is not None:
            self.far._taken_bytes += size_bytes
            self.far._announce()

    async def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._post(0, self._end_far)

    def _end_far(self) -> None:
        if self.far is not None:
            self.far._has_ended = True
            self.far._announce()

    def _break_far(self) -> None:
        if self.far is not None:
            self.far.break_off()

    def break_off(self) -> None:
        """End it here; what is unread is lost."""
        if not self._is_broken:
            self._is_broken = True
            self._buffer.clear()
            self._announce()
        self.answered.set()

    def finish(self) -> None:
        """Give up what is still open: the peer's next send breaks, and its receive if we had more.

        What we sent and ended is still read there.
        """
        if self._is_broken:
            return
        self._post(0, self._refuse_far if self._is_closed else self._break_far)
        self.break_off()

    def _refuse_far(self) -> None:
        if self.far is not None:
            self.far._is_refused = True
            self.far._announce()

"""The giving end of a lane: one thread, which reads questions, reads the disk, and sends.

Blocking. A peer asks ahead (`limits.REQUESTS_PIPELINED_MAX`), so the thread looks for further
questions between two answers and waits for one only when it has nothing to do. It holds one read's
worth of answers (`answering.read_some`) and a few questions, however slow the peer is, and whatever
happens to a blob meanwhile is an answer, never the lane's end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import NamedTuple

from photonic import limits, wire
from photonic.blobs.store import BlobStore
from photonic.errors import StreamBroken
from photonic.ids import BlobId
from photonic.p2p.answering import Piece, Reading, pieces, read_some
from photonic.p2p.blob_messages import Question
from photonic.p2p.compression import Compressor
from photonic.p2p.exchange import Giver
from photonic.p2p.lane_sockets import FrameSource, Socket, is_readable
from photonic.p2p.open_blob import OpenBlob
from photonic.world import Clock


class Rules(NamedTuple):
    """What whoever serves is to ask, and to tell, while it does."""

    take: Callable[[int], int]  # waits until some of so many bytes may be sent, says how many
    may_give: Callable[[int], bool]  # whether a blob of a size may be given at all now
    gave: Callable[[int, int], object]  # hears of bytes and chunks that were sent
    damaged: Callable[[BlobId], object]  # hears of a blob that the store is to look at; no wait


def serve(lane: Socket, store: BlobStore, rules: Rules, clock: Clock) -> None:
    """Answer until the peer ends the lane. Raises StreamBroken, OSError, FrameInvalid."""
    source = FrameSource(lane, limits.QUESTIONS_BUFFER_BYTES, limits.QUESTION_BYTES_MAX)
    giver, todo, compressor = Giver(), deque[Piece](), Compressor(clock)
    with closing(OpenBlob(store)) as blob_read, closing(_Told(rules.gave, clock)) as told:
        while True:
            _hear(lane, source, giver, todo)
            reading = Reading()
            read_some(blob_read, todo, reading, rules.may_give, compressor)
            for _ in range(reading.questions_done):
                giver.done()
            for frame in reading.frames:
                compressor.send(len(frame), partial(_send, lane, frame, rules.take))
            for blob in reading.damaged:
                rules.damaged(blob)
            told.add(reading, is_idle=not todo)
            if not todo:
                blob_read.close()


class _Told:
    """Tells what was given: now and then, for the node that hears it has other things to do."""

    def __init__(self, gave: Callable[[int, int], object], clock: Clock) -> None:
        self._gave, self._clock = gave, clock
        self._size_bytes = self._chunks = 0
        self._told_s = clock.monotonic_s()

    def add(self, reading: Reading, *, is_idle: bool) -> None:
        self._size_bytes += reading.size_bytes
        self._chunks += reading.chunks
        if is_idle or self._clock.monotonic_s() >= self._told_s + limits.LANE_GAVE_S:
            self.close()

    def close(self) -> None:
        """Tell what is left."""
        if self._size_bytes:
            self._gave(self._size_bytes, self._chunks)
        self._size_bytes = self._chunks = 0
        self._told_s = self._clock.monotonic_s()


def _send(lane: Socket, frame: bytes, take: Callable[[int], int]) -> None:
    view = memoryview(frame)
    while view:
        size_bytes = take(len(view))
        lane.sendall(view[:size_bytes])
        view = view[size_bytes:]


def _hear(lane: Socket, source: FrameSource, giver: Giver, todo: deque[Piece]) -> None:
    """Take in the questions that are here; wait for one if there is nothing to answer."""
    while not todo or source.has_frame() or is_readable(lane, 0.0)[0]:
        while source.has_frame():
            question: Question = wire.decode(source.take(), Question)  # type: ignore[arg-type]
            todo.extend(pieces(giver.handle(question)))
        if todo and not is_readable(lane, 0.0)[0]:
            return
        if not todo and not is_readable(lane, limits.LANE_IDLE_S)[0]:
            raise StreamBroken("a peer asked nothing for a long time")
        source.read()

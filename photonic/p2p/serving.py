"""The other side of a blob stream: answers what members ask, from the store, verified once more.

Where there is a carrier, it is who answers, and a stream is only led to it: one bucket of tokens
for all that leaves, and nothing is hashed under the daemon's interpreter lock. Elsewhere (in tests,
in the simulator) the answers are made here. What is asked next is read from disk while the answer
before it is on the wire, a few reads ahead and no further. What rotted on disk is not sent
(invariant I5): the answer is `Missing`, and the store looks at the whole blob. A peer that asks
nonsense loses the stream, nothing else.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from photonic import limits, wire
from photonic.blobs.store import BlobStore
from photonic.errors import FrameInvalid, StreamBroken
from photonic.ids import NodeId, peer_id
from photonic.p2p.answering import Piece, Reading, look_at, pieces, read_some, refuse
from photonic.p2p.blob_messages import Question
from photonic.p2p.exchange import Giver
from photonic.p2p.holders import Counters
from photonic.p2p.rates import Direction
from photonic.p2p.throttle import Throttle
from photonic.p2p.transport import Stream
from photonic.world import SystemClock

log = logging.getLogger(__name__)


class BlobServer:
    """Serves blob streams, and counts what goes out."""

    def __init__(
        self,
        store: BlobStore,
        threads: anyio.CapacityLimiter,
        counters: Counters,
        throttle: Throttle | None = None,
        carry: Callable[[Stream], Awaitable[None]] | None = None,
    ) -> None:
        """Without a `throttle` nothing is limited. `carry` has the carrier serve a stream."""
        self._store, self._threads, self._counters = store, threads, counters
        self._throttle, self._carry = throttle or Throttle(SystemClock()), carry
        self._streams: Counter[NodeId] = Counter()

    async def serve(self, stream: Stream) -> None:
        """Answer until the peer ends the stream. Never raises for what the peer does."""
        peer = stream.peer
        is_busy = self._streams[peer] >= limits.SERVED_STREAMS_PER_PEER_MAX
        self._streams[peer] += 1
        try:
            if self._carry is None or is_busy:
                await self._serve(stream, is_busy=is_busy)
            else:
                await self._carry(stream)
        finally:
            self._streams[peer] -= 1
            if not self._streams[peer]:
                del self._streams[peer]
            with anyio.CancelScope(shield=True):
                await stream.close()

    async def _serve(self, stream: Stream, *, is_busy: bool) -> None:
        asked_in, asked = anyio.create_memory_object_stream[Question](limits.REQUESTS_PIPELINED_MAX)
        frames_in, frames = anyio.create_memory_object_stream[bytes](limits.SERVE_AHEAD_CHUNKS_MAX)
        giver, scope = Giver(), anyio.CancelScope()
        with scope, asked_in, asked, frames_in, frames:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._answer, asked, frames_in, giver, is_busy)
                tasks.start_soon(_write, stream, frames, scope, self._throttle)
                await _read(stream, giver, asked_in, scope)

    async def _answer(
        self,
        asked: MemoryObjectReceiveStream[Question],
        frames: MemoryObjectSendStream[bytes],
        giver: Giver,
        is_busy: bool,
    ) -> None:
        todo: deque[Piece] = deque()
        async with frames:
            while True:
                try:
                    while not todo or asked.statistics().current_buffer_used:
                        todo.extend(pieces(await asked.receive()))
                except anyio.EndOfStream:
                    if not todo:
                        return
                reading = Reading()
                if is_busy:
                    refuse(todo, reading)
                else:
                    read = partial(read_some, self._store, todo, reading, self._throttle.may_give)
                    await anyio.to_thread.run_sync(read, limiter=self._threads)
                for _ in range(reading.questions_done):
                    giver.done()
                self._counters.chunks_served += reading.chunks
                self._counters.bytes_out += reading.size_bytes
                await frames.send(b"".join(reading.frames))
                for blob in reading.damaged:
                    await anyio.to_thread.run_sync(
                        look_at, self._store, blob, limiter=self._threads
                    )


async def _read(
    stream: Stream,
    giver: Giver,
    asked: MemoryObjectSendStream[Question],
    scope: anyio.CancelScope,
) -> None:
    """Take in questions until the peer ends its side; then what is asked is still answered."""
    reader = wire.FrameReader(limits.QUESTION_BYTES_MAX)
    try:
        with asked:
            while data := await stream.receive(limits.READ_BYTES):
                for body in reader.feed(data):
                    question: Question = wire.decode(body, Question)  # type: ignore[arg-type]
                    # Cannot be full: the giver takes no more questions than the channel does.
                    asked.send_nowait(giver.handle(question))
    except StreamBroken:
        scope.cancel()
    except FrameInvalid as error:
        log.warning("%s asked nonsense: %s", peer_id(stream.peer), error)
        scope.cancel()


async def _write(
    stream: Stream,
    frames: MemoryObjectReceiveStream[bytes],
    scope: anyio.CancelScope,
    throttle: Throttle,
) -> None:
    """Send what was read, as fast as it may go, then end the stream."""
    try:
        async for data in frames:
            view = memoryview(data)
            while view:
                # Never a wait for all of it: a peer that sees no byte for a while gives us up.
                some = await throttle.take_some(stream.peer, Direction.OUT, len(view))
                await stream.send(data if some == len(data) else bytes(view[:some]))
                view = view[some:]
    except StreamBroken:
        pass  # the peer went away; whatever it wanted, it asks again
    scope.cancel()

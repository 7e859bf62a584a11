"""The other side of a blob stream: answers what members ask, from the store, verified once more.

What is asked next is read from disk while the answer before it is on the wire, a few reads ahead
and no further. What rotted on disk is not sent (invariant I5): the answer is `Missing`, and the
store looks at the whole blob. A peer that asks nonsense loses the stream, nothing else.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from photonic import limits, wire
from photonic.blobs.store import BlobStore
from photonic.blobs.verify import check_chunk
from photonic.errors import BlobCorrupt, BlobMissing, FrameInvalid, PhotonicError, StreamBroken
from photonic.ids import BlobId, NodeId, digest, peer_id
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    AskList,
    Busy,
    GiveBlob,
    GiveChunk,
    GiveList,
    Missing,
    Question,
)
from photonic.p2p.exchange import Giver
from photonic.p2p.holders import Counters
from photonic.p2p.transport import Stream
from photonic.photos import BlobRef

log = logging.getLogger(__name__)

_QUESTION_BYTES_MAX = 4 * limits.KIB  # a list of indices is the longest


@dataclass(frozen=True, slots=True)
class _Piece:
    """One message's worth of a question. `index` is None unless chunks were asked."""

    question: Question
    index: int | None
    is_last: bool


@dataclass(slots=True)
class _Reading:
    """What one go at the disk brought: frames to send, and what to count."""

    frames: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    chunks: int = 0
    questions_done: int = 0


class BlobServer:
    """Serves blob streams, and counts what goes out."""

    def __init__(
        self,
        store: BlobStore,
        threads: anyio.CapacityLimiter,
        counters: Counters,
    ) -> None:
        self._store, self._threads, self._counters = store, threads, counters
        self._streams: Counter[NodeId] = Counter()

    async def serve(self, stream: Stream) -> None:
        """Answer until the peer ends the stream. Never raises for what the peer does."""
        peer = stream.peer
        is_busy = self._streams[peer] >= limits.SERVED_STREAMS_PER_PEER_MAX
        self._streams[peer] += 1
        asked_in, asked = anyio.create_memory_object_stream[Question](limits.REQUESTS_PIPELINED_MAX)
        frames_in, frames = anyio.create_memory_object_stream[bytes](limits.SERVE_AHEAD_CHUNKS_MAX)
        giver, scope = Giver(), anyio.CancelScope()
        try:
            with scope, asked_in, asked, frames_in, frames:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._answer, asked, frames_in, giver, is_busy)
                    tasks.start_soon(_write, stream, frames, scope)
                    await _read(stream, giver, asked_in, scope)
        finally:
            self._streams[peer] -= 1
            if not self._streams[peer]:
                del self._streams[peer]
            with anyio.CancelScope(shield=True):
                await stream.close()

    async def _answer(
        self,
        asked: MemoryObjectReceiveStream[Question],
        frames: MemoryObjectSendStream[bytes],
        giver: Giver,
        is_busy: bool,
    ) -> None:
        todo: deque[_Piece] = deque()
        async with frames:
            while True:
                try:
                    while not todo or asked.statistics().current_buffer_used:
                        todo.extend(_pieces(await asked.receive()))
                except anyio.EndOfStream:
                    if not todo:
                        return
                reading = _Reading()
                if is_busy:
                    _refuse(todo, reading)
                else:
                    await anyio.to_thread.run_sync(
                        read_some, self._store, todo, reading, limiter=self._threads
                    )
                for _ in range(reading.questions_done):
                    giver.done()
                self._counters.chunks_served += reading.chunks
                self._counters.bytes_out += reading.size_bytes
                await frames.send(b"".join(reading.frames))


async def _read(
    stream: Stream,
    giver: Giver,
    asked: MemoryObjectSendStream[Question],
    scope: anyio.CancelScope,
) -> None:
    """Take in questions until the peer ends its side; then what is asked is still answered."""
    reader = wire.FrameReader(_QUESTION_BYTES_MAX)
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
    stream: Stream, frames: MemoryObjectReceiveStream[bytes], scope: anyio.CancelScope
) -> None:
    """Send what was read, then end the stream."""
    try:
        async for data in frames:
            await stream.send(data)
    except StreamBroken:
        pass  # the peer went away; whatever it wanted, it asks again
    scope.cancel()


def _pieces(question: Question) -> list[_Piece]:
    if isinstance(question, AskChunks):
        last = question.indices[-1]
        return [_Piece(question, index, index == last) for index in question.indices]
    return [_Piece(question, None, True)]


def _refuse(todo: deque[_Piece], reading: _Reading) -> None:
    """Answer every question with `Busy`."""
    for piece in todo:
        if piece.is_last:
            reading.frames.append(wire.frame(wire.encode(Busy(piece.question.number))))
            reading.questions_done += 1
    todo.clear()


def read_some(store: BlobStore, todo: deque[_Piece], reading: _Reading) -> None:
    """Answer pieces from the front of `todo` into `reading`, up to a read's worth. Blocks."""
    while todo and reading.size_bytes < limits.SERVE_READ_BYTES:
        piece = todo.popleft()
        question = piece.question
        answer: Answer
        try:
            answer = _read_piece(store, piece)
        except BlobCorrupt:
            answer = Missing(question.number)
            _look_at(store, BlobId(question.blob))
        except (PhotonicError, OSError):
            answer = Missing(question.number)
        if isinstance(answer, Missing):
            while todo and todo[0].question is question:
                todo.popleft()  # the rest of the question has its answer, too
        else:
            reading.chunks += isinstance(answer, GiveChunk | GiveBlob)
        if piece.is_last or isinstance(answer, Missing):
            reading.questions_done += 1
        frame = wire.frame(wire.encode(answer))
        reading.frames.append(frame)
        reading.size_bytes += len(frame)


def _read_piece(store: BlobStore, piece: _Piece) -> Answer:
    """Raises BlobMissing, BlobCorrupt, OSError."""
    question = piece.question
    blob = BlobId(question.blob)
    chunks = store.chunk_list(blob)
    if chunks.id != question.chunks:
        raise BlobMissing(blob)  # held, but cut in another way than the peer knows
    match question:
        case AskList(number):
            return GiveList(number, chunks.encoded)
        case AskBlob(number):
            if chunks.size_bytes > limits.SMALL_BLOB_BYTES:
                raise BlobMissing(blob)
            data = store.read(blob)
            if digest(data) != blob:
                raise BlobCorrupt(blob)
            return GiveBlob(number, chunks.encoded, data)
        case AskChunks(number):
            assert piece.index is not None
            if piece.index >= len(chunks):
                raise BlobMissing(blob)
            size_bytes = chunks.chunks[piece.index].size_bytes
            data = store.read(blob, chunks.offsets[piece.index], size_bytes)
            ref = BlobRef(blob, chunks.size_bytes, chunks.id)
            check_chunk(ref, chunks, piece.index, data)
            return GiveChunk(number, piece.index, data)


def _look_at(store: BlobStore, blob: BlobId) -> None:
    """Let the store find out for itself, and put aside what is damaged."""
    try:
        store.verify(blob)
    except PhotonicError as error:
        log.error("%s", error)

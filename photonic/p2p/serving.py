"""The other side of a blob stream: answers what members ask, from the store, verified once more.

A question is read from disk while the answer before it is on the wire, a few chunks ahead and no
further. What rotted on disk is not sent (invariant I5): the answer is `Missing`, and the store
looks at the whole blob. A peer that asks nonsense loses the stream, nothing else.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from photonic import limits, wire
from photonic.blobs.chunks import ChunkList
from photonic.blobs.store import BlobStore
from photonic.blobs.verify import check_chunk
from photonic.errors import BlobCorrupt, BlobMissing, FrameInvalid, PhotonicError, StreamBroken
from photonic.ids import BlobId, NodeId, digest, peer_id
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    Busy,
    GiveBlob,
    GiveChunk,
    GiveList,
    Missing,
    Question,
)
from photonic.p2p.exchange import Giver
from photonic.p2p.transport import Stream
from photonic.photos import BlobRef

log = logging.getLogger(__name__)

_QUESTION_BYTES_MAX = 4 * limits.KIB  # a list of indices is the longest
_BLOBS_PER_READ_MAX = 8


class BlobServer:
    """Serves blob streams; `served` is told the chunks and bytes of each answer."""

    def __init__(
        self,
        store: BlobStore,
        threads: anyio.CapacityLimiter,
        served: Callable[[int, int], None],
    ) -> None:
        self._store, self._threads, self._served = store, threads, served
        self._streams: Counter[NodeId] = Counter()

    async def serve(self, stream: Stream) -> None:
        """Answer until the peer ends the stream. Never raises for what the peer does."""
        peer = stream.peer
        is_busy = self._streams[peer] >= limits.SERVED_STREAMS_PER_PEER_MAX
        self._streams[peer] += 1
        scope = anyio.CancelScope()
        try:
            with scope:
                async with anyio.create_task_group() as tasks:
                    asked_in, asked = anyio.create_memory_object_stream[Question](
                        limits.REQUESTS_PIPELINED_MAX
                    )
                    frames_in, frames = anyio.create_memory_object_stream[bytes](
                        limits.SERVE_AHEAD_CHUNKS_MAX
                    )
                    giver = Giver()
                    tasks.start_soon(self._answer, asked, frames_in, giver, is_busy)
                    tasks.start_soon(_write, stream, frames, scope)
                    await _read(stream, giver, asked_in)
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
        async with asked, frames:
            async for question in asked:
                if is_busy:
                    giver.done()
                    await frames.send(_framed([Busy(question.number)]))
                    return
                if isinstance(question, AskChunks):
                    for indices in await self._in_thread(self._groups, question):
                        answers = await self._in_thread(self._chunks, question, indices)
                        if not indices or indices[-1] == question.indices[-1]:
                            giver.done()
                        await self._send(frames, answers)
                        if isinstance(answers[-1], Missing):
                            break
                    continue
                alike = [question]
                while len(alike) < _BLOBS_PER_READ_MAX and asked.statistics().current_buffer_used:
                    following = asked.receive_nowait()
                    alike.append(following)
                    if isinstance(following, AskChunks):
                        break
"""

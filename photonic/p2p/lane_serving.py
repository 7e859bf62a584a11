"""The giving end of a lane: one thread, which reads questions, reads the disk, and sends.

Blocking. A peer asks ahead (`limits.REQUESTS_PIPELINED_MAX`), so the thread looks for further
questions between two answers and waits for one only when it has nothing to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from photonic import limits, wire
from photonic.blobs.store import BlobStore
from photonic.errors import StreamBroken
from photonic.p2p.answering import Piece, Reading, pieces, read_some
from photonic.p2p.blob_messages import Question
from photonic.p2p.exchange import Giver
from photonic.p2p.lane_sockets import FrameSource, Socket, is_readable


def serve(
    lane: Socket,
    store: BlobStore,
    gave: Callable[[int, int], None],
    take: Callable[[int], int],
    may_give: Callable[[int], bool],
) -> None:
    """Answer until the peer ends the lane. Raises StreamBroken, OSError, FrameInvalid.

    `gave` hears of bytes and chunks that were sent; `take` waits until some of so many bytes may
    be, and says how many; `may_give` whether a blob of a size may be given at all now.
    """
    source, giver, todo = FrameSource(lane), Giver(), deque[Piece]()
    while True:
        _hear(lane, source, giver, todo)
        reading = Reading()
        read_some(store, todo, reading, may_give)
        for _ in range(reading.questions_done):
            giver.done()
        for frame in reading.frames:
            view = memoryview(frame)
            while view:
                size_bytes = take(len(view))
                lane.sendall(view[:size_bytes])
                view = view[size_bytes:]
        gave(reading.size_bytes, reading.chunks)


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

"""What is answered to a peer's questions: read from the store, verified once more. Blocks.

What rotted on disk is not sent (invariant I5): the answer is `Missing`, and the store looks at the
whole blob. Used by whoever serves: over libp2p streams (serving.py) and over lanes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from photonic import limits, wire
from photonic.blobs.store import BlobStore
from photonic.blobs.verify import check_chunk
from photonic.errors import BlobCorrupt, BlobMissing, PhotonicError
from photonic.ids import BlobId, digest
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
from photonic.photos import BlobRef

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Piece:
    """One message's worth of a question. `index` is None unless chunks were asked."""

    question: Question
    index: int | None
    is_last: bool


@dataclass(slots=True)
class Reading:
    """What one go at the disk brought: frames to send, and what to count."""

    frames: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    chunks: int = 0
    questions_done: int = 0


def pieces(question: Question) -> list[Piece]:
    if isinstance(question, AskChunks):
        last = question.indices[-1]
        return [Piece(question, index, index == last) for index in question.indices]
    return [Piece(question, None, True)]


def refuse(todo: deque[Piece], reading: Reading) -> None:
    """Answer every question with `Busy`."""
    for piece in todo:
        if piece.is_last:
            reading.frames.append(wire.frame(wire.encode(Busy(piece.question.number))))
            reading.questions_done += 1
    todo.clear()


def _give_all(_size_bytes: int) -> bool:
    return True


def read_some(
    store: BlobStore,
    todo: deque[Piece],
    reading: Reading,
    may_give: Callable[[int], bool] = _give_all,
) -> None:
    """Answer pieces from the front of `todo` into `reading`, up to a read's worth. Blocks.

    Blobs of a size that `may_give` refuses are `Missing`: not from here, for now.
    """
    while todo and reading.size_bytes < limits.SERVE_READ_BYTES:
        piece = todo.popleft()
        question = piece.question
        answer: Answer
        try:
            answer = _read_piece(store, piece, may_give)
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


def _read_piece(store: BlobStore, piece: Piece, may_give: Callable[[int], bool]) -> Answer:
    """Raises BlobMissing, BlobCorrupt, OSError."""
    question = piece.question
    blob = BlobId(question.blob)
    chunks = store.chunk_list(blob)
    if not may_give(chunks.size_bytes):
        raise BlobMissing(blob)
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

"""What is answered to a peer's questions: read from the store, verified once more. Blocks.

What rotted on disk is not sent (invariant I5), nor what goes away while it is read: the answer is
`Missing`, and whoever serves has the store look at the whole blob (`look_at`) when the peer has its
answer. Used over libp2p streams (serving.py) and over lanes (lane_serving.py).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

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
    GiveBlobLz4,
    GiveChunk,
    GiveChunkLz4,
    GiveList,
    Missing,
    Question,
)
from photonic.p2p.compression import HEAD_BYTES, Compressor
from photonic.p2p.open_blob import Source
from photonic.photos import BlobRef

log = logging.getLogger(__name__)

_WITH_DATA = GiveBlob | GiveBlobLz4 | GiveChunk | GiveChunkLz4


@dataclass(frozen=True, slots=True)
class Piece:
    """One message's worth of a question. `index` is None unless chunks were asked."""

    question: Question
    index: int | None
    is_last: bool


@dataclass(slots=True)
class Reading:
    """What one go at the disk brought: frames to send, some in two parts, and what to count."""

    frames: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    chunks: int = 0
    questions_done: int = 0
    damaged: list[BlobId] = field(default_factory=list)  # the store is to look at these


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
    source: Source,
    todo: deque[Piece],
    reading: Reading,
    may_give: Callable[[int], bool] = _give_all,
    compressor: Compressor | None = None,
) -> None:
    """Answer pieces from the front of `todo` into `reading`, up to a read's worth. Blocks.

    What is in `reading` is at most `limits.SERVE_READ_BYTES`, or one chunk or list. Blobs of a size
    that `may_give` refuses are `Missing`: not from here, for now. With a `compressor` chunks may be
    compressed for a peer that takes it.
    """
    while todo and reading.size_bytes < limits.SERVE_READ_BYTES:
        piece = todo[0]
        question = piece.question
        blob = BlobId(question.blob)
        answer: Answer | None
        try:
            left_bytes = limits.SERVE_READ_BYTES - reading.size_bytes
            room_bytes = left_bytes if reading.size_bytes else None
            answer = _read_piece(source, piece, may_give, room_bytes)
            if answer is None:
                return  # next time
            if compressor is not None:
                answer = _compressed(source, question, answer, compressor)
        except BlobCorrupt:
            answer = Missing(question.number)
            reading.damaged.append(blob)
        except (PhotonicError, OSError):
            answer = Missing(question.number)
        todo.popleft()
        if isinstance(answer, Missing):
            while todo and todo[0].question is question:
                todo.popleft()  # the rest of the question has its answer, too
        else:
            reading.chunks += not isinstance(answer, GiveList)
        if piece.is_last or isinstance(answer, Missing):
            reading.questions_done += 1
        frames = _frames(answer)
        reading.frames += frames
        reading.size_bytes += sum(map(len, frames))


def _read_piece(
    source: Source, piece: Piece, may_give: Callable[[int], bool], room_bytes: int | None
) -> Answer | None:
    """Return None for what is larger than the room. Raises BlobMissing, BlobCorrupt, OSError."""
    question = piece.question
    blob = BlobId(question.blob)
    chunks = source.chunk_list(blob)
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
            if room_bytes is not None and chunks.size_bytes > room_bytes:
                return None
            data = source.read(blob)
            if digest(data) != blob:
                raise BlobCorrupt(blob)
            return GiveBlob(number, chunks.encoded, data)
        case AskChunks(number):
            assert piece.index is not None
            if piece.index >= len(chunks):
                raise BlobMissing(blob)
            size_bytes = chunks.chunks[piece.index].size_bytes
            if room_bytes is not None and size_bytes > room_bytes:
                return None
            data = source.read(blob, chunks.offsets[piece.index], size_bytes)
            ref = BlobRef(blob, chunks.size_bytes, chunks.id)
            check_chunk(ref, chunks, piece.index, data)
            return GiveChunk(number, piece.index, data)


def _compressed(
    source: Source, question: Question, answer: Answer, compressor: Compressor
) -> Answer:
    """Return `answer` with its data compressed, if the peer takes that and it pays."""
    blob = BlobId(question.blob)
    match question, answer:
        case AskBlob(takes_lz4=True, bytes_s=at), GiveBlob(number, listed, data):
            packed = compressor.compress(blob, data, lambda: data[:HEAD_BYTES], at)
            if packed is not None:
                return GiveBlobLz4(number, listed, len(data), packed)
        case AskChunks(takes_lz4=True, bytes_s=at), GiveChunk(number, index, data):
            packed = compressor.compress(blob, data, lambda: source.read(blob, 0, HEAD_BYTES), at)
            if packed is not None:
                return GiveChunkLz4(number, index, len(data), packed)
    return answer


def _frames(answer: Answer) -> list[bytes]:
    """Return an answer's frame, in two parts where it has so many bytes that copying them costs."""
    data = answer.data if isinstance(answer, _WITH_DATA) else b""
    if len(data) < limits.COPIED_BYTES_MAX:
        return [wire.frame(wire.encode(answer))]
    return [wire.frame_head(msgspec.structs.replace(answer, data=b""), len(data)), data]


def look_at(store: BlobStore, blob: BlobId) -> None:
    """Let the store find out for itself, and put aside what is damaged."""
    try:
        store.verify(blob)
    except (PhotonicError, OSError) as error:
        log.error("%s", error)

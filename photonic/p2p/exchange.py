"""One blob stream as two machines: `Asker` on the side that fetches, `Giver` on the other.

No socket, clock, disk or event loop: messages in, effects out. The asker keeps account of what it
asked and takes nothing else; what passes has the right place and the right size, is not compressed
any more, and its hash is judged by the store's door (`Partial.write`), off the event loop. Both
raise FrameInvalid for a message that breaks the protocol, and the asker BlobCorrupt for bytes that
are not what was asked; either way the stream ends and the blame is the peer's.

Goals: many small blobs without a round trip each; bounded memory on both sides. Non-goals: choosing
what to ask of whom (planner.py), timeouts (fetching.py), proof that the answerer holds a blob.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from photonic import limits
from photonic.blobs.chunks import ChunkList
from photonic.blobs.verify import check_list
from photonic.errors import BlobCorrupt, FrameInvalid
from photonic.ids import HASH_BYTES
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
from photonic.p2p.compression import decompressed
from photonic.photos import BlobRef


@dataclass(frozen=True, slots=True)
class WholeWanted:
    """Ask for a small blob and its chunk list."""

    ref: BlobRef


@dataclass(frozen=True, slots=True)
class ListWanted:
    """Ask for the chunk list of a blob."""

    ref: BlobRef


@dataclass(frozen=True, slots=True)
class ChunksWanted:
    """Ask for some chunks of a blob; the indices ascend."""

    ref: BlobRef
    chunks: ChunkList
    indices: tuple[int, ...]


Wanted = WholeWanted | ListWanted | ChunksWanted


@dataclass(frozen=True, slots=True)
class ListCame:
    """The right chunk list of a blob: its id is the one that the reference names."""

    ref: BlobRef
    chunks: ChunkList


@dataclass(frozen=True, slots=True)
class ChunkCame:
    """Bytes of the right size for a chunk that was asked. Their hash is not checked yet."""

    ref: BlobRef
    chunks: ChunkList
    index: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class WholeCame:
    """All bytes of a small blob, with the right chunk list. Their hashes are not checked yet."""

    ref: BlobRef
    chunks: ChunkList
    data: bytes

    def pieces(self) -> Iterator[tuple[int, memoryview]]:
        """Yield the chunks, each with its index."""
        view, offsets = memoryview(self.data), self.chunks.offsets
        for index in range(len(self.chunks)):
            yield index, view[offsets[index] : offsets[index + 1]]


@dataclass(frozen=True, slots=True)
class Refused:
    """The peer does not hold the blob, or (`is_busy`) not for us now. Nothing more comes."""

    wanted: Wanted
    is_busy: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """All of an answer came."""

    wanted: Wanted


Effect = ListCame | ChunkCame | WholeCame | Refused | Answered


class Arriving(Protocol):
    """What is known of a blob that is on its way in, wherever its bytes go."""

    @property
    def ref(self) -> BlobRef: ...

    @property
    def chunks(self) -> ChunkList: ...

    def missing(self) -> tuple[int, ...]: ...


def cost_bytes(wanted: Wanted) -> int:
    """Return how many bytes the answer will have, about: what a window is charged."""
    match wanted:
        case WholeWanted(ref):
            return ref.size_bytes
        case ListWanted(ref):
            average = limits.CHUNK_BYTES_AVG
            return (ref.size_bytes // average + 1) * limits.CHUNK_LIST_ENTRY_BYTES
        case ChunksWanted(_, chunks, indices):
            return sum(chunks.chunks[index].size_bytes for index in indices)


@dataclass(slots=True)
class _Open:
    """A question and how far its answer is."""

    number: int
    wanted: Wanted
    given: int = 0


class Asker:
    """The fetching side. Answers must come in the order of the questions, each exactly once."""

    def __init__(self) -> None:
        self._numbers = 0
        self._open: deque[_Open] = deque()
        self.owed_bytes = 0  # about what the answers have that are not complete

    @property
    def can_ask(self) -> bool:
        """Whether another question may be sent before an answer is complete."""
        return len(self._open) < limits.REQUESTS_PIPELINED_MAX

    def unanswered(self) -> tuple[Wanted, ...]:
        """Return what was asked and is not completely answered, oldest first."""
        return tuple(asked.wanted for asked in self._open)

    @property
    def is_owed(self) -> bool:
        """Whether something was asked and is not completely answered."""
        return bool(self._open)

    def ask(self, wanted: Wanted, bytes_s: int | None = None) -> Question:
        """Return the question to send. At most `limits.REQUESTS_PIPELINED_MAX` may be open.

        `bytes_s` is what this node lets in per second; None: there is no limit.
        """
        assert self.can_ask, "more questions than the peer takes"
        self._numbers += 1
        self._open.append(_Open(self._numbers, wanted))
        self.owed_bytes += cost_bytes(wanted)
        ref = wanted.ref
        match wanted:
            case WholeWanted():
                assert ref.size_bytes <= limits.SMALL_BLOB_BYTES
                return AskBlob(self._numbers, ref.blob, ref.chunks, True, bytes_s or 0)
            case ListWanted():
                return AskList(self._numbers, ref.blob, ref.chunks)
            case ChunksWanted(_, _, indices):
                assert 0 < len(indices) <= limits.CHUNKS_PER_REQUEST_MAX
                return AskChunks(self._numbers, ref.blob, ref.chunks, indices, True, bytes_s or 0)

    def handle(self, answer: Answer) -> list[Effect]:
        """Take in the peer's next message. Raises FrameInvalid, BlobCorrupt."""
        if not self._open or answer.number != self._open[0].number:
            raise FrameInvalid("a peer answered what was not asked")
        asked = self._open[0]
        match answer, asked.wanted:
            case ((Missing() | Busy()), wanted):
                self._close()
                return [Refused(wanted, isinstance(answer, Busy))]
            case GiveList(_, raw), ListWanted(ref) as wanted:
                self._close()
                return [ListCame(ref, _decoded(ref, raw)), Answered(wanted)]
            case GiveBlob(_, raw, data), WholeWanted(ref) as wanted:
                self._close()
                return [_whole(ref, _decoded(ref, raw), data), Answered(wanted)]
            case GiveBlobLz4(_, raw, size_bytes, packed), WholeWanted(ref) as wanted:
                self._close()
                _check_size(ref, ref.size_bytes, size_bytes)
                data = decompressed(packed, size_bytes)
                return [_whole(ref, _decoded(ref, raw), data), Answered(wanted)]
            case GiveChunk(_, index, data), ChunksWanted() as wanted:
                _check_turn(asked, wanted, index, len(data))
                return self._chunk(asked, wanted, index, data)
            case GiveChunkLz4(_, index, size_bytes, packed), ChunksWanted() as wanted:
                _check_turn(asked, wanted, index, size_bytes)
                return self._chunk(asked, wanted, index, decompressed(packed, size_bytes))
            case _:
                raise FrameInvalid("a peer answered another question than was asked")

    def _chunk(self, asked: _Open, wanted: ChunksWanted, index: int, data: bytes) -> list[Effect]:
        asked.given += 1
        came = ChunkCame(wanted.ref, wanted.chunks, index, data)
        if asked.given < len(wanted.indices):
            return [came]
        self._close()
        return [came, Answered(wanted)]

    def _close(self) -> None:
        """The answer to the oldest question is complete."""
        self.owed_bytes -= cost_bytes(self._open.popleft().wanted)


def _check_turn(asked: _Open, wanted: ChunksWanted, index: int, size_bytes: int) -> None:
    """Raises BlobCorrupt if it is not this chunk's turn, or its size is said to be another."""
    if index != wanted.indices[asked.given]:
        raise BlobCorrupt(wanted.ref.blob, f"(chunk {index} was not asked)")
    _check_size(wanted.ref, wanted.chunks.chunks[index].size_bytes, size_bytes, f"chunk {index}")


def _check_size(ref: BlobRef, right_bytes: int, size_bytes: int, what: str = "it") -> None:
    if size_bytes != right_bytes:
        raise BlobCorrupt(ref.blob, f"({what} came with {size_bytes:,} bytes)")


def _decoded(ref: BlobRef, raw: bytes) -> ChunkList:
    chunks = ChunkList.decode(raw)
    check_list(ref, chunks)
    return chunks


def _whole(ref: BlobRef, chunks: ChunkList, data: bytes) -> WholeCame:
    _check_size(ref, ref.size_bytes, len(data))
    return WholeCame(ref, chunks, data)


class Giver:
    """The serving side: judges questions and keeps their number bounded. Reads no disk itself.

    `handle` returns the question when it may be served; the driver reads, sends, and calls `done`.
    """

    def __init__(self) -> None:
        self._open = 0
        self._last = 0

    def handle(self, question: Question) -> Question:
        """Take in the peer's next question. Raises FrameInvalid if it may not be asked."""
        if question.number <= self._last:
            raise FrameInvalid("a peer numbered its questions backwards")
        if self._open >= limits.REQUESTS_PIPELINED_MAX:
            raise FrameInvalid("a peer asked more at one time than it may")
        if len(question.blob) != HASH_BYTES or len(question.chunks) != HASH_BYTES:
            raise FrameInvalid("a peer asked for a blob by what is no hash")
        if isinstance(question, AskChunks):
            _check_indices(question.indices)
        self._last = question.number
        self._open += 1
        return question

    def done(self) -> None:
        """Count a question as answered: the last message of its answer is about to be sent."""
        assert self._open > 0
        self._open -= 1


def _check_indices(indices: Sequence[int]) -> None:
    if not 0 < len(indices) <= limits.CHUNKS_PER_REQUEST_MAX:
        raise FrameInvalid(f"a peer asked for {len(indices)} chunks at one time")
    in_order = all(low < high for low, high in pairwise(indices))
    if not in_order or indices[0] < 0 or indices[-1] >= limits.CHUNKS_PER_BLOB_MAX:
        raise FrameInvalid("a peer asked for chunks that cannot be")

"""Chunks go compressed where that pays, come out as they were, and cannot do harm on the way."""

from __future__ import annotations

import math
import tracemalloc
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import lz4.block
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.memory import MemoryStore
from photonic.errors import BlobCorrupt, FrameInvalid
from photonic.ids import digest
from photonic.p2p.answering import Piece, Reading, pieces, read_some
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    GiveBlob,
    GiveBlobLz4,
    GiveChunk,
    GiveChunkLz4,
    Question,
)
from photonic.p2p.compression import Compressor, Speed, decompressed, is_compressed, pays
from photonic.p2p.exchange import Asker, ChunkCame, ChunksWanted, WholeCame, WholeWanted
from photonic.world import World
from tests.blobs.samples import jpeg, noise, tiff
from tests.p2p.transfer_cluster import decode_answer

TIFF = tiff(3_000_000)
SIDECAR = b'<rdf:li xml:lang="x-default">a word or two</rdf:li>\n' * 400
SLOW_BYTES_S = 1_000_000


class Clock:
    """Time that goes on when it is told to."""

    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return int(self.now_s * 1_000)


def compressor(wire_bytes_s: float) -> Compressor:
    """Return one whose wire was so fast until now."""
    clock = Clock()
    made = Compressor(clock)

    def send() -> None:
        clock.now_s += limits.MIB / wire_bytes_s

    made.send(limits.MIB, send)
    return made


def answered(data: bytes, question: Question, by: Compressor | None) -> list[Answer]:
    """Return what is answered when `data` is held."""
    store = MemoryStore(World())
    store.put(data)
    todo: deque[Piece] = deque(pieces(question))
    answers: list[Answer] = []
    while todo:
        reading = Reading()
        read_some(store, todo, reading, compressor=by)
        assert reading.size_bytes <= limits.SERVE_READ_BYTES + limits.KIB or reading.chunks == 1
        answers += [decode_answer(body) for body in frames(reading)]
    return answers


def frames(reading: Reading) -> list[bytes]:
    return wire.FrameReader().feed(b"".join(reading.frames))


def asked(data: bytes, takes_lz4: bool = True) -> tuple[Asker, Question]:
    found, asker = scan_bytes(data), Asker()
    if len(data) <= limits.SMALL_BLOB_BYTES:
        question = asker.ask(WholeWanted(found.ref))
    else:
        question = asker.ask(ChunksWanted(found.ref, found.chunks, tuple(range(len(found.chunks)))))
    assert isinstance(question, AskBlob | AskChunks) and question.takes_lz4
    return asker, msgspec.structs.replace(question, takes_lz4=takes_lz4)


def size_of(answers: Sequence[Answer]) -> int:
    return sum(len(wire.encode(answer)) for answer in answers)


@pytest.mark.parametrize("data", [TIFF, SIDECAR])
def test_what_shrinks_goes_compressed_over_a_slow_wire_and_comes_out_as_it_was(data: bytes) -> None:
    asker, question = asked(data)
    answers = answered(data, question, compressor(SLOW_BYTES_S))
    assert all(isinstance(answer, GiveBlobLz4 | GiveChunkLz4) for answer in answers)
    assert size_of(answers) < 0.7 * len(data)
    came = [
        e
        for answer in answers
        for e in asker.handle(answer)
        if isinstance(e, ChunkCame | WholeCame)
    ]
    assert b"".join(effect.data for effect in came) == data


def test_an_older_photonic_gets_what_it_knows() -> None:
    for data in (TIFF, SIDECAR):
        _, question = asked(data, takes_lz4=False)
        answers = answered(data, question, compressor(SLOW_BYTES_S))
        assert all(isinstance(answer, GiveBlob | GiveChunk) for answer in answers)


def test_an_older_photonic_understands_the_question_and_is_understood() -> None:
    class OldAskChunks(msgspec.Struct, tag="chunks?", frozen=True, array_like=True):
        number: int
        blob: bytes
        chunks: bytes
        indices: tuple[int, ...]

    class OldAskBlob(msgspec.Struct, tag="blob?", frozen=True, array_like=True):
        number: int
        blob: bytes
        chunks: bytes

    old = OldAskChunks(1, b"b" * 32, b"c" * 32, (0, 1))
    new: Question = wire.decode(wire.encode(old), Question)  # type: ignore[arg-type]
    assert new == AskChunks(1, b"b" * 32, b"c" * 32, (0, 1), takes_lz4=False)
    some = wire.decode(wire.encode(asked(TIFF)[1]), OldAskChunks)
    assert some.blob == digest(TIFF) and len(some.indices) > 1
    assert wire.decode(wire.encode(asked(SIDECAR)[1]), OldAskBlob).blob == digest(SIDECAR)


@pytest.mark.parametrize("data", [TIFF, SIDECAR])
def test_over_a_fast_wire_nothing_is_compressed(data: bytes) -> None:
    _, question = asked(data)
    for by in (compressor(5e9), Compressor(Clock()), None):
        answers = answered(data, question, by)
        assert all(isinstance(answer, GiveBlob | GiveChunk) for answer in answers)


def test_a_peer_that_lets_in_little_gets_it_compressed_whatever_the_wire_could() -> None:
    _, question = asked(TIFF)
    slow = msgspec.structs.replace(question, bytes_s=SLOW_BYTES_S)
    for by in (compressor(5e9), Compressor(Clock())):
        answers = answered(TIFF, slow, by)
        assert all(isinstance(answer, GiveChunkLz4) for answer in answers)


def test_what_does_not_shrink_goes_as_it_is() -> None:
    for data in (noise(3_000_000), noise(30_000)):
        _, question = asked(data)
        answers = answered(data, question, compressor(SLOW_BYTES_S))
        assert all(isinstance(answer, GiveBlob | GiveChunk) for answer in answers)


def test_a_jpeg_is_never_compressed_whatever_its_header_holds() -> None:
    data = jpeg(bytes(60_000), bytes(2_000_000))  # as compressible as can be
    _, question = asked(data)
    answers = answered(data, question, compressor(SLOW_BYTES_S))
    assert all(isinstance(answer, GiveChunk) for answer in answers)


@pytest.mark.parametrize(
    "head",
    [b"\xff\xd8\xff\xe1", b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypcrx ", b"\x89PNG\r\n\x1a\n",
     b"RIFF\0\0\0\0WEBPVP8 ", b"GIF89a", b"PK\x03\x04"],
)  # fmt: skip
def test_files_that_are_compressed_are_known_by_their_heads(head: bytes) -> None:
    assert is_compressed(head)
    assert not is_compressed(head[:2])


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"<?xpacket", b"<x:xmpmeta", b"BM", b""])
def test_others_are_looked_at(head: bytes) -> None:
    assert not is_compressed(head)


@given(st.floats(-1, 1), st.floats(0, 1e10), st.floats(1e6, 1e10))
def test_it_pays_only_where_it_saves_more_time_than_it_takes(
    gain: float, wire_bytes_s: float, lz4_bytes_s: float
) -> None:
    if not pays(gain, wire_bytes_s, lz4_bytes_s):
        return
    assert gain > 0.1
    if wire_bytes_s:
        plain_s = 1 / wire_bytes_s
        assert 1 / lz4_bytes_s + (1 - gain) / wire_bytes_s <= plain_s * (1 + 1e-9)


@given(st.lists(st.tuples(st.integers(1, 1 << 22), st.floats(1e-6, 10)), min_size=1))
def test_a_speed_is_between_the_least_and_the_most(done: list[tuple[int, float]]) -> None:
    speed = Speed(7.0)
    assert speed.bytes_s == 7.0
    for size_bytes, elapsed_s in done:
        speed.add(size_bytes, elapsed_s)
    rates = [size_bytes / elapsed_s for size_bytes, elapsed_s in done]
    assert min(rates) * 0.999 <= speed.bytes_s <= max(rates) * 1.001


def test_a_speed_follows_what_changed() -> None:
    speed = Speed(math.inf)
    for elapsed_s in (1.0, 0.001):
        for _ in range(100):
            speed.add(limits.MIB, elapsed_s)
        assert speed.bytes_s == pytest.approx(limits.MIB / elapsed_s, rel=0.1)


# --- foreign bytes -------------------------------------------------------------------------------


@given(st.binary(max_size=3_000), st.integers(0, 5_000))
def test_foreign_bytes_come_out_at_the_right_size_or_not_at_all(data: bytes, size: int) -> None:
    with suppress(FrameInvalid):
        assert len(decompressed(data, size)) == size


@given(st.binary(max_size=3_000))
def test_what_was_compressed_comes_out(data: bytes) -> None:
    packed = lz4.block.compress(data, store_size=False)
    assert decompressed(packed, len(data)) == data
    for wrong in (len(data) - 1, len(data) + 1):
        if wrong >= 0:
            with pytest.raises(FrameInvalid):
                decompressed(packed, wrong)


@given(st.data())
def test_flipped_and_cut_answers_never_pass_as_something_else(draw: st.DataObject) -> None:
    asker, question = asked(SIDECAR)
    (answer,) = answered(SIDECAR, question, compressor(SLOW_BYTES_S))
    assert isinstance(answer, GiveBlobLz4)
    spoilt = bytearray(answer.data)
    place = draw.draw(st.integers(0, len(spoilt) - 1))
    spoilt[place] ^= draw.draw(st.integers(1, 255))
    del spoilt[draw.draw(st.integers(len(spoilt) // 2, len(spoilt))) :]
    store = MemoryStore(World())
    try:
        for effect in asker.handle(msgspec.structs.replace(answer, data=bytes(spoilt))):
            if isinstance(effect, WholeCame):
                store.receive(effect.ref, effect.chunks, effect.data)
    except (FrameInvalid, BlobCorrupt):
        return
    assert store.begin(scan_bytes(SIDECAR).ref, scan_bytes(SIDECAR).chunks).missing() == ()


def test_a_bomb_takes_no_memory() -> None:
    bomb = bytes(lz4.block.compress(bytes(200_000_000), store_size=False))
    found = scan_bytes(TIFF)
    for said_bytes in (200_000_000, found.chunks.chunks[0].size_bytes):
        asker = Asker()
        asker.ask(ChunksWanted(found.ref, found.chunks, (0,)))
        tracemalloc.start()
        with pytest.raises((BlobCorrupt, FrameInvalid)):
            asker.handle(GiveChunkLz4(1, 0, said_bytes, bomb))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak_bytes < 4 * limits.MIB

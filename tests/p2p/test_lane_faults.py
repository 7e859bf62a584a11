"""Peers that lie, stall or tear a lane: nothing of theirs is stored, and what they did is said."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.blobs.chunks import ChunkList, scan_bytes
from photonic.blobs.memory import MemoryStore
from photonic.errors import BlobCorrupt, FrameInvalid, PhotonicError, StreamBroken
from photonic.ids import BlobId, digest
from photonic.p2p import lane_messages as said
from photonic.p2p.arrivals import Arrivals
from photonic.p2p.blob_messages import (
    AskBlob,
    AskChunks,
    GiveBlob,
    GiveBlobLz4,
    GiveChunk,
    GiveChunkLz4,
    GiveList,
    Missing,
    Question,
)
from photonic.p2p.exchange import (
    ChunkCame,
    ChunksWanted,
    Effect,
    ListWanted,
    Wanted,
    WholeWanted,
)
from photonic.p2p.lane_fetching import LaneFetch
from photonic.p2p.lane_keeping import LaneKeeping
from photonic.p2p.lane_messages import Fate
from photonic.p2p.lane_serving import Rules, serve
from photonic.p2p.turnstile import Allowance
from photonic.world import SystemClock, World
from tests.blobs.samples import jpeg, noise

SMALL, BIG = noise(30_000, 1), jpeg(noise(10_000, 2), noise(2_500_000, 2))
OTHER = noise(30_000, 3)
Answering = Callable[[Question], Sequence[object]]
FREELY = Allowance(lambda size, is_over: None, lambda size: None, lambda: None)
FREE = Rules(lambda size: size, lambda size: True, lambda size, count: None, lambda blob: None)


class Fetcher:
    """The fetching end of a lane, into a store in memory."""

    def __init__(self, lane: socket.socket) -> None:
        self.store = MemoryStore(World())
        self.fates: list[Fate] = []
        self.told: list[object] = []
        self.arrivals = Arrivals(self.store, self.fates.extend)
        self.keeping = LaneKeeping(self.arrivals, lambda wanted: 1, self.hear, SystemClock())
        self.fetch = LaneFetch(lane, self, FREELY)
        self.wait_s, self.tell = self.keeping.wait_s, self.keeping.tell

    def hear(self, events: Sequence[object], _size_bytes: int) -> None:
        self.told += events

    def keep(self, effects: Sequence[Effect], size_bytes: int) -> None:
        self.keeping.keep(effects, size_bytes)

    def run(self, *wanted: Wanted) -> None:
        """Ask and fetch until the lane ends. Raises what ended it."""
        self.fetch.ask(wanted)
        self.fetch.run()


@contextmanager
def peer(answering: Answering) -> Iterator[socket.socket]:
    """Give one end of a lane; at the other sits a peer that answers as it likes, then hangs up."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        reader = wire.FrameReader()
        with theirs, suppress(OSError):
            while data := theirs.recv(limits.READ_BYTES):
                for body in reader.feed(data):
                    question: Question = wire.decode(body, Question)  # type: ignore[arg-type]
                    for said in answering(question):
                        raw = said if isinstance(said, bytes) else wire.encode(said)
                        theirs.sendall(wire.frame(raw))

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with ours:
            yield ours
    finally:
        thread.join()


def whole(data: bytes) -> WholeWanted:
    return WholeWanted(scan_bytes(data).ref)


def chunks(data: bytes, *indices: int) -> ChunksWanted:
    found = scan_bytes(data)
    return ChunksWanted(found.ref, found.chunks, indices)


def honest(question: Question) -> Sequence[object]:
    data = SMALL if question.blob == digest(SMALL) else BIG
    found = scan_bytes(data).chunks
    if isinstance(question, AskChunks):
        return [
            GiveChunk(question.number, index, data[found.offsets[index] : found.offsets[index + 1]])
            for index in question.indices
        ]
    if data is BIG:
        return [GiveList(question.number, found.encoded)]
    return [GiveBlob(question.number, found.encoded, data)]


def spoilt(question: Question) -> Sequence[object]:
    given = honest(question)[0]
    assert isinstance(given, GiveBlob)
    return [GiveBlob(given.number, given.chunk_list, given.data[:-1] + b"!")]


def another(question: Question) -> Sequence[object]:
    return [GiveBlob(question.number, scan_bytes(OTHER).chunks.encoded, OTHER)]


def too_long(question: Question) -> Sequence[object]:
    given = honest(question)[0]
    assert isinstance(given, GiveBlob)
    return [GiveBlob(given.number, given.chunk_list, given.data + b"!")]


def packed(data: bytes) -> bytes:
    return bytes(lz4.block.compress(data, store_size=False))


def lz4_whole(size_bytes: int, data: bytes) -> Answering:
    listed = scan_bytes(SMALL).chunks.encoded
    return lambda question: [GiveBlobLz4(question.number, listed, size_bytes, data)]


BOMB = packed(bytes(100_000_000))
LIES: list[Answering] = [
    lz4_whole(100_000_000, BOMB),
    lz4_whole(len(SMALL), BOMB),
    lz4_whole(len(SMALL) - 1, packed(SMALL)),
    lz4_whole(len(SMALL), packed(SMALL)[:-1]),
    lz4_whole(len(SMALL), packed(SMALL[:-1])),
    lz4_whole(len(SMALL), packed(SMALL[:-1] + b"!")),
    lz4_whole(len(SMALL), b""),
    lz4_whole(-1, packed(SMALL)),
    lambda question: [GiveChunkLz4(question.number, 0, len(SMALL), packed(SMALL))],
    spoilt,
    another,
    too_long,
    lambda question: [b"\xc1 no message"],
    lambda question: [Missing(question.number + 1)],
    lambda question: [GiveList(question.number, b"PCL1")],
    lambda question: [GiveChunk(question.number, 0, SMALL)],
    lambda question: [*honest(question), *honest(question)],
]


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_caught_and_nothing_of_them_is_stored(lie: Answering) -> None:
    with peer(lie) as lane:
        fetcher = Fetcher(lane)
        with pytest.raises((BlobCorrupt, FrameInvalid)):
            fetcher.run(whole(SMALL))
    assert not fetcher.store.has(BlobId(digest(OTHER)))
    for partial in fetcher.store.partials():
        assert partial == digest(SMALL)


def test_a_wrong_chunk_is_caught_at_once_and_the_ones_before_it_stay() -> None:
    def swap(question: Question) -> Sequence[object]:
        first, second, third = honest(question)
        assert isinstance(second, GiveChunk)
        return [first, GiveChunk(second.number, second.index, bytes(len(second.data))), third]

    with peer(swap) as lane:
        fetcher = Fetcher(lane)
        with pytest.raises(BlobCorrupt):
            fetcher.run(chunks(BIG, 0, 1, 2))
    found = scan_bytes(BIG)
    missing = fetcher.store.begin(found.ref, found.chunks).missing()
    assert missing == tuple(range(1, len(found.chunks)))


def test_a_wrong_chunk_list_is_caught() -> None:
    lists = ChunkList(scan_bytes(BIG).chunks.chunks[:-1]).encoded
    with peer(lambda q: [GiveList(q.number, lists)]) as lane, pytest.raises(BlobCorrupt):
        Fetcher(lane).run(ListWanted(scan_bytes(BIG).ref))


def test_a_silent_peer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FETCH_STALL_S", 0.1)
    with peer(lambda question: []) as lane, pytest.raises(StreamBroken, match="silent"):
        Fetcher(lane).run(whole(SMALL))


def test_a_lane_that_nobody_uses_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LANE_IDLE_S", 0.1)
    with peer(honest) as lane:
        fetcher = Fetcher(lane)
        fetcher.run(whole(SMALL))
    assert scan_bytes(SMALL).ref.blob in fetcher.store.partials() or fetcher.told


@given(st.binary(min_size=1, max_size=3_000))
def test_random_bytes_end_the_lane_and_nothing_else(noise_bytes: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(noise_bytes)
        theirs.shutdown(socket.SHUT_WR)
        fetcher = Fetcher(ours)
        with pytest.raises((PhotonicError, OSError)):
            fetcher.run(whole(SMALL))
    assert fetcher.store.partials() == ()


@given(st.binary(max_size=3_000))
def test_whoever_serves_survives_random_questions(noise_bytes: bytes) -> None:
    ours, theirs = socket.socketpair()
    store = MemoryStore(World())
    store.put(SMALL)
    with ours, theirs:
        theirs.sendall(noise_bytes)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises((PhotonicError, OSError)):
            serve(ours, store, FREE, SystemClock())
        ours.shutdown(socket.SHUT_WR)
        heard = b""
        while data := theirs.recv(limits.READ_BYTES):
            heard += data
    assert SMALL not in heard


def test_what_was_stored_before_a_lie_is_told_with_it() -> None:
    """Else whoever planned it would have it fetched again."""
    found, store = scan_bytes(BIG), MemoryStore(World())
    offsets = found.chunks.offsets
    effects = [
        ChunkCame(found.ref, found.chunks, index, BIG[offsets[index] : offsets[index + 1]])
        for index in range(3)
    ]
    effects[1] = ChunkCame(found.ref, found.chunks, 1, bytes(len(effects[1].data)))
    events, lie = Arrivals(store, lambda fates: None).keep(effects, lambda wanted: 1)
    assert events == [said.Stored(found.ref.blob, (0,))]
    assert isinstance(lie, BlobCorrupt)
    assert 2 in store.begin(found.ref, found.chunks).missing()


def test_of_a_peer_nearby_little_is_asked_ahead_for_it_comes_twice_after_a_kill() -> None:
    data = [noise(800_000, number) for number in range(30)]
    found = {digest(one): one for one in data}
    asked: list[AskBlob] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs = listener.accept()[0]
    with ours, theirs:
        fetcher = Fetcher(ours)
        running = threading.Thread(target=fetcher.run, args=list(map(whole, data)))
        running.start()
        reader = wire.FrameReader()
        theirs.settimeout(30)
        while len(asked) < len(data):
            try:
                bodies = reader.feed(theirs.recv(limits.READ_BYTES))
            except TimeoutError:
                break  # it has asked all that it asks before it has an answer
            asked += [wire.decode(body, AskBlob) for body in bodies]
            theirs.settimeout(1.0)
        assert len(asked) * 800_000 <= limits.LANE_NEAR_WINDOW_BYTES + 800_000
        theirs.settimeout(30)
        for question in asked:
            one = found[question.blob]
            said = GiveBlob(question.number, scan_bytes(one).chunks.encoded, one)
            theirs.sendall(wire.frame(wire.encode(said)))
        assert reader.feed(theirs.recv(limits.READ_BYTES)), "it asks on when something came"
        fetcher.fetch.stop()
        running.join(30)

"""A giver is fair, holds little, keeps one limit over every way, and outlives what it serves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trio

from photonic import limits, wire
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import BlobStore
from photonic.errors import BlobCorrupt, PhotonicError, StreamBroken
from photonic.ids import BlobId, digest
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    GiveBlob,
    GiveChunk,
    Missing,
    Question,
)
from photonic.p2p.lane_serving import Rules, serve
from photonic.p2p.lane_sockets import FrameSource
from photonic.p2p.rates import Bandwidth
from photonic.world import SystemClock, World
from tests.blobs.samples import jpeg, noise, tiff
from tests.p2p.test_lanes import start
from tests.p2p.transfer_cluster import (
    BIG,
    SMALL,
    TransferCluster,
    assert_held,
    decode_answer,
    refs,
    run_with_ticks,
)

MB = 1_000_000
HUGE = jpeg(noise(30_000, 9), noise(20 * MB, 9))
BOUND_S = 20.0


class Giver:
    """A giving end on a thread of its own; it goes on sending when it is told to."""

    def __init__(self, store: BlobStore) -> None:
        self.store = store
        self.is_sending, self.may_send = threading.Event(), threading.Event()
        self.damaged: list[BlobId] = []
        self.ended: list[BaseException] = []
        self.ours, self._theirs = socket.socketpair()
        self.ours.settimeout(BOUND_S)
        self._source = FrameSource(self.ours)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        rules = Rules(self._take, lambda size: True, lambda size, n: None, self.damaged.append)
        try:
            with self._theirs:
                serve(self._theirs, self.store, rules, SystemClock())
        except (PhotonicError, OSError) as error:
            self.ended.append(error)

    def _take(self, size_bytes: int) -> int:
        self.is_sending.set()
        self.may_send.wait(BOUND_S)
        return size_bytes

    def ask(self, *questions: Question) -> None:
        self.ours.sendall(b"".join(wire.frame(wire.encode(question)) for question in questions))

    def answer(self) -> Answer:
        if not self._source.has_frame():
            self._source.read()
        return decode_answer(bytes(self._source.take()))

    def close(self) -> None:
        self.may_send.set()
        with suppress(OSError):
            self.ours.shutdown(socket.SHUT_RDWR)
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()
        self.ours.close()


@contextmanager
def giver(store: BlobStore) -> Iterator[Giver]:
    made = Giver(store)
    try:
        yield made
    finally:
        made.close()


def chunks_of(data: bytes, number: int = 1, most: int = limits.CHUNKS_PER_REQUEST_MAX) -> AskChunks:
    found = scan_bytes(data)
    indices = tuple(range(min(most, len(found.chunks))))
    return AskChunks(number, found.ref.blob, found.ref.chunks, indices)


def small(data: bytes, number: int) -> AskBlob:
    found = scan_bytes(data)
    return AskBlob(number, found.ref.blob, found.ref.chunks)


def test_however_much_is_asked_no_more_is_read_than_one_chunk_or_a_reads_worth() -> None:
    read: list[int] = []

    class Counted(MemoryStore):
        def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
            data = super().read(blob, offset_bytes, size_bytes)
            read.append(len(data))
            return data

    store = Counted(World())
    for data in (HUGE, *SMALL):
        store.put(data)
    first: list[Question] = [chunks_of(HUGE), small(SMALL[0], 1)]
    for question in first:
        read.clear()
        with giver(store) as serving:
            serving.ask(question, *(small(data, n) for n, data in enumerate(SMALL, 2)))
            assert serving.is_sending.wait(BOUND_S)
            assert sum(read) <= limits.SERVE_READ_BYTES or len(read) == 1


def test_a_question_is_short() -> None:
    with giver(MemoryStore(World())) as serving:
        serving.may_send.set()
        serving.ours.sendall((limits.QUESTION_BYTES_MAX + 1).to_bytes(4, "big"))
        with pytest.raises(StreamBroken):
            serving.answer()
    assert "frame" in str(serving.ended)


def discard(store: FileStore, blob: BlobId) -> None:
    store.discard(blob)


def put_aside(store: FileStore, blob: BlobId) -> None:
    flip(store, blob)
    with pytest.raises(BlobCorrupt):
        store.verify(blob)


def flip(store: FileStore, blob: BlobId) -> None:
    path = store.path(blob)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1000, 2)
        file.write(b"other")


def cut_short(store: FileStore, blob: BlobId) -> None:
    path = store.path(blob)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(limits.BIG_CHUNK_BYTES_MAX)


def take_away(store: FileStore, blob: BlobId) -> None:
    store.path(blob).unlink()


Happening = Callable[[FileStore, BlobId], None]
HAPPENINGS: list[Happening] = [discard, put_aside, flip, cut_short, take_away]


@pytest.mark.parametrize("happens", HAPPENINGS)
def test_what_happens_to_a_blob_while_it_is_served_is_an_answer_and_the_lane_goes_on(
    tmp_path: Path, happens: Happening
) -> None:
    store = FileStore.open(tmp_path, World())
    for data in (HUGE, SMALL[0]):
        store.put(data)
    found = scan_bytes(HUGE)
    with giver(store) as serving:
        serving.ask(chunks_of(HUGE), small(SMALL[0], 2))
        assert serving.is_sending.wait(BOUND_S)
        happens(store, found.ref.blob)
        serving.may_send.set()
        given = 0
        while isinstance(answer := serving.answer(), GiveChunk):
            start, end = found.chunks.offsets[given : given + 2]
            assert answer.data == HUGE[start:end]
            given += 1
        assert given
        if answer == Missing(1):
            answer = serving.answer()
        else:  # it was kept open until all of it was given
            assert happens in (discard, take_away) and given == len(found.chunks)
        assert isinstance(answer, GiveBlob) and answer.data == SMALL[0]
    assert serving.damaged == ([] if happens in (discard, take_away) else [found.ref.blob])
    store.close()


@pytest.mark.parametrize("happens", [discard, flip])
def test_over_real_lanes_the_rest_comes_when_it_is_there_again(
    tmp_path: Path, happens: Happening
) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [HUGE, *SMALL])
        sink = await start(nodes, tmp_path, "sink", [])
        store, blob = source.store, BlobId(digest(HUGE))
        assert source.lanes is not None and isinstance(store, FileStore)
        source.lanes.limit(Bandwidth(out_bytes_s=2 * MB))
        await nodes.join(source, sink)
        sink.want(refs([HUGE]), [source])
        await sink.wait_for(lambda: sink.transfers.counters.bytes_in > MB)
        happens(store, blob)
        source.lanes.limit(Bandwidth())
        await sink.wait_for(lambda: blob in sink.transfers._jobs.refusals)
        await sink.wait_for(lambda: not store.has(blob))  # the carrier found it out by itself
        sink.want(refs(SMALL), [source])
        await sink.wait_for(lambda: len(sink.wants.wants) == 1)
        assert_held(sink.store, SMALL)
        store.put(HUGE)
        await sink.wait_for_all()
        assert_held(sink.store, [HUGE])
        counters = sink.transfers.counters
        assert (counters.retries, counters.chunks_corrupt) == (0, 0), "no lane broke"
        assert counters.bytes_in == len(HUGE) + sum(map(len, SMALL)), "and nothing came twice"

    run_with_ticks(main)


def test_one_limit_holds_over_lanes_and_streams_together(tmp_path: Path) -> None:
    rate = 2 * MB

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [HUGE])
        near = await start(nodes, tmp_path, "near", [])
        far = await start(nodes, tmp_path, "far", [], None)  # no lane: its stream is bridged
        assert source.lanes is not None
        bandwidth = Bandwidth(out_bytes_s=rate)
        source.lanes.limit(bandwidth)
        source.transfers.throttle.replace(bandwidth)
        sinks = (near, far)
        for sink in sinks:
            await nodes.join(source, sink)
        began_s = trio.current_time()
        for sink in sinks:
            sink.want(refs([HUGE]), [source])

        def came() -> list[int]:
            return [sink.transfers.counters.bytes_in for sink in sinks]

        await source.wait_for(lambda: min(came()) > MB // 2)
        before = came()  # the one that has to be bridged begins later
        await source.wait_for(lambda: sum(came()) - sum(before) > 6 * MB)
        taken_s, had = trio.current_time() - began_s, came()
        assert sum(had) <= rate * (taken_s + limits.THROTTLE_BURST_S)
        shares = [now - then for now, then in zip(had, before, strict=True)]
        assert min(shares) > 0.35 * sum(shares), "and both have their share of it"
        source.lanes.limit(Bandwidth())
        for sink in sinks:
            await sink.wait_for_all()
            assert_held(sink.store, [HUGE])
        await source.wait_for(lambda: source.transfers.counters.bytes_out > 2 * len(HUGE))

    run_with_ticks(main)


def test_several_peers_are_served_alike(tmp_path: Path) -> None:
    shoot = [jpeg(noise(30_000, n), noise(4 * MB, n)) for n in range(5)]  # of small chunks

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", shoot)
        sinks = [await start(nodes, tmp_path, f"sink{n}", []) for n in range(4)]
        assert source.lanes is not None
        source.lanes.limit(Bandwidth(out_bytes_s=12 * MB))
        for sink in sinks:
            await nodes.join(source, sink)
            sink.want(refs(shoot), [source])

        def came() -> list[int]:
            return [sink.transfers.counters.bytes_in for sink in sinks]

        await source.wait_for(lambda: min(came()) > 0)
        before = came()
        await source.wait_for(lambda: sum(came()) - sum(before) > 24 * MB)
        had = [now - then for now, then in zip(came(), before, strict=True)]
        assert min(had) > 0.6 * max(had)

    run_with_ticks(main)


@pytest.mark.parametrize("address", ["/ip4/127.0.0.1/tcp/1", None])
def test_on_a_metered_link_what_is_small_is_given_and_nothing_else(
    tmp_path: Path, address: str | None
) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [*BIG, *SMALL])
        sink = await start(nodes, tmp_path, "sink", [], address)
        assert source.lanes is not None
        source.lanes.limit(Bandwidth(metered=True))
        await nodes.join(source, sink)
        sink.want(refs([*BIG, *SMALL]), [source])
        await sink.wait_for(lambda: len(sink.wants.wants) == len(BIG))
        await sink.wait_for(lambda: len(sink.transfers._jobs.refusals) == len(BIG))
        assert_held(sink.store, SMALL)
        assert source.transfers.counters.chunks_served == len(SMALL)
        sink.transfers.hear_of(source.node, gives_originals=False)
        source.lanes.limit(Bandwidth())
        sink.transfers.hear_of(source.node, gives_originals=True)
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run_with_ticks(main)


@pytest.mark.parametrize("address", ["/ip4/127.0.0.1/tcp/1", None])
def test_what_shrinks_takes_fewer_bytes_of_a_slow_wire(tmp_path: Path, address: str | None) -> None:
    scan = tiff(6 * MB)

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [scan])
        sink = await start(nodes, tmp_path, "sink", [], address)
        assert source.lanes is not None
        source.lanes.limit(Bandwidth(out_bytes_s=3 * MB))
        await nodes.join(source, sink)
        sink.want(refs([scan]), [source])
        await sink.wait_for_all()
        assert_held(sink.store, [scan])
        # The first chunks go as they are, until it is known that the wire is slow.
        assert source.transfers.counters.bytes_out < 0.8 * len(scan)
        assert sink.transfers.counters.bytes_in == len(scan)

    run_with_ticks(main)


def test_a_limit_of_the_fetcher_counts_what_is_on_the_wire(tmp_path: Path) -> None:
    rate, scan = 4 * MB, tiff(14 * MB)

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [scan, *BIG[:1]])
        sink = await start(nodes, tmp_path, "sink", [])
        assert sink.lanes is not None
        sink.lanes.limit(Bandwidth(in_bytes_s=rate))
        await nodes.join(source, sink)
        sink.want(refs(BIG[:1]), [source])
        await sink.wait_for_all()
        began_s, before = trio.current_time(), source.transfers.counters.bytes_out
        sink.want(refs([scan]), [source])
        await sink.wait_for_all()
        taken_s, moved = trio.current_time() - began_s, source.transfers.counters.bytes_out - before
        assert moved < 0.6 * len(scan)
        assert taken_s < 0.85 * len(scan) / rate, "it is not charged for what did not come"
        assert moved < rate * (taken_s + limits.THROTTLE_BURST_S) + limits.REQUEST_BYTES_MAX

    run_with_ticks(main)

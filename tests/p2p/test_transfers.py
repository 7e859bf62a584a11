"""Wanted blobs arrive, from whoever is honest and alive, and hardly a byte comes twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.blobs.chunks import Chunk, ChunkList, scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import BlobStore
from photonic.errors import StoreFull, StreamBroken
from photonic.events import ProblemsChanged, TransferProgress
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    AskList,
    Busy,
    GiveChunk,
    GiveList,
    Missing,
)
from photonic.p2p.holders import Counters
from photonic.p2p.jobs import TransferState
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.serving import BlobServer
from photonic.p2p.transport import Stream
from photonic.photos import BlobRef
from photonic.world import World
from tests.blobs.samples import jpeg, noise
from tests.p2p.transfer_cluster import TransferCluster, TransferNode, cluster

BIG = [jpeg(noise(30_000, n), noise(3_000_000, n)) for n in range(4)]
SMALL = [noise(20_000 + n, n) for n in range(40)]


def run(main: Callable[[TransferCluster], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with cluster() as nodes:
            await main(nodes)

    anyio.run(limited, backend="trio")


def filled(datas: Sequence[bytes]) -> MemoryStore:
    store = MemoryStore(World())
    for data in datas:
        store.put(data)
    return store


def refs(datas: Sequence[bytes]) -> list[BlobRef]:
    return [scan_bytes(data).ref for data in datas]


def chunk_count(datas: Sequence[bytes]) -> int:
    return sum(len(scan_bytes(data).chunks) for data in datas)


def assert_held(store: BlobStore, datas: Sequence[bytes]) -> None:
    assert [store.read(BlobId(digest(data))) for data in datas] == list(datas)


def test_big_and_small_blobs_arrive_in_a_file_store(tmp_path: Path) -> None:
    everything = [*BIG, *SMALL, b""]

    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(everything))
        store = FileStore.open(tmp_path, World())
        sink = await nodes.start("sink", store)
        await nodes.join(source, sink)
        sink.want(refs(everything), [source])
        await sink.wait_for_all()
        assert_held(store, everything)
        assert sorted(r.blob for r in sink.wants.arrivals) == sorted(r.blob for r in store.refs())
        assert len(sink.wants.arrivals) == len(everything)
        counters = sink.transfers.counters
        assert counters.chunks_received == chunk_count(everything)
        assert counters.bytes_in == sum(map(len, everything))
        assert counters.blobs_received == len(everything)
        assert source.transfers.counters.bytes_out > counters.bytes_in
        await sink.wait_for(lambda: sink.transfers.snapshot() == ())
        assert store.partials() == ()

    run(main)


def test_two_nodes_fetch_from_each_other_at_one_time() -> None:
    async def main(nodes: TransferCluster) -> None:
        one = await nodes.start("one", filled(BIG[:2]))
        two = await nodes.start("two", filled(BIG[2:]))
        await nodes.join(one, two)
        one.want(refs(BIG[2:]), [two])
        two.want(refs(BIG[:2]), [one])
        await one.wait_for_all()
        await two.wait_for_all()
        assert_held(one.store, BIG)
        assert_held(two.store, BIG)

    run(main)


def test_what_arrived_is_passed_on() -> None:
    async def main(nodes: TransferCluster) -> None:
        first = await nodes.start("first", filled(BIG[:1]))
        second = await nodes.start("second", filled([]))
        third = await nodes.start("third", filled([]))
        await nodes.join(first, second)
        await nodes.join(second, third)
        third.want(refs(BIG[:1]), [second])
        second.want(refs(BIG[:1]), [first])
        await second.wait_for_all()
        third.transfers.wake()
        await third.wait_for_all()
        assert_held(third.store, BIG[:1])

    run(main)


def test_a_big_blob_comes_from_several_holders() -> None:
    async def main(nodes: TransferCluster) -> None:
        data = noise(40_000_000)
        holders = [await nodes.start(name, filled([data])) for name in ("a", "b")]
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, *holders)
        sink.want(refs([data]), holders)
        await sink.wait_for_all()
        assert_held(sink.store, [data])
        served = [holder.transfers.counters.chunks_served for holder in holders]
        assert sum(served) == chunk_count([data]) == sink.transfers.counters.chunks_received
        assert min(served) > 0

    run(main)


def test_a_peer_that_dies_in_the_middle_is_replaced_and_nothing_comes_twice() -> None:
    async def main(nodes: TransferCluster) -> None:
        data = noise(60_000_000)
        doomed, other = [await nodes.start(n, filled([data])) for n in ("doomed", "other")]
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, doomed)
        sink.want(refs([data]), [doomed, other])
        await sink.wait_for(lambda: any(isinstance(e, TransferProgress) for e in sink.events))
        nodes.network.cut(sink.node, doomed.node)
        received = sink.transfers.counters.chunks_received
        assert 0 < received < chunk_count([data])
        await nodes.join(sink, other)
        await sink.wait_for_all()
        assert_held(sink.store, [data])
        assert sink.transfers.counters.chunks_received == chunk_count([data])
        assert sink.transfers.counters.retries > 0

    run(main)


async def never_answer(stream: Stream) -> None:
    while await stream.receive(limits.READ_BYTES):
        pass


def test_a_silent_peer_is_given_up() -> None:
    async def main(nodes: TransferCluster) -> None:
        silent = await nodes.start("silent", filled(BIG), serve=never_answer)
        other = await nodes.start("other", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, silent)
        sink.want(refs(BIG), [silent, other])
        await sink.wait_for(lambda: sink.transfers.counters.retries > 0)
        assert sink.transfers.scores()[silent.node].failures > 0
        await nodes.join(sink, other)
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run_with_ticks(main)


def run_with_ticks(main: Callable[[TransferCluster], Awaitable[None]]) -> None:
    """Run a test whose condition changes without an event: conditions are looked at on a timer."""

    async def ticking(nodes: TransferCluster) -> None:
        done = anyio.Event()
        started: list[TransferNode] = []
        real = nodes.start

        async def start(*args: object, **options: object) -> TransferNode:
            started.append(await real(*args, **options))  # type: ignore[arg-type]
            return started[-1]

        nodes.start = start  # type: ignore[method-assign]

        async def tick() -> None:
            while not done.is_set():
                with anyio.move_on_after(0.02):
                    await done.wait()
                for node in started:
                    node.wants.tell()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            await main(nodes)
            done.set()

    run(ticking)


@dataclass
class Liar:
    """Answers like an honest server, but twists the chunks."""

    store: BlobStore
    twist: Callable[[bytes], bytes]

    async def serve(self, stream: Stream) -> None:
        server = BlobServer(self.store, anyio.CapacityLimiter(2), Counters())
        await server.serve(_Twisted(stream, self.twist))


class _Twisted:
    """A stream whose outgoing chunks are twisted."""

    def __init__(self, inner: Stream, twist: Callable[[bytes], bytes]) -> None:
        self._inner, self._twist = inner, twist
        self.receive, self.close = inner.receive, inner.close

    @property
    def peer(self) -> NodeId:
        return self._inner.peer

    async def send(self, data: bytes) -> None:
        reader = wire.FrameReader()
        for body in reader.feed(data):
            answer: Answer = wire.decode(body, Answer)  # type: ignore[arg-type]
            if isinstance(answer, GiveChunk):
                answer = GiveChunk(answer.number, answer.index, self._twist(answer.data))
            await self._inner.send(wire.frame(wire.encode(answer)))


@pytest.mark.parametrize(
    "twist", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d + b"x", lambda d: b""]
)
def test_a_peer_that_lies_is_found_out_and_barred(twist: Callable[[bytes], bytes]) -> None:
    async def main(nodes: TransferCluster) -> None:
        liar = await nodes.start("liar", filled([]), serve=Liar(filled(BIG), twist).serve)
        honest = await nodes.start("honest", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, liar)
        sink.want(refs(BIG), [liar, honest])
        await sink.wait_for(lambda: sink.transfers.counters.chunks_corrupt > 0)
        await nodes.join(sink, honest)
        await sink.wait_for_all()
        assert_held(sink.store, BIG)
        score = sink.transfers.scores()[liar.node]
        assert score.corrupt >= 1
        assert score.barred_s > anyio.current_time()
        assert sink.transfers.scores()[honest.node].corrupt == 0

    run_with_ticks(main)


def test_a_holder_that_holds_nothing_is_not_asked_again_and_others_are() -> None:
    async def main(nodes: TransferCluster) -> None:
        mistaken = await nodes.start("mistaken", filled([]))
        honest = await nodes.start("honest", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, mistaken, honest)
        sink.want(refs(BIG), [mistaken, honest])
        await sink.wait_for_all()
        assert_held(sink.store, BIG)
        assert sink.transfers.scores()[mistaken.node].failures == 0
        assert sink.transfers.scores()[mistaken.node].corrupt == 0

    run(main)


def test_rot_on_the_servers_disk_is_not_sent(tmp_path: Path) -> None:
    async def main(nodes: TransferCluster) -> None:
        rotten = FileStore.open(tmp_path, World())
        for data in BIG:
            rotten.put(data)
        path = rotten.path(BlobId(digest(BIG[0])))
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(2_000_000)
            file.write(b"rot")
        one = await nodes.start("rotten", rotten)
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, one)
        sink.want(refs(BIG), [one])
        await sink.wait_for(lambda: len(sink.wants.arrivals) == len(BIG) - 1)
        await sink.wait_for(lambda: not rotten.has(BlobId(digest(BIG[0]))))
        assert sink.transfers.counters.chunks_corrupt == 0
        assert sink.transfers.scores()[one.node].corrupt == 0
        other = await nodes.start("other", filled(BIG))
        await nodes.join(sink, other)
        sink.wants.wants.clear()
        sink.want(refs(BIG[:1]), [one, other])
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run_with_ticks(main)


def test_after_a_kill_only_missing_chunks_are_fetched(tmp_path: Path) -> None:
    data = noise(60_000_000)
    total = chunk_count([data])

    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled([data]))
        first_store = FileStore.open(tmp_path, World())
        first = await nodes.start("first", first_store)
        await nodes.join(source, first)
        first.want(refs([data]), [source])
        await first.wait_for(lambda: any(isinstance(e, TransferProgress) for e in first.events))
        first.scope.cancel()
        await first.ended.wait()
        store = FileStore.open(tmp_path, World())  # as a new process: nothing was closed
        left = store.resume(refs([data])[0])
        assert left is not None
        missing = len(left.missing())
        assert 0 < missing < total
        second = await nodes.start("second", store)
        await nodes.join(source, second)
        second.want(refs([data]), [source])
        await second.wait_for_all()
        assert_held(store, [data])
        assert second.transfers.counters.chunks_received == missing
        received = first.transfers.counters.chunks_received
        assert received + missing == total, "a chunk was fetched twice"

    run(main)


def test_what_is_complete_or_held_after_a_restart_needs_no_peer(tmp_path: Path) -> None:
    async def main(nodes: TransferCluster) -> None:
        left = FileStore.open(tmp_path, World())
        found = scan_bytes(BIG[0])
        partial = left.begin(found.ref, found.chunks)
        for index, chunk in enumerate(found.chunks.chunks):
            start = found.chunks.offsets[index]
            partial.write(index, BIG[0][start : start + chunk.size_bytes])
        left.put(BIG[1])
        left.close()
        store = FileStore.open(tmp_path, World())
        source = await nodes.start("source", filled([]))
        sink = await nodes.start("sink", store)
        await nodes.join(source, sink)
        sink.want(refs(BIG[:2]), [source])
        await sink.wait_for_all()
        assert_held(store, BIG[:2])
        assert sink.transfers.counters.chunks_received == 0

    run(main)


@pytest.mark.parametrize("room_bytes", [1_000, 5_000_000])
def test_a_full_disk_pauses_and_goes_on_by_itself(room_bytes: int) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(BIG))
        store = MemoryStore(World(), room_bytes)
        sink = await nodes.start("sink", store)
        await nodes.join(source, sink)
        sink.want(refs(BIG), [source])
        await sink.wait_for(lambda: sink.transfers.problem is not None)
        assert isinstance(sink.transfers.problem, StoreFull)
        assert ProblemsChanged(1) in sink.events
        blocked = [view for view in sink.transfers.snapshot() if view.problem is not None]
        assert blocked
        assert all(view.state is TransferState.BLOCKED for view in blocked)
        assert all(isinstance(view.problem, StoreFull) for view in blocked)
        store.capacity_bytes = 1 << 30
        await sink.wait_for_all()
        assert_held(store, BIG)
        await sink.wait_for(lambda: sink.transfers.problem is None)
        assert sink.events[-1] == ProblemsChanged(0) or ProblemsChanged(0) in sink.events
        assert sink.transfers.counters.chunks_corrupt == 0

    run(main)


def test_a_chunk_list_that_lies_blocks_its_blob_and_no_other() -> None:
    other = noise(1_500_000, 9)
    chunks = ChunkList((Chunk(digest(other), len(other)),))
    liar = BlobRef(BlobId(digest(b"something else")), len(other), chunks.id)

    async def serve(stream: Stream) -> None:
        """Answer for the lie; everything else goes to an honest server."""
        reader = wire.FrameReader()
        while data := await stream.receive(limits.READ_BYTES):
            for body in reader.feed(data):
                question = wire.decode(body, AskList | AskChunks | AskBlob)  # type: ignore[arg-type]
                if isinstance(question, AskList):
                    answer = wire.encode(GiveList(question.number, chunks.encoded))
                else:
                    answer = wire.encode(GiveChunk(question.number, 0, other))
                await stream.send(wire.frame(answer))

    async def main(nodes: TransferCluster) -> None:
        crooked = await nodes.start("crooked", filled([]), serve=serve)
        honest = await nodes.start("honest", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, crooked, honest)
        sink.want([liar], [crooked])
        sink.want(refs(BIG), [honest])
        await sink.wait_for(lambda: len(sink.wants.arrivals) == len(BIG))
        await sink.wait_for(lambda: sink.transfers.problem is not None)
        assert not sink.store.has(liar.blob)
        (view,) = sink.transfers.snapshot()
        assert view.state is TransferState.BLOCKED
        assert sink.transfers.scores()[crooked.node].corrupt == 0

    run_with_ticks(main)


def test_many_small_blobs_are_asked_for_in_few_round_trips() -> None:
    datas = [noise(2_000, n) for n in range(600)]
    receives = 0

    async def main(nodes: TransferCluster) -> None:
        store = filled(datas)
        server = BlobServer(store, anyio.CapacityLimiter(2), Counters())

        class Counting(_Twisted):
            async def receive(self, size_max: int) -> bytes:
                nonlocal receives
                receives += 1
                return await self._inner.receive(size_max)

            def __init__(self, inner: Stream) -> None:
                self._inner, self._twist, self.close = inner, bytes, inner.close

        async def serve(stream: Stream) -> None:
            await server.serve(Counting(stream))

        source = await nodes.start("source", store, serve=serve)
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        sink.want(refs(datas), [source])
        await sink.wait_for_all()
        assert_held(sink.store, datas)
        assert receives < len(datas) / 4

    run(main)


def test_a_peer_with_too_many_streams_hears_that_we_are_busy() -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(SMALL))
        greedy = await nodes.start("greedy", filled([]))
        await nodes.join(source, greedy)
        ref = refs(SMALL)[0]
        question = wire.frame(wire.encode(AskBlob(1, ref.blob, ref.chunks)))
        streams = []
        for _ in range(limits.SERVED_STREAMS_PER_PEER_MAX):
            streams.append(await greedy.transport.open(source.node, BLOB_PROTOCOL))
            await streams[-1].send(question)
            assert not isinstance(await read_answer(streams[-1]), Busy)
        extra = await greedy.transport.open(source.node, BLOB_PROTOCOL)
        await extra.send(question)
        assert isinstance(await read_answer(extra), Busy)
        for stream in (*streams, extra):
            await stream.close()

    run(main)


async def read_answer(stream: Stream) -> Answer | None:
    reader = wire.FrameReader()
    while data := await stream.receive(limits.READ_BYTES):
        for body in reader.feed(data):
            answer: Answer = wire.decode(body, Answer)  # type: ignore[arg-type]
            return answer
    return None


@settings(deadline=None, max_examples=15)
@given(st.lists(st.binary(max_size=64), min_size=1, max_size=5), st.booleans())
def test_nonsense_costs_a_peer_its_stream_and_nothing_else(said: list[bytes], framed: bool) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(SMALL[:1]))
        fool = await nodes.start("fool", filled([]))
        await nodes.join(source, fool)
        stream = await fool.transport.open(source.node, BLOB_PROTOCOL)
        with suppress(StreamBroken):  # it may have been thrown out after the first word
            for data in said:
                if data:
                    await stream.send(wire.frame(data) if framed else data)
        await stream.close()
        fool.want(refs(SMALL[:1]), [source])
        await fool.wait_for_all()
        assert_held(fool.store, SMALL[:1])

    run(main)


def test_an_absent_chunk_and_a_wrong_list_are_missing() -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        stream = await sink.transport.open(source.node, BLOB_PROTOCOL)
        ref = refs(BIG)[0]
        for question in (
            AskChunks(1, ref.blob, ref.chunks, (0, 5_000)),
            AskList(2, ref.blob, bytes(32)),
            AskBlob(3, ref.blob, ref.chunks),  # it is not small
        ):
            await stream.send(wire.frame(wire.encode(question)))
        answers: list[Answer] = []
        reader = wire.FrameReader()
        while len(answers) < 4:
            bodies = reader.feed(await stream.receive(limits.READ_BYTES))
            answers += [wire.decode(body, Answer) for body in bodies]  # type: ignore[arg-type]
        assert isinstance(answers[0], GiveChunk)
        assert answers[1:] == [Missing(1), Missing(2), Missing(3)]
        await stream.close()

    run(main)

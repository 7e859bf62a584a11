"""Wanted blobs arrive, from whoever is honest and alive, and hardly a byte comes twice."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.memory import MemoryStore
from photonic.errors import StoreFull
from photonic.events import ProblemsChanged, TransferProgress
from photonic.p2p.holders import Counters
from photonic.p2p.jobs import TransferState
from photonic.p2p.serving import BlobServer
from photonic.p2p.transport import Stream
from photonic.world import World
from tests.blobs.samples import noise
from tests.p2p.transfer_cluster import (
    BIG,
    PATIENT,
    SMALL,
    TransferCluster,
    assert_held,
    chunk_count,
    filled,
    refs,
    run,
)


def test_big_and_small_blobs_arrive_in_a_file_store(tmp_path: Path) -> None:
    everything = [*BIG, *SMALL, b""]

    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(everything))
        store = FileStore.open(tmp_path, World())
        sink = await nodes.start("sink", store, pace=PATIENT)
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
        sink = await nodes.start("sink", filled([]), pace=PATIENT)
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
        sink = await nodes.start("sink", filled([]), pace=PATIENT)
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
        first_store.close()  # as the kernel does it for a process that is killed
        store = FileStore.open(tmp_path, World())
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


def test_many_small_blobs_are_asked_for_in_few_round_trips() -> None:
    datas = [noise(2_000, n) for n in range(600)]
    receives = 0

    async def main(nodes: TransferCluster) -> None:
        store = filled(datas)
        server = BlobServer(store, anyio.CapacityLimiter(2), Counters())

        class Counting:
            def __init__(self, inner: Stream) -> None:
                self._inner, self.peer = inner, inner.peer
                self.send, self.close = inner.send, inner.close

            async def receive(self, size_max: int) -> bytes:
                nonlocal receives
                receives += 1
                return await self._inner.receive(size_max)

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

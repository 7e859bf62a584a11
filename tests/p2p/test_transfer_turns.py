"""Everything gets its turn: behind refusals, beside slow peers, and never what is paused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import BlobStore
from photonic.events import TransferProgress
from photonic.p2p.holders import Counters
from photonic.p2p.jobs import TransferState
from photonic.p2p.planner import WantPage, WantsAsked
from photonic.p2p.serving import BlobServer
from photonic.p2p.transport import Stream
from photonic.world import World
from tests.blobs.samples import noise
from tests.p2p.transfer_cluster import (
    BIG,
    SMALL,
    TransferCluster,
    assert_held,
    chunk_count,
    filled,
    refs,
    run,
    run_with_ticks,
)


def test_what_stands_behind_thousands_of_refused_blobs_is_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WANTS_MAX", 20)
    monkeypatch.setattr(limits, "WANTS_AT_ONCE", 10)
    nobodys = [noise(100 + n, n) for n in range(300)]

    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(SMALL[:3]))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        sink.want(refs([*nobodys, *SMALL[:3]]), [source])
        await sink.wait_for(lambda: len(sink.wants.wants) == len(nobodys))
        assert_held(sink.store, SMALL[:3])
        assert sink.transfers.count <= limits.WANTS_MAX

    run_with_ticks(main)


def test_a_list_that_is_longer_than_the_view_is_fetched_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WANTS_MAX", 20)
    monkeypatch.setattr(limits, "WANTS_AT_ONCE", 10)
    datas = [noise(500 + n, n) for n in range(150)]

    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(datas))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        asked: list[int] = []
        wanted = sink.wants.wanted

        async def count(what: WantsAsked) -> WantPage:
            asked.append(what.limit)
            return await wanted(what)

        monkeypatch.setattr(sink.wants, "wanted", count)
        sink.want(refs(datas), [source])
        await sink.wait_for_all()
        assert_held(sink.store, datas)
        assert len(asked) < len(datas) / 2, "it is not asked anew for each that came"

    run_with_ticks(main)


# --- pauses --------------------------------------------------------------------------------------


def test_nothing_is_fetched_while_all_is_paused_and_all_of_it_after() -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        sink.transfers.pause(True, frozenset())
        await nodes.join(source, sink)
        sink.want(refs(BIG), [source])
        for _ in range(20):
            await sink.wants.changed.wait()
        assert sink.transfers.counters.bytes_in == 0
        assert source.transfers.counters.chunks_served == 0
        sink.transfers.pause(False, frozenset())
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run_with_ticks(main)


def test_a_paused_peer_is_asked_for_nothing() -> None:
    async def main(nodes: TransferCluster) -> None:
        one, other = [await nodes.start(name, filled(BIG)) for name in ("one", "other")]
        sink = await nodes.start("sink", filled([]))
        sink.transfers.pause(False, frozenset({one.node}))
        await nodes.join(sink, one, other)
        sink.want(refs(BIG), [one, other])
        await sink.wait_for_all()
        assert_held(sink.store, BIG)
        assert one.transfers.counters.chunks_served == 0
        more = [noise(30_000, 77)]
        one.store.put(more[0])
        sink.want(refs(more), [one])
        for _ in range(10):
            await sink.wants.changed.wait()
        assert sink.wants.wants, "only the paused peer has it"
        sink.transfers.pause(False, frozenset())
        await sink.wait_for_all()

    run_with_ticks(main)


def test_a_pause_in_the_middle_stops_what_was_not_asked_yet() -> None:
    async def main(nodes: TransferCluster) -> None:
        data = noise(80_000_000)
        source = await nodes.start("source", filled([data]))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        sink.want(refs([data]), [source])
        await sink.wait_for(lambda: sink.transfers.counters.chunks_received > 3)
        sink.transfers.pause(True, frozenset())
        await sink.wait_for(lambda: sink.transfers._holders.in_flight_bytes == 0)
        received = sink.transfers.counters.chunks_received
        assert received < chunk_count([data])
        for _ in range(10):
            await sink.wants.changed.wait()
        assert sink.transfers.counters.chunks_received == received
        sink.transfers.pause(False, frozenset())
        await sink.wait_for_all()
        assert sink.transfers.counters.chunks_received == chunk_count([data]), "nothing came twice"

    run_with_ticks(main)


# --- the end -------------------------------------------------------------------------------------


class Sluggish:
    """Serves at first, and hardly any more after some bytes."""

    def __init__(self, store: BlobStore, brisk_bytes: int) -> None:
        self._server = BlobServer(store, anyio.CapacityLimiter(2), Counters())
        self.left_bytes = brisk_bytes

    async def serve(self, stream: Stream) -> None:
        await self._server.serve(_SluggishStream(stream, self))


class _SluggishStream:
    def __init__(self, inner: Stream, whose: Sluggish) -> None:
        self._inner, self._whose = inner, whose
        self.receive, self.close, self.peer = inner.receive, inner.close, inner.peer

    async def send(self, data: bytes) -> None:
        self._whose.left_bytes -= len(data)
        while self._whose.left_bytes < 0 and data:  # never silent, and never done
            await self._inner.send(data[:1])
            data = data[1:]
            await anyio.sleep(0.3)
        if data:
            await self._inner.send(data)


@pytest.mark.parametrize("in_files", [False, True])
def test_the_last_chunks_of_a_slow_peer_come_from_another(tmp_path: Path, in_files: bool) -> None:
    data = noise(40_000_000)

    async def main(nodes: TransferCluster) -> None:
        slow = Sluggish(filled([data]), 6_000_000)
        first = await nodes.start("slow", filled([data]), serve=slow.serve)
        other = await nodes.start("other", filled([data]))
        store = FileStore.open(tmp_path, World()) if in_files else MemoryStore(World())
        sink = await nodes.start("sink", store)
        await nodes.join(sink, first, other)
        sink.want(refs([data]), [first, other])
        await sink.wait_for_all()  # long before a slow peer is given up
        assert_held(store, [data])
        twice = sink.transfers.counters.chunks_received - chunk_count([data])
        assert twice * limits.BIG_CHUNK_BYTES_MAX <= limits.ENDGAME_BYTES_MAX * 2

    with_limit(main, limits.FETCH_SLOW_S - 5)


def with_limit(main: Callable[[TransferCluster], Awaitable[None]], limit_s: float) -> None:
    async def limited(nodes: TransferCluster) -> None:
        with anyio.fail_after(limit_s):
            await main(nodes)

    run_with_ticks(limited)


# --- what is told --------------------------------------------------------------------------------


def test_a_transfer_tells_its_state_its_rate_and_when_it_is_done() -> None:
    async def main(nodes: TransferCluster) -> None:
        data = noise(60_000_000)
        source = await nodes.start("source", filled([data]))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        sink.want(refs([data]), [source])
        events: list[TransferProgress] = []

        def is_far() -> bool:
            events[:] = [one for one in sink.events if isinstance(one, TransferProgress)]
            return any(one.rate_bytes_s > 0 and one.eta_s for one in events)

        await sink.wait_for(is_far)
        (view,) = sink.transfers.snapshot()
        assert view.state is TransferState.FETCHING
        assert view.peers == (source.node,)
        assert sink.transfers.rate_bytes_s > 0
        await sink.wait_for_all()
        assert events[-1].total_bytes == len(data)

    run(main)

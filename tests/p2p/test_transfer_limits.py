"""Transfers keep to limits without being taken for broken, and go on when limits are lifted."""

from __future__ import annotations

import anyio
import pytest

from photonic import limits
from photonic.ids import peer_id
from photonic.p2p.rates import Bandwidth, PeerBandwidth
from tests.blobs.samples import jpeg, noise
from tests.p2p.transfer_cluster import (
    BIG,
    SMALL,
    TransferCluster,
    TransferNode,
    assert_held,
    filled,
    refs,
    run,
    run_with_ticks,
)

MB = 1_000_000
FULL = Bandwidth()


async def pair(
    nodes: TransferCluster,
    datas: list[bytes],
    source: Bandwidth = FULL,
    sink: Bandwidth = FULL,
) -> tuple[TransferNode, TransferNode]:
    one = await nodes.start("source", filled(datas))
    two = await nodes.start("sink", filled([]))
    one.transfers.throttle.replace(source)
    two.transfers.throttle.replace(sink)
    await nodes.join(one, two)
    return one, two


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_rate_is_kept_on_either_side(side: str) -> None:
    datas = BIG[:2]  # 6 MB

    async def main(nodes: TransferCluster) -> None:
        limit = Bandwidth(out_bytes_s=4 * MB) if side == "source" else Bandwidth(in_bytes_s=4 * MB)
        source, sink = await pair(nodes, datas, **{side: limit})
        began_s = anyio.current_time()
        sink.want(refs(datas), [source])
        await sink.wait_for_all()
        # 6 MB at 4 MB/s, but the first 0.2 s worth of it; what is asked for is a question long.
        assert anyio.current_time() - began_s >= 1.0
        assert_held(sink.store, datas)
        assert sink.transfers.counters.retries == 0

    run(main)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_rate_slower_than_the_patience_for_an_answer_is_no_stall(side: str) -> None:
    """The cluster's streams are given up after a second without a byte; this takes three."""
    data = jpeg(noise(20_000, 1), noise(700_000, 1))

    async def main(nodes: TransferCluster) -> None:
        slow = 250_000
        limit = Bandwidth(out_bytes_s=slow) if side == "source" else Bandwidth(in_bytes_s=slow)
        source, sink = await pair(nodes, [data, *SMALL[:3]], **{side: limit})
        sink.want(refs([data, *SMALL[:3]]), [source])
        began_s = anyio.current_time()
        await sink.wait_for_all()
        assert anyio.current_time() - began_s >= 1.5
        assert_held(sink.store, [data, *SMALL[:3]])
        assert sink.transfers.counters.retries == 0

    run(main)


def test_a_limited_peer_leaves_the_others_alone() -> None:
    async def main(nodes: TransferCluster) -> None:
        source, sink = await pair(nodes, BIG)
        other = await nodes.start("other", filled([]))
        await nodes.join(source, other)
        slow = {peer_id(sink.node): PeerBandwidth(out_bytes_s=limits.RATE_BYTES_S_MIN)}
        source.transfers.throttle.replace(Bandwidth(peers=slow))
        sink.want(refs(BIG), [source])
        other.want(refs(BIG), [source])
        await other.wait_for_all()
        assert sink.wants.wants, "at 10 kB/s it takes minutes"
        source.transfers.throttle.replace(Bandwidth())
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run(main)


def test_on_a_metered_link_originals_are_neither_asked_for_nor_given() -> None:
    big, small = BIG[:2], SMALL[:5]

    async def main(nodes: TransferCluster) -> None:
        source, sink = await pair(nodes, [*big, *small], sink=Bandwidth(metered=True))
        sink.want(refs([*big, *small]), [source])
        await sink.wait_for(lambda: len(sink.wants.wants) == len(big))
        assert_held(sink.store, small)
        assert source.transfers.counters.chunks_served == len(small), "nothing else was asked"
        # Now the other one pays for its link: it is asked, and gives none.
        source.transfers.throttle.replace(Bandwidth(metered=True))
        sink.transfers.throttle.replace(Bandwidth())
        sink.transfers.wake()
        await sink.wait_for(lambda: len(sink.transfers._jobs.refusals) > 0)
        assert source.transfers.counters.chunks_served == len(small)
        source.transfers.throttle.replace(Bandwidth())
        await sink.wait_for_all()
        assert_held(sink.store, big)

    run_with_ticks(main)


def test_a_peer_that_gives_originals_again_is_asked_at_once() -> None:
    async def main(nodes: TransferCluster) -> None:
        source, sink = await pair(nodes, BIG[:1], source=Bandwidth(metered=True))
        sink.transfers.hear_of(source.node, gives_originals=False)
        (ref,) = refs(BIG[:1])
        refusals = sink.transfers._jobs.refusals
        for _ in range(10):  # now it would not be asked for minutes
            refusals.note(ref.blob, source.node, anyio.current_time(), 1.0)
        sink.want([ref], [source])
        sink.transfers.hear_of(source.node, gives_originals=False)
        assert ref.blob in refusals
        source.transfers.throttle.replace(Bandwidth())
        sink.transfers.hear_of(source.node, gives_originals=True)
        await sink.wait_for_all()
        assert_held(sink.store, BIG[:1])

    run_with_ticks(main)


def test_an_original_under_way_stops_when_the_link_becomes_metered() -> None:
    datas = [noise(60_000_000)]  # more than is asked for at one time

    async def main(nodes: TransferCluster) -> None:
        source, sink = await pair(nodes, datas, sink=Bandwidth(in_bytes_s=2 * MB))
        sink.want(refs(datas), [source])
        await sink.wait_for(lambda: sink.transfers.counters.chunks_received > 0)
        sink.transfers.throttle.replace(Bandwidth(metered=True))
        await sink.wait_for(lambda: not sink.transfers._jobs.under_way())
        assert sink.wants.wants, "not all of it came"
        before = sink.transfers.counters.bytes_in
        sink.transfers.wake()
        ticks = 0

        def is_still() -> bool:
            nonlocal ticks
            ticks += 1
            return ticks > 10

        await sink.wait_for(is_still)
        assert sink.transfers.counters.bytes_in == before
        sink.transfers.throttle.replace(Bandwidth())
        sink.transfers.wake()
        await sink.wait_for_all()
        assert_held(sink.store, datas)

    run_with_ticks(main)


@pytest.mark.parametrize("parallel", [1, 3])
def test_no_more_files_at_one_time_than_allowed(parallel: int) -> None:
    datas = [*BIG, *SMALL]

    async def main(nodes: TransferCluster) -> None:
        source, sink = await pair(nodes, datas, sink=Bandwidth(parallel=parallel))
        jobs = sink.transfers._jobs
        most = 0
        asked = jobs.asked

        def watched(*given: object, **more: object) -> None:
            nonlocal most
            asked(*given, **more)  # type: ignore[arg-type]
            most = max(most, len(jobs.under_way()))

        jobs.asked = watched  # type: ignore[method-assign]
        sink.want(refs(datas), [source])
        await sink.wait_for_all()
        assert_held(sink.store, datas)
        assert most == parallel

    run(main)


def test_a_peer_is_not_called_slow_for_a_limit_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FETCH_SLOW_S", 0.3)
    data = jpeg(noise(20_000, 1), noise(700_000, 1))

    async def main(nodes: TransferCluster) -> None:
        source, sink = await pair(nodes, [data], sink=Bandwidth(in_bytes_s=300_000))
        other = await nodes.start("other", filled([data]))
        await nodes.join(other, sink)
        sink.want(refs([data]), [source, other])
        await sink.wait_for_all()
        assert_held(sink.store, [data])
        assert sink.transfers.counters.retries == 0

    run_with_ticks(main)

"""Blobs that go over lanes, carried by real processes: they arrive, whatever ends meanwhile."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.blobs.files import FileStore
from photonic.errors import FrameInvalid
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.detours import Leg
from photonic.p2p.lane_certificates import check_certificate
from photonic.p2p.lane_messages import LANE_PROTOCOL, LaneQuestion, OfferLane
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.rates import Bandwidth
from photonic.p2p.transport import Stream
from photonic.world import World
from tests.blobs.samples import jpeg, noise
from tests.p2p.transfer_cluster import (
    BIG,
    SMALL,
    LaneSettings,
    TransferCluster,
    TransferNode,
    assert_held,
    filled,
    refs,
    run_with_ticks,
)

EVERYTHING = [*BIG, *SMALL, b""]
HUGE = jpeg(noise(30_000, 9), noise(40_000_000, 9))


async def start(
    nodes: TransferCluster,
    folder: Path,
    name: str,
    datas: list[bytes],
    address: str | None = "/ip4/127.0.0.1/tcp/1",
    listen: str = "/ip4/127.0.0.1/tcp/0",
) -> TransferNode:
    store = FileStore.open(folder / name, World())
    for data in datas:
        store.put(data)
    return await nodes.start(name, store, lanes=LaneSettings(folder / name, address, listen))


def watch(
    node: TransferNode, monkeypatch: pytest.MonkeyPatch, note: Callable[[str], object]
) -> None:
    """Note each protocol for which the node opens a stream."""
    opening = node.transport.open

    async def watched(peer: NodeId, protocol: str) -> Stream:
        note(protocol)
        return await opening(peer, protocol)

    monkeypatch.setattr(node.transport, "open", watched)


def test_big_and_small_blobs_arrive_over_lanes(tmp_path: Path) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", EVERYTHING)
        sink = await start(nodes, tmp_path, "sink", [])
        await nodes.join(source, sink)
        sink.want(refs(EVERYTHING), [source])
        await sink.wait_for_all()
        assert_held(sink.store, EVERYTHING)
        await sink.wait_for(lambda: sink.transfers.snapshot() == ())
        counters = sink.transfers.counters
        assert counters.bytes_in == sum(map(len, EVERYTHING))
        assert counters.blobs_received == len(EVERYTHING)
        await source.wait_for(lambda: source.transfers.counters.bytes_out > counters.bytes_in)
        assert sink.store.partials() == ()

    run_with_ticks(main)


@pytest.mark.parametrize("why", ["no address", "nobody listens", "an older photonic"])
def test_where_there_is_no_lane_a_stream_carries_the_blobs(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"no address": None, "nobody listens": "/ip4/127.255.255.254/tcp/1"}.get(
        why, "/ip4/127.0.0.1/tcp/1"
    )
    used: list[str] = []

    async def main(nodes: TransferCluster) -> None:
        if why == "an older photonic":
            source = await nodes.start("source", filled(EVERYTHING))
        else:
            source = await start(nodes, tmp_path, "source", EVERYTHING, address)
        sink = await start(nodes, tmp_path, "sink", [], address)
        watch(sink, monkeypatch, used.append)
        await nodes.join(source, sink)
        sink.want(refs(EVERYTHING), [source])
        await sink.wait_for_all()
        assert_held(sink.store, EVERYTHING)

    run_with_ticks(main)
    assert BLOB_PROTOCOL in used


def test_a_lane_is_used_where_there_can_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", BIG)
        sink = await start(nodes, tmp_path, "sink", [])
        watch(sink, monkeypatch, used.append)
        await nodes.join(source, sink)
        sink.want(refs(BIG), [source])
        await sink.wait_for_all()

    used: list[str] = []
    run_with_ticks(main)
    assert set(used) == {LANE_PROTOCOL}


@pytest.mark.parametrize("why", ["it listens nowhere", "it cannot be reached"])
def test_a_holder_that_cannot_be_reached_comes_itself(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is behind a NAT, and the one who fetches is not."""
    listen = "" if why == "it listens nowhere" else "/ip4/127.0.0.1/tcp/0"
    used: list[str] = []

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", EVERYTHING, listen=listen)
        sink = await start(nodes, tmp_path, "sink", [], "/ip4/127.255.255.254/tcp/1")
        watch(sink, monkeypatch, used.append)
        watch(source, monkeypatch, used.append)
        await nodes.join(source, sink)
        sink.want(refs(EVERYTHING), [source])
        await sink.wait_for_all()
        assert_held(sink.store, EVERYTHING)
        await source.wait_for(lambda: source.transfers.counters.bytes_out > sum(map(len, BIG)))
        # Both lanes of the peer, and the next one, too: it is known now how it is reached.
        assert set(used) == {LANE_PROTOCOL}
        assert sink.transfers.counters.retries == 0
        # It is no member any more: the lane that it opened is cut as any other is.
        assert source.lanes is not None and sink.lanes is not None
        source.lanes.shun(sink.node)
        await sink.wait_for(lambda: not sink.lanes.is_used)  # type: ignore[union-attr]

    run_with_ticks(main)


@pytest.mark.parametrize("port", [0, -1, 70_000])
def test_a_peer_that_offers_what_cannot_be_is_a_liar(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", SMALL[:1])
        sink = await start(nodes, tmp_path, "sink", [])
        assert source.lanes is not None
        own = source.lanes._credentials.certificate
        offer = OfferLane(bytes(32), port, own)
        monkeypatch.setattr(source.lanes, "_offer", lambda peer, ask: offer)
        await nodes.join(source, sink)
        sink.want(refs(SMALL[:1]), [source])
        await sink.wait_for(lambda: sink.transfers.counters.chunks_corrupt > 0)
        assert sink.lanes is not None and sink.lanes.is_ready

    run_with_ticks(main)


@given(
    st.binary(max_size=200)
    | st.builds(
        lambda head, rest: wire.encode([head, *rest]),
        st.sampled_from(["lane?", "come?"]),
        st.lists(
            st.binary(max_size=40) | st.integers(-(2**40), 2**40) | st.text(max_size=9), max_size=4
        ),
    )
)
def test_what_is_asked_about_lanes_is_understood_or_refused(said: bytes) -> None:
    with suppress(FrameInvalid):
        ask = wire.decode(said, LaneQuestion)  # type: ignore[var-annotated, arg-type]
        check_certificate(ask.certificate, NodeId(bytes(32)))
        raise AssertionError("nobody has that certificate")


def test_lanes_come_in_at_the_port_that_is_set_or_the_one_behind_the_transports(
    tmp_path: Path,
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as s,
    ):
        busy, free = taken.getsockname()[1], s.getsockname()[1]
        s.close()

        async def main(nodes: TransferCluster) -> None:
            async def port(name: str, listen: int, lane_port: int | None) -> int:
                store = FileStore.open(tmp_path / name, World())
                settings = LaneSettings(
                    tmp_path / name, listen=f"/ip4/127.0.0.1/tcp/{listen}", port=lane_port
                )
                node = await nodes.start(name, store, lanes=settings)
                assert node.lanes is not None
                found = node.lanes.port
                node.scope.cancel()
                await node.ended.wait()
                return found

            assert await port("behind", free - 1, None) == free
            assert await port("set", busy, free) == free
            assert await port("any", free - 1, 0) not in (0, free)
            # Taken by somebody else: lanes come in all the same.
            assert await port("taken", 1, busy) not in (0, busy)

        run_with_ticks(main)


def test_a_peer_that_moves_while_a_lane_is_agreed_on_is_fetched_from_all_the_same(
    tmp_path: Path,
) -> None:
    class Moving:
        """The peer is behind a relay when it is asked, and not any more when it has answered."""

        asked = 0

        def is_needed(self, node: NodeId) -> bool:
            self.asked += 1
            return self.asked == 1

        async def leg(self, node: NodeId) -> Leg:
            raise AssertionError("nobody relays any more")

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", BIG)
        sink = await start(nodes, tmp_path, "sink", [], None)
        assert sink.lanes is not None
        sink.lanes.detours = Moving()
        await nodes.join(source, sink)
        sink.want(refs(BIG), [source])
        await sink.wait_for_all()
        assert_held(sink.store, BIG)
        assert sink.transfers.counters.retries == 0

    run_with_ticks(main)


@pytest.mark.parametrize("whose", ["source", "sink"])
def test_a_carrier_that_is_killed_is_started_again_and_hardly_a_byte_comes_twice(
    tmp_path: Path, whose: str
) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [HUGE])
        sink = await start(nodes, tmp_path, "sink", [])
        await nodes.join(source, sink)
        sink.want(refs([HUGE]), [source])
        await sink.wait_for(lambda: sink.transfers.counters.bytes_in > 5_000_000)
        lanes = {"source": source, "sink": sink}[whose].lanes
        assert lanes is not None and lanes.pid is not None
        os.kill(lanes.pid, signal.SIGKILL)
        await sink.wait_for_all()
        assert_held(sink.store, [HUGE])
        assert sink.transfers.counters.bytes_in < 1.5 * len(HUGE)

    run_with_ticks(main)


def test_what_rotted_at_a_peer_is_not_taken_and_the_rest_is(tmp_path: Path) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", BIG)
        sink = await start(nodes, tmp_path, "sink", [])
        rotten = BlobId(digest(BIG[0]))
        assert isinstance(source.store, FileStore)
        path = source.store.path(rotten)
        path.chmod(0o600)
        data = bytearray(BIG[0])
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        await nodes.join(source, sink)
        sink.want(refs(BIG), [source])
        await sink.wait_for(lambda: len(sink.wants.wants) == 1)
        assert_held(sink.store, BIG[1:])
        assert not sink.store.has(rotten)

    run_with_ticks(main)


@pytest.mark.parametrize("side", ["source", "sink"])
def test_a_rate_is_kept_over_lanes_and_can_be_lifted(tmp_path: Path, side: str) -> None:
    rate = 1_000_000

    async def main(nodes: TransferCluster) -> None:
        source = await start(nodes, tmp_path, "source", [HUGE])
        sink = await start(nodes, tmp_path, "sink", [])
        slow = {"source": source, "sink": sink}[side]
        assert slow.lanes is not None
        slow.lanes.limit(Bandwidth(in_bytes_s=rate, out_bytes_s=rate))
        await nodes.join(source, sink)
        began_s = trio.current_time()
        sink.want(refs([HUGE]), [source])
        await sink.wait_for(lambda: sink.transfers.counters.bytes_in > 2_000_000)
        taken_s = trio.current_time() - began_s
        moved = sink.transfers.counters.bytes_in
        assert moved <= rate * taken_s + limits.LANE_WINDOW_BYTES // 4
        assert moved < len(HUGE) // 2, "without a limit all of it would be here"
        slow.lanes.limit(Bandwidth())
        await sink.wait_for_all()
        assert_held(sink.store, [HUGE])

    run_with_ticks(main)

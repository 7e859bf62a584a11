"""A better way is taken as soon as there is one, and nobody who uses the peer notices."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from photonic import limits
from photonic.p2p.rates import Bandwidth
from photonic.p2p.reach import Attempt
from photonic.p2p.transport import PeerMoved, PeerUp
from photonic.p2p.ways import Way
from tests.blobs.samples import jpeg, noise
from tests.p2p.peer import ECHO
from tests.p2p.relay_cluster import ReachNode, play, running
from tests.p2p.test_relay import connect, three
from tests.p2p.transfer_cluster import assert_held, refs

HUGE = [jpeg(noise(30_000, n), noise(20_000_000, n)) for n in range(3)]


def learn(one: ReachNode, two: ReachNode) -> None:
    """Hear where a peer is."""
    one.book.learn(two.node, two.transport.addresses())
    one.connector.wake()


def test_a_transfer_goes_on_over_the_better_way_and_nothing_comes_twice(tmp_path: Path) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path, listens=True)
        for data in HUGE:
            two.store.put(data)
        total = sum(map(len, HUGE))
        async with running(relay, one, two, connects=True):
            await connect(relay, one, two)
            await one.wait_for(lambda: one.way(two) is Way.RELAYED)
            one.lanes.limit(Bandwidth(in_bytes_s=3_000_000))
            one.want(refs(HUGE), two)
            await one.wait_for(lambda: one.transfers.counters.bytes_in > 2_000_000)
            learn(one, two)
            await one.wait_for(lambda: one.way(two) is Way.LAN)
            one.lanes.limit(Bandwidth())
            await one.wait_for(lambda: not one.wants.wants)
            assert_held(one.store, HUGE)
            assert one.transfers.counters.bytes_in == total, "nothing came twice"
            assert one.transfers.counters.retries == 0, "and nothing broke"
            # What is not needed any more ends by itself, also the relayed connection.
            await relay.wait_for(lambda: relay.ways.relay.pairs == 0)
            relayed = relay.ways.relay.counters.relayed_bytes
            assert relayed < total - 10_000_000, "the rest came directly"
            assert [type(event) for event in one.events if event.node == two.node] == [
                PeerUp,
                PeerMoved,
            ]
            assert await one.ask(two, b"still") == b"still"

    play(story)


def test_an_open_stream_is_not_cut_when_a_better_way_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HEARTBEAT_INTERVAL_S", 0.1)

    async def story() -> None:

        relay, one, two = three(tmp_path, listens=True)
        async with running(relay, one, two, connects=True):
            await connect(relay, one, two)
            await one.wait_for(lambda: one.way(two) is Way.RELAYED)
            stream = await one.transport.open(two.node, ECHO)
            learn(one, two)
            await one.wait_for(lambda: one.way(two) is Way.LAN)
            until_s = trio.current_time() + 10 * limits.HEARTBEAT_INTERVAL_S
            while trio.current_time() < until_s:
                await stream.send(b"still here")
                assert await stream.receive(100) == b"still here"
            assert relay.ways.relay.pairs >= 1
            await stream.close()
            await relay.wait_for(lambda: relay.ways.relay.pairs == 0)
            assert one.way(two) is Way.LAN

    play(story)


def test_when_the_better_way_breaks_the_peer_is_reached_through_the_relay_again(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path, listens=True)
        async with running(relay, one, two, connects=True):
            await connect(relay, one, two)
            learn(one, two)
            await one.wait_for(lambda: one.way(two) is Way.LAN)
            one.book.get(two.node).addresses.clear()  # it went elsewhere
            two.book.get(one.node).addresses.clear()
            two.transport.drop(one.node)
            await one.wait_for(lambda: one.way(two) is Way.RELAYED)
            assert await one.ask(two, b"back") == b"back"

    play(story)


def test_why_there_is_no_better_way_is_known(tmp_path: Path) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two, connects=True):
            one.book.learn(two.node, ["/ip4/127.0.0.1/tcp/1", "/ip4/203.0.113.9/udp/9"])
            await connect(relay, one, two)
            await one.wait_for(lambda: one.way(two) is Way.RELAYED)
            peer = one.book.get(two.node)
            await one.wait_for(lambda: bool(peer.made(Attempt.DIAL).reason))
            said = one.ways.why_not_better(peer)
            assert "direct: " in said
            assert "127.0.0.1:1 refused" in said
            assert "/ip4/203.0.113.9/udp/9 no address of a TCP port" in said

    play(story)

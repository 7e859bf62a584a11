"""Whoever comes to a real carrier with what is not good is sent away, counted and told."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from photonic import limits, wire
from photonic.blobs.files import FileStore
from photonic.errors import StreamBroken
from photonic.identity import Identity
from photonic.ids import digest
from photonic.p2p import lane_messages as said
from photonic.p2p.lane_certificates import Credentials, make_credentials
from photonic.p2p.lane_messages import LANE_PROTOCOL, OfferLane
from photonic.p2p.lane_sockets import LaneTls
from photonic.p2p.rates import Bandwidth
from photonic.world import World
from tests.p2p.transfer_cluster import (
    BIG,
    LaneSettings,
    TransferCluster,
    TransferNode,
    filled,
    run_with_ticks,
)

ORDERS_BEFORE = 20_000
MINE, ANOTHER = (make_credentials(Identity(digest(name))) for name in (b"sink", b"another"))


async def agree(sink: TransferNode, source: TransferNode) -> OfferLane:
    """Agree on a lane as the sink's daemon would, with MINE as the certificate."""
    stream = await sink.transport.open(source.node, LANE_PROTOCOL)
    await stream.send(wire.frame(wire.encode(said.AskLane(MINE.certificate))))
    reader = wire.FrameReader()
    while data := await stream.receive(limits.READ_BYTES):
        for body in reader.feed(data):
            return wire.decode(body, OfferLane)
    raise AssertionError("no answer")


def knock(shown: Credentials, offer: OfferLane, ticket: bytes) -> bool:
    """Come with a certificate and a ticket; say whether that is let in. Blocks."""
    address = ("127.0.0.1", offer.port)
    try:
        LaneTls(*shown).connect(address, offer.certificate, ticket).close()
    except (StreamBroken, OSError):
        return False
    return True


def knock_raw(offer: OfferLane) -> bool:
    with socket.create_connection(("127.0.0.1", offer.port), 5) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with suppress(ConnectionResetError):
            while stranger.recv(1_000):
                pass
    return False


def test_whoever_asks_for_a_lane_waits_for_a_carrier_that_is_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CARRIER_START_S", 60.0)  # a busy machine starts one slowly

    async def main(nodes: TransferCluster) -> None:
        FileStore.open(tmp_path / "source", World()).close()
        source = await nodes.start("source", filled([]), lanes=LaneSettings(tmp_path / "source"))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        lanes = source.lanes
        assert lanes is not None and lanes.pid is not None
        os.kill(lanes.pid, signal.SIGKILL)
        await source.wait_for(lambda: not lanes.is_ready)
        offer = await agree(sink, source)
        assert await trio.to_thread.run_sync(knock, MINE, offer, offer.ticket)

    run_with_ticks(main)


def test_a_lane_is_not_offered_before_the_carrier_expects_it(tmp_path: Path) -> None:
    async def main(nodes: TransferCluster) -> None:
        FileStore.open(tmp_path / "source", World()).close()
        source = await nodes.start("source", filled([]), lanes=LaneSettings(tmp_path / "source"))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        assert source.lanes is not None
        for _ in range(ORDERS_BEFORE):  # it is busy with others
            source.lanes.limit(Bandwidth())
        offer = await agree(sink, source)
        assert await trio.to_thread.run_sync(knock, MINE, offer, offer.ticket)

    run_with_ticks(main)


KNOCKS: dict[str, Callable[[OfferLane], bool]] = {
    "a replayed ticket": lambda offer: knock(MINE, offer, offer.ticket),
    "a ticket made up": lambda offer: knock(MINE, offer, bytes(32)),
    "a wrong certificate": lambda offer: knock(ANOTHER, offer, offer.ticket),
    "no TLS": knock_raw,
}


@pytest.mark.parametrize("why", KNOCKS)
def test_it_is_sent_away_counted_and_told(
    tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(nodes: TransferCluster) -> None:
        store = FileStore.open(tmp_path / "source", World())
        store.put(BIG[0])
        source = await nodes.start("source", store, lanes=LaneSettings(tmp_path / "source"))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        offer = await agree(sink, source)
        if why == "a replayed ticket":
            assert await trio.to_thread.run_sync(knock, MINE, offer, offer.ticket)
        assert source.transfers.counters.lanes_refused == 0
        with caplog.at_level(logging.INFO):
            assert not await trio.to_thread.run_sync(KNOCKS[why], offer)
            await source.wait_for(lambda: source.transfers.counters.lanes_refused == 1)
        assert "not let in to a lane" in caplog.text

    run_with_ticks(main)

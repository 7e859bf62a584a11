"""Two members that cannot reach each other meet through a third, which learns nothing of it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio

from photonic import limits
from photonic.errors import PeerUnreachable, RelayRefused, StreamBroken
from photonic.p2p.lane_messages import Order, Pair
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.transport import Admission
from photonic.p2p.ways import Way
from tests.p2p.relay_cluster import ReachNode, play, running
from tests.p2p.transfer_cluster import BIG, SMALL, assert_held, refs


def three(folder: Path, *, listens: bool = False) -> tuple[ReachNode, ReachNode, ReachNode]:
    """A relay, and two that listen nowhere unless it is said."""
    relay = ReachNode(folder / "relay", relays=True)
    one, two = (ReachNode(folder / name, listens=listens) for name in ("one", "two"))
    relay.meet(one, two)
    one.meet(relay, two)
    two.meet(relay, one)
    return relay, one, two


async def connect(relay: ReachNode, one: ReachNode, two: ReachNode) -> None:
    await one.dial(relay)
    await two.dial(relay)
    await relay.wait_for(lambda: {one.node, two.node} <= relay.transport.connected())


def test_a_relayed_peer_is_connected_like_any_other(tmp_path: Path) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two):
            await connect(relay, one, two)
            await one.reach(two)
            assert one.way(two) is Way.RELAYED
            await two.wait_for(lambda: two.way(one) is Way.RELAYED)
            assert await one.ask(two, b"hello") == b"hello"
            assert await two.ask(one, bytes(3_000_000)) == bytes(3_000_000)
            await relay.wait_for(lambda: relay.ways.relay.pairs == 1)
            await relay.wait_for(lambda: relay.ways.relay.counters.relayed_bytes > 5_000_000)

    play(story)


def test_originals_go_over_a_lane_through_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path)
        for data in (*BIG, *SMALL):
            two.store.put(data)
        async with running(relay, one, two):
            await connect(relay, one, two)
            await one.reach(two)
            opened: list[str] = []
            opening = one.transport.open

            async def watched(node: object, protocol: str) -> object:
                opened.append(protocol)
                return await opening(node, protocol)  # type: ignore[arg-type]

            monkeypatch.setattr(one.transport, "open", watched)
            one.want(refs([*BIG, *SMALL]), two)
            await one.wait_for(lambda: not one.wants.wants)
            assert_held(one.store, [*BIG, *SMALL])
            assert BLOB_PROTOCOL not in opened, "there was a lane"
            moved = sum(map(len, (*BIG, *SMALL)))
            await relay.wait_for(lambda: relay.ways.relay.counters.relayed_bytes > moved)
            await one.wait_for(lambda: not relay.store.has(refs(BIG)[0].blob))

    play(story)


def test_the_relay_refuses_with_a_reason_whoever_may_not(tmp_path: Path) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two):
            await one.dial(relay)
            with pytest.raises(RelayRefused, match="connected here themselves"):
                await one.reach(two)
            await connect(relay, one, two)
            relay.admissions[two.node] = Admission.GUEST
            with pytest.raises(RelayRefused, match="only members"):
                await one.reach(two)
            relay.admissions.clear()
            two.admissions[one.node] = Admission.REFUSED
            with pytest.raises(RelayRefused, match="only members are met"):
                await one.reach(two)
            two.admissions.clear()
            relay.relays = False
            with pytest.raises(RelayRefused, match="does not relay"):
                await one.reach(two)
            assert relay.ways.relay.counters.relay_refusals == 4
            assert RelayRefused.code == "peers.relay-refused"

    play(story)


def test_a_full_relay_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RELAY_PAIRS_MAX", 0)

    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two):
            await connect(relay, one, two)
            with pytest.raises(RelayRefused, match="full"):
                await one.reach(two)

    play(story)


@pytest.mark.parametrize("how", ["revoked", "gone"])
def test_what_is_relayed_ends_with_either_end_at_the_relay(tmp_path: Path, how: str) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two):
            await connect(relay, one, two)
            await one.reach(two)
            await relay.wait_for(lambda: relay.ways.relay.pairs == 1)
            if how == "revoked":
                relay.admissions[two.node] = Admission.REFUSED
                with pytest.raises((StreamBroken, PeerUnreachable)):
                    await two.ask(relay, b"the gate is asked again for each stream")
            else:
                relay.transport.drop(two.node)
            await one.wait_for(lambda: one.way(two) is None)
            await two.wait_for(lambda: two.way(one) is None)
            assert relay.ways.relay.pairs == 0
            assert one.way(relay) is not None

    play(story)


def test_who_is_no_member_for_the_other_end_is_refused_in_the_handshake(tmp_path: Path) -> None:
    """The relay's word is worth nothing: the ends judge each other."""

    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two):
            await connect(relay, one, two)
            one.admissions[two.node] = Admission.REFUSED
            with pytest.raises(RelayRefused):
                await one.reach(two)
            assert one.way(two) is None
            assert two.way(one) is None

    play(story)


def test_nobody_is_sent_before_the_carrier_lets_them_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the carrier hears of a ticket later than its owner."""

    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two), trio.open_nursery() as nursery:
            ordering = relay.lanes.order

            async def order_late(order: Order) -> None:
                with trio.move_on_after(0.5):
                    await trio.Event().wait()
                ordering(order)

            def order(order: Order, passed: socket.socket | None = None) -> None:
                if isinstance(order, Pair):
                    nursery.start_soon(order_late, order)
                else:
                    ordering(order, passed)

            await connect(relay, one, two)
            monkeypatch.setattr(relay.lanes, "order", order)
            await one.reach(two)
            assert await one.ask(two, b"here") == b"here"

    play(story)

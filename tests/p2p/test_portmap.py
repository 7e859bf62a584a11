"""A router that opens ports is asked to, again before they close, and to close them in the end."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from photonic import limits
from photonic.p2p.portmap import PortMap
from tests.p2p.fake_gateway import FakeGateway, fake_gateway

PEERS, LANES = 4_310, 4_311
WITHIN_S = 20.0


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as made:
        yield made


class Told:
    """A port map of this machine's loopback, and what it told."""

    def __init__(self, *addresses: str) -> None:
        self.told: list[tuple[str, ...]] = []
        self.news = trio.Event()
        self.map = PortMap(
            lambda: addresses or (f"/ip4/127.0.0.1/tcp/{PEERS}",),
            lambda: LANES,
            self._tell,
            "127.0.0.1",
        )

    def _tell(self, addresses: tuple[str, ...]) -> None:
        self.told.append(addresses)
        self.news.set()
        self.news = trio.Event()

    async def wait_for(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            with trio.move_on_after(0.05):
                await self.news.wait()


def play(story: Callable[[Told], Awaitable[None]], *addresses: str) -> Told:
    """Run a port map until a story is over, and to its own end."""

    async def main() -> Told:
        told = Told(*addresses)
        with trio.fail_after(WITHIN_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(told.map.run)
                await story(told)
                nursery.cancel_scope.cancel()
        return told

    return trio.run(main)


def test_both_ports_are_open_while_it_runs_and_closed_afterwards(gateway: FakeGateway) -> None:
    async def story(told: Told) -> None:
        await told.wait_for(lambda: bool(told.told))
        assert gateway.open == dict.fromkeys((PEERS, LANES), int(limits.PORTMAP_LEASE_S))
        assert told.map.outside == (f"/ip4/9.9.9.9/tcp/{PEERS}",)
        assert told.map.state == f"open at 9.9.9.9: {PEERS}, {LANES}"

    told = play(story)
    assert told.told == [(f"/ip4/9.9.9.9/tcp/{PEERS}",)]
    assert gateway.open == {}


def test_ports_are_opened_again_before_they_close(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PORTMAP_RENEW_S", 0.1)

    async def story(told: Told) -> None:
        await told.wait_for(lambda: bool(told.told))
        gateway.open.clear()  # as when the router was restarted
        await told.wait_for(lambda: set(gateway.open) == {PEERS, LANES})
        assert len(told.told) == 1, "what is the same is told once"

    play(story)


def test_a_router_that_opens_ports_for_ever_only_is_asked_so(gateway: FakeGateway) -> None:
    gateway.only_permanent = True

    async def story(told: Told) -> None:
        await told.wait_for(lambda: bool(told.told))
        assert gateway.open == {PEERS: 0, LANES: 0}

    play(story)
    assert gateway.open == {}, "it does not stay open for ever"


@pytest.mark.parametrize("outside", ["192.168.7.2", "100.64.1.1", "", "nonsense"])
def test_behind_another_nat_nothing_is_told(gateway: FakeGateway, outside: str) -> None:
    gateway.outside = outside

    async def story(told: Told) -> None:
        await told.wait_for(lambda: "behind another NAT" in told.map.state)
        assert told.map.outside == ()

    assert play(story).told == []


def test_a_refusal_is_told_in_words(gateway: FakeGateway) -> None:
    gateway.refuses["AddPortMapping"] = (718, "ConflictInMappingEntry")

    async def story(told: Told) -> None:
        await told.wait_for(lambda: f"port {PEERS}: " in told.map.state)
        assert "Conflict" in told.map.state
        assert told.map.outside == ()

    play(story)


@pytest.mark.parametrize("data", [b"", b"<root>", b"\xff" * 5_000, b"<a>" * 100_000])
def test_a_router_that_answers_nonsense_is_none(gateway: FakeGateway, data: bytes) -> None:
    gateway.description = data

    async def story(told: Told) -> None:
        await told.wait_for(lambda: told.map.state != "not asked yet")
        assert not told.map.state.startswith("open")

    assert play(story).told == []


def test_nobody_waits_for_a_router_that_hangs(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.is_hanging = True
    monkeypatch.setattr(limits, "PORTMAP_WAIT_S", 3.0)

    async def story(told: Told) -> None:
        longest_s, before_s = 0.0, time.monotonic()
        while told.map.state == "not asked yet":
            with trio.move_on_after(0.01):
                await told.news.wait()
            now_s = time.monotonic()
            longest_s, before_s = max(longest_s, now_s - before_s), now_s
        assert "takes too long" in told.map.state
        assert longest_s < 1.0, "the event loop went on"

    play(story)


def test_without_a_router_or_a_need_for_one_there_is_peace() -> None:
    async def no_router(told: Told) -> None:
        await told.wait_for(lambda: told.map.state.startswith("no router"))

    async def no_need(told: Told) -> None:
        await told.wait_for(lambda: told.map.state == "no address here needs a router")

    assert play(no_router).told == []
    assert play(no_need, "/ip4/9.9.9.9/tcp/4310", "/ip6/::1/tcp/4310").told == []

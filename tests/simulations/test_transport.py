"""The simulated transport keeps the contract of real ones; links are as slow and torn as said."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import pytest
import trio
import trio.testing

from photonic.errors import PeerUnreachable, PhotonicError, StreamBroken
from photonic.identity import Identity
from photonic.ids import digest
from photonic.p2p.transport import PeerDown, PeerUp, Transport
from simulations.connections import Ether
from simulations.network import Network
from simulations.scenario import parse
from simulations.transport import SimulatedTransport
from tests.p2p.peer import ECHO, SINK, running, send_for_ever
from tests.p2p.transport_contract import CLAIMS, Claim

NAMES = tuple(f"m{number}" for number in range(6))
SCENARIO = parse(
    'title = "six machines"\nlasts = "1h"\n[places]\nhome = "studio-lan"\ncamp = "satellite"\n'
    '[links]\n"home camp" = "satellite"\n' + "".join(f"[nodes.{name}]\n" for name in NAMES)
)


class _Nobody:
    def message(
        self, source: str, target: str, protocol: str, size_bytes: int, arrives_s: float | None
    ) -> None:
        """Nobody listens."""


def in_ether(work: Callable[[Ether], Awaitable[None]]) -> None:
    """Run `work` on a virtual clock, over a network of six machines in one place."""

    async def main() -> None:
        network = Network(SCENARIO, random.Random(7))
        async with trio.open_nursery() as nursery:
            ether = Ether(network, _Nobody(), nursery)

            def look() -> None:
                for transport in list(ether.running.values()):
                    transport.look()

            network.listen(look)
            nursery.start_soon(network.run)
            with trio.fail_after(3_600):
                await work(ether)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def maker(ether: Ether) -> Callable[[], Transport]:
    numbers = count()

    def make() -> Transport:
        number = next(numbers)
        identity = Identity(digest(b"machine %d" % number))
        return SimulatedTransport(ether, NAMES[number], identity.node)

    return make


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_keeps_the_contract(claim: Claim) -> None:
    in_ether(lambda ether: claim(maker(ether)))


def test_a_satellite_is_far_and_narrow() -> None:
    async def work(ether: Ether) -> None:
        make = maker(ether)
        async with running(make()) as a, running(make()) as b:
            ether.network.place["m1"] = "camp"
            await b.dial(a)
            began_s = trio.current_time()
            assert await b.ask(a, ECHO, b"x") == b"x"
            assert trio.current_time() - began_s > 4 * 0.6, "to agree, and there and back"
            began_s, size = trio.current_time(), 200_000
            assert len(await b.ask(a, ECHO, bytes(size))) == size
            assert trio.current_time() - began_s > size / (350 * 1024), "up, the narrow way"
            async with running(make()) as c:
                with pytest.raises(PeerUnreachable):  # it is behind a NAT
                    await c.dial(b)

    in_ether(work)


def test_a_partition_ends_connections_when_patience_does_and_a_short_one_does_not() -> None:
    async def work(ether: Ether) -> None:
        make, network = maker(ether), ether.network
        async with running(make()) as a, running(make()) as b:
            await a.dial(b)
            network.block("m0", "m1", "cut")
            await trio.sleep(5)
            network.unblock("m0", "m1", "cut")
            assert await a.ask(b, ECHO, b"late, and whole") == b"late, and whole"
            await trio.sleep(60)
            assert a.kinds(b.node) == [PeerUp]
            network.block("m0", "m1", "cut")  # one way is enough: nothing is acknowledged
            await trio.sleep(60)
            assert a.kinds(b.node) == b.kinds(a.node) == [PeerUp, PeerDown]
            with pytest.raises(PeerUnreachable):
                await b.dial(a)

    in_ether(work)


def test_whose_power_went_tells_nobody() -> None:
    async def work(ether: Ether) -> None:
        make = maker(ether)
        async with running(make()) as a, running(make(), {SINK: send_for_ever}) as b:
            await a.dial(b)
            stream = await a.transport.open(b.node, SINK)
            dead = ether.running["m1"]
            dead.die()
            assert a.kinds(b.node) == [PeerUp], "nobody told it"
            began_s = trio.current_time()
            with suppress(StreamBroken):
                while await stream.receive(1 << 16):
                    pass
            assert 10 <= trio.current_time() - began_s <= 26
            assert a.kinds(b.node) == [PeerUp, PeerDown]
            with pytest.raises(PhotonicError):
                await b.dial(a)

    in_ether(work)

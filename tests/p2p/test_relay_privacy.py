"""What a relay sees: who speaks with whom and how much, and nothing of what they say.

Its splicer runs here, so that the test can look at every byte that goes through it.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import trio

from photonic.errors import PeerUnreachable
from photonic.identity import Identity
from photonic.ids import NodeId
from photonic.p2p.lane_certificates import make_credentials
from photonic.p2p.lane_messages import TICKET_BYTES
from photonic.p2p.lane_sockets import LaneTls, welcome
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.splice import BufferMover, come
from photonic.p2p.ways import Footing, Way, circuit
from photonic.world import World
from tests.p2p.peer import ECHO, running
from tests.p2p.test_splice import TICKETS, House

WORLD = World()
SECRET = b"a photo of somebody who does not want to be seen" * 50
RELAY = Footing(Way.RELAYED, circuit(NodeId(b"r" * 32)), NodeId(b"r" * 32))


class Spy(BufferMover):
    """Keeps what goes through."""

    seen = bytearray()

    def take(self, source: socket.socket, size_max: int) -> int:
        count = super().take(source, size_max)
        Spy.seen += self._held
        return count


@pytest.fixture
def house() -> Iterator[House]:
    Spy.seen = bytearray()
    with closing(House(Spy)) as made:
        yield made


async def ends(house: House) -> tuple[TcpSocket, TcpSocket]:
    """Return the two ends of a pair as transports get them."""
    raw = await trio.to_thread.run_sync(house.pair)
    one, two = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in raw)
    return TcpSocket(one), TcpSocket(two)


def make() -> Libp2pTransport:
    return Libp2pTransport(Identity.generate(WORLD), [], WORLD)


def test_the_relay_cannot_read_what_goes_over_a_connection(house: House) -> None:
    async def main() -> None:
        with trio.fail_after(30):
            async with running(make()) as one, running(make()) as two:
                near, far = await ends(house)
                a, b = one.transport, two.transport
                assert isinstance(a, Libp2pTransport) and isinstance(b, Libp2pTransport)
                async with trio.open_nursery() as nursery:

                    async def answer() -> None:
                        await b.adopt(a.node, far, RELAY, is_dialler=False)

                    nursery.start_soon(answer)
                    await a.adopt(b.node, near, RELAY, is_dialler=True)
                assert await one.ask(two, ECHO, SECRET) == SECRET
        assert len(Spy.seen) > 2 * len(SECRET)
        assert SECRET[:20] not in Spy.seen

    trio.run(main)


def test_the_relay_cannot_put_somebody_else_in_the_peers_place(house: House) -> None:
    async def main() -> None:
        with trio.fail_after(30):
            wanted = make()
            async with running(make()) as one, running(make()) as impostor:
                near, far = await ends(house)
                a, b = one.transport, impostor.transport
                assert isinstance(a, Libp2pTransport) and isinstance(b, Libp2pTransport)
                async with trio.open_nursery() as nursery:

                    async def answer() -> None:
                        with pytest.raises(PeerUnreachable):
                            await b.adopt(a.node, far, RELAY, is_dialler=False)

                    nursery.start_soon(answer)
                    with pytest.raises(PeerUnreachable):
                        await a.adopt(wanted.node, near, RELAY, is_dialler=True)
                assert one.transport.connected() == frozenset()

    trio.run(main)


def test_an_end_that_listens_takes_nobody_but_who_was_announced(house: House) -> None:
    """Another member, even: then it is not on the way that its address says."""

    async def main() -> None:
        with trio.fail_after(30):
            announced = make()
            async with running(make()) as one, running(make()) as two:
                near, far = await ends(house)
                a, b = one.transport, two.transport
                assert isinstance(a, Libp2pTransport) and isinstance(b, Libp2pTransport)
                async with trio.open_nursery() as nursery:

                    async def dial() -> None:
                        await a.adopt(b.node, near, RELAY, is_dialler=True)

                    nursery.start_soon(dial)
                    with pytest.raises(PeerUnreachable):
                        await b.adopt(announced.node, far, RELAY, is_dialler=False)
                assert two.transport.connected() == frozenset()

    trio.run(main)


def test_the_relay_cannot_read_a_lane(house: House) -> None:
    giver, taker = Identity.generate(WORLD), Identity.generate(WORLD)
    shown = {one.node: make_credentials(one) for one in (giver, taker)}
    serving = LaneTls(*shown[giver.node])
    serving.trust(shown[taker.node].certificate)
    house.expect()
    failures: queue.Queue[Exception | None] = queue.Queue()

    def give() -> None:
        try:
            raw = socket.create_connection(house.address, 10)
            come(raw, TICKETS[1])
            lane, _, _ = serving.accept(raw)
            with lane:
                welcome(lane)
                lane.sendall(SECRET)
            failures.put(None)
        except Exception as error:  # noqa: BLE001 - told to the test
            failures.put(error)

    threading.Thread(target=give).start()
    lane = LaneTls(*shown[taker.node]).connect(
        house.address, shown[giver.node].certificate, b"t" * TICKET_BYTES,
        lambda raw: come(raw, TICKETS[0]),
    )  # fmt: skip
    with lane:
        came = b""
        while len(came) < len(SECRET):
            came += lane.recv(65_536)
    assert failures.get(timeout=10) is None
    assert came == SECRET
    assert len(Spy.seen) > len(SECRET)
    assert SECRET[:20] not in Spy.seen

"""MemoryTransport keeps the contract, and its network can be cut and healed."""

from __future__ import annotations

import anyio
import pytest

from photonic.errors import PeerUnreachable, StreamBroken
from photonic.identity import Identity
from photonic.p2p.memory_transport import MemoryNetwork
from photonic.p2p.transport import PeerDown, PeerUp, Transport
from photonic.world import World
from tests.p2p.peer import ECHO, read_all, running
from tests.p2p.transport_contract import CLAIMS, Claim, run_claim

WORLD = World()


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_keeps_the_contract(claim: Claim) -> None:
    network = MemoryNetwork()

    def make() -> Transport:
        return network.transport(Identity.generate(WORLD).node)

    run_claim(claim, make)


def test_a_cut_breaks_streams_and_dials_until_it_is_healed() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        nodes = [Identity.generate(WORLD).node for _ in range(3)]
        with anyio.fail_after(10):
            async with (
                running(network.transport(nodes[0])) as a,
                running(network.transport(nodes[1])) as b,
                running(network.transport(nodes[2])) as c,
            ):
                await a.dial(b)
                await a.dial(c)
                stream = await a.transport.open(b.node, ECHO)
                network.cut(b.node, a.node)
                assert a.kinds(b.node) == b.kinds(a.node) == [PeerUp, PeerDown]
                with pytest.raises(StreamBroken):
                    await read_all(stream)
                with pytest.raises(PeerUnreachable):
                    await a.dial(b)
                with pytest.raises(PeerUnreachable):
                    await b.dial(a)
                assert await a.ask(c, ECHO, b"not cut") == b"not cut"
                network.heal(a.node, b.node)
                await b.dial(a)
                assert await b.ask(a, ECHO, b"healed") == b"healed"

    anyio.run(main, backend="trio")

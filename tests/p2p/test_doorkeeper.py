"""Every protocol x every scope, over real streams: opened with what its row says, else refused."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from photonic.errors import StreamBroken
from photonic.events import Audited, Event
from photonic.ids import NodeId, peer_id
from photonic.p2p.doorkeeper import Doorkeeper
from photonic.p2p.memory_transport import MemoryNetwork, MemoryTransport
from photonic.p2p.transport import Admission, Stream
from photonic.scopes import ADMIN_SCOPES, MUTUAL, PROTOCOLS
from tests.source import sources

HOST, GUEST = NodeId(b"h" * 32), NodeId(b"g" * 32)
SAID = b"what only they may hear"


class Door:
    """A node whose handlers say something, and a peer that opens streams there."""

    def __init__(self, scopes: tuple[str, ...] | None) -> None:
        self.scopes: tuple[str, ...] | None = scopes
        self.events: list[Event] = []
        network = MemoryNetwork()
        self.host, self.peer = network.transport(HOST), network.transport(GUEST)
        self.door = Doorkeeper(
            lambda _: self.scopes, anyio.current_time, self.events.append, self.host.drop
        )
        self.called: list[str] = []

    def gate(self, _: NodeId) -> Admission:
        return Admission.MEMBER if self.scopes is not None else Admission.GUEST

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        async def talk(stream: Stream) -> None:
            self.called.append("talk")
            await stream.send(SAID)
            await stream.receive(1)

        handlers = self.door.guarded(dict.fromkeys([*PROTOCOLS, "/photonic/new/1"], talk))
        async with anyio.create_task_group() as tasks:
            # All of them for guests, too: so it is the door alone that refuses here.
            await tasks.start(self.host.run, handlers, handlers, self.gate, lambda _: None)
            await tasks.start(self.peer.run, {}, {}, lambda _: Admission.MEMBER, lambda _: None)
            await self.peer.dial(HOST, self.host.addresses())
            task_status.started()
            await anyio.sleep_forever()


@asynccontextmanager
async def door(scopes: tuple[str, ...] | None) -> AsyncIterator[Door]:
    one = Door(scopes)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            await tasks.start(one.run)
            yield one
            tasks.cancel_scope.cancel()


async def hears(peer: MemoryTransport, protocol: str) -> bool:
    """Whether the peer is told anything on a stream of this protocol."""
    stream = await peer.open(HOST, protocol)
    try:
        return await stream.receive(len(SAID)) == SAID
    except StreamBroken:
        return False
    finally:
        await stream.close()


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "/photonic/new/1"])
def test_a_protocol_is_for_who_has_its_scopes(protocol: str) -> None:
    async def main() -> None:
        rows: list[tuple[str, ...] | None] = [
            None,
            (),
            ADMIN_SCOPES,
            *[(scope,) for scope in ADMIN_SCOPES],
        ]
        rows += [tuple(s for s in ADMIN_SCOPES if s != scope) for scope in ADMIN_SCOPES]
        for held in rows:
            need = PROTOCOLS.get(protocol, ("no such scope",))
            may = need is None or (held is not None and set(need) <= set(held))
            async with door(held) as one:
                assert await hears(one.peer, protocol) is may
                assert bool(one.called) is may  # the handler was not even begun
                assert one.door.refused == (not may)
                assert one.events == ([] if may else [refusal(protocol)])
                assert one.door.may_tell(GUEST, protocol) is (may or protocol not in MUTUAL)

    anyio.run(main, backend="trio")


def refusal(protocol: str) -> Audited:
    return Audited("peer.refused", {"node": peer_id(GUEST), "protocol": protocol})


def test_a_refusal_is_told_once_however_often_it_happens() -> None:
    async def main() -> None:
        async with door(()) as one:
            for _ in range(50):
                assert not await hears(one.peer, "/photonic/blobs/1")
            assert one.door.refused == 50
            assert one.events == [refusal("/photonic/blobs/1")]

    anyio.run(main, backend="trio")


def test_whoever_may_less_than_before_is_cut_off_with_what_runs() -> None:
    async def main() -> None:
        async with door(ADMIN_SCOPES) as one:
            stream = await one.peer.open(HOST, "/photonic/blobs/1")
            assert await stream.receive(len(SAID)) == SAID
            one.door.review(one.host.connected())
            assert GUEST in one.host.connected()  # nothing changed
            one.scopes = ("catalog.read",)
            one.door.review(one.host.connected())
            assert GUEST not in one.host.connected()
            with pytest.raises(StreamBroken):
                await stream.receive(1)
            await one.peer.dial(HOST, one.host.addresses())
            assert await hears(one.peer, "/photonic/catalog/1")
            assert not await hears(one.peer, "/photonic/blobs/1")
            one.scopes = ADMIN_SCOPES
            one.door.review(one.host.connected())
            assert GUEST in one.host.connected()  # more than before is no reason

    anyio.run(main, backend="trio")


def test_every_protocol_of_ours_has_its_row() -> None:
    spoken = {
        node.value
        for source in sources("photonic")
        if source.module.startswith("photonic.p2p.")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith("/photonic/")
    }
    assert spoken == set(PROTOCOLS)


def test_what_runs_on_the_node_is_behind_the_door() -> None:
    """Whatever `running.py` gives to the transport went through `guarded`."""
    [running] = [one for one in sources("photonic") if one.module == "photonic.running"]
    assert running.text.count("self.doorkeeper.guarded(") == 2
    assert "self.transport.run, handlers, guests, self.gate" in running.text
    [node] = [one for one in sources("photonic") if one.module == "photonic.node"]
    assert "self.conduct.gate(self.admissions.gate)" in node.text  # who is shunned is refused
    assert "self.gate = Refusals(gate, " in node.text  # and whoever is refused is written down

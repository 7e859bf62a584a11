"""What becomes of the network in a history: partitions, moves, clogs, strangers.

A deed returns why it could not be done, None if it was.
"""

from __future__ import annotations

import random
from functools import partial

import trio

from photonic.errors import PeerUnreachable, StreamBroken
from photonic.identity import Identity
from photonic.ids import digest
from photonic.p2p.messages import BLOB_PROTOCOL, CATALOG_PROTOCOL, ENROL_PROTOCOL
from photonic.p2p.transport import Admission
from simulations.acts import Act
from simulations.cluster import Cluster, Deed
from simulations.network import STRANGER
from simulations.transport import SimulatedTransport


async def _leave(cluster: Cluster, act: Act) -> str | None:
    if cluster.network.place[act.node] is None:
        return "it is away"
    cluster.network.move(act.node, None)
    return None


async def _arrive(cluster: Cluster, act: Act) -> str | None:
    if cluster.network.place[act.node] == act.place:
        return "it is there"
    cluster.network.move(act.node, act.place)
    return None


async def _carry(cluster: Cluster, act: Act) -> str | None:
    cluster.network.carry(act.node, act.other, is_there=True)
    await trio.sleep(act.for_s)
    cluster.network.carry(act.node, act.other, is_there=False)
    return None


async def _address(cluster: Cluster, act: Act) -> str | None:
    cluster.network.readdress(act.node)
    return None


async def _partition(cluster: Cluster, act: Act) -> str | None:
    inside = set(act.nodes)
    for a in cluster.machines:
        for b in cluster.machines:
            if a in inside and b not in inside:
                cluster.network.block(a, b, "partition")
                if not act.one_way:
                    cluster.network.block(b, a, "partition")
    cluster.fault("one-way partition" if act.one_way else "partition")
    return None


async def _cut(cluster: Cluster, act: Act) -> str | None:
    cluster.network.block(act.node, act.other, "cut")
    if not act.one_way:
        cluster.network.block(act.other, act.node, "cut")
    cluster.fault("cut")
    return None


async def _mend(cluster: Cluster, act: Act) -> str | None:
    for pair in ((act.node, act.other), (act.other, act.node)):
        cluster.network.unblock(*pair, "cut")
    return None


async def _heal(cluster: Cluster, act: Act) -> str | None:
    del act
    cluster.network.heal()
    return None


async def _clog(cluster: Cluster, act: Act) -> str | None:
    """Let the links of a node stand still one after the other (swizzle-clog)."""
    pairs = [pair for pair in cluster.network.pairs() if act.node in pair]
    dice = random.Random(act.order)
    dice.shuffle(pairs)
    cluster.fault("clog")
    for pair in pairs:
        cluster.network.block(*pair, "clog")
        await trio.sleep(dice.expovariate(1))
    return None


async def _unclog(cluster: Cluster, act: Act) -> str | None:
    pairs = cluster.network.blocks("clog")
    dice = random.Random(act.order)
    dice.shuffle(pairs)
    for pair in pairs:
        cluster.network.unblock(*pair, "clog")
        await trio.sleep(dice.expovariate(1))
    return None if pairs else "nothing is clogged"


async def _knock(cluster: Cluster, act: Act) -> str | None:
    """Let a stranger try every protocol at a node; whatever it is told, it should not be."""
    network = cluster.network
    place, address = network.place[act.node], network.address(act.node)
    target = next((n for n, name in cluster.names.items() if name == act.node), None)
    if place is None or address is None or target is None:
        return "it is nowhere"
    network.move(STRANGER, place)
    identity = Identity(digest(b"stranger %d" % act.photo))
    transport = SimulatedTransport(cluster.ether, STRANGER, identity.node)
    learned: list[str] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(transport.run, {}, {}, lambda _: Admission.MEMBER, _nothing))
        for protocol in (CATALOG_PROTOCOL, BLOB_PROTOCOL, ENROL_PROTOCOL):
            try:
                await transport.dial(target, [address])
                stream = await transport.open(target, protocol)
                await stream.send(b"\x00\x00\x00\x01\x80")
                with trio.move_on_after(5):
                    data = await stream.receive(1 << 16)
                    learned += [protocol] if data and protocol != ENROL_PROTOCOL else []
            except (PeerUnreachable, StreamBroken):
                continue
        nursery.cancel_scope.cancel()
    network.move(STRANGER, None)
    cluster.fault("stranger")
    cluster.tell(act.node, "stranger", {"learned": learned})
    return None


def _nothing(_: object) -> None:
    """A stranger does not care who comes and goes."""


DISTURBANCES: dict[str, Deed] = {
    "leave": _leave,
    "arrive": _arrive,
    "carry": _carry,
    "address": _address,
    "partition": _partition,
    "cut": _cut,
    "mend": _mend,
    "knock": _knock,
    "heal": _heal,
    "clog": _clog,
    "unclog": _unclog,
}

"""What each act does to a cluster: people's work through the node, the rest by force.

A deed returns why it could not be done, or nothing. Work is done by the calls that HTTP would make;
what the node refuses (`PhotonicError`) is a fact, not a failure.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from photonic.crdt.fields import TAGS, TRASHED
from photonic.edits import Chosen, Said
from photonic.errors import PeerUnreachable, PhotonicError, StreamBroken
from photonic.identity import Identity
from photonic.ids import BlobId, digest, photo_subject
from photonic.node import Node
from photonic.p2p.messages import BLOB_PROTOCOL, CATALOG_PROTOCOL, ENROL_PROTOCOL
from photonic.p2p.transport import Admission
from simulations.acts import FAULTS, NETS, WORKS, Act
from simulations.cluster import Cluster, Shot
from simulations.looking import said_last, short
from simulations.machines import Machine
from simulations.network import STRANGER
from simulations.parts import photo_bytes
from simulations.transport import SimulatedTransport

_IMPORT_WITHIN_S = 120.0
_INVITATION_S = 3_600

Deed = Callable[[Cluster, Act], Awaitable[str | None]]

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}"/>'
    "</rdf:RDF></x:xmpmeta>"
)


async def do(cluster: Cluster, act: Act) -> str | None:
    """Do an act; return why it could not be done, None if it was."""
    machine = cluster.machines.get(act.node)
    needs_node = act.do in _NEED_NODE
    if act.do in _NEED_MACHINE | _NEED_NODE and machine is None:
        return "there is no such machine"
    if needs_node and machine is not None and not machine.is_running:
        return "it does not run"
    return await _DEEDS[act.do](cluster, act)


# --- people ----------------------------------------------------------------------------------


async def _ask(
    cluster: Cluster, act: Act, shot: Shot | None, work: Callable[[Node], Awaitable[Any]]
) -> tuple[bool, Any]:
    """Have a node do something; whether it said that it did."""
    machine = cluster.machines[act.node]
    try:
        done, result = await machine.ask_surely(work)
    except PhotonicError as error:
        facts = {"act": act.do, "code": error.code}
        cluster.tell(act.node, "refused", facts | ({"photo": shot.name} if shot else {}))
        return False, None
    return done, result


async def _shoot(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    folder = machine.card / f"{act.at_s:012.3f}"
    folder.mkdir(exist_ok=True)
    size = cluster.scenario.photo_bytes
    fresh: list[Shot] = []
    for position in range(act.count):
        data = photo_bytes(int(act.at_s * 1_000) * 64 + position, size)
        file = folder / f"IMG_{position:04}.jpg"
        file.write_bytes(data)
        shot = Shot(photo_subject(BlobId(digest(data))), file, size)
        if all(other.photo != shot.photo for other in cluster.shots):
            cluster.shots.append(shot)
            fresh.append(shot)
    return await _import(cluster, act, machine, folder, fresh)


async def _import_again(cluster: Cluster, act: Act) -> str | None:
    """Take in files on another machine, from the same card, as it were."""
    if not cluster.shots:
        return "there are no photos"
    machine = cluster.machines[act.node]
    folder = machine.card / f"{act.at_s:012.3f} again"
    folder.mkdir(exist_ok=True)
    first = act.photo % len(cluster.shots)
    some = cluster.shots[first : first + act.count]
    for shot in some:
        (folder / f"{shot.name}.jpg").write_bytes(shot.file.read_bytes())
    return await _import(cluster, act, machine, folder, some)


async def _import(
    cluster: Cluster, act: Act, machine: Machine, folder: Path, shots: list[Shot]
) -> str | None:
    watched = cluster.watched[act.node]
    finished = watched.imports[str(folder)] = trio.Event()

    async def work(node: Node) -> bool:
        await node.start_import(str(folder))
        with trio.move_on_after(_IMPORT_WITHIN_S):
            await finished.wait()
        return finished.is_set()

    done, is_over = await _ask(cluster, act, None, work)
    if not done or not is_over:
        return None
    taken = await machine.ask(
        lambda node: node.library.keeper.call(
            lambda catalog: [s for s in shots if catalog.changes(s.photo)]
        )
    )
    for shot in taken or ():
        if machine.node is not None and machine.node.store.has(BlobId(shot.photo.key)):
            facts = {"act": "shoot" if act.do == "shoot" else "import", "photo": shot.name}
            await cluster.accept(act.node, facts)
    return None


async def _edit(
    field: str, work: Callable[[Node, Shot, Act], Awaitable[Any]], cluster: Cluster, act: Act
) -> str | None:
    """Say something of a photo, and tell the checkers what was said and what it had seen."""
    shot = cluster.shot_known_to(act.node, act.photo)
    if shot is None:
        return "it knows no photo"
    return await _say(field, work, cluster, act, shot)


async def _say(
    field: str,
    work: Callable[[Node, Shot, Act], Awaitable[Any]],
    cluster: Cluster,
    act: Act,
    shot: Shot,
) -> str | None:
    before = await cluster.machines[act.node].ask(lambda n: said_last(n, shot.photo, field))
    done, _ = await _ask(cluster, act, shot, lambda node: work(node, shot, act))
    if not done:
        return None
    said = await cluster.machines[act.node].ask(lambda n: said_last(n, shot.photo, field))
    if said is None or (before is not None and said[0] == before[0]):
        return "nothing was to be said"
    change, saw, _ = said
    facts = {
        "act": act.do, "photo": shot.name, "field": field, "value": act.value,
        "change": change, "saw": saw,
    }  # fmt: skip
    await cluster.accept(act.node, facts)
    return None


async def _rate(node: Node, shot: Shot, act: Act) -> None:
    await node.edit(shot.photo.key.hex(), Said({"rating": act.value}))


async def _title(node: Node, shot: Shot, act: Act) -> None:
    await node.edit(shot.photo.key.hex(), Said({"title": act.value}))


async def _tag(node: Node, shot: Shot, act: Act) -> None:
    await node.edit(shot.photo.key.hex(), Said(adds={TAGS: (str(act.value),)}))


async def _untag(node: Node, shot: Shot, act: Act) -> None:
    await node.edit(shot.photo.key.hex(), Said(removes={TAGS: (str(act.value),)}))


async def _delete(node: Node, shot: Shot, act: Act) -> None:
    del act
    await node.trash.discard(Chosen(ids=(shot.photo.key.hex(),)), confirm=True)


async def _undelete(node: Node, shot: Shot, act: Act) -> None:
    del act
    await node.trash.restore(Chosen(ids=(shot.photo.key.hex(),)))


async def _sidecar(cluster: Cluster, act: Act) -> str | None:
    """Let darktable write beside a photo that was taken on this machine, and import the folder."""
    mine = [s for s in cluster.shots if s.file.is_relative_to(cluster.machines[act.node].card)]
    if not mine:
        return "no photo was taken here"
    shot = mine[act.photo % len(mine)]
    shot.file.with_suffix(".jpg.xmp").write_text(_XMP.format(rating=act.value))
    await _import(cluster, act, cluster.machines[act.node], shot.file.parent, [])
    return None


async def _resolve(cluster: Cluster, act: Act) -> str | None:
    """Settle the first contested field of a photo with one of its versions."""
    shown = cluster.watched[act.node].photos
    some = [s for s in cluster.shots if s.name in shown and shown[s.name].conflicts]
    if not some:
        return "nothing is contested here"
    shot = some[act.photo % len(some)]
    field = shown[shot.name].conflicts[0]
    number = int(act.value or 0)

    async def settle(node: Node, _: Shot, __: Act) -> None:
        detail = await node.photo(shot.photo.key.hex())
        versions = detail.fields[field].versions
        await node.resolve(
            shot.photo.key.hex(), field, change=versions[number % len(versions)].change
        )

    return await _say(field, settle, cluster, act, shot)


async def _join(cluster: Cluster, act: Act) -> str | None:
    machine, inviter = cluster.machines[act.node], cluster.machines[act.other]
    if machine.is_member or machine.is_busy or not inviter.is_running or not inviter.is_member:
        return "it cannot be invited now"
    code = await invite(cluster, act.other, machine.plan.role)
    if code is None:
        return "nobody may invite it"
    return await join(machine, code)


async def invite(cluster: Cluster, name: str, role: str) -> str | None:
    try:
        invitation = await cluster.machines[name].ask(
            lambda node: node.invite(role, _INVITATION_S, None)
        )
    except PhotonicError as error:
        cluster.tell(name, "refused", {"act": "invite", "code": error.code})
        return None
    return invitation.code if invitation is not None else None


async def join(machine: Machine, code: str) -> str | None:
    if machine.is_busy:
        return "it is about to start"
    await machine.start(code).wait()
    if not machine.is_running:
        return f"it could not join: {machine.error!r}"
    return None


async def _revoke(cluster: Cluster, act: Act) -> str | None:
    target = cluster.machines[act.other]
    if not target.is_member or act.other == act.node or len(cluster.members()) < 3:
        return "it cannot be revoked now"
    identity = next((n for n, name in cluster.names.items() if name == act.other), None)
    if identity is None:
        return "it was never here"
    done, _ = await _ask(cluster, act, None, lambda node: node.members.revoke(identity))
    if done:
        target.is_member = False
        cluster.revoked[act.other] = False
        cluster.tell(act.node, "revoked", {"other": act.other})
    return None


# --- the network -----------------------------------------------------------------------------


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


# --- machines --------------------------------------------------------------------------------


async def _kill(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    if not machine.is_busy:
        return "it does not run"
    machine.kill()
    return None


async def _kill_syncing(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    if not machine.is_busy:
        return "it does not run"
    machine.disk.cut_at_sync = machine.disk.syncs + act.count
    return None


async def _stop(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    if not machine.is_running:
        return "it does not run"
    await machine.stop()
    return None


async def _start(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    await machine.wait_dead()
    if machine.is_busy or not machine.has_home:
        return "it cannot be started"
    await machine.start().wait()
    return None


async def _save(cluster: Cluster, act: Act) -> str | None:
    machine = cluster.machines[act.node]
    machine.disk.copy("saved")
    machine.saved_s = trio.current_time()
    return None


async def _roll_back(cluster: Cluster, act: Act) -> str | None:
    """Put an older copy of the data folder in its place, as from a backup of a virtual machine."""
    machine = cluster.machines[act.node]
    if machine.saved_s is None:
        return "nobody saved it"
    machine.kill("rollback")
    machine.disk.put_back("saved")
    cluster.fault("rollback")
    cluster.tell(act.node, "rolled back", {"since_s": round(machine.saved_s, 3)})
    await machine.start().wait()
    return None


async def _fill(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].disk.left_bytes = act.count
    cluster.fault("full disk")
    return None


async def _empty(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].disk.left_bytes = None
    return None


async def _rot(cluster: Cluster, act: Act) -> str | None:
    """Turn a bit of an original that somebody else holds as well."""
    machine = cluster.machines[act.node]
    node = machine.node
    if node is None:
        return "it does not run"
    sound = {n for n in cluster.running() if n != act.node}
    held = [
        shot
        for shot in cluster.shots
        if node.store.has(BlobId(shot.photo.key)) and cluster.holders.get(shot.name, set()) & sound
    ]
    if not held:
        return "it holds nothing that somebody else has as well"
    shot = held[act.photo % len(held)]
    path = node.store.path(BlobId(shot.photo.key))
    machine.disk.rot(path)
    cluster.fault("rot")
    cluster.tell(act.node, "rotted", {"photo": short(shot.photo.key)})
    return None


async def _slow(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].disk.sync_s = float(act.value or 0.0)
    cluster.fault("slow disk")
    return None


async def _skew(cluster: Cluster, act: Act) -> str | None:
    cluster.machines[act.node].clock.jump(float(act.value or 0))
    cluster.fault("clock jump")
    return None


_NEED_NODE = WORKS - {"join"}
_NEED_MACHINE = (FAULTS | NETS | {"join"}) - {"partition", "heal"}
_DEEDS: dict[str, Deed] = {
    "shoot": _shoot,
    "import": _import_again,
    "rate": partial(_edit, "rating", _rate),
    "title": partial(_edit, "title", _title),
    "tag": partial(_edit, TAGS, _tag),
    "untag": partial(_edit, TAGS, _untag),
    "delete": partial(_edit, TRASHED, _delete),
    "undelete": partial(_edit, TRASHED, _undelete),
    "sidecar": _sidecar,
    "resolve": _resolve,
    "join": _join,
    "revoke": _revoke,
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
    "kill": _kill,
    "kill_syncing": _kill_syncing,
    "stop": _stop,
    "start": _start,
    "save": _save,
    "roll_back": _roll_back,
    "fill": _fill,
    "empty": _empty,
    "rot": _rot,
    "slow": _slow,
    "skew": _skew,
}

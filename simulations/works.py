"""What people do in a history: each act through the node, by the calls that HTTP would make.

What the node refuses (`PhotonicError`) is a fact, not a failure. A deed returns why it could not be
done, None if it was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from photonic.crdt.fields import TAGS, TRASHED
from photonic.drafts import MAIN_SIDECAR
from photonic.edits import Chosen, Said
from photonic.errors import PhotonicError
from photonic.ids import BlobId, digest, photo_subject
from photonic.node import Node
from simulations.acts import Act
from simulations.cluster import Cluster, Deed, Shot
from simulations.looking import known_changes, said_last
from simulations.machines import Machine
from simulations.parts import photo_bytes

_IMPORT_WITHIN_S = 120.0
_INVITATION_S = 3_600

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}"/>'
    "</rdf:RDF></x:xmpmeta>"
)


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
    knew = await cluster.machines[act.node].ask(lambda n: known_changes(n, shot.photo))
    done, _ = await _ask(cluster, act, shot, lambda node: work(node, shot, act))
    if not done:
        return None
    said = await cluster.machines[act.node].ask(lambda n: said_last(n, shot.photo, field))
    if said is None or (before is not None and said.change == before.change):
        return "nothing was to be said"
    facts = {
        "act": act.do, "photo": shot.name, "field": field, "value": act.value,
        "change": said.change, "saw": said.saw, "knew": knew, "number": said.number,
        "ahead_s": said.ahead_s,
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
    """Let darktable write beside a photo on this machine, and import the folder."""
    machine = cluster.machines[act.node]
    folder = machine.card / f"{act.at_s:012.3f} darktable"

    async def work(_: Node, shot: Shot, __: Act) -> None:
        folder.mkdir(exist_ok=True)
        file = folder / f"{shot.name}.jpg"
        file.write_bytes(shot.file.read_bytes())
        file.with_suffix(".jpg.xmp").write_text(_XMP.format(rating=act.value))
        await _import(cluster, act, machine, folder, [])

    return await _edit(MAIN_SIDECAR, work, cluster, act)


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


async def _evict(cluster: Cluster, act: Act) -> str | None:
    need_bytes = act.count * cluster.scenario.photo_bytes
    done, judged = await _ask(cluster, act, None, lambda node: node.evictions.free(need_bytes))
    cluster.kept["refused"] += sum(not one.verdict.may_go for one in judged or ())
    if done and not any(one.verdict.may_go for one in judged):
        return judged[0].verdict.lacks if judged else "there is nothing here"
    return None


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
    done, view = await _ask(cluster, act, None, lambda node: node.members.revoke(identity))
    if done:
        target.is_member = False
        cluster.revoked[act.other] = False
        cluster.tell(act.node, "revoked", {"other": act.other, "cut": view.cut})
    return None


WORKS_DONE: dict[str, Deed] = {
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
    "evict": _evict,
    "join": _join,
    "revoke": _revoke,
}

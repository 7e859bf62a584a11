"""What somebody does who means harm, or whose script does: acts that no honest node commits.

`forge` and `lie` come from a machine whose key is good, as a stolen laptop's is; `purge` writes
through a node's catalog without the question that people are asked first.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import DOMAIN, Change, Draft
from photonic.crdt.fields import CAPTION, RATING, TRASHED
from photonic.crdt.keys import change_key, shard_of
from photonic.crdt.sync import Push
from photonic.crdt.updates import of_entries
from photonic.errors import PeerUnreachable, PhotonicError, StreamBroken
from photonic.ids import ChangeId, NodeId, Subject, digest
from photonic.journal.journal import CHANGES
from photonic.node import Node
from photonic.p2p.frames import send_message
from photonic.p2p.messages import CATALOG_PROTOCOL
from simulations.acts import Act
from simulations.cluster import Cluster, Deed
from simulations.looking import short

_RATING = 4
_BABBLE_BYTES = 2_000
_CLIENT = 1 << 40


async def forge(cluster: Cluster, act: Act) -> str | None:
    """Push a change to `other` that it is said to have made itself, signed with our own key."""
    machine = cluster.machines[act.node]
    shot = cluster.shot_known_to(act.node, act.photo)
    target = next((n for n, name in cluster.names.items() if name == act.other), None)
    if shot is None or target is None or act.other == act.node:
        return "there is nothing to forge"
    forged = await machine.ask(lambda node: _forged(node, target, shot.photo))
    if forged is None:
        return "it does not run"
    name, data = forged
    update = of_entries(_CLIENT + act.photo, 0, {change_key(name): data})
    try:
        sent = await machine.ask(lambda node: _push(node, target, shot.photo, update))
    except (PeerUnreachable, StreamBroken):
        sent = None
    if not sent:
        return "it is not connected"
    cluster.fault("forgery")
    facts = {"other": act.other, "photo": shot.name, "change": short(name)}
    cluster.tell(act.node, "forged", facts)
    return None


async def _forged(node: Node, author: NodeId, subject: Subject) -> tuple[ChangeId, bytes]:
    """Return a change of `author`, and its id; the signature is good, and another's."""

    def numbers(catalog: Catalog) -> int:
        return max((s.change.at for s in catalog.changes(subject)), default=0)

    at = await node.library.keeper.call(numbers)
    change = Change(subject.kind, subject.key, (), author, 1 << 20, at + 1, sets={RATING: _RATING})
    body = msgspec.msgpack.encode(change, order="deterministic")
    signed = DOMAIN + node.library.record.library + body
    return ChangeId(digest(signed)), node.identity.sign(signed) + body


async def _push(node: Node, target: NodeId, subject: Subject, update: bytes) -> bool:
    stream = await node.transport.open(target, CATALOG_PROTOCOL)
    await send_message(stream, Push(shard_of(subject), CHANGES, update))
    await stream.close()
    return True


async def lie(cluster: Cluster, act: Act) -> str | None:
    """Let a bit be turned in every photo that a machine sends, for a while."""
    cluster.ether.liars.add(act.node)
    cluster.fault("lie")
    await trio.sleep(act.for_s)
    cluster.ether.liars.discard(act.node)
    return None


async def purge(cluster: Cluster, act: Act) -> str | None:
    """Put `count` photos into the trash at once, without saying that it is meant."""
    some = [s for s in cluster.shots if s.photo in cluster.watched[act.node].known][: act.count]
    drafts = [Draft(shot.photo, {TRASHED: True}) for shot in some]
    if not drafts:
        return "it knows no photo"
    why = await _write(cluster, act, [drafts])
    if why is None:
        cluster.tell(act.node, "purged", {"photos": [shot.name for shot in some]})
    return why


async def babble(cluster: Cluster, act: Act) -> str | None:
    """Write `count` captions at once, each as long as one may be and of no pattern."""
    some = [s for s in cluster.shots if s.photo in cluster.watched[act.node].known]
    if not some:
        return "it knows no photo"
    drafts = [
        Draft(some[n % len(some)].photo, {CAPTION: cluster.dice.randbytes(_BABBLE_BYTES).hex()})
        for n in range(act.count)
    ]
    return await _write(cluster, act, [[draft] for draft in drafts])


async def _write(cluster: Cluster, act: Act, updates: Sequence[Sequence[Draft]]) -> str | None:
    def work(catalog: Catalog) -> None:
        for drafts in updates:
            catalog.write(drafts)

    try:
        done, _ = await cluster.machines[act.node].ask_surely(
            lambda node: node.library.keeper.call(work)
        )
    except PhotonicError as error:
        return error.code
    if not done:
        return "it died meanwhile"
    cluster.fault(act.do)
    return None


VILLAINY: dict[str, Deed] = {
    "forge": forge,
    "lie": lie,
    "purge": purge,
    "babble": babble,
}

"""Recovering a library with its kit: this machine becomes an admin, whatever became of the others.

Whoever has the kit has the authority's key, and connects as the authority: every member lets that
in, and the handshake proves it. The member gives its root documents; here the authority signs what
is to be (this machine's certificate), and the member takes it in and tells the others. Where no
member is left the library begins again, empty, under the same id; a member that returns is met by
doing the same again, with its address.

The record in the home folder is written last. A crash before it, or nobody reached, leaves the
home as it was, and everything may be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import anyio
import trio

from photonic import limits
from photonic.authority import keep_authority
from photonic.certificates import certificate_draft, is_admin, lift_draft, write_as
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import LIBRARY_NAME
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import ADMIN_SCOPES, Certificate
from photonic.errors import LibraryNotEmpty, PhotonicError, RecoveryRefused
from photonic.identity import Identity
from photonic.ids import LIBRARY, NodeId, Subject, peer_id
from photonic.journal.journal import Journal
from photonic.layout import Layout, LibraryRecord
from photonic.p2p.discovery import Discovery
from photonic.p2p.enrol import Granted, ask_for_root, hand_over
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import ENROL_PROTOCOL
from photonic.p2p.transport import Admission, Transport
from photonic.recovery_kit import RecoveryKit
from photonic.supervise import unwrapped
from photonic.world import World

log = logging.getLogger(__name__)
Addresses: TypeAlias = dict[NodeId, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is asked for; `alone` where no member is left."""

    kit: RecoveryKit
    node_name: str
    role: str
    addresses: Addresses = field(default_factory=dict)
    alone: bool = False
    discovers: bool = True


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came of it: the members that took it in."""

    record: LibraryRecord
    told: tuple[NodeId, ...]
    addresses: Addresses


async def recover_library(
    layout: Layout, identity: Identity, asked: Recovery, world: World
) -> Recovered:
    """Make this home's node an admin of the kit's library. The home must be locked.

    Raises LibraryNotEmpty (the home keeps another library), RecoveryRefused (no member reached).
    """
    library, known = asked.kit.library, layout.read_record()
    if known is not None and known.library != library:
        raise LibraryNotEmpty(f"this home keeps the library {known.name}")
    journal = Journal(layout.journal(library))
    try:
        catalog = Catalog(library, identity, journal, world)
        writer = _Writer(catalog, identity, asked)
        told: Addresses = {}
        if not asked.alone:
            told = await _meet(writer, identity, asked, world)
        if not told and not asked.alone:
            raise RecoveryRefused("no member of the library was reached that lets this kit in")
        await trio.to_thread.run_sync(writer.write)
    finally:
        journal.close()
    keep_authority(layout, asked.kit)
    record = LibraryRecord(library.hex(), asked.kit.name, asked.role)
    layout.write_record(record, world.files)
    return Recovered(record, tuple(told), told)


class _Writer:
    """Writes as the authority, once, after the first root came in."""

    def __init__(self, catalog: Catalog, identity: Identity, asked: Recovery) -> None:
        self._catalog, self._identity, self._asked = catalog, identity, asked
        self.library = catalog.library
        self._signed: tuple[bytes, ...] | None = None

    def take(self, founding: Sequence[tuple[int, bytes]], peer: NodeId) -> None:
        """Take a member's root in, by the same door as everything from a peer. Blocking."""
        for document, update in founding:
            if not self._catalog.receive(ROOT, document, update, peer):
                raise RecoveryRefused(f"what {peer_id(peer)} gave is no root of this library")
        self._catalog.flush()
        found = self._catalog.roster.authority
        if found != self._asked.kit.authority.node:
            raise RecoveryRefused(f"what {peer_id(peer)} gave is not signed by this kit's key")

    def write(self) -> tuple[bytes, ...]:
        """Sign what is to be, and make it durable here. Blocking. Again: what was signed."""
        if self._signed is None:
            authority = self._asked.kit.authority
            changes = write_as(self._catalog, authority, self._drafts())
            self._catalog.flush()
            self._signed = tuple(signed.data for signed in changes)
        return self._signed

    def _drafts(self) -> list[Draft]:
        catalog, me, asked = self._catalog, self._identity.node, self._asked
        drafts: list[Draft] = []
        if catalog.roster.authority is None:
            drafts.append(Draft(Subject(LIBRARY, catalog.library), {LIBRARY_NAME: asked.kit.name}))
        known = catalog.roster.members.get(me)
        if known is not None and known.ends is not None:
            drafts.append(lift_draft(me))
        if not is_admin(known):
            drafts.append(
                certificate_draft(me, Certificate(asked.node_name, asked.role, ADMIN_SCOPES))
            )
        # There is always something to say, so that a member that lost it hears it again.
        return drafts or [certificate_draft(me, _certificate_of(catalog, me))]


def _certificate_of(catalog: Catalog, node: NodeId) -> Certificate:
    return catalog.roster.members[node].certificate


async def _meet(writer: _Writer, identity: Identity, asked: Recovery, world: World) -> Addresses:
    """Hand over what the authority says to every member that is reached; return those."""
    authority = asked.kit.authority
    told: Addresses = {}
    transport = Libp2pTransport(authority, (), world)
    candidates = dict(asked.addresses)

    def gate(node: NodeId) -> Admission:
        return Admission.GUEST if node in candidates else Admission.REFUSED

    with unwrapped():
        async with anyio.create_task_group() as tasks:
            await tasks.start(transport.run, {}, {}, gate, lambda event: None)
            if asked.discovers:
                candidates |= await _look_around(authority.node)
            candidates.pop(identity.node, None)
            for node, addresses in candidates.items():
                try:
                    granted = await _speak(transport, writer, node, addresses)
                except PhotonicError as error:
                    log.info("%s does not let this kit in: %s", peer_id(node), error)
                    continue
                told[node] = tuple(dict.fromkeys((*granted.addresses, *addresses)))
            tasks.cancel_scope.cancel()
    return told


async def _speak(
    transport: Transport, writer: _Writer, node: NodeId, addresses: Sequence[str]
) -> Granted:
    await transport.dial(node, addresses)
    try:
        stream = await transport.open(node, ENROL_PROTOCOL)
        try:
            granted = await ask_for_root(stream, writer.library)
            await trio.to_thread.run_sync(writer.take, granted.founding, node)
            await hand_over(stream, await trio.to_thread.run_sync(writer.write))
        finally:
            await stream.close()
    finally:
        transport.drop(node)
    return granted


async def _look_around(me: NodeId) -> Addresses:
    """Return which nodes announce themselves on this network; any of them may be a member."""
    found: Addresses = {}

    def note(node: NodeId, addresses: tuple[str, ...]) -> None:
        if len(found) < limits.PEERS_MAX:
            found[node] = addresses

    with trio.move_on_after(limits.RECOVERY_LOOK_S):
        await Discovery(me, tuple, note).run(task_status=anyio.TASK_STATUS_IGNORED)
    return found

"""How a library begins, how a node is admitted to it, and how a node joins one.

The record in the home folder is written last and is the commit point: a crash before it leaves a
folder nobody looks at, and the node is what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import trio
from msgspec.structs import replace

from photonic import limits
from photonic.authority import keep_authority
from photonic.certificates import certificate_draft, certificate_for
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import LIBRARY_NAME
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, Certificate
from photonic.errors import (
    CodeExpired,
    CodeRefused,
    InviterUnreachable,
    MemberUnchangeable,
    PeerUnreachable,
    StreamBroken,
)
from photonic.identity import Identity
from photonic.ids import LIBRARY, LibraryId, NodeId, Subject, library_id
from photonic.journal.journal import Journal
from photonic.layout import Layout, LibraryRecord
from photonic.p2p.enrol import EnrolRequest, Granted, ask_to_join
from photonic.p2p.invitations import Code
from photonic.p2p.messages import ENROL_PROTOCOL
from photonic.p2p.transport import Transport
from photonic.provision import provide
from photonic.recovery_kit import RecoveryKit
from photonic.world import World


def found_library(
    layout: Layout, identity: Identity, *, name: str, role: str, node_name: str, world: World
) -> LibraryRecord:
    """Make a new library with `identity` as its first member and admin. Blocking."""
    authority = Identity.generate(world)
    library = library_id(authority.node)
    keep_authority(layout, RecoveryKit(authority.seed, name))
    journal = Journal(layout.journal(library))
    try:
        catalog = Catalog(library, identity, journal, world)
        numbers = count(1)
        catalog.write(
            [
                Draft(Subject(LIBRARY, library), {LIBRARY_NAME: name}),
                certificate_draft(identity.node, Certificate(node_name, role, ADMIN_SCOPES)),
            ],
            identity=authority,
            seq=lambda: next(numbers),
        )
        catalog.flush()
        provide(catalog, identity.node, world)
        catalog.flush()
    finally:
        journal.close()
    record = LibraryRecord(library.hex(), name, role)
    layout.write_record(record, world.files)
    return record


def admit_member(
    catalog: Catalog,
    node: NodeId,
    *,
    name: str,
    role: str,
    scopes: Sequence[str],
    now_ms: int = 0,
    life_s: int | None = None,
) -> None:
    """Stage the certificate of a new member; of one that has the same already, nothing.

    A member that is invited again keeps what it might do before: to take rights away is what
    `Members.change_scopes` does, for an invitation is no place to do it by accident. Raises
    MemberUnchangeable for a revoked node, NotAllowed if this node is no admin.
    """
    known = catalog.roster.members.get(node)
    before = known.certificate.scopes if known is not None else ()
    wanted = certificate_for(name, role, (*before, *scopes), now_ms, life_s)
    if known is not None:
        wanted = replace(wanted, past=known.certificate.past)
    if known is not None and known.ends is not None:
        raise MemberUnchangeable("this node was revoked; an admin restores it, or it begins anew")
    if known is None or known.certificate != wanted:
        catalog.write([certificate_draft(node, wanted)])


def library_name(catalog: Catalog, fallback: str) -> str:
    """Return what the library is called by its catalog."""
    return str(catalog.state(Subject(LIBRARY, catalog.library)).fact(LIBRARY_NAME, fallback))


async def join_library(
    transport: Transport,
    layout: Layout,
    identity: Identity,
    code: Code,
    *,
    node_name: str,
    world: World,
) -> tuple[LibraryRecord, Granted]:
    """Redeem `code` and begin the library here. Nothing is changed unless all of it succeeds.

    The transport must run with a gate that lets the inviter through as a guest. On a bad network a
    conversation may break at any word; it is begun anew, for a code stays good for who used it.
    Raises InviterUnreachable, CodeRefused and its kinds, TooManyAttempts, StreamBroken.
    """
    inviter = NodeId(code.inviter)
    over_ms = world.clock.now_ms() - code.expires_s * 1000
    if over_ms >= limits.CLOCK_TOLERANCE_MS:  # else the inviting node's clock decides
        raise CodeExpired("the code has expired")
    for left in reversed(range(limits.JOIN_ATTEMPTS)):
        try:
            granted = await _ask_inviter(transport, inviter, code, node_name)
            break
        except (PeerUnreachable, StreamBroken) as error:
            if left:
                await trio.sleep(limits.JOIN_PAUSE_S)
                continue
            if isinstance(error, StreamBroken):
                raise
            # Who has no open invitation is refused in the handshake, and told nothing at all.
            if over_ms >= 0:
                raise CodeExpired("the code has expired") from error
            where = ", ".join(code.addresses) or "no address"
            raise InviterUnreachable(
                f"the inviting node ({where}) is not there, or the code was used already"
            ) from error
    begin_library(layout, identity, LibraryId(code.library), granted, inviter, world)
    record = LibraryRecord(code.library.hex(), granted.library_name, granted.role)
    layout.write_record(record, world.files)
    return record, granted


async def _ask_inviter(
    transport: Transport, inviter: NodeId, code: Code, node_name: str
) -> Granted:
    """Have one conversation. Raises PeerUnreachable, StreamBroken, CodeRefused and its kinds."""
    await transport.dial(inviter, code.addresses)
    try:
        stream = await transport.open(inviter, ENROL_PROTOCOL)
        try:
            return await ask_to_join(stream, EnrolRequest(code.token, code.library, node_name))
        finally:
            await stream.close()
    finally:
        transport.drop(inviter)  # it knew us as a guest; we come back as a member


def begin_library(
    layout: Layout,
    identity: Identity,
    library: LibraryId,
    granted: Granted,
    inviter: NodeId,
    world: World,
) -> None:
    """Take the founding in, by the same door as everything else from a peer."""
    journal = Journal(layout.journal(library))
    try:
        catalog = Catalog(library, identity, journal, world)
        taken = [catalog.receive(ROOT, kind, data, inviter) for kind, data in granted.founding]
        catalog.flush()
        if not all(taken) or not catalog.roster.admits(identity.node, world.clock.now_ms()):
            raise CodeRefused("the inviting node's answer is not signed by the library's founder")
    finally:
        journal.close()


__all__ = ["MEMBER_SCOPES", "admit_member", "found_library", "join_library", "library_name"]

"""How a library begins, how a node is admitted to it, and how a node joins one.

The record in the home folder is written last and is the commit point: a crash before it leaves a
folder nobody looks at, and the node is what it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import msgspec

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CERTIFICATE, LIBRARY_NAME
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, Certificate
from photonic.errors import CodeRefused, InviterUnreachable, NotAllowed, PeerUnreachable
from photonic.identity import Identity
from photonic.ids import LIBRARY, LibraryId, NodeId, Subject, library_id, member_subject
from photonic.journal.journal import Journal
from photonic.layout import Layout, LibraryRecord
from photonic.p2p.enrol import EnrolRequest, Granted, ask_to_join
from photonic.p2p.invitations import Code
from photonic.p2p.messages import ENROL_PROTOCOL
from photonic.p2p.transport import Transport
from photonic.provision import provide
from photonic.world import World


def found_library(
    layout: Layout, identity: Identity, *, name: str, role: str, node_name: str, world: World
) -> LibraryRecord:
    """Make a new library with `identity` as its first member and admin. Blocking."""
    authority = Identity.generate(world)
    library = library_id(authority.node)
    layout.vault.write(layout.authority_key(library), authority.seed)
    journal = Journal(layout.journal(library))
    try:
        catalog = Catalog(library, identity, journal, world)
        numbers = count(1)
        catalog.write(
            [
                Draft(Subject(LIBRARY, library), {LIBRARY_NAME: name}),
                _certificate(identity.node, node_name, role, ADMIN_SCOPES),
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
    catalog: Catalog, node: NodeId, *, name: str, role: str, scopes: Sequence[str]
) -> None:
    """Stage the certificate of a new member; of one that has the same already, nothing.

    A member that is invited again keeps what it might do before: whether a change counts is judged
    by its author's certificate, so a narrower one would take its whole past out of the catalog. To
    end somebody's rights is what a revocation with its cut is for. Raises NotAllowed if this node
    is no admin.
    """
    known = catalog.roster.members.get(node)
    before = known.certificate.scopes if known is not None else ()
    scopes = tuple(dict.fromkeys((*before, *scopes)))
    wanted = Certificate(name, role, scopes)
    if known is not None and known.cut is not None:
        raise NotAllowed("this node was revoked; it joins again with a new home folder")
    if known is None or known.certificate != wanted:
        catalog.write([_certificate(node, name, role, scopes)])


def _certificate(node: NodeId, name: str, role: str, scopes: Sequence[str]) -> Draft:
    value = msgspec.to_builtins(Certificate(name, role, tuple(scopes)))
    return Draft(member_subject(node), {CERTIFICATE: value})


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

    The transport must run with a gate that lets the inviter through as a guest.
    Raises InviterUnreachable, CodeRefused, TooManyAttempts, StreamBroken.
    """
    inviter = NodeId(code.inviter)
    if code.expires_s * 1000 <= world.clock.now_ms():
        raise CodeRefused("the code has expired")
    try:
        await transport.dial(inviter, code.addresses)
    except PeerUnreachable as error:
        # Who has no open invitation is refused in the handshake, and told nothing, not even why.
        where = ", ".join(code.addresses) or "no address"
        raise InviterUnreachable(
            f"the inviting node ({where}) is not there, or the code was used already"
        ) from error
    try:
        stream = await transport.open(inviter, ENROL_PROTOCOL)
        try:
            request = EnrolRequest(code.token, code.library, node_name)
            granted = await ask_to_join(stream, request)
        finally:
            await stream.close()
    finally:
        transport.drop(inviter)  # it knew us as a guest; we come back as a member
    _begin(layout, identity, LibraryId(code.library), granted, inviter, world)
    record = LibraryRecord(code.library.hex(), granted.library_name, granted.role)
    layout.write_record(record, world.files)
    return record, granted


def _begin(
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

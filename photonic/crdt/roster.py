"""Who is a member and what each may do: a pure function of the member changes.

The library's authority (the key whose hash is the library id) may admit anybody; so may a member
with `members.admin` whose own certificate goes back to the authority. A revocation carries a cut:
the member's changes count up to that number and not beyond. Every node computes the same roster
from the same changes, so it can judge every peer and every change offline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import CERTIFICATE, REVOKED
from photonic.crdt.fold import SubjectState, fold
from photonic.ids import LIBRARY, MEMBER, POLICY, LibraryId, NodeId, Subject, library_id

CATALOG_READ, CATALOG_WRITE = "catalog.read", "catalog.write"
BLOBS_READ, BLOBS_HOLD = "blobs.read", "blobs.hold"
CONFLICTS_RESOLVE, MEMBERS_ADMIN, JOBS_RUN = "conflicts.resolve", "members.admin", "jobs.run"

MEMBER_SCOPES = (CATALOG_READ, CATALOG_WRITE, BLOBS_READ, BLOBS_HOLD, CONFLICTS_RESOLVE, JOBS_RUN)
ADMIN_SCOPES = (*MEMBER_SCOPES, MEMBERS_ADMIN)


class Certificate(msgspec.Struct, frozen=True):
    """What the value of a member's `certificate` field says."""

    name: str
    role: str
    scopes: tuple[str, ...]
    expires_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A node that was admitted to the library."""

    node: NodeId
    certificate: Certificate
    cut: int | None = None  # the last change that counts; None: not revoked

    def may(self, scope: str) -> bool:
        return scope in self.certificate.scopes


@dataclass(frozen=True, slots=True)
class Roster:
    """All members of a library, as this node knows them."""

    authority: NodeId | None = None
    members: Mapping[NodeId, Member] = field(default_factory=dict)

    def admits(self, node: NodeId, now_ms: int) -> bool:
        """Whether `node` is to be spoken with as a member, now."""
        member = self.members.get(node)
        if member is None or member.cut is not None:
            return False
        expires_ms = member.certificate.expires_ms
        return expires_ms is None or now_ms < expires_ms

    def allows(self, signed: SignedChange) -> bool:
        """Whether the author of a change had the right to make it: asked in `fold`."""
        change = signed.change
        if change.author == self.authority:
            return True
        member = self.members.get(NodeId(change.author))
        if member is None or (member.cut is not None and change.seq > member.cut):
            return False
        return member.may(_scope_for(change.kind))


def _scope_for(kind: str) -> str:
    return MEMBERS_ADMIN if kind in (MEMBER, LIBRARY, POLICY) else CATALOG_WRITE


def find_authority(library: LibraryId, changes: Iterable[SignedChange]) -> NodeId | None:
    """Return the key that founded `library`, if one of its changes is among `changes`."""
    for author in {change.change.author for change in changes}:
        if library_id(author) == library:
            return NodeId(author)
    return None


def build_roster(library: LibraryId, changes: Iterable[SignedChange]) -> Roster:
    """Fold the member changes of a library, in any order, into its roster.

    Certificates are followed from the authority outwards until nothing new is found; only then do
    revocations apply, so that the order in which both were heard of does not matter.
    """
    by_subject: dict[Subject, list[SignedChange]] = {}
    everything = list(changes)
    for change in everything:
        if change.change.kind == MEMBER:
            by_subject.setdefault(change.change.subject, []).append(change)
    authority = find_authority(library, everything)
    if authority is None:
        return Roster()
    admins: frozenset[NodeId] = frozenset({authority})
    while True:
        members = _members(by_subject, admins)
        found = admins | {node for node, member in members.items() if member.may(MEMBERS_ADMIN)}
        if found == admins:
            return Roster(authority, members)
        admins = found


def _members(
    by_subject: Mapping[Subject, list[SignedChange]], admins: frozenset[NodeId]
) -> dict[NodeId, Member]:
    """Return the members whom `admins` admitted."""
    found = {}
    for subject, some in by_subject.items():
        member = _member(fold(subject, some, lambda signed: signed.change.author in admins))
        if member is not None:
            found[member.node] = member
    return found


def _member(state: SubjectState) -> Member | None:
    try:
        certificate = msgspec.convert(state.fact(CERTIFICATE), Certificate)
    except msgspec.ValidationError:
        return None  # no certificate, or one that this version cannot read: not a member
    revoked = state.fields.get(REVOKED)
    cuts = [v.value for v in revoked.versions if isinstance(v.value, int)] if revoked else []
    return Member(NodeId(state.subject.key), certificate, min(cuts, default=None))

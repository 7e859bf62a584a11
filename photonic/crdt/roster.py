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
CATALOG_UNSEAL = "catalog.unseal"  # is given the library key; a sealed archive lacks it
BLOBS_READ, BLOBS_HOLD = "blobs.read", "blobs.hold"
CONFLICTS_RESOLVE, MEMBERS_ADMIN, JOBS_RUN = "conflicts.resolve", "members.admin", "jobs.run"

MEMBER_SCOPES = (
    CATALOG_READ, CATALOG_UNSEAL, CATALOG_WRITE, BLOBS_READ, BLOBS_HOLD, CONFLICTS_RESOLVE,
    JOBS_RUN,
)  # fmt: skip
SEALED_SCOPES = tuple(scope for scope in MEMBER_SCOPES if scope != CATALOG_UNSEAL)
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

    def rights(self, node: NodeId) -> tuple[frozenset[str], int | None] | None:
        """Return what decides whether a node's changes count: its scopes and its cut."""
        member = self.members.get(node)
        return (frozenset(member.certificate.scopes), member.cut) if member else None

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

    Certificates are followed from the authority outwards until nothing new is found. Then the
    revocations apply, those of the authority first, then by time: one counts unless its author was
    cut off before it. What a revoked admin said beyond its cut admits and revokes nobody.
    """
    everything = list(changes)
    authority = find_authority(library, everything)
    if authority is None:
        return Roster()
    said = [signed for signed in everything if signed.change.kind == MEMBER]
    cuts = _cuts(said, authority, _admitted(said, authority, {}))
    return Roster(authority, _admitted(said, authority, cuts))


def _cuts(
    said: Iterable[SignedChange], authority: NodeId, members: Mapping[NodeId, Member]
) -> dict[NodeId, int]:
    """Return up to which number the changes of each revoked member count."""
    cuts: dict[NodeId, int] = {}
    revocations = [signed for signed in said if isinstance(signed.change.sets.get(REVOKED), int)]
    for signed in sorted(
        revocations, key=lambda s: (s.change.author != authority, s.change.at, s.id)
    ):
        change, target = signed.change, NodeId(signed.change.key)
        author = members.get(NodeId(change.author))
        may = change.author == authority or (author is not None and author.may(MEMBERS_ADMIN))
        if may and change.seq <= cuts.get(NodeId(change.author), change.seq):
            cuts[target] = min(cuts.get(target, 1 << 63), change.sets[REVOKED])
    return cuts


def _admitted(
    said: Iterable[SignedChange], authority: NodeId, cuts: Mapping[NodeId, int]
) -> dict[NodeId, Member]:
    """Return the members, found from the authority outwards until nothing new is found.

    Whoever loses the right to admit takes along those whom it admitted beyond its cut.
    """
    by_subject: dict[Subject, list[SignedChange]] = {}
    for signed in said:
        by_subject.setdefault(signed.change.subject, []).append(signed)
    admins: frozenset[NodeId] = frozenset({authority})
    while True:
        members = _members(by_subject, admins, cuts)
        found = admins | {node for node, member in members.items() if member.may(MEMBERS_ADMIN)}
        if found == admins:
            return members
        admins = found


def _members(
    by_subject: Mapping[Subject, list[SignedChange]],
    admins: frozenset[NodeId],
    cuts: Mapping[NodeId, int],
) -> dict[NodeId, Member]:
    """Return the members whom `admins` admitted while they might."""

    def counts(signed: SignedChange) -> bool:
        author = NodeId(signed.change.author)
        return author in admins and signed.change.seq <= cuts.get(author, signed.change.seq)

    found = {}
    for subject, some in by_subject.items():
        member = _member(fold(subject, some, counts), cuts)
        if member is not None:
            found[member.node] = member
    return found


def _member(state: SubjectState, cuts: Mapping[NodeId, int]) -> Member | None:
    try:
        certificate = msgspec.convert(state.fact(CERTIFICATE), Certificate)
    except msgspec.ValidationError:
        return None  # no certificate, or one that this version cannot read: not a member
    node = NodeId(state.subject.key)
    return Member(node, certificate, cuts.get(node))

"""Who is a member and what each may do: a pure function of the member changes.

The library's authority (the key whose hash is the library id) may admit anybody; so may a member
with `members.admin` whose own certificate goes back to the authority. A revocation carries a cut:
the member's changes count up to that number and not beyond. An admin may move it, or lift it.
Every node computes the same roster from the same changes, so it can judge every peer and every
change offline.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import CERTIFICATE, REVOKED
from photonic.crdt.fold import SubjectState, fold
from photonic.crdt.rights import VOUCHED_BYTES, Certificate, Cut, Member, Rights, Roster
from photonic.ids import MEMBER, LibraryId, NodeId, Subject, library_id
from photonic.scopes import ADMIN_SCOPES, CATALOG_WRITE, MEMBER_SCOPES, MEMBERS_ADMIN

__all__ = [
    "ADMIN_SCOPES",
    "CATALOG_WRITE",
    "MEMBERS_ADMIN",
    "MEMBER_SCOPES",
    "VOUCHED_BYTES",
    "Certificate",
    "Cut",
    "Member",
    "Rights",
    "Roster",
    "build_roster",
]


def find_authority(library: LibraryId, changes: Iterable[SignedChange]) -> NodeId | None:
    """Return the key that founded `library`, if one of its changes is among `changes`."""
    for author in {change.change.author for change in changes}:
        if library_id(author) == library:
            return NodeId(author)
    return None


def build_roster(library: LibraryId, changes: Iterable[SignedChange]) -> Roster:
    """Fold the member changes of a library, in any order, into its roster.

    Certificates are followed from the authority outwards. What a revoked admin said beyond its cut
    admits and revokes nobody, and who is an admin only by it is none. Which revocation counts is
    never decided by the time in it, for whoever has a key can write any time. See `_Court`.
    """
    everything = list(changes)
    authority = find_authority(library, everything)
    if authority is None:
        return Roster()
    court = _Court(authority, [s for s in everything if s.change.kind == MEMBER])
    return Roster(authority, court.members(court.cuts()))


Cuts = Mapping[NodeId, Cut]
_Rank = tuple[int, tuple[int, ...], NodeId]
_ROUNDS_MAX = 64


class _Court:
    """Judges the member changes of a library.

    Whether a revocation counts depends on whether its author was revoked before, and so on. It is
    gone over again and again from the cautious side, where every revocation that anybody made
    counts, until nothing changes. Where that goes in a circle, some admins revoked one another; of
    them the one that was admitted first is believed (`_seniority`), and it is gone over again.
    """

    def __init__(self, authority: NodeId, said: Iterable[SignedChange]) -> None:
        self._authority = authority
        by_author: dict[bytes, list[SignedChange]] = {}
        by_subject: dict[Subject, list[SignedChange]] = {}
        for signed in said:
            by_author.setdefault(signed.change.author, []).append(signed)
            by_subject.setdefault(signed.change.subject, []).append(signed)
        self._ranks = self._seniority(by_author)
        found = ((subject, _weighty(some, self._ranks)) for subject, some in by_subject.items())
        self._by_subject = {subject: some for subject, some in found if some}

    def cuts(self) -> Cuts:
        """Return what of each revoked member counts."""
        seniority = self._ranks
        believed: frozenset[NodeId] = frozenset()
        while True:
            cuts, circle = self._settle(self._every_cut(frozenset(seniority)), believed)
            doubtful = circle & seniority.keys() - believed
            if not doubtful:
                return cuts
            believed |= {min(doubtful, key=lambda node: seniority[node])}

    def _settle(self, cuts: Cuts, believed: frozenset[NodeId]) -> tuple[Cuts, frozenset[NodeId]]:
        """Go over the revocations until nothing changes; or return also who goes in a circle."""
        seen: list[Cuts] = []
        while cuts not in seen and len(seen) < _ROUNDS_MAX:
            seen.append(cuts)
            cuts = self._next(cuts, believed)
        circle = seen[seen.index(cuts) :] if cuts in seen else seen
        nodes = {node for some in circle for node in some}
        return cuts, frozenset(n for n in nodes if any(s.get(n) != cuts.get(n) for s in circle))

    def _next(self, cuts: Cuts, believed: frozenset[NodeId]) -> Cuts:
        """Return the cuts by those revocations that count while `cuts` hold."""
        held = {node: cut for node, cut in cuts.items() if node not in believed}
        admins = self._admins(held)
        found: dict[NodeId, Cut] = {}
        for subject, some in self._by_subject.items():
            node = NodeId(subject.key)
            made = _revocations(node, some, admins)
            cut = _strictest(made)
            if len(made) > 1 and cut is not None:
                # Whoever moves or lifts a cut must be an admin while it stands.
                standing = held if node in believed else {**held, node: cut}
                cut = _standing_cut(subject, some, self._admins(standing))
            if cut is not None:
                found[node] = cut
        return found

    def _every_cut(self, anybody: frozenset[NodeId]) -> Cuts:
        """Return the cuts if all revocations counted that an admin, of whatever kind, made."""
        found: dict[NodeId, Cut] = {}
        for subject, some in self._by_subject.items():
            node = NodeId(subject.key)
            made = [s for s in _said_of(node, some) if s.change.author in anybody]
            strictest = _strictest(made)
            if strictest is not None:
                found[node] = strictest
        return found

    def _seniority(self, said: Mapping[bytes, list[SignedChange]]) -> dict[NodeId, _Rank]:
        """Return everybody who was ever made an admin, and how early, by the numbers of those who
        admitted it: what comes first is believed first. The authority is before all."""
        found: dict[NodeId, _Rank] = {self._authority: (0, (), self._authority)}
        waiting = [self._authority]
        while waiting:
            author = waiting.pop()
            depth, path, _ = found[author]
            for signed in said.get(author, ()):
                change, node = signed.change, NodeId(signed.change.key)
                if not _makes_admin(signed):
                    continue
                rank = (depth + 1, (*path, change.seq), node)
                if node not in found or rank < found[node]:
                    found[node] = rank
                    waiting.append(node)
        return found

    def members(self, cuts: Cuts) -> dict[NodeId, Member]:
        """Return the members while `cuts` hold."""
        admitted = self._admitted(cuts)
        return {node: Member(node, m.certificate, cuts.get(node)) for node, m in admitted.items()}

    def _admins(self, cuts: Cuts) -> _Admins:
        certificates = {node: member.certificate for node, member in self._admitted(cuts).items()}
        return _Admins(self._authority, certificates, cuts)

    def _admitted(self, cuts: Cuts) -> dict[NodeId, Member]:
        """Return the members, found from the authority outwards until nothing new is found.

        Where two admins narrowed one another's rights it goes in a circle; then both are narrowed.
        """
        seen: list[dict[NodeId, Member]] = []
        members: dict[NodeId, Member] = {}
        while members not in seen:
            seen.append(members)
            certificates = {node: member.certificate for node, member in members.items()}
            admins = _Admins(self._authority, certificates, cuts)
            found = (_member(fold(s, some, admins.may_say)) for s, some in self._by_subject.items())
            members = {member.node: member for member in found if member is not None}
        return min(seen[seen.index(members) :], key=_admin_count)


@dataclass(frozen=True, slots=True)
class _Admins:
    """Whose member changes count: the authority, and those with a certificate that says so."""

    authority: NodeId
    certificates: Mapping[NodeId, Certificate]
    cuts: Cuts

    def may_say(self, signed: SignedChange) -> bool:
        author = NodeId(signed.change.author)
        if author == self.authority:
            return True
        certificate = self.certificates.get(author)
        if certificate is None or MEMBERS_ADMIN not in certificate.scopes_at(signed.change.seq):
            return False
        return author not in self.cuts or self.cuts[author].spares(signed)


def _weighty(some: list[SignedChange], ever: Collection[bytes]) -> list[SignedChange]:
    """Leave out what can never count, of one subject: `ever` are all who were ever made admins.

    Everybody may say anything about members, and it is kept. What others said stays where an
    admin's word stands on it, for it links that one to what was before.
    """
    kept = [signed for signed in some if signed.change.author in ever]
    if not kept or len(kept) == len(some):
        return kept
    others: dict[bytes, SignedChange] = {s.id: s for s in some if s.change.author not in ever}
    for signed in kept:  # which grows meanwhile
        kept += (others.pop(one) for one in signed.change.parents if one in others)
    return kept


def _admin_count(members: Mapping[NodeId, Member]) -> int:
    return sum(member.may(MEMBERS_ADMIN) for member in members.values())


def _makes_admin(signed: SignedChange) -> bool:
    certificate = _certificate(signed.change.sets.get(CERTIFICATE))
    if certificate is None:
        return False
    granted = (certificate.scopes, *(scopes for _, scopes in certificate.past))
    return any(MEMBERS_ADMIN in scopes for scopes in granted)


def _said_of(node: NodeId, some: Iterable[SignedChange]) -> list[SignedChange]:
    """Return the revocations of a node, and those that move or lift its cut; not its own."""
    return [s for s in some if REVOKED in s.change.sets and s.change.author != node]


def _revocations(node: NodeId, some: Iterable[SignedChange], admins: _Admins) -> list[SignedChange]:
    return [signed for signed in _said_of(node, some) if admins.may_say(signed)]


def _standing_cut(subject: Subject, some: list[SignedChange], admins: _Admins) -> Cut | None:
    """Return the cut that is left of several revocations: later ones stand for what they saw."""
    counting = {signed.id for signed in _revocations(NodeId(subject.key), some, admins)}
    versions = fold(subject, some, lambda signed: signed.id in counting).fields.get(REVOKED)
    return _strictest_of(_read_cut(v.value) for v in versions.versions) if versions else None


def _strictest(some: Iterable[SignedChange]) -> Cut | None:
    return _strictest_of(_read_cut(signed.change.sets[REVOKED]) for signed in some)


def _strictest_of(some: Iterable[Cut | None]) -> Cut | None:
    """Return the lowest of some cuts; where they agree, what any of them vouches for."""
    cuts = [cut for cut in some if cut is not None]
    if not cuts:
        return None
    lowest = min(cut.seq for cut in cuts)
    lists = [cut.vouched for cut in cuts]
    if any(vouched is None for vouched in lists):
        return Cut(lowest)
    return Cut(lowest, frozenset[bytes]().union(*(one for one in lists if one is not None)))


def _read_cut(value: object) -> Cut | None:
    """Read a `revoked` field: a number, or a number and what is vouched for; None is a lift.

    What cannot be read revokes from the first change on: it was meant to revoke.
    """
    if value is None:
        return None
    try:
        seq, vouched = msgspec.convert(value if isinstance(value, list) else [value, []], _Revoked)
    except (msgspec.ValidationError, ValueError):
        return Cut(0)
    return Cut(seq, frozenset(vouched) if isinstance(value, list) else None)


_Revoked = tuple[Annotated[int, msgspec.Meta(ge=0)], list[bytes]]


def _certificate(value: object) -> Certificate | None:
    try:
        return msgspec.convert(value, Certificate)
    except msgspec.ValidationError:
        return None  # no certificate, or one that this version cannot read


def _member(state: SubjectState) -> Member | None:
    certificate = _certificate(state.fact(CERTIFICATE))
    return Member(NodeId(state.subject.key), certificate) if certificate is not None else None

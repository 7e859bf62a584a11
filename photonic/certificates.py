"""What an admin writes about a member: certificates, other rights, revocations.

Whether they count is decided by `crdt/roster.py`, on each node alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import msgspec

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.fields import CERTIFICATE, REVOKED
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import MEMBERS_ADMIN, VOUCHED_BYTES, Certificate, Member
from photonic.identity import Identity
from photonic.ids import NodeId, member_subject


def certificate_draft(node: NodeId, certificate: Certificate) -> Draft:
    value = msgspec.to_builtins(certificate, builtin_types=(bytes,))
    value = {name: it for name, it in value.items() if it is not None and it != ()}
    return Draft(member_subject(node), {CERTIFICATE: value})


def certificate_for(
    name: str, role: str, scopes: Sequence[str], now_ms: int, life_s: int | None
) -> Certificate:
    """Return the certificate of a new member; `life_s`: for how long, None: without an end."""
    life_ms = None if life_s is None else life_s * 1000
    expires_ms = None if life_ms is None else now_ms + life_ms
    return Certificate(name, role, tuple(dict.fromkeys(scopes)), expires_ms, life_ms)


def with_scopes(member: Member, scopes: Sequence[str], known: int) -> Certificate:
    """Return the certificate of a member with other scopes from its next change on.

    `known` is the number of its last change. What it was allowed to say up to there stays said.
    """
    before = member.certificate
    wanted = tuple(dict.fromkeys(scopes))
    past = before.past
    if set(before.scopes) - set(wanted) and not (past and past[-1][0] >= known):
        past = (*past, (known, before.scopes))
    return msgspec.structs.replace(before, scopes=wanted, past=past)


def is_due(certificate: Certificate, now_ms: int) -> bool:
    """Whether a certificate is to be renewed: its last third has begun, and it counts still."""
    if certificate.expires_ms is None or certificate.life_ms is None:
        return False
    left_ms = certificate.expires_ms - now_ms
    return -limits.CLOCK_TOLERANCE_MS < left_ms <= certificate.life_ms // 3


def issued_ms(certificate: Certificate) -> int:
    """Return when a certificate with an end was given."""
    return (certificate.expires_ms or 0) - (certificate.life_ms or 0)


def renewed(certificate: Certificate, now_ms: int) -> Certificate:
    """Return the certificate with as much time again as it was given at first."""
    assert certificate.life_ms is not None, "only what has an end is renewed"
    return msgspec.structs.replace(certificate, expires_ms=now_ms + certificate.life_ms)


def revocation_draft(node: NodeId, cut: int, root: Iterable[SignedChange]) -> Draft:
    """Return the revocation of a member: its changes count up to number `cut`.

    `root` are the changes of members, policies and the library that are known here. Those of the
    member within the cut are vouched for; others of that kind, which somebody with the stolen key
    may still sign under old numbers, do not count.
    """
    mine = [s for s in root if s.change.author == node and s.change.seq <= cut]
    mine.sort(key=lambda signed: signed.change.seq, reverse=True)
    vouched: list[Any] = sorted(s.id[:VOUCHED_BYTES] for s in mine[: limits.VOUCHED_MAX])
    return Draft(member_subject(node), {REVOKED: [cut, vouched]})


def lift_draft(node: NodeId) -> Draft:
    """Return what makes a revoked member one again, with all that it said meanwhile."""
    return Draft(member_subject(node), {REVOKED: None})


def is_admin(member: Member | None) -> bool:
    return member is not None and member.ends is None and member.may(MEMBERS_ADMIN)


def root_changes(catalog: Catalog) -> list[SignedChange]:
    """Return all changes of members, policies and the library itself that are here."""
    return [s for subject in catalog.subjects(ROOT) for s in catalog.changes(subject)]


def write_as(
    catalog: Catalog, authority: Identity | None, drafts: Sequence[Draft]
) -> list[SignedChange]:
    """Stage changes signed by the library's authority, or by this node if its key is not here."""
    if authority is None:
        return catalog.write(drafts)
    made = [s.change.seq for s in root_changes(catalog) if s.change.author == authority.node]
    numbers = count(max(made, default=0) + 1)
    return catalog.write(drafts, identity=authority, seq=lambda: next(numbers))

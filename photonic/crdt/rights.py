"""What a member may say, and whether its copies count: certificates, cuts, members, the roster.

Values and how they judge; `roster.py` makes them of the member changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from photonic import limits
from photonic.crdt.changes import SignedChange
from photonic.ids import LIBRARY, MEMBER, POLICY, NodeId
from photonic.scopes import BLOBS_HOLD, CATALOG_WRITE, MEMBERS_ADMIN

VOUCHED_BYTES = 16  # of the id of a change that a revocation vouches for


class Certificate(msgspec.Struct, frozen=True):
    """What the value of a member's `certificate` field says.

    `past`: up to which number other scopes held, oldest first. So rights can be narrowed without
    taking away what was done while they were wider.
    """

    name: str
    role: str
    scopes: tuple[str, ...]
    expires_ms: int | None = None
    life_ms: int | None = None  # for how long it was given; a renewal gives as much again
    past: tuple[tuple[int, tuple[str, ...]], ...] = ()

    def scopes_at(self, seq: int) -> tuple[str, ...]:
        """Return the scopes that hold for the member's change with this number."""
        return next((scopes for last, scopes in self.past if seq <= last), self.scopes)


@dataclass(frozen=True, slots=True)
class Cut:
    """What of a revoked member still counts: its changes up to `seq`.

    Of those in the root (certificates, revocations, policies) only the `vouched` ones: whoever has
    the key can sign new changes under old numbers, and must not admit anybody so. None: all.
    """

    seq: int
    vouched: frozenset[bytes] | None = None

    def spares(self, signed: SignedChange) -> bool:
        is_root = signed.change.kind in _ROOT_KINDS
        if is_root and self.vouched is not None and signed.id[:VOUCHED_BYTES] not in self.vouched:
            return False
        return signed.change.seq <= self.seq


@dataclass(frozen=True, slots=True)
class Member:
    """A node that was admitted to the library."""

    node: NodeId
    certificate: Certificate
    ends: Cut | None = None  # None: not revoked

    @property
    def cut(self) -> int | None:
        """The last change that counts, of a revoked member."""
        return self.ends.seq if self.ends is not None else None

    def may(self, scope: str) -> bool:
        return scope in self.certificate.scopes

    def allows(self, signed: SignedChange) -> bool:
        """Whether a change by this member counts."""
        if self.ends is not None and not self.ends.spares(signed):
            return False
        return _scope_for(signed.change.kind) in self.certificate.scopes_at(signed.change.seq)


class Rights(NamedTuple):
    """What decides whether what a member said counts: its changes, and its copies."""

    scopes: tuple[str, ...]  # that changes need
    past: tuple[tuple[int, tuple[str, ...]], ...]  # the same, up to earlier numbers
    ends: tuple[int, tuple[bytes, ...] | None] | None
    keeps: bool


@dataclass(frozen=True, slots=True)
class Roster:
    """All members of a library, as this node knows them."""

    authority: NodeId | None = None
    members: Mapping[NodeId, Member] = field(default_factory=dict)

    def admits(self, node: NodeId, now_ms: int) -> bool:
        """Whether `node` is to be spoken with as a member, now."""
        member = self.members.get(node)
        if member is None or member.ends is not None:
            return False
        expires_ms = member.certificate.expires_ms
        return expires_ms is None or now_ms < expires_ms + limits.CLOCK_TOLERANCE_MS

    def holds(self, node: NodeId) -> bool:
        """Whether what `node` says to hold may be fetched from it: an unrevoked member's word."""
        member = self.members.get(node)
        return member is not None and member.ends is None

    def keeps(self, node: NodeId) -> bool:
        """Whether what `node` says to hold counts as a copy; a member without the scope is only
        somebody to fetch from."""
        return self.holds(node) and self.members[node].may(BLOBS_HOLD)

    @property
    def uncounted(self) -> frozenset[NodeId]:
        """The members to fetch from whose copies do not count."""
        return frozenset(n for n in self.members if self.holds(n) and not self.keeps(n))

    def rights(self, node: NodeId) -> Rights | None:
        """Return what decides whether a node's changes and copies count: equal if the same do."""
        member = self.members.get(node)
        if member is None:
            return None
        certificate, ends = member.certificate, member.ends
        return Rights(
            _judged(certificate.scopes),
            tuple((last, _judged(scopes)) for last, scopes in certificate.past),
            None if ends is None else (ends.seq, _sorted(ends.vouched)),
            self.keeps(node),
        )

    def allows(self, signed: SignedChange) -> bool:
        """Whether the author of a change had the right to make it: asked in `fold`."""
        if signed.change.author == self.authority:
            return True
        member = self.members.get(NodeId(signed.change.author))
        return member is not None and member.allows(signed)


_ROOT_KINDS = frozenset((MEMBER, LIBRARY, POLICY))


def _judged(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return those of some scopes by which `Member.allows` judges."""
    return tuple(scope for scope in (CATALOG_WRITE, MEMBERS_ADMIN) if scope in scopes)


def _sorted(some: Iterable[bytes] | None) -> tuple[bytes, ...] | None:
    return None if some is None else tuple(sorted(some))


def _scope_for(kind: str) -> str:
    return MEMBERS_ADMIN if kind in _ROOT_KINDS else CATALOG_WRITE

"""Who is a member follows from the changes alone, whatever their order."""

from __future__ import annotations

from itertools import permutations

import msgspec

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.fields import CERTIFICATE, RATING, REVOKED
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import (
    ADMIN_SCOPES,
    MEMBER_SCOPES,
    Certificate,
    build_roster,
)
from photonic.ids import member_subject
from tests.crdt.replicas import Cluster, certificate, commit, import_draft, meet, photo


def _root_changes(catalog: Catalog) -> list[SignedChange]:
    return [signed for subject in catalog.subjects(ROOT) for signed in catalog.changes(subject)]


def test_the_founder_admits_and_an_admitted_admin_admits() -> None:
    cluster, newcomers = Cluster(2), Cluster(2)
    second, third = (identity.node for identity in newcomers.identities)
    commit(cluster.catalogs[0], certificate(second, ADMIN_SCOPES))
    roster = cluster.catalogs[0].roster
    assert roster.admits(second, 0) and not roster.admits(third, 0)


def test_a_member_that_is_no_admin_admits_nobody() -> None:
    cluster, newcomers = Cluster(2), Cluster(1)
    plain = cluster.catalogs[1]
    node = newcomers.identities[0].node
    plain.write([certificate(node)], identity=cluster.identities[1], seq=lambda: 99)
    plain.flush()
    assert not plain.roster.admits(node, 0)


def test_the_roster_does_not_depend_on_the_order_of_its_changes() -> None:
    cluster, newcomers = Cluster(2), Cluster(1)
    node = newcomers.identities[0].node
    commit(cluster.catalogs[0], certificate(node))
    commit(cluster.catalogs[0], Draft(member_subject(node), {REVOKED: 3}))
    changes = _root_changes(cluster.catalogs[0])
    rosters = [build_roster(cluster.library, order) for order in permutations(changes)]
    assert all(roster == rosters[0] for roster in rosters)
    assert not rosters[0].admits(node, 0)


def test_a_certificate_ends_when_it_says() -> None:
    cluster, newcomers = Cluster(1), Cluster(1)
    node = newcomers.identities[0].node
    value = msgspec.to_builtins(Certificate("old", "mobile", MEMBER_SCOPES, expires_ms=1_000))
    commit(cluster.catalogs[0], Draft(member_subject(node), {CERTIFICATE: value}))
    assert cluster.catalogs[0].roster.admits(node, 999 + limits.CLOCK_TOLERANCE_MS)
    assert not cluster.catalogs[0].roster.admits(node, 1_000 + limits.CLOCK_TOLERANCE_MS)


def test_changes_beyond_the_cut_of_a_revocation_have_no_effect_in_any_order() -> None:
    cluster = Cluster(3)
    admin, thief, other = cluster.catalogs
    commit(admin, import_draft(0))
    meet(admin, thief)
    commit(thief, Draft(photo(0), {RATING: 1}))  # the thief's number 1
    meet(thief, admin)
    commit(admin, Draft(member_subject(cluster.identities[1].node), {REVOKED: 1}))
    commit(thief, Draft(photo(0), {RATING: 5}))  # number 2: beyond the cut
    meet(thief, other)  # hears of the edit before the revocation
    meet(admin, other)
    meet(thief, admin)  # hears of the revocation before the edit
    assert admin.state(photo(0)).fact(RATING) == 1
    assert admin.state(photo(0)) == other.state(photo(0))
    assert admin.root_digest() == other.root_digest()

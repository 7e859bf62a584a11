"""What is said of members by those who can never be admins costs little, and changes nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt import roster
from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import CERTIFICATE, REVOKED
from photonic.crdt.keys import ROOT
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, build_roster
from photonic.ids import MEMBER, Subject, member_subject
from tests.crdt.replicas import Cluster
from tests.hostile.kit import Malice

CLUSTER = Cluster(4)
HONEST = [s for one in CLUSTER.catalogs[0].subjects(ROOT) for s in CLUSTER.catalogs[0].changes(one)]
VALUES: list[dict[str, Any]] = [
    {CERTIFICATE: {"name": "x", "role": "central", "scopes": list(ADMIN_SCOPES)}},
    {CERTIFICATE: {"name": "x", "role": "central", "scopes": list(MEMBER_SCOPES)}},
    {REVOKED: 0},
    {REVOKED: 3},
    {REVOKED: None},
    {"pad": "x"},
]


@st.composite
def histories(draw: st.DrawFn) -> list[SignedChange]:
    """What anybody says about anybody, on top of anything that was said of that one."""
    authors = [Malice(one, CLUSTER.library) for one in (*CLUSTER.identities, CLUSTER.authority)]
    said = list(HONEST)
    for _ in range(draw(st.integers(1, 14))):
        author = draw(st.sampled_from(authors))
        subject = member_subject(draw(st.sampled_from(CLUSTER.identities)).node)
        known = [s.id for s in said if s.change.subject == subject]
        parents = draw(st.lists(st.sampled_from(known), max_size=2, unique=True)) if known else []
        number = draw(st.integers(1, 20))
        sets = draw(st.sampled_from(VALUES))
        said.append(author.change(subject, sets, parents=parents, seq=number))
    return draw(st.permutations(said))


@settings(max_examples=300, deadline=None)
@given(histories())
def test_a_roster_is_what_it_is_if_everything_is_looked_at(said: list[SignedChange]) -> None:
    found = build_roster(CLUSTER.library, said)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster, "_weighty", lambda some, ever: some)
        assert build_roster(CLUSTER.library, said) == found


def test_junk_costs_a_small_part_of_what_it_would_if_it_were_looked_at() -> None:
    """As a ratio to the same work in the same run, for machines differ."""
    malice = Malice(CLUSTER.identities[2], CLUSTER.library)
    admin = member_subject(CLUSTER.identities[0].node)
    junk = [
        malice.change(
            admin if number % 2 else Subject(MEMBER, number.to_bytes(32, "big")),
            VALUES[number % 4],
        )
        for number in range(4_000)
    ]
    took_s: dict[bool, float] = {}
    with pytest.MonkeyPatch.context() as patch:
        for looks_at_all in (False, True):
            if looks_at_all:
                patch.setattr(roster, "_weighty", lambda some, ever: some)
            tries = []
            for _ in range(3):
                began_s = time.process_time()
                found = build_roster(CLUSTER.library, [*HONEST, *junk])
                tries.append(time.process_time() - began_s)
            took_s[looks_at_all] = min(tries)
            assert found == build_roster(CLUSTER.library, HONEST)
    assert took_s[False] < took_s[True] / 3, took_s

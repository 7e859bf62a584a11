"""Several admins, some of whom are thieves: who is a member follows from the set of changes alone.

A thief has the key of a machine: it signs whatever it likes, under any number and any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Change, SignedChange, seal
from photonic.crdt.fields import CERTIFICATE, RATING, REVOKED
from photonic.crdt.roster import (
    ADMIN_SCOPES,
    MEMBER_SCOPES,
    MEMBERS_ADMIN,
    VOUCHED_BYTES,
    Certificate,
    Roster,
    build_roster,
)
from photonic.identity import Identity
from photonic.ids import MEMBER, PHOTO, NodeId, library_id
from photonic.journal.journal import Journal
from tests.crdt.replicas import WORLD, photo

AUTHORITY = Identity(bytes([9]) * 32)
LIBRARY = library_id(AUTHORITY.node)
NOW = 1_000_000 << 16


class Story:
    """Changes to one library, signed by whom one likes, and how one likes."""

    def __init__(self, admins: int = 3) -> None:
        self.changes: list[SignedChange] = []
        self.nodes = [Identity(bytes([20 + i]) * 32) for i in range(6)]
        self.founding = [self.certify(AUTHORITY, 1, 0, ADMIN_SCOPES)]
        for number in range(1, admins):  # the first one admits the others
            self.founding.append(self.certify(self.nodes[0], number, number, ADMIN_SCOPES))

    def say(
        self, author: Identity, seq: int, kind: str, key: bytes, sets: dict[str, Any],
        parents: Sequence[SignedChange] = (), at: int = NOW,
    ) -> SignedChange:  # fmt: skip
        names = tuple(sorted(one.id for one in parents))
        change = Change(kind, key, names, author.node, seq, at, sets)
        signed = seal(author, LIBRARY, change)
        self.changes.append(signed)
        return signed

    def certify(
        self, author: Identity, seq: int, node: int, scopes: tuple[str, ...],
        parents: Sequence[SignedChange] = (), **rest: Any,
    ) -> SignedChange:  # fmt: skip
        value = msgspec.to_builtins(Certificate("n", "central", scopes, **rest))
        key = self.nodes[node].node
        return self.say(author, seq, MEMBER, key, {CERTIFICATE: value}, parents)

    def revoke(
        self, author: Identity, seq: int, node: int, value: object,
        parents: Sequence[SignedChange] = (), at: int = NOW,
    ) -> SignedChange:  # fmt: skip
        return self.say(author, seq, MEMBER, self.nodes[node].node, {REVOKED: value}, parents, at)

    def roster(self) -> Roster:
        return build_roster(LIBRARY, self.changes)

    def admits(self, node: int) -> bool:
        return self.roster().admits(self.nodes[node].node, 0)


def vouch(*some: SignedChange) -> list[bytes]:
    return [signed.id[:VOUCHED_BYTES] for signed in some]


def test_who_is_admitted_beyond_the_cut_of_an_admin_is_no_member_nor_whom_it_admits() -> None:
    story = Story()
    owner, thief = story.nodes[0], story.nodes[1]
    kept = story.certify(thief, 1, 3, MEMBER_SCOPES)
    story.certify(thief, 2, 4, ADMIN_SCOPES)
    story.certify(story.nodes[4], 1, 5, ADMIN_SCOPES)
    assert story.admits(4) and story.admits(5)
    story.revoke(owner, 3, 1, [1, vouch(kept)])
    assert [story.admits(n) for n in range(6)] == [True, False, True, True, False, False]


def test_a_certificate_under_an_old_number_admits_nobody_after_the_revocation() -> None:
    story = Story()
    kept = story.certify(story.nodes[1], 1, 3, MEMBER_SCOPES)
    story.revoke(story.nodes[0], 3, 1, [7, vouch(kept)])
    story.certify(story.nodes[1], 1, 4, ADMIN_SCOPES)  # the number of what was vouched for
    story.certify(story.nodes[1], 5, 5, ADMIN_SCOPES)  # and one of an edit of a photo
    assert story.admits(3) and not story.admits(4) and not story.admits(5)


def test_a_revocation_dated_back_by_the_thief_changes_nothing() -> None:
    story = Story()
    owner, thief = story.nodes[0], story.nodes[1]
    story.revoke(owner, 3, 1, [0, []])
    story.revoke(thief, 1, 0, [0, []], at=1)  # before there were photographs
    story.revoke(thief, 2, 2, [0, []], at=1)
    assert story.admits(0) and story.admits(2) and not story.admits(1)


def test_of_admins_that_revoke_one_another_the_one_admitted_first_is_believed() -> None:
    story = Story(admins=4)
    story.revoke(story.nodes[2], 1, 1, [0, []])
    story.revoke(story.nodes[1], 1, 2, [0, []])
    assert story.admits(1) and not story.admits(2) and story.admits(3)


def test_the_authority_is_believed_before_all_and_cannot_be_revoked() -> None:
    story = Story()
    story.revoke(story.nodes[0], 3, 1, [0, []])
    story.revoke(AUTHORITY, 2, 0, [2, vouch(*story.founding)])
    assert not story.admits(0) and story.admits(1) and story.admits(2)


def test_who_was_admitted_beyond_the_cut_cannot_lift_it() -> None:
    story = Story()
    cut = story.revoke(story.nodes[0], 3, 1, [0, []])
    story.certify(story.nodes[1], 1, 4, ADMIN_SCOPES)  # the thief's accomplice
    lift = story.revoke(story.nodes[4], 1, 1, None, [cut])
    story.revoke(story.nodes[1], 2, 1, None, [cut, lift])  # and the thief itself
    assert not story.admits(1) and not story.admits(4)


def test_nobody_lifts_its_own_revocation_under_an_old_number() -> None:
    story = Story()
    cut = story.revoke(story.nodes[0], 3, 1, 5)  # as older versions wrote it: all up to 5 count
    story.revoke(story.nodes[1], 3, 1, None, [cut])
    assert not story.admits(1)


def test_an_accomplice_lifts_nothing_either_if_who_revoked_had_been_restored_itself() -> None:
    story = Story()
    cut = story.revoke(story.nodes[0], 3, 1, [0, []])
    story.revoke(story.nodes[0], 4, 1, None, [cut])
    theft = story.revoke(story.nodes[1], 1, 2, [0, []])
    story.certify(story.nodes[2], 1, 4, ADMIN_SCOPES)
    story.revoke(story.nodes[4], 1, 2, None, [theft])
    assert story.admits(1) and not story.admits(2) and not story.admits(4)


def test_accomplices_of_two_thieves_do_not_lift_the_revocations_of_both() -> None:
    story = Story(admins=4)
    cuts = [story.revoke(story.nodes[0], 4 + n, 2 + n, [0, []]) for n in (0, 1)]
    for thief, accomplice, cut in ((2, 4, cuts[1]), (3, 5, cuts[0])):
        story.certify(story.nodes[thief], 1, accomplice, ADMIN_SCOPES)
        story.revoke(story.nodes[accomplice], 1, 5 - thief, None, [cut])
    assert [story.admits(n) for n in range(6)] == [True, True, False, False, False, False]


def test_another_admin_moves_the_cut_up_and_what_is_between_counts_again() -> None:
    story = Story()
    thief = story.nodes[1]
    first, second = (story.certify(thief, n, 2 + n, MEMBER_SCOPES) for n in (1, 2))
    cut = story.revoke(story.nodes[0], 3, 1, [1, vouch(first)])
    assert story.admits(3) and not story.admits(4)
    moved = story.revoke(story.nodes[2], 1, 1, [2, vouch(first, second)], [cut])
    assert story.admits(3) and story.admits(4) and not story.admits(1)
    story.revoke(story.nodes[2], 2, 1, None, [moved])
    assert story.admits(1)


def test_of_cuts_that_were_set_apart_the_lower_one_holds() -> None:
    story = Story()
    made = [story.certify(story.nodes[1], n, 2 + n, MEMBER_SCOPES) for n in (1, 2)]
    story.revoke(story.nodes[0], 3, 1, [2, vouch(*made)])
    story.revoke(story.nodes[2], 1, 1, [1, vouch(made[0])])
    assert story.admits(3) and not story.admits(4)


def test_a_revocation_that_cannot_be_read_revokes_from_the_first_change_on() -> None:
    values: tuple[object, ...] = ("yes", -1, [1], [1, [7]], {}, 2.5)
    for value in values:
        story = Story()
        story.revoke(story.nodes[0], 3, 1, value)
        assert story.roster().members[story.nodes[1].node].cut == 0


def test_narrower_rights_hold_from_a_number_on_and_leave_the_past_alone() -> None:
    story = Story()
    (before, after) = (story.say(story.nodes[3], n, PHOTO, b"p", {RATING: n}) for n in (4, 5))
    wide = story.certify(story.nodes[0], 3, 3, MEMBER_SCOPES)
    reads = ("catalog.read",)
    past = ((4, MEMBER_SCOPES),)
    story.certify(story.nodes[0], 4, 3, reads, [wide], past=past)
    roster = story.roster()
    assert roster.allows(before) and not roster.allows(after)


def test_an_admin_that_is_none_any_more_keeps_whom_it_admitted_and_admits_nobody() -> None:
    story = Story()
    story.certify(story.nodes[1], 1, 3, MEMBER_SCOPES)
    story.certify(story.nodes[1], 2, 4, MEMBER_SCOPES)
    past = ((1, ADMIN_SCOPES),)
    story.certify(story.nodes[0], 9, 1, MEMBER_SCOPES, [story.founding[1]], past=past)
    assert story.admits(1) and story.admits(3) and not story.admits(4)


def test_admins_that_narrow_one_another_are_both_none() -> None:
    story = Story()
    for by, whom in ((1, 2), (2, 1)):
        past = ((0, ADMIN_SCOPES),)
        parents = [story.founding[whom]]
        story.certify(story.nodes[by], 1, whom, MEMBER_SCOPES, parents, past=past)
    members = story.roster().members
    assert not any(members[story.nodes[n].node].may(MEMBERS_ADMIN) for n in (1, 2))


# --- whatever happens, and in whatever order it is heard -----------------------------------------

_NODES = st.integers(0, 5)
_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "admin", "narrow", "revoke", "revoke", "lift"]),
        st.integers(-1, 5),  # who; -1 is the authority
        _NODES,  # whom
        st.integers(1, 4),  # under which number: thieves use them twice
        st.integers(0, 3),  # which cut
        st.booleans(),  # whether it has seen what was said of that member before
        st.integers(0, 1 << 40),  # at which time it claims to be
    ),
    max_size=14,
)


def play(acts: list[tuple[str, int, int, int, int, bool, int]]) -> Story:
    story = Story()
    for what, who, whom, seq, cut, has_seen, at in acts:
        author = AUTHORITY if who < 0 else story.nodes[who]
        key = story.nodes[whom].node
        mine = [s for s in story.changes if s.change.key == key] if has_seen else []
        past = ((cut, ADMIN_SCOPES),) if what == "narrow" else ()
        scopes = ADMIN_SCOPES if what == "admin" else MEMBER_SCOPES
        if what in ("revoke", "lift"):
            theirs = [s for s in story.changes if s.change.author == key and s.change.seq <= cut]
            value = [cut, vouch(*theirs)] if what == "revoke" else None
            story.revoke(author, seq, whom, value, mine, at)
        else:
            story.certify(author, seq, whom, scopes, mine, past=past)
    return story


@settings(max_examples=150, deadline=None)
@given(_ACTS, st.randoms(use_true_random=False))
def test_the_roster_is_the_same_in_whatever_order_it_is_heard(acts: Any, random: Any) -> None:
    story = play(acts)
    roster = story.roster()
    for _ in range(3):
        shuffled = [*story.changes, *story.changes[:3]]
        random.shuffle(shuffled)
        assert build_roster(LIBRARY, shuffled) == roster


@settings(max_examples=25, deadline=None)
@given(_ACTS, st.lists(st.tuples(_NODES, st.integers(1, 5)), max_size=6), st.data())
def test_catalogs_that_hear_it_in_pieces_show_the_same(acts: Any, edits: Any, data: Any) -> None:
    story = play(acts)
    for node, seq in edits:
        key = photo(0).key
        story.say(story.nodes[node], seq, PHOTO, key, {RATING: seq})
    shown = []
    for _ in range(2):
        catalog = Catalog(LIBRARY, story.nodes[0], Journal(None), WORLD)
        for signed in data.draw(st.permutations(story.changes)):
            catalog.adopt([signed.data], b"peer")
            catalog.flush()
        shown.append((catalog.roster, catalog.state(photo(0)), catalog.root_digest()))
    assert shown[0] == shown[1]
    assert shown[0][0] == story.roster()


@settings(max_examples=100, deadline=None)
@given(_ACTS)
def test_whatever_a_revoked_admin_does_afterwards_admits_nobody_and_frees_nobody(acts: Any) -> None:
    """The thief is the third admin, and so is not believed against the others."""
    thief, accomplice = 2, 4
    story = Story()
    story.revoke(story.nodes[0], 3, thief, [0, []])
    before = story.roster()
    villains = (thief, accomplice, 5)
    for what, _, whom, seq, cut, has_seen, at in acts:
        author = story.nodes[villains[(seq + cut) % 3]]
        key = story.nodes[whom].node
        mine = [s for s in story.changes if s.change.key == key] if has_seen else []
        if what in ("revoke", "lift"):
            story.revoke(author, seq, whom, [cut, []] if what == "revoke" else None, mine, at)
        else:
            story.certify(author, seq, whom, ADMIN_SCOPES, mine)
    assert story.roster() == before


def test_a_member_of_another_library_is_none_of_this_one() -> None:
    story = Story()
    assert build_roster(library_id(NodeId(bytes(32))), story.changes) == Roster()

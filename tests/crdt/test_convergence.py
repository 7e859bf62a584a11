"""Invariants I1, I2 and I4 over whole catalogs: any history, any order, any repetition."""

from __future__ import annotations

from random import Random
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, SignedChange, admit
from photonic.crdt.documents import holding_entries
from photonic.crdt.fields import RATING, TAGS, TITLE
from photonic.crdt.fold import Version, fold
from photonic.crdt.keys import shard_of
from photonic.ids import BlobId, ChangeId, NodeId
from photonic.journal.journal import CHANGES, HOLDINGS, Journal
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo, states

Act: TypeAlias = tuple[str, int, int, Any]  # what, by whom, on which, with what value

NODES = st.integers(0, 2)
EDITS = st.tuples(st.just("edit"), NODES, st.integers(0, 2), st.integers(-1, 5))
NAMES = st.tuples(st.just("title"), NODES, st.integers(0, 2), st.sampled_from(["a", "b"]))
TAGGING = st.tuples(st.just("tag"), NODES, st.integers(0, 2), st.sampled_from(["x", "y"]))
UNTAGGING = st.tuples(st.just("untag"), NODES, st.integers(0, 2), st.sampled_from(["x", "y"]))
MEETINGS = st.tuples(st.just("meet"), NODES, NODES, st.none() | st.integers(1, 6))
HISTORIES = st.lists(st.one_of(EDITS, NAMES, TAGGING, UNTAGGING, MEETINGS), max_size=25)


def play(cluster: Cluster, history: list[Act]) -> None:
    """Let the history happen; a meeting with a number is cut after so many messages."""
    for number in range(3):
        commit(cluster.catalogs[0], import_draft(number))
    for act, who, which, value in history:
        catalog = cluster.catalogs[who]
        if act == "meet":
            if who != which:
                meet(catalog, cluster.catalogs[which], cut_after=value)
        elif act == "edit":
            commit(catalog, Draft(photo(which), {RATING: value}))
        elif act == "title":
            commit(catalog, Draft(photo(which), {TITLE: value}))
        elif act == "tag":
            commit(catalog, Draft(photo(which), adds={TAGS: (value,)}))
        else:
            commit(catalog, Draft(photo(which), removes={TAGS: (value,)}))


def heal(cluster: Cluster) -> None:
    for _ in range(2):
        for left in cluster.catalogs:
            for right in cluster.catalogs:
                if left is not right:
                    meet(left, right)


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_nodes_that_met_show_the_same_whatever_happened_before(history: list[Act]) -> None:
    cluster = Cluster(3)
    play(cluster, history)
    heal(cluster)
    first = states(cluster.catalogs[0], range(3))
    for other in cluster.catalogs[1:]:
        assert states(other, range(3)) == first
        assert other.root_digest() == cluster.catalogs[0].root_digest()


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_no_edit_is_lost_unless_one_that_saw_it_wrote_the_field(history: list[Act]) -> None:
    cluster = Cluster(3)
    play(cluster, history)
    heal(cluster)
    catalog = cluster.catalogs[1]
    for number in range(3):
        subject = photo(number)
        changes = {signed.id: signed for signed in catalog.changes(subject)}
        shown = catalog.state(subject)
        for change in changes.values():
            for field, value in change.change.sets.items():
                version = Version(change.id, value, NodeId(change.change.author), change.change.at)
                if version not in shown.fields[field].versions:
                    assert _superseding(changes, change.id, field), "an edit is gone"


def _superseding(changes: dict[ChangeId, SignedChange], ancestor: ChangeId, field: str) -> bool:
    """Whether a descendant of a change writes the field."""
    descendants: set[ChangeId] = {ancestor}
    grown = True
    while grown:
        fresh = {
            change.id
            for change in changes.values()
            if change.id not in descendants and descendants & set(change.change.parents)
        }
        descendants |= fresh
        grown = bool(fresh)
    return any(field in changes[name].change.sets for name in descendants - {ancestor})


@settings(max_examples=40, deadline=None)
@given(HISTORIES, st.randoms(use_true_random=False))
def test_fold_does_not_depend_on_order_or_repetition(history: list[Act], random: Random) -> None:
    cluster = Cluster(3)
    play(cluster, history)
    heal(cluster)
    catalog = cluster.catalogs[2]
    for number in range(3):
        subject = photo(number)
        changes = catalog.changes(subject)
        shuffled = changes * 2
        random.shuffle(shuffled)
        assert fold(subject, shuffled) == fold(subject, changes)


def test_different_ratings_made_apart_are_both_visible_until_one_is_chosen() -> None:
    cluster = Cluster(2)
    left, right = cluster.catalogs
    commit(left, import_draft(0))
    meet(left, right)
    commit(left, Draft(photo(0), {RATING: 4}))
    commit(right, Draft(photo(0), {RATING: 2, TITLE: "dusk"}))
    meet(left, right)
    for catalog in (left, right):
        state = catalog.state(photo(0))
        assert state.contested() == (RATING,)
        assert {v.value for v in state.fields[RATING].versions} == {4, 2}
        assert state.fields[TITLE].versions[0].value == "dusk"
    commit(right, Draft(photo(0), {RATING: 4}))
    meet(right, left)
    assert left.state(photo(0)).contested() == ()


def test_a_write_supersedes_one_that_lies_many_edits_back() -> None:
    catalog = Cluster(1).catalogs[0]
    commit(catalog, import_draft(0), Draft(photo(0), {RATING: 1}))
    for title in ("a", "b", "c"):
        commit(catalog, Draft(photo(0), {TITLE: title}))
    commit(catalog, Draft(photo(0), {RATING: 2}))
    state = catalog.state(photo(0))
    assert [version.value for version in state.fields[RATING].versions] == [2]
    assert [version.value for version in state.fields[TITLE].versions] == ["c"]


def test_the_same_value_said_twice_is_no_conflict() -> None:
    cluster = Cluster(2)
    left, right = cluster.catalogs
    commit(left, import_draft(0))
    meet(left, right)
    commit(left, Draft(photo(0), {RATING: 3}))
    commit(right, Draft(photo(0), {RATING: 3}))
    meet(left, right)
    assert left.state(photo(0)).contested() == ()
    assert len(left.state(photo(0)).fields[RATING].versions) == 2


def test_a_value_written_meanwhile_contests_again_after_a_resolution() -> None:
    cluster = Cluster(3)
    left, right, away = cluster.catalogs
    commit(left, import_draft(0))
    meet(left, right)
    meet(left, away)
    commit(left, Draft(photo(0), {RATING: 1}))
    commit(right, Draft(photo(0), {RATING: 2}))
    commit(away, Draft(photo(0), {RATING: 5}))
    meet(left, right)
    commit(left, Draft(photo(0), {RATING: 2}))
    meet(left, away)
    assert {v.value for v in left.state(photo(0)).fields[RATING].versions} == {2, 5}


def test_the_same_file_imported_apart_is_one_photo_without_a_conflict() -> None:
    cluster = Cluster(2)
    left, right = cluster.catalogs
    commit(left, import_draft(0))
    commit(right, import_draft(0))
    meet(left, right)
    for catalog in (left, right):
        state = catalog.state(photo(0))
        assert len(state.heads) == 2 and state.contested() == ()


def test_a_remove_ends_only_the_adds_that_it_saw() -> None:
    cluster = Cluster(2)
    left, right = cluster.catalogs
    commit(left, import_draft(0), Draft(photo(0), adds={TAGS: ("bird",)}))
    meet(left, right)
    commit(left, Draft(photo(0), removes={TAGS: ("bird",)}))
    commit(right, Draft(photo(0), adds={TAGS: ("bird",)}))
    meet(left, right)
    assert "bird" in left.state(photo(0)).tags[TAGS]
    commit(left, Draft(photo(0), removes={TAGS: ("bird",)}))
    assert left.state(photo(0)).tags.get(TAGS, {}) == {}


def test_nothing_differs_costs_a_hash_and_one_edit_a_few_kilobytes() -> None:
    cluster = Cluster(2)
    left, right = cluster.catalogs
    commit(left, *(import_draft(number) for number in range(2_000)))
    meet(left, right)
    assert meet(left, right) < 100
    commit(left, Draft(photo(7), {RATING: 5}))
    assert meet(left, right) < 16_000
    assert right.state(photo(7)).fact(RATING) == 5


def test_a_restarted_catalog_says_what_it_said_before() -> None:
    cluster = Cluster(2)
    journal = Journal(None)
    again = cluster.open(1, journal)
    meet(cluster.catalogs[0], again)
    commit(again, import_draft(0), Draft(photo(0), {RATING: 4}))
    reopened = cluster.open(1, journal)
    assert reopened.state(photo(0)) == again.state(photo(0))
    assert reopened.root_digest() == again.root_digest()
    before = {change.change.seq for change in _changes(reopened)}
    commit(reopened, Draft(photo(0), {RATING: 5}))
    assert len({change.change.seq for change in _changes(reopened)}) == len(before) + 1


def _changes(catalog: Catalog) -> list[SignedChange]:
    return catalog.changes(photo(0))


def test_what_is_not_flushed_is_not_announced_and_not_kept() -> None:
    cluster = Cluster(2)
    journal = Journal(None)
    catalog = cluster.open(1, journal)
    meet(cluster.catalogs[0], catalog)
    catalog.write([import_draft(0)])
    assert cluster.open(1, journal).state(photo(0)).fields == {}
    assert len(catalog.flush().announcements) == 1


@pytest.mark.parametrize("position", range(0, 200, 7))
def test_a_flipped_bit_in_a_change_is_refused_at_the_door(position: int) -> None:
    cluster = Cluster(1)
    (signed,) = cluster.catalogs[0].write([import_draft(0)])
    data = bytearray(signed.data)
    data[position % len(data)] ^= 1
    with pytest.raises(Exception) as caught:
        admit(cluster.library, bytes(data))
    assert type(caught.value).__name__ == "ChangeInvalid"


def test_an_update_that_overwrites_is_refused_whole_and_kept_aside() -> None:
    cluster = Cluster(2)
    left, right = cluster.catalogs
    commit(left, import_draft(0))
    meet(left, right)
    number = shard_of(photo(0))
    before = right.state(photo(0))
    document = left.documents.get(number, CHANGES)
    key, data = next(iter(document.entries().items()))
    vector = right.documents.get(number, CHANGES).vector()
    document.insert({key: data[:-1]})
    assert not right.receive(number, CHANGES, document.missing_for(vector), b"evil")
    right.flush()
    assert right.state(photo(0)) == before
    assert right.quarantined()[0].reason


def test_a_change_by_a_stranger_has_no_effect() -> None:
    cluster, other = Cluster(2), Cluster(1)
    stranger = cluster.open(0)
    stranger._identity = other.identities[0]
    stranger.write([import_draft(0)], identity=other.identities[0], seq=lambda: 1)
    stranger.flush()
    meet(stranger, cluster.catalogs[1])
    assert cluster.catalogs[1].state(photo(0)).fields == {}


def test_what_nodes_hold_is_heard_by_the_others_and_only_a_node_speaks_for_itself() -> None:
    cluster = Cluster(3)
    left, right, far = cluster.catalogs
    commit(left, import_draft(0))
    blob = BlobId(photo(0).key)
    me, other = cluster.identities[0].node, cluster.identities[1].node
    for said in (True, False, True):  # the second word overwrites the first
        left.hold({blob: said})
        left.flush()
        meet(left, right)
        meet(right, far)
        assert (me in far.holders(blob)) == said == (me in right.holders(blob))
    right.hold({blob: True})
    right.flush()
    meet(right, far)
    meet(far, left)
    assert left.holders(blob) == {me, other} == far.holders(blob)
    assert left.root_digest() == far.root_digest()
    lie = right.documents.overwrite(
        shard_of(photo(0)), HOLDINGS, holding_entries(me, {blob: False})
    )
    assert left.receive(shard_of(photo(0)), HOLDINGS, lie, other)
    left.flush()
    assert me in left.holders(blob), "what this node holds, it knows best"

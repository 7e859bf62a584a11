"""What was said is listed in order, and taken back by saying what held before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import ALBUMS, FLAG, LABEL, RATING, TAGS, TITLE, TRASHED
from photonic.crdt.fold import SubjectState
from photonic.crdt.history import records, undo
from photonic.errors import UndoRefused
from photonic.ids import ChangeId
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo

_SUBJECT = photo(0)


def _undo(catalog: Catalog, change: ChangeId, embedded: Any = None) -> None:
    draft = undo(
        _SUBJECT,
        catalog.changes(_SUBJECT),
        change,
        is_effective=catalog.is_effective,
        display=catalog.display,
        embedded=lambda name: embedded,
    )
    commit(catalog, draft)


def _said(catalog: Catalog, draft: Draft) -> ChangeId:
    (signed,) = catalog.write([draft])
    catalog.flush()
    return signed.id


def _shown(state: SubjectState) -> tuple[dict[str, Any], dict[str, set[str]]]:
    registers = {name: {v.value for v in field.versions} for name, field in state.fields.items()
                 if name in (RATING, LABEL, TITLE, FLAG, TRASHED)}  # fmt: skip
    return registers, {name: set(values) for name, values in state.tags.items() if values}


def _begun() -> Catalog:
    catalog = Cluster(1).catalogs[0]
    commit(catalog, import_draft(0))
    return catalog


_EDITS = st.one_of(
    st.tuples(st.just("set"), st.sampled_from([RATING, LABEL, TITLE, FLAG]), st.integers(0, 2)),
    st.tuples(st.just("add"), st.sampled_from([TAGS, ALBUMS]), st.sampled_from("ab")),
    st.tuples(st.just("remove"), st.sampled_from([TAGS, ALBUMS]), st.sampled_from("ab")),
)


def _draft(edit: tuple[str, str, Any]) -> Draft:
    kind, name, value = edit
    if kind == "set":
        return Draft(_SUBJECT, {name: value})
    if kind == "add":
        return Draft(_SUBJECT, adds={name: (value,)})
    return Draft(_SUBJECT, removes={name: (value,)})


@settings(max_examples=60, deadline=None)
@given(st.lists(_EDITS, max_size=6), _EDITS)
def test_undoing_the_last_edit_shows_what_was_shown_before(
    earlier: list[tuple[str, str, Any]], last: tuple[str, str, Any]
) -> None:
    catalog = _begun()
    for name in (RATING, LABEL, TITLE, FLAG):
        commit(catalog, Draft(_SUBJECT, {name: 0}))
    for edit in earlier:
        commit(catalog, _draft(edit))
    before = _shown(catalog.state(_SUBJECT))
    change = _said(catalog, _draft(last))
    try:
        _undo(catalog, change)
    except UndoRefused:
        assert _shown(catalog.state(_SUBJECT)) == before or last[0] == "add"
    assert _shown(catalog.state(_SUBJECT)) == before


def test_what_somebody_wrote_over_since_is_not_undone() -> None:
    catalog = _begun()
    change = _said(catalog, Draft(_SUBJECT, {RATING: 1, TITLE: "dawn"}))
    commit(catalog, Draft(_SUBJECT, {RATING: 5}))
    _undo(catalog, change)
    state = catalog.state(_SUBJECT)
    assert state.fact(RATING) == 5 and state.fact(TITLE) is None
    with pytest.raises(UndoRefused):
        _undo(catalog, change)


def test_undo_goes_back_to_what_the_file_itself_says() -> None:
    catalog = _begun()
    change = _said(catalog, Draft(_SUBJECT, {RATING: 1}))
    _undo(catalog, change, embedded=3)
    assert catalog.state(_SUBJECT).fact(RATING) == 3


def test_a_tag_that_somebody_else_gave_too_stays() -> None:
    left, right = Cluster(2).catalogs
    commit(left, import_draft(0))
    meet(left, right)
    change = _said(left, Draft(_SUBJECT, adds={TAGS: ("bird",)}))
    commit(right, Draft(_SUBJECT, adds={TAGS: ("bird",)}))
    meet(left, right)
    with pytest.raises(UndoRefused):
        _undo(left, change)
    assert "bird" in left.state(_SUBJECT).tags[TAGS]


def test_undoing_one_of_two_contested_words_leaves_the_other() -> None:
    left, right = Cluster(2).catalogs
    commit(left, import_draft(0))
    meet(left, right)
    change = _said(left, Draft(_SUBJECT, {RATING: 1}))
    commit(right, Draft(_SUBJECT, {RATING: 2}))
    meet(left, right)
    _undo(left, change)
    assert left.state(_SUBJECT).contested() == () and left.state(_SUBJECT).fact(RATING) == 2


def test_the_change_that_brought_a_photo_in_is_not_undone() -> None:
    catalog = _begun()
    (first,) = catalog.changes(_SUBJECT)
    with pytest.raises(UndoRefused, match="trash"):
        _undo(catalog, first.id)


def test_an_undo_can_be_undone() -> None:
    catalog = _begun()
    commit(catalog, Draft(_SUBJECT, {RATING: 1}))
    change = _said(catalog, Draft(_SUBJECT, {RATING: 5}))
    _undo(catalog, change)
    (latest, *_) = records(_SUBJECT, catalog.changes(_SUBJECT), catalog.is_effective)
    _undo(catalog, latest.id)
    assert catalog.state(_SUBJECT).fact(RATING) == 5


def test_the_history_tells_the_latest_first_and_what_still_stands() -> None:
    left, right = Cluster(2).catalogs
    commit(left, import_draft(0))
    meet(left, right)
    commit(left, Draft(_SUBJECT, {RATING: 1}))
    commit(right, Draft(_SUBJECT, {RATING: 2}))
    meet(left, right)
    last = _said(right, Draft(_SUBJECT, {TITLE: "dusk"}))
    meet(left, right)
    found = records(_SUBJECT, left.changes(_SUBJECT), left.is_effective)
    assert found[0].id == last and found[-1].change.seq == 1
    assert [record.standing & {RATING} for record in found[1:3]] == [{RATING}, {RATING}]

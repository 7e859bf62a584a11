"""What is shown of a photo follows from its changes, and nonsense is shown as nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Change, Draft, SignedChange
from photonic.crdt.fields import (
    ALBUMS,
    CAPTION,
    FACTS,
    FLAG,
    FOLDER,
    GPS,
    IMPORTED,
    LABEL,
    NAME,
    ORIGINAL,
    RATING,
    TAGS,
    TITLE,
    TRASHED,
)
from photonic.crdt.fold import fold
from photonic.crdt.index import Batch, PhotoIndex
from photonic.crdt.policy import EVERY_FIELD, Display
from photonic.crdt.projection import PhotoRow, is_alone, project, project_alone
from photonic.crdt.query import PhotoQuery
from photonic.ids import BlobId, ChangeId, NodeId, digest
from photonic.photos import Position
from tests.crdt.replicas import Cluster, commit, photo

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=33),
    st.sampled_from(["2024-05-17T09:30:12", "2024-99-01T00:00:00", "pick"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
REF = st.tuples(st.sampled_from([photo(1).key, digest(b"2")]), st.integers(-1, 1 << 64 - 1),
                st.just(bytes(32)))  # fmt: skip
FACT_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "media_type": st.sampled_from(["image/jpeg", "video/mp4", ""]),
        "taken": st.sampled_from(["2024-05-17T09:30:12.250", "yesterday", "2024-05-17"]),
        "rating": st.integers(-1, 5),
        "label": st.text(max_size=3),
        "keywords": st.lists(st.sampled_from(["a", "b/c"]), max_size=2),
        "position": st.just({"latitude": 1.0, "longitude": 2.0}) | VALUES,
        "iso": VALUES,
    },
)
REGISTERS = (RATING, LABEL, FLAG, TITLE, CAPTION, GPS, TRASHED, NAME, FOLDER, IMPORTED)


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    sets: dict[str, Any] = {}
    if draw(st.booleans()):
        sets[ORIGINAL] = draw(REF | VALUES)
    if draw(st.booleans()):
        sets[FACTS] = draw(FACT_FIELDS | VALUES)
    for name in draw(st.lists(st.sampled_from(REGISTERS), unique=True, max_size=4)):
        sets[name] = draw(VALUES)
    for name in draw(st.lists(st.sampled_from(["preview/256", "sidecar/xmp", "x"]), max_size=2)):
        sets[name] = draw(REF | VALUES | st.tuples(st.just(1), st.just(2), REF))
    words = st.lists(st.sampled_from(["a", "x", "b/c"]), unique=True, max_size=2)
    adds = {TAGS: draw(words), ALBUMS: draw(words)}
    given_adds = {name: some for name, some in adds.items() if some}
    return Draft(photo(1), sets or {NAME: "n"}, given_adds)


def row(catalog: Catalog) -> PhotoRow:
    found = project(catalog.state(photo(1)))
    assert found is not None
    return found


@settings(max_examples=400, deadline=None)
@given(drafts())
def test_a_photo_with_one_change_is_projected_as_if_it_were_folded(draft: Draft) -> None:
    adds = {name: tuple(values) for name, values in draft.adds.items()}
    change = Change(*draft.subject, (), bytes(32), 1, 1 << 40, dict(draft.sets), adds)
    signed = SignedChange(ChangeId(digest(b"change")), change, b"")
    assert is_alone(signed)
    expected = project(fold(signed.change.subject, [signed]))
    assert project_alone(signed) == expected
    if expected is not None:  # whatever a peer wrote can be put into the index
        index = PhotoIndex(None)
        index.apply(Batch(rows=[expected]), 1)
        assert PhotoQuery(index.engine).photo(expected.photo) is not None


RULES = st.sampled_from(["auto", "manual", "prefer:archive", "prefer:mobile"])
DISPLAYS = st.builds(
    Display,
    st.dictionaries(st.sampled_from([EVERY_FIELD, ORIGINAL, RATING, TRASHED]), RULES),
    st.just({NodeId(bytes([n]) * 32): role for n, role in enumerate(("archive", "mobile"))}),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(drafts(), max_size=3), DISPLAYS)
def test_no_photo_vanishes_whatever_others_say_apart_and_whatever_the_rules(
    others: list[Draft], display: Display
) -> None:
    said = [Draft(photo(1), {ORIGINAL: [photo(1).key, 1, bytes(32)]}), *others]
    changes = []
    for number, draft in enumerate(said):
        adds = {name: tuple(values) for name, values in draft.adds.items()}
        change = Change(
            *draft.subject, (), bytes([number]) * 32, 1, 1 << 40, dict(draft.sets), adds
        )
        changes.append(SignedChange(ChangeId(digest(b"change %d" % number)), change, b""))
    state = fold(photo(1), changes)
    found = project(state, display)
    assert found is not None
    assert (ORIGINAL in found.conflicts) == state.fields[ORIGINAL].is_contested
    index = PhotoIndex(None)
    index.apply(Batch(rows=[found]), 1)
    assert PhotoQuery(index.engine).photo(found.photo) is not None


def test_where_a_person_must_choose_the_original_the_automatic_pick_stands_in() -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    commit(catalog, Draft(photo(1), {ORIGINAL: [digest(b"1"), 1, bytes(32)], RATING: 3}))
    first = catalog.state(photo(1)).fields[ORIGINAL].versions[0]
    other = Change(*photo(1), (), bytes(32), 1, 1, {ORIGINAL: [digest(b"2"), 9, bytes(32)]})
    changes = [*catalog.changes(photo(1)), SignedChange(ChangeId(bytes(32)), other, b"")]
    state = fold(photo(1), changes)
    assert len(state.fields[ORIGINAL].versions) == 2 and first.value[1] == 1
    for rules in ({}, {ORIGINAL: "manual"}, {EVERY_FIELD: "manual"}):
        found = project(state, Display(rules))
        assert found is not None and found.conflicts == (ORIGINAL,)
        assert found.original.size_bytes == 9  # the larger file, by the stated order
        assert len(found.blobs) == 2  # and the other one is wanted, too


def test_embedded_words_are_shown_until_a_person_says_otherwise() -> None:
    catalog = Cluster(1).catalogs[0]
    facts = {"media_type": "image/jpeg", "rating": 3, "keywords": ["bird", "sea"]}
    facts["position"] = {"latitude": 1.5, "longitude": 2.5}
    commit(catalog, Draft(photo(1), {ORIGINAL: [photo(1).key, 1, bytes(32)], FACTS: facts}))
    assert (row(catalog).rating, row(catalog).position) == (3, Position(1.5, 2.5))
    sets = {RATING: None, GPS: None, FLAG: "pick"}
    commit(catalog, Draft(photo(1), sets, removes={TAGS: ("bird",)}))
    assert (row(catalog).rating, row(catalog).position, row(catalog).flag) == (None, None, "pick")
    assert row(catalog).tags == ("sea",)


def test_who_put_a_photo_into_the_trash_is_told() -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    commit(catalog, Draft(photo(1), {ORIGINAL: [photo(1).key, 1, bytes(32)]}))
    assert not row(catalog).trashed
    commit(catalog, Draft(photo(1), {TRASHED: True}))
    removal = row(catalog).removal
    assert removal is not None and removal.author == cluster.identities[0].node
    commit(catalog, Draft(photo(1), {TRASHED: None}))
    assert not row(catalog).trashed


def test_a_time_that_is_none_is_not_shown_and_the_import_takes_its_place() -> None:
    catalog = Cluster(1).catalogs[0]
    facts = {"media_type": "image/jpeg", "taken": "2024-13-45T99:00:00"}
    sets = {ORIGINAL: [photo(1).key, 1, bytes(32)], FACTS: facts, IMPORTED: 86_400_000}
    commit(catalog, Draft(photo(1), sets))
    found = row(catalog)
    assert (found.taken, found.sorted_by, found.added_ms) == (
        None,
        "1970-01-02T00:00:00",
        86_400_000,
    )


def test_nonsense_from_a_peer_is_shown_as_nothing_not_as_a_crash() -> None:
    catalog = Cluster(1).catalogs[0]
    for number, original in enumerate([None, 5, [], ["x", 1, "y"], [b"short", 1, b""], {"a": 1}]):
        commit(catalog, Draft(photo(number), {ORIGINAL: original, FACTS: [1, 2], "preview/x": 3}))
        assert project(catalog.state(photo(number))) is None
    commit(catalog, Draft(photo(9), {ORIGINAL: [photo(9).key, 1, bytes(32)], RATING: "five"}))
    found = project(catalog.state(photo(9)))
    assert found is not None and found.rating is None and found.photo == BlobId(photo(9).key)

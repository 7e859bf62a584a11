"""The index finds what `matches` says, in order, page by page, and counts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.index import Batch, EditRow
from photonic.crdt.projection import sample_of
from photonic.crdt.query import PhotoQuery
from photonic.crdt.timeline import moment_text
from photonic.errors import QueryInvalid
from photonic.ids import BlobId, digest
from photonic.photos import media_type
from photonic.search.criteria import ALL, Is, Not, Sort, Tree, matches, with_defaults
from photonic.search.grammar import parse
from photonic.search.sample import Sample
from tests.crdt.photo_rows import NODES, batch_of, index_of, libraries, row_of
from tests.search.queries import ALBUMS, trees

SORTS = (Sort(), Sort("taken", True), Sort("added"), Sort("added", True))


def everything(query: PhotoQuery, tree: Tree, size: int, sort: Sort) -> list[BlobId]:
    """Return all photos of all pages."""
    found, cursor = [], None
    while True:
        page = query.page(tree, size, cursor, sort)
        assert len(page.items) <= size
        found += [item.row.photo for item in page.items]
        cursor = page.next
        if cursor is None:
            return found


def moment_of(sample: Sample) -> str:
    return sample.taken or moment_text(sample.added_ms)


# Bounds that decide how a set is walked, so that all ways are gone on small libraries, too.
WAYS: list[dict[str, object]] = [
    {},
    {"plans._WORTH_WALKING": 0.0, "plans._FEW": -1, "plans._PROBES_MAX": 0},
    {"plans._MEMBERS_MAX": 0, "listing._PIECE_MAX": 2, "sets._ENDINGS_MAX": 0},
    {"plans._TERMS_MAX": 1, "listing._SORTED_COST": 0, "listing._FEW": 0, "sets._IDS_MAX": 0},
    {"sets._NUMBER_TERMS_MAX": 0, "listing._SORTED_COST": 1e9},
]


@pytest.mark.parametrize("way", range(len(WAYS)))
@settings(max_examples=80, deadline=None)
@given(libraries(has_brake=True), st.lists(trees(), min_size=1, max_size=4), st.sampled_from(SORTS))
def test_a_page_has_what_matches(
    way: int, some: list[Sample], wanted: list[Tree], sort: Sort
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[way].items():
            patch.setattr(f"photonic.crdt.{name}", value)
        compare(some, wanted, sort)


def compare(some: list[Sample], wanted: list[Tree], sort: Sort) -> None:
    """Compare what the index finds with what `matches` says."""
    query = PhotoQuery(index_of(some).engine)
    for tree in wanted:
        found = everything(query, tree, 5, sort)
        assert len(set(found)) == len(found)
        assert set(found) == {sample.photo for sample in some if matches(tree, sample)}
        assert query.count(tree).count == len(found)
        months = Counter(moment_of(sample)[:7] for sample in some if sample.photo in found)
        assert query.histogram(tree) == sorted(months.items(), reverse=True)


UNIONS = [
    "tag:t1 or tag:t2",
    "(tag:t1 or tag:t2 or tag:t3) width>2000",
    "(tag:t1 rating:5) or (tag:t2 width>2000) or camera:c1",
    "-tag:t1 (camera:c1 or rating>=4)",
    "camera:c1 -tag:t1",
    "-camera:c1 -tag:t1",
    "walk or tag:t3 -rating:5",
    "(walk width>2000) or (rating:5 tag:t1)",
    "place:-5,-5..5,5 (tag:t1 or tag:t2)",
]


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("text", UNIONS)
def test_unions_are_walked_through_many_pieces(way: int, text: str) -> None:
    dice = Random(7)
    some = [
        Sample(
            photo=BlobId(digest(b"%d" % number)),
            name=dice.choice(("walk", "walking home", "run")),
            tags=tuple(dice.sample(("t1", "t2", "t3", "t4"), dice.randint(0, 2))),
            camera=dice.choice(("c1", "c2", None)),
            rating=dice.choice((None, 3, 4, 5)),
            width=dice.choice((1_000, 4_000)),
            taken=f"20{dice.randint(10, 24)}-{dice.randint(1, 12):02}-05T10:00:00",
            latitude=dice.uniform(-9, 9),
            longitude=dice.uniform(-9, 9),
        )
        for number in range(150)
    ]
    tree = parse(text, date(2026, 1, 1)).tree
    assert any(matches(tree, sample) for sample in some)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[way].items():
            patch.setattr(f"photonic.crdt.{name}", value)
        for sort in SORTS:
            compare(some, [tree], sort)


@settings(max_examples=100, deadline=None)
@given(libraries(), st.integers(1, 5), st.sampled_from(SORTS))
def test_pages_are_in_the_order_that_is_asked_for(
    some: list[Sample], size: int, sort: Sort
) -> None:
    query = PhotoQuery(index_of(some).engine)
    found = everything(query, ALL, size, sort)
    by_photo = {sample.photo: sample for sample in some}

    def key(photo: BlobId) -> object:
        sample = by_photo[photo]
        return moment_of(sample)[:19] if sort.by == "taken" else sample.added_ms

    keys = [key(photo) for photo in found]
    assert keys == sorted(
        keys, key=lambda one: (str(type(one)), one), reverse=not sort.oldest_first
    )
    ids, cursor = [], None
    while sort == Sort():
        photos, cursor = query.ids(ALL, size, cursor)
        ids += photos
        if cursor is None:
            assert ids == found
            break


@given(libraries(has_brake=True))
def test_a_sample_is_what_a_row_says(some: list[Sample]) -> None:
    for sample in some:
        row = row_of(sample)
        names = dict(ALBUMS)
        local = {"held": sample.held, "removal_held": sample.removal_held}
        local["has_raw"] = sample.has_raw
        assert sample_of(row, copies=sample.copies, **local, album_names=names) == sample


@given(libraries(has_brake=True))
def test_facets_count_what_is_not_in_the_trash(some: list[Sample]) -> None:
    facets = PhotoQuery(index_of(some).engine).facets()
    seen = [sample for sample in some if not sample.trashed]
    ratings = Counter(str(sample.rating) for sample in seen if sample.rating)
    assert facets["rating"] == dict(ratings)
    assert sum(facets["camera"].values()) == sum(sample.camera is not None for sample in seen)
    assert facets["kind"] == dict(Counter(sample.kind for sample in seen))
    months = Counter(moment_of(sample)[:7] for sample in seen)
    assert facets["month"] == dict(months)
    assert PhotoQuery(index_of(some).engine).histogram(Not(Is("trashed"))) == sorted(
        months.items(), reverse=True
    )


@pytest.mark.parametrize("cursor", ["", "AAAA", "not base64!", "x" * 5000, "ä"])
def test_a_cursor_that_no_page_gave_out_is_an_error(cursor: str) -> None:
    query = PhotoQuery(index_of([]).engine)
    asks: list[Callable[[], object]] = [
        lambda: query.page(ALL, 10, cursor),
        lambda: query.ids(ALL, 10, cursor),
        lambda: query.acts(10, cursor),
    ]
    for ask in asks:
        with pytest.raises(QueryInvalid):
            ask()


def test_a_cursor_of_another_order_is_an_error() -> None:
    some = [Sample(photo=BlobId(digest(b"%d" % n)), added_ms=n) for n in range(3)]
    query = PhotoQuery(index_of(some).engine)
    cursor = query.page(ALL, 1, None, Sort("added")).next
    assert cursor is not None
    with pytest.raises(QueryInvalid):
        query.page(ALL, 1, cursor)
    with pytest.raises(QueryInvalid):
        query.acts(1, cursor)


def test_a_page_goes_on_where_it_ended_though_photos_came_and_went() -> None:
    def taken(number: int) -> Sample:
        return Sample(photo=BlobId(digest(b"%d" % number)), taken=f"2024-05-{number:02}T12:00:00")

    index = index_of([taken(number) for number in range(10, 20)])
    query = PhotoQuery(index.engine)
    first = query.page(ALL, 3, None)
    gone = first.items[-1].row.photo
    index.apply(Batch(gone=[gone]))
    index.apply(batch_of([taken(25), taken(5)]))
    rest = everything_behind(query, first.next)
    assert rest == [taken(n).photo for n in (*range(16, 9, -1), 5)]


def everything_behind(query: PhotoQuery, cursor: str | None) -> list[BlobId]:
    found: list[BlobId] = []
    while cursor is not None:
        page = query.page(ALL, 3, cursor)
        found += [item.row.photo for item in page.items]
        cursor = page.next
    return found


def test_a_month_of_the_trash_is_not_on_the_timeline() -> None:
    some = [
        Sample(photo=BlobId(digest(b"1")), taken="2024-05-01T12:00:00"),
        Sample(photo=BlobId(digest(b"2")), taken="2024-06-01T12:00:00", trashed=True),
    ]
    query = PhotoQuery(index_of(some).engine)
    assert query.histogram(with_defaults(ALL)) == [("2024-05", 1)]
    assert query.histogram(ALL) == [("2024-06", 1), ("2024-05", 1)]


def test_what_people_did_is_listed_act_by_act() -> None:
    index = index_of([])
    act = b"a" * 16

    def edit(number: int, act: bytes | None) -> EditRow:
        change, key = digest(b"change %d" % number), digest(b"photo %d" % number)
        return EditRow(change, "photo", key, act, NODES[0], number)

    edits = [edit(1, None), *(edit(number, act) for number in range(2, 7)), edit(7, None)]
    for _ in range(2):  # the same word again changes nothing
        index.apply(Batch(edits=edits[:4]))
        index.apply(Batch(edits=edits))
    query = PhotoQuery(index.engine)
    page = query.acts(2, None)
    assert [(row.act, row.at, row.count) for row in page.items] == [(None, 7, 1), (act, 2, 5)]
    rest = query.acts(2, page.next)
    assert [row.at for row in rest.items] == [1]
    assert rest.next is None
    assert query.acts_like("61", 5) == [act]
    assert query.acts_like("6", 5) == [act]
    assert query.acts_like("62", 5) == []
    (found,) = query.changes_like(edits[0].change.hex()[:7], 2)
    assert (found.change, found.kind, found.key) == (edits[0].change, "photo", edits[0].key)
    photos = query.photos_of_act(act, None, 3)
    assert photos + query.photos_of_act(act, photos[-1], 3) == sorted(e.key for e in edits[1:6])


def test_numbers_show_what_is_lacking_and_what_was_given_twice() -> None:
    index = index_of([])
    one, other = NODES[:2]
    seqs = [(one, 1, b"a" * 32), (one, 2, b"b" * 32), (other, 1, b"c" * 32), (other, 3, b"d" * 32)]
    index.apply(Batch(seqs=seqs))
    index.apply(Batch(seqs=[*seqs, (other, 3, b"e" * 32)]))
    query = PhotoQuery(index.engine)
    assert query.authors() == {one: (2, 2), other: (2, 3)}
    assert query.repeated_numbers(10) == [(other, 3)]


def test_a_raw_file_of_the_same_shot_is_found_wherever_it_lies() -> None:
    second = "2024-05-17T09:30:12"
    told: tuple[dict[str, Any], ...] = (
        {"name": "IMG_1.JPG", "taken": f"{second}.250"},
        {"name": "img_1.cr3", "taken": f"{second}.990", "folder": "raw"},
        {"name": "IMG_2.JPG", "taken": second},  # its raw is of another second
        {"name": "IMG_2.CR3", "taken": "2024-05-17T09:30:13"},
        {"name": "IMG_3.JPG", "taken": second},  # its raw is in the trash
        {"name": "IMG_3.CR3", "taken": second, "trashed": True},
        {"name": "IMG_4.JPG"},  # nobody knows when
        {"name": "IMG_4.CR3"},
        {"name": "IMG_5.CR3", "taken": second},  # not beside itself
    )
    some = [
        Sample(
            photo=BlobId(digest(b"%d" % number)), media_type=media_type(one["name"]) or "", **one
        )
        for number, one in enumerate(told)
    ]
    page = PhotoQuery(index_of(some).engine).page(parse("has-raw", date(2026, 1, 1)).tree, 9, None)
    assert [item.row.name for item in page.items] == ["IMG_1.JPG"]

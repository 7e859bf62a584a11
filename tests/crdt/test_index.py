"""The index answers as the catalog would, page by page, and can be made again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import FACTS, NAME, ORIGINAL, RATING, TAGS
from photonic.crdt.index import PhotoIndex
from photonic.crdt.projection import PhotoRow, project
from photonic.crdt.query import Filter, PhotoQuery
from photonic.errors import QueryInvalid
from photonic.ids import BlobId, Subject
from tests.crdt.replicas import Cluster, commit, photo


def _draft(number: int, taken: str | None, **facts: object) -> Draft:
    subject = photo(number)
    said = {"media_type": "image/jpeg", **({"taken": taken} if taken else {}), **facts}
    sets = {ORIGINAL: [subject.key, number, bytes(32)], NAME: f"IMG_{number}.JPG", FACTS: said}
    return Draft(subject, {**sets, "preview/256": [256, 171, [bytes([number]) * 32, 9, bytes(32)]]})


def _row(catalog: Catalog, subject: Subject) -> PhotoRow:
    row = project(catalog.state(subject))
    assert row is not None
    return row


def _indexed(drafts: list[Draft]) -> tuple[PhotoIndex, PhotoQuery, list[PhotoRow]]:
    cluster = Cluster(1)
    commit(cluster.catalogs[0], *drafts)
    rows = [_row(cluster.catalogs[0], draft.subject) for draft in drafts]
    index = PhotoIndex(None)
    index.apply(rows, (), frozenset(), 1)
    return index, PhotoQuery(index.engine), rows


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["2024-01-01", "2024-01-02", "2023-05-05"]), max_size=12),
    st.integers(1, 5),
)
def test_pages_give_every_photo_once_newest_first(moments: list[str], size: int) -> None:
    _, query, _ = _indexed([_draft(n, f"{m}T10:00:00") for n, m in enumerate(moments)])
    seen, cursor = [], None
    while True:
        page = query.page(Filter(), size, cursor)
        seen += [item.row for item in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert len({row.photo for row in seen}) == len(seen) == len(moments)
    assert [row.sorted_by for row in seen] == sorted((r.sorted_by for r in seen), reverse=True)


def test_filters_pick_what_they_say() -> None:
    drafts = [
        _draft(1, "2024-05-17T09:00:00", camera_model="EOS R5", rating=4, keywords=["iceland"]),
        _draft(2, "2024-06-01T09:00:00", camera_model="X-T5", rating=2),
        _draft(3, None, media_type="video/mp4"),
    ]
    _, query, _ = _indexed(drafts)

    def names(wanted: Filter) -> set[str]:
        return {item.row.name for item in query.page(wanted, 10, None).items}

    assert names(Filter(rating_min=3)) == {"IMG_1.JPG"}
    assert names(Filter(camera="X-T5")) == {"IMG_2.JPG"}
    assert names(Filter(taken_from="2024-05", taken_to="2024-05")) == {"IMG_1.JPG"}
    assert names(Filter(tag="iceland")) == {"IMG_1.JPG"}
    assert names(Filter(text="iceland")) == {"IMG_1.JPG"}
    assert names(Filter(text="img_")) == {"IMG_1.JPG", "IMG_2.JPG", "IMG_3.JPG"}
    assert names(Filter(text="%")) == set()
    assert names(Filter(media="video")) == {"IMG_3.JPG"}
    assert names(Filter(held=True)) == set()


def test_a_cursor_that_no_page_gave_out_is_an_error() -> None:
    _, query, _ = _indexed([])
    for cursor in ("", "AAAA", "not base64!", "x" * 5000, "ä"):
        try:
            query.page(Filter(), 10, cursor)
        except QueryInvalid:
            continue
        raise AssertionError(cursor)


def test_what_a_node_lacks_is_found_previews_first_and_originals_only_in_reach() -> None:
    index, query, rows = _indexed(
        [_draft(1, "2024-01-01T00:00:00"), _draft(2, "2025-01-01T00:00:00")]
    )
    kinds, near, far = ("preview", "original"), b"n" * 32, b"f" * 32
    index.apply_holders({rows[0].photo: {near}, rows[1].photo: {far}})
    found = query.missing(kinds, [near], 10)
    assert [(item.row.kind, item.name) for item in found] == [
        ("preview", "IMG_2.JPG"),
        ("preview", "IMG_1.JPG"),
        ("original", "IMG_1.JPG"),
    ]
    assert found[-1].holders == {near}
    assert index.mark_held([rows[0].photo]) == [rows[0].photo]
    assert [item.row.kind for item in query.missing(kinds, [near], 10)] == ["preview", "preview"]


def test_no_photo_takes_an_originals_place_by_calling_it_its_preview() -> None:
    honest, bogus = _draft(1, "2024-01-01T00:00:00"), _draft(2, "2025-01-01T00:00:00")
    lie = {"preview/256": [256, 171, [honest.subject.key, 1 << 40, b"x" * 32]]}
    index, query, rows = _indexed([honest, Draft(bogus.subject, {**bogus.sets, **lie})])
    near = b"n" * 32
    index.apply_holders({rows[0].photo: {near}})
    found = query.missing(("preview", "original"), [near], 10)
    (named,) = [item for item in found if item.row.blob == rows[0].photo]
    assert (named.row.kind, named.row.photo, named.row.size_bytes) == ("original", rows[0].photo, 1)
    # A preview that is imported as a photo is still fetched where originals are not wanted.
    assert rows[0].photo in {item.row.blob for item in query.missing(("preview",), [near], 10)}
    assert rows[0].photo in {
        item.row.blob for item in query.missing(("preview", "original"), [], 10)
    }


def test_embedded_words_are_shown_until_a_person_says_otherwise() -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    commit(catalog, _draft(1, None, rating=3, keywords=["bird", "sea"]))
    assert _row(catalog, photo(1)).rating == 3
    commit(catalog, Draft(photo(1), {RATING: None}, removes={TAGS: ("bird",)}))
    row = _row(catalog, photo(1))
    assert row.rating is None and row.tags == ("sea",)


def test_nonsense_from_a_peer_is_shown_as_nothing_not_as_a_crash() -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    for number, original in enumerate([None, 5, [], ["x", 1, "y"], [b"short", 1, b""], {"a": 1}]):
        commit(catalog, Draft(photo(number), {ORIGINAL: original, FACTS: [1, 2], "preview/x": 3}))
        assert project(catalog.state(photo(number))) is None
    commit(catalog, Draft(photo(9), {ORIGINAL: [photo(9).key, 1, bytes(32)], RATING: "five"}))
    index = PhotoIndex(None)
    index.apply([_row(catalog, photo(9))], (), frozenset(), 1)
    listed = PhotoQuery(index.engine).photo(BlobId(photo(9).key))
    assert listed is not None and listed.row.rating is None

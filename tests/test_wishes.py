"""What is wanted comes shoot by shoot, the newest first; page after page it is all there once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.crdt.batches import Batch
from photonic.crdt.index import PhotoIndex
from photonic.crdt.query import PhotoQuery
from photonic.crdt.wants import Missing, MissingPart, Wants
from photonic.ids import BlobId, digest
from photonic.p2p.planner import BEGINNING, Want, WantPage, WantsAsked, in_order
from photonic.search.criteria import ALL, NOTHING, Equals, Number, Tree, matches
from photonic.search.sample import Sample
from photonic.wishes import end_of, position_of, read_page
from tests.crdt.photo_rows import NODES, batch_of, blob, libraries, with_raws
from tests.search.queries import trees

KINDS = ("original", "preview", "sidecar")
NEAR, FAR = NODES[0], NODES[1]


def photo(number: int) -> BlobId:
    return BlobId(digest(b"%d" % number))


class Catalog:
    """Photos in an index, of which this node has nothing; all but `far` are held by NEAR."""

    def __init__(self, samples: Sequence[Sample], far: Sequence[BlobId] = ()) -> None:
        self.index = PhotoIndex(None)
        holders = {one.photo: {FAR if one.photo in far else NEAR} for one in samples}
        batch: Batch = replace(batch_of(list(samples)), holders=holders)
        self.index.apply(batch)
        self.query = PhotoQuery(self.index.engine)

    def page(
        self, asked: WantsAsked, skipped: Tree | None = None, originals: Tree = ALL
    ) -> WantPage:
        def read(kinds: Sequence[str], limit: int, end: int | None) -> MissingPart:
            return self.query.missing_part(
                kinds, KINDS, asked.reachable, limit, end, skipped, originals
            )

        return read_page(read, KINDS, asked)

    def all(
        self,
        limit: int,
        *,
        previews_first: bool = False,
        skipped: Tree | None = None,
        originals: Tree = ALL,
    ) -> list[list[Want]]:
        """Return all pages."""
        pages, begin = [], BEGINNING
        while True:
            asked = WantsAsked(limit, frozenset({NEAR}), begin, previews_first)
            page = self.page(asked, skipped, originals)
            pages.append(list(page.wants))
            if page.following is None:
                return pages
            assert page.following > begin
            assert all(begin <= one.position < page.following for one in page.wants)
            begin = page.following


def names(wants: Sequence[Want]) -> list[str]:
    return [want.name for want in in_order(wants)]


def at(number: int, taken: str, **facts: Any) -> Sample:
    return Sample(photo=photo(number), name=f"{number}", taken=taken, **facts)


SHOOTS = [
    at(1, "2024-05-01T10:00:00", rating=5),
    at(2, "2024-05-01T12:00:00"),
    at(3, "2024-06-07T09:00:00", rating=1),
    at(4, "2024-06-07T09:00:10", rating=4, has_sidecar=True),
    at(5, "2024-06-07T09:00:20", rating=-1),
    at(6, "2024-06-07T12:00:00"),
]


def test_the_newest_shoot_comes_first_and_in_it_the_best_photo() -> None:
    found = in_order(Catalog(SHOOTS).all(1_000)[0])
    assert list(dict.fromkeys(names(found))) == ["4", "3", "6", "5", "1", "2"]


def test_of_a_photo_what_is_small_comes_with_it() -> None:
    found = [want for want in in_order(Catalog(SHOOTS).all(1_000)[0]) if want.name == "4"]
    sizes = [want.ref.blob == photo(4) for want in found]
    assert sizes == [False, False, True]
    assert [want.kind for want in found] == ["sidecar", "preview", "original"]
    assert found[-1].holders == {NEAR}


def test_on_a_slow_link_all_previews_come_before_everything_else() -> None:
    catalog = Catalog(SHOOTS)
    found = in_order([want for page in catalog.all(4, previews_first=True) for want in page])
    first = found[: len(SHOOTS)]
    assert {want.name for want in first} == {one.name for one in SHOOTS}
    assert not {photo(n) for n in range(1, 7)} & {want.ref.blob for want in first}
    assert len(found) == 2 * len(SHOOTS) + 1


def test_what_nobody_in_reach_holds_is_not_wanted_but_its_preview_is() -> None:
    found = Catalog(SHOOTS, far=[photo(4)]).all(1_000)[0]
    assert photo(4) not in {want.ref.blob for want in found}
    assert "4" in names(found)


def test_what_is_paused_is_not_wanted() -> None:
    some = [
        at(n, f"2024-06-0{n}T09:00:00", albums=(("a1" * 16, ""),) if n % 2 else ())
        for n in range(1, 7)
    ]
    catalog = Catalog(some)
    skipped = Equals("album", "a1" * 16)
    for limit in (1, 3, 100):
        found = [want for page in catalog.all(limit, skipped=skipped) for want in page]
        assert set(names(found)) == {"2", "4", "6"}
    assert catalog.all(100, skipped=Equals("shoot", "ab")) == catalog.all(100)


@settings(max_examples=60, deadline=None)
@given(
    libraries(10),
    trees(4) | st.just(NOTHING),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from((4, 8_192)),
)
def test_of_originals_only_those_that_rules_want_are_wanted_and_all_of_the_rest(
    some: list[Sample], originals: Tree, limit: int, previews_first: bool, looks: int
) -> None:
    some = [replace(one, held=False, copies=1, trashed=False) for one in some]
    some = with_raws(some)
    catalog = Catalog(some)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("photonic.crdt.wants._PLACES_MAX", looks)
        pages = catalog.all(limit, previews_first=previews_first, originals=originals)
    found = [want.ref.blob for page in pages for want in page]
    everything = {want.ref.blob for page in catalog.all(1_000) for want in page}
    unwanted = {one.photo for one in some if not matches(originals, one)}
    assert set(found) == everything - unwanted
    assert len(found) == len(set(found))


def test_what_two_lists_have_comes_once_though_one_of_them_is_looked_at_in_pieces() -> None:
    some = [at(n, f"2024-05-0{n}T09:00:00") for n in range(1, 8)]
    catalog = Catalog(some)
    catalog.index.mark_held(blob(f"preview of {photo(n).hex()}").blob for n in range(2, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("photonic.crdt.wants._PLACES_MAX", 12)
        pages = catalog.all(2, originals=Number("width", ">", 10_000))
    assert [want.name for page in pages for want in page] == ["1"]


def test_a_few_originals_among_many_are_found_by_the_rule_and_not_by_looking_at_all() -> None:
    album = "a1" * 16
    some = [
        at(n, f"2024-05-01T{n // 60:02}:{n % 60:02}:00", albums=((album, ""),) if n < 3 else ())
        for n in range(600)
    ]
    catalog = Catalog(some)
    looked_at: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        whole = Wants._blobs

        def counted(self: Wants, places: Sequence[int], kinds: Sequence[str]) -> list[Missing]:
            looked_at.append(len(places))
            return whole(self, places, kinds)

        patch.setattr(Wants, "_blobs", counted)
        asked = WantsAsked(500, frozenset({NEAR}), BEGINNING, False)
        part = catalog.query.missing_part(
            ["original"], ["original"], asked.reachable, 500, None, None, Equals("album", album)
        )
    assert {one.row.blob for one in part.items} == {photo(n) for n in range(3)}
    assert part.end is None and sum(looked_at) == 3


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(-1, 5), st.booleans(), st.booleans()),
        max_size=30,
    ),
    st.integers(1, 40),
    st.booleans(),
)
def test_page_after_page_is_everything_once(
    photos: list[tuple[int, int, bool, bool]], limit: int, previews_first: bool
) -> None:
    some = [
        at(
            n,
            f"2024-05-{1 + m // 1440:02}T{m // 60 % 24:02}:{m % 60:02}:00",
            rating=rating,
            has_sidecar=has,
        )
        for n, (m, rating, has, _) in enumerate(photos)
    ]
    far = [photo(n) for n, one in enumerate(photos) if one[3]]
    catalog = Catalog(some, far)
    whole = catalog.all(10_000, previews_first=previews_first)
    pages = catalog.all(limit, previews_first=previews_first)
    together = [want.ref for page in pages for want in page]
    assert len(whole) == 1
    assert len(set(together)) == len(together)
    assert set(together) == {want.ref for want in whole[0]}
    assert len(together) == sum(2 - is_far + has for _, _, has, is_far in photos)


@given(st.integers(0, 3), st.none() | st.integers(1, 1 << 62))
def test_a_position_is_where_the_rest_begins(number: int, end: int | None) -> None:
    assert end_of(position_of(number, end)) == (number, end)
    if end is not None:
        assert (number, -(end - 1)) >= position_of(number, end) > (number, -end)


def test_the_beginning_is_the_beginning_of_the_first_class() -> None:
    assert end_of(BEGINNING) == (0, None)


# --- safety --------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1, 2, 3, 4])
def test_photos_with_too_few_copies_are_counted_with_what_they_lack(copies: int) -> None:
    some = [at(n, f"2024-05-0{n + 1}T00:00:00") for n in range(5)]
    catalog = Catalog(some)
    catalog.index.apply(Batch(holders={photo(n): set(NODES[:n]) for n in range(5)}))
    lacking = [max(0, copies - n) for n in range(5)]
    found = catalog.query.at_risk(copies)
    assert found.photos == sum(1 for n in lacking if n)
    assert found.lacking_bytes == 1_000 * sum(lacking)
    assert (found.nowhere, found.only_here) == (1, 0)


def test_it_is_told_of_how_many_photos_this_node_has_the_only_copy() -> None:
    some = [at(n, f"2024-05-0{n + 1}T00:00:00", held=n < 3) for n in range(5)]
    catalog = Catalog(some)
    catalog.index.apply(Batch(holders={photo(n): set(NODES[:n]) for n in range(5)}))
    found = catalog.query.at_risk(2)
    assert (found.photos, found.only_here, found.nowhere) == (2, 2, 0)


def test_what_is_in_the_trash_need_not_be_safe() -> None:
    some = [at(n, f"2024-05-0{n + 1}T00:00:00", trashed=n == 0) for n in range(3)]
    assert Catalog(some).query.at_risk(2).photos == 2
    assert limits.MIN_COPIES_DEFAULT == 2

"""What a tree of conditions says of one photo."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.ids import BlobId
from photonic.search.criteria import (
    ALL,
    NOTHING,
    And,
    Is,
    Not,
    Or,
    Tree,
    all_of,
    any_of,
    conditions,
    matches,
    negated,
    with_defaults,
)
from photonic.search.grammar import parse
from photonic.search.sample import Sample
from tests.search.queries import samples, trees

TODAY = date(2024, 6, 10)
HARBOUR = Sample(
    photo=BlobId(bytes.fromhex("abcdef" + "12" * 29)),
    name="IMG_0012.CR3",
    folder="2024/05-17/Ísafjörður",
    title="The red harbour",
    caption="Boats, 京都丸 among them",
    tags=("Travel/Iceland", "boats|Red Boats"),
    albums=(("0" * 31 + "1", "Best of 2024"),),
    camera="Canon EOS R5 Mark II",
    lens="RF24-70mm F2.8 L IS USM",
    rating=3,
    label="Red",
    flag="pick",
    taken="2024-05-17T09:30:12.250",
    added_ms=1_716_000_000_000,  # 2024-05-18T02:40Z
    latitude=66.07,
    longitude=-23.13,
    kind="raw",
    media_type="image/x-canon-cr3",
    iso=400,
    aperture=2.8,
    focal=35.2,
    width=8192,
    height=5464,
    shoot="5e",
    conflicts=("rating",),
    copies=1,
    held=True,
)
BARE = Sample(photo=BlobId(bytes(32)))


def says(query: str, sample: Sample) -> bool:
    return matches(parse(query, TODAY).tree, sample)


@pytest.mark.parametrize(
    "query",
    [
        "harb", "harb*", "HARBOUR", '"red harbour"', '"red harb"*', "img_00", "0012.cr3", "r5 -r6",
        "isafjordur", "京都", '"京都"', "iceland", '"boats|red"*', "usm", "rf24", "",
        'name:"IMG_0012.CR3"', "name:img", "title:red", 'caption:"boats 京 都"',
        "rating:3", "rating>=3", "rating:2..4", "rating:..3", "rating>2 rating<4", "has:rating",
        "label:red", "label:RED", 'label:"red"', "flag:pick", "is:picked", "has:flag",
        "tag:travel", "tag:TRAVEL/iceland", "tag:travel|iceland", 'tag:"boats/red boats"',
        "tag=travel/iceland", "-tag=travel", "-tag:trav", "-tag:iceland", "has:tags",
        "album:best", 'album="best of 2024"', f"album:{'0' * 31}1", "has:album",
        'camera:"EOS R5"', "camera:canon", 'camera="canon eos r5 mark ii"', '-camera="EOS R5"',
        "lens:rf24", "lens:f2.8", "taken:2024", "taken:2024-05", "taken:2024-05-17T09",
        "taken:2024-05-17T09:30", "taken:2024-05-17T09:30:12", "taken:2024-05-17T09:30:12.250",
        "-taken:2024-05-17T09:30:13", "taken:2023..2024-05", "taken:2024-05-17..",
        "taken:..2024-05",
        "taken>2024-04", "taken>=2024-05", "taken<2024-06", "taken<=2024-05", "taken:4w",
        "-taken:3w", "taken<3w", "taken:1m", "taken>1m", "added:2024-05-18", "added:2024-05-18T02",
        "place:66,-24..67,-23", "-place:66,-23..67,-22", "-place:60,-20..70,-30", "has:place",
        "folder:2024", "folder:2024/05-17", "folder=2024/05-17/ISAFJORÐUR", "-folder:2024/05-1",
        "kind:raw", "type:cr3", "type:image/x-canon-cr3", "-type:cr2", "type:.CR3",
        "is:contested", "has:conflict", "conflict:rating", "-conflict:title",
        "is:held", "-is:missing", "is:at-risk", "copies:1", "copies<2", "-is:trashed",
        "iso:400", "iso>=400 iso<401", "aperture:2.8", "aperture:f/2.8", "aperture<=2.8",
        "-aperture:2.80001", "focal:35", "focal:35mm", "focal:35.2", "-focal:35.3", "width>8000",
        "height:5000..6000", "shoot:5e", "-has:stack", "stack:none", "id:abcdef1", "id:ABCDEF",
    ],
)  # fmt: skip
def test_a_photo_is_found(query: str) -> None:
    assert says(query, HARBOUR)
    assert not says(f"-({query})" if query else "-name:img", HARBOUR)


@pytest.mark.parametrize(
    "field", ["rating", "label", "flag", "tag", "album", "camera", "lens", "taken", "place",
              "folder", "title", "caption", "iso", "aperture", "focal", "width", "height", "shoot",
              "stack", "conflict"],
)  # fmt: skip
def test_none_means_that_a_photo_has_no_such_value(field: str) -> None:
    assert says(f"{field}:none", BARE)
    assert not says(f"has:{field}", BARE)
    everything = replace(HARBOUR, stack="5f")
    assert not says(f"{field}:none", everything)
    assert says(f"has:{field}", everything)


def test_words_of_one_phrase_stand_in_one_text() -> None:
    assert not says('"mark rf24"*', HARBOUR), "the end of the camera, the beginning of the lens"
    assert not says('"iceland boats"', HARBOUR), "the end of one tag, the beginning of the next"
    assert says("mark rf24", HARBOUR)


def test_what_is_quoted_is_whole_words() -> None:
    assert not says('"harb"', HARBOUR)
    assert not says('camera:"EOS R"', HARBOUR)
    assert says("camera:EOS camera:R", HARBOUR)


def test_a_rating_of_minus_one_rejects_and_is_not_unrated() -> None:
    rejected = replace(HARBOUR, rating=-1, flag=None)
    assert says("flag:reject is:rejected rating:-1 -flag:none -rating:none", rejected)
    assert says("flag:reject", replace(HARBOUR, rating=4, flag="reject"))


def test_no_rating_is_the_rating_zero() -> None:
    for rating in (None, 0):
        assert says("rating:0 rating:none rating<1 -has:rating", replace(HARBOUR, rating=rating))


def test_a_value_that_is_missing_compares_with_nothing() -> None:
    for query in ("iso<100", "iso>=0", "aperture:0", "taken<2030", "place:-90,-180..90,180"):
        assert not says(query, BARE)
        assert says(f"-{query}", BARE)


def test_a_box_may_cross_the_date_line() -> None:
    for longitude, is_inside in ((179.0, True), (-179.0, True), (170.0, True), (0.0, False)):
        fiji = replace(HARBOUR, latitude=-17.0, longitude=longitude)
        assert says("place:-20,170..-10,-170", fiji) is is_inside


def test_the_trash_is_hidden_unless_it_is_asked_for() -> None:
    trashed = replace(HARBOUR, trashed=True)
    for query, is_shown in (
        ("harb", False),
        ("is:trashed", True),
        ("-is:trashed", False),
        ("", False),
    ):
        tree = with_defaults(parse(query, TODAY).tree)
        assert matches(tree, trashed) is is_shown
        assert with_defaults(tree) == tree
    assert matches(with_defaults(ALL), HARBOUR)


def is_in_one_form(tree: Tree) -> bool:
    match tree:
        case And(items) | Or(items):
            alike = any(type(item) is type(tree) for item in items)
            return len(items) > 1 and not alike and all(is_in_one_form(item) for item in items)
        case Not(item):
            return not isinstance(item, Not) and is_in_one_form(item)
        case _:
            return True


@given(trees(), trees())
def test_trees_are_in_one_form(one: Tree, other: Tree) -> None:
    for tree in (one, all_of(one, other), any_of(one, other), negated(one), with_defaults(one)):
        assert is_in_one_form(tree)
    assert all_of(ALL, one) == one == any_of(NOTHING, one) == negated(negated(one))
    assert all_of(NOTHING, one) == NOTHING == negated(ALL)
    assert any_of(ALL, one) == ALL == negated(NOTHING)
    assert [*conditions(all_of(one, other))] == [*conditions(one), *conditions(other)]


@settings(max_examples=500)
@given(trees(), trees(), samples())
def test_and_or_and_not_keep_the_laws_of_de_morgan(one: Tree, other: Tree, some: Sample) -> None:
    a, b = matches(one, some), matches(other, some)
    assert matches(all_of(one, other), some) is (a and b)
    assert matches(any_of(one, other), some) is (a or b)
    assert matches(negated(one), some) is (not a)
    assert matches(negated(all_of(one, other)), some) is (
        matches(any_of(negated(one), negated(other)), some)
    )
    assert matches(negated(any_of(one, other)), some) is (
        matches(all_of(negated(one), negated(other)), some)
    )
    assert matches(ALL, some)
    assert not matches(NOTHING, some)


@given(st.lists(trees(4), min_size=1, max_size=4), samples())
def test_a_list_of_conditions_matches_as_a_whole(some: list[Tree], sample: Sample) -> None:
    assert matches(all_of(*some), sample) is all(matches(tree, sample) for tree in some)
    assert matches(any_of(*some), sample) is any(matches(tree, sample) for tree in some)


def test_the_trash_is_seen_wherever_it_is_spoken_of() -> None:
    deep = parse("a (b or -(c is:trashed))", TODAY).tree
    assert Is("trashed") in conditions(deep)
    assert with_defaults(deep) == deep


def test_the_longest_query_is_judged_in_a_moment() -> None:
    long = parse(" or ".join(["zzz"] * 128), TODAY).tree
    wordy = replace(HARBOUR, caption="harbour boats " * 300)
    began = perf_counter()
    assert not matches(long, wordy)
    assert perf_counter() - began < 1

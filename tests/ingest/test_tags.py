"""Tag values are parsed to what is possible, or to nothing; nothing raises for waste."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.ingest import tags
from photonic.photos import Position

WASTE = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.lists(st.text(max_size=20), max_size=4),
    st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3),
    st.from_regex(r"-?\d{0,20}/-?\d{0,20}", fullmatch=True),
    st.from_regex(r"\d{4}:\d{2}:\d{2} \d{2}:\d{2}:\d{2}", fullmatch=True),
)


@given(WASTE, WASTE)
def test_whatever_a_tag_holds_a_parser_gives_a_possible_value_or_none(one: Any, other: Any) -> None:
    moment = tags.moment(one, other)
    assert moment is None or 1826 <= int(moment.local[:4]) <= 2200
    zone = tags.offset(one)
    assert zone is None or abs(zone) <= 14 * 60
    stars = tags.stars(one)
    assert stars is None or -1 <= stars <= 5
    assert tags.stars_from_percent(one) in (None, 0, 1, 2, 3, 4, 5)
    found = tags.number(one)
    assert found is None or abs(found) < float("inf")
    place = tags.position(tags.degrees(one, "N"), tags.degrees(other, "E"))
    assert place is None or (abs(place.latitude) <= 90 and abs(place.longitude) <= 180)
    words = tags.text(one)
    assert words is None or 0 < len(words) <= limits.NAME_CHARS_MAX


@pytest.mark.parametrize(
    ("written", "subseconds", "expected"),
    [
        ("2024:05:17 09:30:12", "25", ("2024-05-17T09:30:12.250", None)),
        ("2024:05:17 09:30:12", "000", ("2024-05-17T09:30:12", None)),
        ("2018-11-17T20:27:31+01:00", None, ("2018-11-17T20:27:31", 60)),
        ("2019-02-12T15:27:12-0730", None, ("2019-02-12T15:27:12", -450)),
        ("2024-02-02T08:09:57.000000Z", None, ("2024-02-02T08:09:57", 0)),
        ("2016-06-23", None, ("2016-06-23T00:00:00", None)),
        ("1904-01-01T00:00:00Z", None, None),
        ("0000:00:00 00:00:00", None, None),
        ("2024:02:30 10:00:00", None, None),
        ("    :  :     :  :  ", None, None),
    ],
)
def test_a_date_is_local_time_with_its_zone_if_it_has_one(
    written: str, subseconds: str | None, expected: tuple[str, int | None] | None
) -> None:
    assert tags.moment(written, subseconds) == expected


@pytest.mark.parametrize(
    ("written", "side", "expected"),
    [
        ("46/1 30/1 36/1", "N", 46.51),
        ("46/1 30/1 36/1", "S", -46.51),
        ("10/1 0/0 0/0", "N", 10.0),
        ("0/0 0/0 0/0", "N", None),
        ("50,51.75N", None, 50.8625),
        ("122,25,9.84W", None, -122.4194),
        ("46/1 30/1 36/1", None, None),
        ("46/1 -30/1 36/1", "N", None),
    ],
)
def test_a_coordinate_needs_degrees_and_a_side(
    written: str, side: str | None, expected: float | None
) -> None:
    found = tags.degrees(written, side)
    assert found == (None if expected is None else pytest.approx(expected))


def test_zero_and_zero_is_a_receiver_without_a_fix() -> None:
    assert tags.position(0.0, 0.0, 12.0) is None
    assert tags.position(0.0, 9.4, 12.0) == Position(0.0, 9.4, 12.0)
    assert tags.position(91.0, 9.4) is None
    assert tags.position(45.0, 9.4, 1e9) == Position(45.0, 9.4, None)


@pytest.mark.parametrize(
    ("percent", "stars"), [(0, 0), (1, 1), (25, 2), (50, 3), (75, 4), (99, 5), (100, 5)]
)
def test_microsoft_counts_stars_in_percent(percent: int, stars: int) -> None:
    assert tags.stars_from_percent(str(percent)) == stars


def test_a_path_replaces_the_flat_keywords_that_are_its_levels() -> None:
    found = tags.keywords(["France", "Paris", "friends", "paris"], ["Places|France|Paris"])
    assert found == ("Places|France|Paris", "friends")


@given(st.lists(st.text(max_size=400), max_size=400))
def test_keywords_are_bounded_and_each_comes_once(words: list[str]) -> None:
    found = tags.keywords(words)
    assert len(found) == len(set(found)) <= limits.KEYWORDS_PER_PHOTO_MAX
    assert sum(map(len, found)) <= limits.KEYWORDS_CHARS_MAX


def test_a_cameras_own_boilerplate_is_no_caption() -> None:
    assert tags.caption({"a": "OLYMPUS DIGITAL CAMERA", "b": "At the lake"}, "a", "b") == (
        "At the lake"
    )

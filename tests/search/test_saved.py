"""Albums that are saved queries stand in a tree as what they find."""

from __future__ import annotations

from datetime import date
from time import perf_counter

import pytest

from photonic.errors import QueryInvalid
from photonic.search.criteria import NOTHING, Equals, Tree, all_of, any_of, negated, with_defaults
from photonic.search.grammar import parse
from photonic.search.saved import Album, with_saved

TODAY = date(2024, 3, 31)
MANUAL = Album("0" * 31 + "1", "Best of 2024")
STARS = Album("0" * 31 + "2", "Best stars", "rating>=4")
RECENT = Album("0" * 31 + "3", "Recent", "album:stars taken:7d")
LOOP = Album("0" * 31 + "4", "Loop", "a or album:loop")


def tree(query: str) -> Tree:
    return parse(query, TODAY).tree


def expanded(query: str, *albums: Album) -> Tree:
    return with_saved(tree(query), albums or (MANUAL, STARS, RECENT, LOOP), TODAY)


def test_a_saved_query_takes_the_place_of_its_album() -> None:
    assert expanded("album:stars") == tree("rating>=4")
    assert expanded('album="best STARS"') == tree("rating>=4")
    assert expanded(f"album:{STARS.album}") == tree("rating>=4")


def test_a_manual_album_is_asked_for_by_its_id() -> None:
    assert expanded('album="Best of 2024"') == Equals("album", MANUAL.album)


def test_a_name_stands_for_all_albums_of_that_name() -> None:
    both = any_of(Equals("album", MANUAL.album), tree("rating>=4"))
    assert expanded("album:best") == both
    assert expanded("-album:best iso>100") == all_of(negated(both), tree("iso>100"))


def test_an_album_may_name_another() -> None:
    assert expanded("album:recent") == tree("rating>=4 taken:7d")


def test_the_trash_of_an_album_can_be_looked_at() -> None:
    assert with_defaults(expanded("album:stars or a")) == tree("(rating>=4 or a) -is:trashed")
    trash = expanded("is:trashed album:stars")
    assert with_defaults(trash) == trash == tree("is:trashed rating>=4")


def test_an_album_that_comes_back_to_itself_finds_nothing_there() -> None:
    assert expanded("album:loop") == tree("a")


def test_an_album_that_is_not_there_finds_nothing() -> None:
    assert expanded("album:unheard") == NOTHING
    assert expanded("a -album:unheard") == tree("a")
    assert expanded("a b or -iso>100") == tree("a b or -iso>100")


def test_an_album_that_cannot_be_read_is_named() -> None:
    with pytest.raises(QueryInvalid, match="the album Newer: there is no field mood"):
        expanded("album:newer", Album("f" * 32, "Newer", "mood:good"))


ENDLESS = {
    "more than": [Album(f"{n:032x}", "x", "album:x album:x") for n in range(2_000)],
    "too deeply": [Album(f"{n:032x}", f"x{n}", f"-(a album=x{n + 1})") for n in range(500)],
    "has more": [Album(f"{n:032x}", f"x{n}", f"album=x{n + 1} " * 9) for n in range(20)],
}


@pytest.mark.parametrize("says", ENDLESS)
def test_what_grows_without_end_is_refused_in_a_moment(says: str) -> None:
    began = perf_counter()
    with pytest.raises(QueryInvalid, match=says):
        expanded("album:x album=x0", *ENDLESS[says])
    assert perf_counter() - began < 1

"""What is the same to somebody who searches, here and in a full text index."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.search.criteria import has_phrase
from photonic.search.words import fold, path_key, searchable, tag_key, words
from tests.search.queries import TEXTS, phrases

CASES = {
    "IMG_0012.JPG": ("img", "0012", "jpg"),
    "Tromsø": ("tromso",),
    "TROMSO\u0308": ("tromso",),
    "Straße": ("strasse",),
    "İSTANBUL \u0131s\u0131": ("istanbul", "isi"),
    "Œuvre ﬁn ½": ("oeuvre", "fin", "1", "2"),
    "Þingvellir Ísafjörður": ("thingvellir", "isafjordur"),
    "Łódź": ("lodz",),
    "ёлка": ("елка",),
    "עִבְרִית": ("עברית",),
    "हिन्दी": ("हिन्दी",),
    "京都タワー2024": ("京", "都", "タ", "ワ", "ー", "2024"),
    "ｶﾞ": ("ガ",),
    "서울 타워": ("서울", "타워"),
    "soft\u00adhyphen zero\u200bwidth": ("softhyphen", "zerowidth"),
    "!? \u0000 🐕 \ud800": (),
}


@pytest.mark.parametrize("text", CASES)
def test_words_are_folded_runs_of_letters_and_digits(text: str) -> None:
    assert words(text) == CASES[text]


@settings(max_examples=2_000)
@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert words(" ".join(words(text))) == words(text) == words(fold(text))
    assert tag_key(tag_key(text)) == tag_key(text)
    assert path_key(path_key(text)) == path_key(text)


@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("Travel/Iceland", "travel/iceland"),
        ("travel|Iceland|Vík", "travel/iceland/vik"),
        (" a / / b ", "a/b"),
        ("//", ""),
        ("C++", "c++"),
        ("℀", "a/c"),
    ],
)
def test_levels_of_tags_are_parted_alike(tag: str, key: str) -> None:
    assert tag_key(tag) == key


def test_a_bar_is_no_level_of_a_folder() -> None:
    assert path_key("A|b/c") == "a|b/c"


@settings(max_examples=1_000)
@given(
    st.lists(st.sampled_from(TEXTS) | st.text(max_size=20), max_size=4),
    phrases(TEXTS) | st.text(max_size=8).map(words).filter(bool),
    st.booleans(),
)
def test_a_full_text_index_finds_the_same(
    some: list[str], wanted: tuple[str, ...], whole: bool
) -> None:
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE found USING fts5(text, tokenize='ascii', prefix='2 3')")
    index.execute("INSERT INTO found VALUES (?)", (searchable(some),))
    phrase = f'"{" ".join(wanted)}"' + ("" if whole else " *")
    rows = index.execute("SELECT count(*) FROM found WHERE found MATCH ?", (phrase,)).fetchone()
    index.close()
    assert bool(rows[0]) is any(has_phrase(words(text), wanted, whole) for text in some)

"""Whatever is typed becomes a tree, or an error that points at the character."""

from __future__ import annotations

from datetime import UTC, date, timedelta, timezone
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import QueryInvalid
from photonic.search.criteria import (
    ALL,
    NOTHING,
    Added,
    Equals,
    Flagged,
    Has,
    Id,
    Is,
    Named,
    Not,
    Number,
    Place,
    Query,
    Sort,
    Taken,
    Tree,
    Under,
    Words,
    all_of,
    any_of,
)
from photonic.search.grammar import parse
from photonic.search.notation import written
from photonic.search.vocabulary import FIELDS, SYNONYMS
from tests.search.queries import trees
from tests.source import ROOT

TODAY = date(2024, 3, 31)
A, B, C = Words(("a",)), Words(("b",)), Words(("c",))


def tree(query: str) -> Tree:
    return parse(query, TODAY).tree


def refusal(query: str) -> QueryInvalid:
    with pytest.raises(QueryInvalid) as caught:
        parse(query, TODAY)
    return caught.value


EXAMPLES: dict[str, Tree] = {
    "": ALL,
    "  ": ALL,
    "a": A,
    "a*": A,
    '"a"': Words(("a",), whole=True),
    '"a b"*': Words(("a", "b")),
    "\u201ca b\u201d": Words(("a", "b"), whole=True),
    r'"a\"b\\"': Words(("a", "b"), whole=True),
    "img_12.jpg": Words(("img", "12", "jpg")),
    "12:30": Words(("12", "30")),
    "http://a": Words(("http", "a")),
    '"c:a"': Words(("c", "a"), whole=True),
    "black-and-white": Words(("black", "and", "white")),
    "a b": all_of(A, B),
    "a and b": all_of(A, B),
    "a or b": any_of(A, B),
    "a OR b": any_of(A, B),
    "a | b": any_of(A, B),
    "a |b": any_of(A, B),
    '"or"*': Words(("or",)),
    "order": Words(("order",)),
    "a b or c": any_of(all_of(A, B), C),
    "a (b or c)": all_of(A, any_of(B, C)),
    "a(b)": all_of(A, B),
    "((a))": A,
    "-a": Not(A),
    "--a": A,
    "not a": Not(A),
    "not -a": A,
    "not(a b)": Not(all_of(A, B)),
    "-(a or b)": Not(any_of(A, B)),
    "-a b": all_of(Not(A), B),
    "RATING:3": Number("rating", "=", 3),
    "rating=3": Number("rating", "=", 3),
    "rating>=-1": Number("rating", ">=", -1),
    "rating:2..4": all_of(Number("rating", ">=", 2), Number("rating", "<=", 4)),
    "rating:2..": Number("rating", ">=", 2),
    "rating:none": Not(Has("rating")),
    "label:Red": Named("label", "red"),
    'label:"Zu tun"': Named("label", "zu tun"),
    "label:none": Not(Has("label")),
    "flag:pick": Flagged("pick"),
    "is:rejected": Flagged("reject"),
    "flag:none": Not(Has("flag")),
    "tag:Travel/Iceland": Under("tag", "travel/iceland"),
    "tag:travel|iceland": Under("tag", "travel/iceland"),
    'tag="black & white"': Under("tag", "black & white", exact=True),
    "tag:none": Not(Has("tag")),
    'tag:"none"': Under("tag", "none"),
    "album:best": Words(("best",), field="album"),
    'album="Best of"': Named("album", "best of"),
    f"album:{'Ab' * 16}": Equals("album", "ab" * 16),
    f'album:"{"ab" * 16}"': Words(("ab" * 16,), True, "album"),
    'camera:"EOS R5"': Words(("eos", "r5"), True, "camera"),
    'camera="Canon EOS R5"': Named("camera", "canon eos r5"),
    "camera=none": Not(Has("camera")),
    "lens:rf24*": Words(("rf24",), field="lens"),
    "taken:2024-02": Taken("2024-02-01T00:00:00", "2024-03-01T00:00:00"),
    "taken:2024-2-9": Taken("2024-02-09T00:00:00", "2024-02-10T00:00:00"),
    "taken:2024-12-31T23:59:59.5": Taken("2024-12-31T23:59:59.500", "2024-12-31T23:59:59.501"),
    "taken:2023..2024-02": Taken("2023-01-01T00:00:00", "2024-03-01T00:00:00"),
    "taken>2023": Taken("2024-01-01T00:00:00", None),
    "taken<=2023": Taken(None, "2024-01-01T00:00:00"),
    "taken:today": Taken("2024-03-31T00:00:00", "2024-04-01T00:00:00"),
    "taken:Yesterday": Taken("2024-03-30T00:00:00", "2024-03-31T00:00:00"),
    "taken:7d": Taken("2024-03-24T00:00:00", "2024-04-01T00:00:00"),
    "taken:2w": Taken("2024-03-17T00:00:00", "2024-04-01T00:00:00"),
    "taken:1m": Taken("2024-02-29T00:00:00", "2024-04-01T00:00:00"),
    "taken:15m": Taken("2022-12-31T00:00:00", "2024-04-01T00:00:00"),
    "taken<1y": Taken(None, "2023-03-31T00:00:00"),
    "taken:1y..1m": Taken("2023-03-31T00:00:00", "2024-03-01T00:00:00"),
    "taken:none": Not(Has("taken")),
    "added:1970": Added(0, 365 * 86_400_000),
    "added<1969-12-31T23:59:59.999": Added(None, -1),
    "place:63.3,-24.6..66.6,-13.5": Place(63.3, -24.6, 66.6, -13.5),
    "place:-10,170..10,-170": Place(-10, 170, 10, -170),
    "folder:2024/05/": Under("folder", "2024/05"),
    "folder=2024": Under("folder", "2024", exact=True),
    "folder:none": Not(Has("folder")),
    "name:none": Words(("none",), field="name"),
    "title:none": Not(Has("title")),
    'caption:"none"': Words(("none",), True, "caption"),
    "kind:RAW": Equals("kind", "raw"),
    "kind:jpeg": Equals("type", "image/jpeg"),
    "type:jpg": Equals("type", "image/jpeg"),
    "type:.CR3": Equals("type", "image/x-canon-cr3"),
    "type:image/jpeg": Equals("type", "image/jpeg"),
    "has:tags": Has("tag"),
    "has-raw": Has("raw"),
    "-Has-Tags": Not(Has("tag")),
    '"has-raw"': Words(("has", "raw"), whole=True),
    "has-raw*": Words(("has", "raw")),
    "has-rain": Words(("has", "rain")),
    "is:contested": Has("conflict"),
    "is:missing": Not(Is("held")),
    "is:at-risk": Number("copies", "<", 2),
    "copies>=3": Number("copies", ">=", 3),
    "iso:100..400": all_of(Number("iso", ">=", 100), Number("iso", "<=", 400)),
    "aperture:f/2.8": all_of(Number("aperture", ">=", 2.75), Number("aperture", "<", 2.85)),
    "aperture:4": all_of(Number("aperture", ">=", 3.95), Number("aperture", "<", 4.05)),
    "aperture:0": all_of(Number("aperture", ">=", 0), Number("aperture", "<", 0.05)),
    "focal:50mm": all_of(Number("focal", ">=", 49.5), Number("focal", "<", 50.5)),
    "focal<=4.25": Number("focal", "<=", 4.25),
    "shoot:5e": Equals("shoot", "5e"),
    "stack:none": Not(Has("stack")),
    "id:ABCDEF1": Id("abcdef1"),
    "conflict:rating": Equals("conflict", "rating"),
    "conflict:sidecar/xmp": Equals("conflict", "sidecar/xmp"),
    'conflict:"a new field"': Equals("conflict", "a new field"),
    "conflict:none": Not(Has("conflict")),
}


@pytest.mark.parametrize("query", EXAMPLES)
def test_a_query_is_read(query: str) -> None:
    assert tree(query) == EXAMPLES[query]
    assert tree(written(EXAMPLES[query])) == EXAMPLES[query]


# What is typed, the first character that is wrong, how many are, and what the message says.
REFUSALS = [
    ("ratng:3", 0, 5, "did you mean rating?"),
    ("a RATING:6", 9, 1, "a number from -1 to 5"),
    ("a stars>=3", 2, 5, "did you mean rating?"),
    ("xyzzy:3", 0, 5, "there is no field xyzzy, but rating"),
    ("größe:3", 0, 5, "no field größe"),
    ("rating:", 7, 1, "a value right behind rating:"),
    ("rating: 3", 7, 1, "a value right behind rating:"),
    ("rating >=3", 7, 1, "without spaces"),
    ("rating:2..x", 10, 1, "a number from -1 to 5"),
    ("rating:4..2", 7, 4, "the smaller number first"),
    ("rating:..", 7, 2, "a beginning or an end"),
    ("rating:3.5", 7, 3, "a number"),
    ("rating:3*", 8, 1, "no *"),
    ('rating:"3*"', 7, 4, "a number"),
    ("iso:99999999999", 4, 11, "a whole number"),
    ("aperture:-1", 9, 2, "a number"),
    ("label:gren", 6, 4, "did you mean green?"),
    ("flag:rejected", 5, 8, "did you mean reject?"),
    ("flag>pick", 4, 1, "expected : or = here"),
    ("name=x", 4, 1, "expected : here"),
    ("camera>x", 6, 1, "expected : here"),
    ("camera:EOS|R5", 10, 1, "spaces on both sides of |"),
    ("a|b", 1, 1, "spaces on both sides of |"),
    ("tag:ice*", 7, 1, "no *"),
    ("tag:/", 4, 1, "a tag such as"),
    ("har*bour", 3, 1, "only at the end"),
    ("*.jpg", 0, 1, "only at the end"),
    ("a !!!", 2, 3, "a letter or a digit"),
    ('""', 0, 2, "a letter or a digit"),
    ("taken:2024-13", 6, 7, "no month 13"),
    ("taken:2023-02-29", 6, 10, "2023-02 has no day 29"),
    ("taken:2024-05-17T25", 6, 13, "hours go to 23"),
    ("taken:0999", 6, 4, "years go from"),
    ("taken:99999y", 6, 6, "too long ago"),
    ("taken:2024..soon", 12, 4, "expected a day or a time"),
    ("taken:2024..2023", 6, 10, "the earlier time first"),
    ("added:none", 6, 4, "expected a day or a time"),
    ("place:1,2", 6, 3, "expected a box"),
    ("place:1,2..91,3", 11, 2, "degrees from -90 to 90"),
    ("place:1,181..2,3", 8, 3, "degrees from -180 to 180"),
    ("place:1,..2,3", 7, 1, "degrees from -180 to 180"),
    ("place:2,1..1,2", 6, 8, "the southern corner first"),
    ("folder:/", 7, 1, "a folder such as"),
    ("kind:photo", 5, 5, "raw, image or video"),
    ("has:row", 4, 3, "did you mean raw"),
    ("type:jpgg", 5, 4, "did you mean jpg"),
    ("has:plaec", 4, 5, "did you mean place"),
    ("is:contestd", 3, 8, "did you mean contested?"),
    ("copies:none", 7, 4, "a whole number"),
    ("conflict:ratin", 9, 5, "did you mean rating"),
    ("id:12345", 3, 5, "6 to 64"),
    ("id:12345g", 3, 6, "6 to 64"),
    ("(a b", 0, 1, "a ) that closes"),
    ("a)", 1, 1, "no ) here"),
    ("()", 1, 1, "expected a term"),
    ("a or", 4, 1, "expected a term"),
    ("or a", 0, 2, "a term before or"),
    ("a or or b", 5, 2, "a term before or"),
    ("a -", 2, 1, "a term right behind -"),
    ("- a", 0, 1, "a term right behind -"),
    ("a not", 5, 1, "expected a term"),
    ("-or a", 1, 1, "expected a term"),
    ('a "b', 2, 1, "a quotation mark that closes"),
    (r'"b\"', 0, 1, "a quotation mark that closes"),
    ('name:"b', 5, 1, "a quotation mark that closes"),
    ("sort:name", 5, 4, "taken, added"),
    ("-sort:taken", 0, 11, "sort: only once"),
    ("(a sort:taken)", 3, 10, "sort: only once"),
    ("sort:added sort:taken", 11, 10, "sort: only once"),
    ("a or sort:taken", 15, 1, "expected a term"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "position", "length", "says"), REFUSALS)
def test_an_error_points_at_what_is_wrong(
    query: str, position: int, length: int, says: str
) -> None:
    error = refusal(query)
    message, shown, pointer = str(error).split("\n")
    assert says in message
    assert f"(character {position + 1})" in message
    assert (error.position, error.length) == (position, length)
    assert shown == f"  {query}"
    assert pointer == "  " + " " * position + "^" * length


def test_wide_characters_and_marks_do_not_move_the_pointer() -> None:
    *_, shown, pointer = str(refusal("京都 e\u0301 rating:x")).split("\n")
    assert pointer.index("^") == 2 + len("####" + " e " + "rating:"), shown


def test_of_a_long_query_the_wrong_part_is_shown() -> None:
    *_, shown, pointer = str(refusal("boats " * 50 + "rating:x " + "boats " * 50)).split("\n")
    assert len(shown) < limits.PAGE_ITEMS_DEFAULT
    assert shown[pointer.index("^")] == "x"


def test_the_error_is_one_line_of_query_whatever_is_typed() -> None:
    assert len(str(refusal("a\nb\tc\x1b[2J rating:x")).split("\n")) == 3
    assert "\x1b" not in str(refusal("a\x1b[2J rating:x"))


@pytest.mark.parametrize(
    ("query", "sort"),
    [
        ("a", Sort("taken")),
        ("sort:taken", Sort("taken")),
        ("a sort:added", Sort("added")),
        ("sort:-added a or b", Sort("added", oldest_first=True)),
        ("SORT:-Taken", Sort("taken", oldest_first=True)),
    ],
)
def test_a_list_is_sorted_as_asked(query: str, sort: Sort) -> None:
    assert parse(query, TODAY).sort == sort
    assert written(parse("", TODAY)) == ""


def test_days_of_adding_are_those_of_the_zone() -> None:
    zone = timezone(timedelta(hours=-8))
    query = parse("added:today", TODAY, zone)
    assert query.tree == Added(1_711_872_000_000, 1_711_872_000_000 + 86_400_000)
    assert written(query, zone) == "added:2024-03-31"
    assert parse("added:today", TODAY, UTC).tree != query.tree


def test_nobody_can_ask_for_nothing() -> None:
    with pytest.raises(ValueError, match="finds nothing"):
        written(NOTHING)


# Pieces of queries, so that random texts come near to what is valid.
PIECES = (
    *(f"{name}:" for name in FIELDS), "rating>=", "taken<", "tag=", ":", "=", ">", "<=", "..", ",",
    "(", ")", "((", "-", "--", "not ", " or ", " | ", "|", " and ", " ", "\t", "/", "*",
    '"', '\\"', "\\", "\u201c", "none", "today", "7d", "2024", "-05", "T09:30", "3", "2.8", "-1",
    "pick", "red", "jpg", "trashed", "at-risk", "abcdef12", "ab" * 16,
    "京都", "e\u0301", "ß", "\u0000", "\ud800", "\u2100",
)  # fmt: skip


def outcome(text: str) -> Query | QueryInvalid:
    try:
        return parse(text, TODAY)
    except QueryInvalid as error:
        return error


@settings(max_examples=10_000)
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_gives_a_query_or_an_error_with_its_place(text: str) -> None:
    found = outcome(text)
    if isinstance(found, Query):
        assert parse(written(found), TODAY) == found
        return
    assert found.position is not None
    assert 0 <= found.position <= len(text)
    assert found.length >= 1
    assert str(found).split("\n")[2].lstrip(" ").startswith("^")


@settings(max_examples=2_000)
@given(trees(), st.sampled_from([Sort(), Sort("added"), Sort("taken", True), Sort("added", True)]))
def test_what_is_written_is_read_as_the_same(some: Tree, sort: Sort) -> None:
    query = Query(some, sort)
    text = written(query)
    if len(text) <= limits.QUERY_CHARS_MAX:
        assert parse(text, TODAY) == query


HOSTILE = {
    "parentheses": "(" * 1024,
    "closed parentheses": "(" * 500 + "a" + ")" * 500,
    "minuses": "-" * 1023 + "a",
    "nots": "not " * 255 + "a",
    "alternatives": " or ".join("a" * 204),
    "terms": "a " * 512,
    "backslashes": '"' + "\\" * 1000,
    "quotes": '"' * 1024,
    "a long word": "a" * 1024,
    "a long field": "a" * 1020 + ":a",
    "a long value": "rating:" + "9" * 1000,
    "dots": "rating:" + "." * 1000,
    "levels": "tag:" + "a/" * 500,
    "digits": "taken:" + "1-" * 500,
    "marks": "e" + "\u0301" * 1000,
    "expanding": "\ufdfa" * 1024,
    "too long": "a " * 600,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_no_time(name: str) -> None:
    began = perf_counter()
    found = outcome(HOSTILE[name])
    text = written(found) if isinstance(found, Query) else str(found)
    assert len(text) < 20 * limits.QUERY_CHARS_MAX
    assert perf_counter() - began < 0.5


def test_bounds_are_told() -> None:
    deep, many = limits.QUERY_DEPTH_MAX, limits.QUERY_TERMS_MAX
    assert tree("(" * deep + "a" + ")" * deep) == A
    assert refusal("(" * (deep + 1) + "a" + ")" * (deep + 1)).position == deep
    assert tree(" ".join(["a"] * many)) == all_of(*[A] * many)
    assert refusal(" ".join(["a"] * (many + 1))).position == 2 * many
    assert refusal("a" * (limits.QUERY_CHARS_MAX + 1)).position == limits.QUERY_CHARS_MAX


def test_the_page_for_users_shows_each_field_and_what_it_shows_is_read() -> None:
    page = (ROOT / "docs/search.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    queries = [piece for row in rows for piece in row[1].split("`")[1::2]]
    assert len(queries) > len(FIELDS)
    for query in queries:
        parse(query, TODAY)
    missing = [
        name
        for name in FIELDS
        if not any(one.startswith((f"{name}:", f"{name}>")) for one in queries)
    ]
    assert not missing
    assert set(SYNONYMS.values()) <= set(FIELDS)

"""Rules are read as they stand, and what cannot be read is pointed at."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import RuleInvalid
from photonic.placement.grammar import parse_rule, parse_rules, quoted
from photonic.placement.rules import Rank, Rule
from photonic.search.criteria import ALL, Taken
from photonic.search.grammar import parse

TODAY = date(2026, 1, 1)


def read(text: str) -> Rule:
    return parse_rule(text, TODAY)


def condition(text: str) -> object:
    return parse(text, TODAY).tree


def test_the_rules_of_the_documentation_mean_what_they_say() -> None:
    first = read("where rating>=3 or flag:pick: copies 3, one on archive")
    assert first.condition == condition("rating>=3 or flag:pick")
    assert (first.copies, first.on) == (3, (("archive", 1),))
    second = read("where flag:reject: copies 1, evict first")
    assert (second.copies, second.evict) == (1, Rank.FIRST)
    third = read("where kind:jpeg and has-raw: not on mobile")
    assert third.condition == condition("type:jpeg has:raw")
    assert third.not_on == ("mobile",)
    assert read("everything: copies 2").condition == ALL


def test_words_may_be_written_in_any_case_and_with_any_space() -> None:
    rule = read("  WHERE  rating>=3 :  Copies  3 ,Two on Archive,evict LAST , keep on Mobile ")
    assert rule.condition == condition("rating>=3")
    assert (rule.copies, rule.on, rule.evict) == (3, (("archive", 2),), Rank.LAST)
    assert rule.keep_on == ("mobile",)


def test_the_condition_ends_at_a_colon_outside_of_quotes() -> None:
    rule = read('where title:"a: b, where c: d" or album="x\\": y": copies 2')
    assert rule.condition == condition('title:"a: b, where c: d" or album="x\\": y"')
    assert read("where taken:2024-05-17T09:30: copies 2").condition == condition(
        "taken:2024-05-17T09:30"
    )


def test_days_are_counted_from_the_day_that_is_given() -> None:
    assert read("where taken:7d: copies 3").condition == Taken(
        "2025-12-25T00:00:00", "2026-01-02T00:00:00"
    )


@pytest.mark.parametrize("name", ["yoda", "my laptop", "a, b", 'say "hi"', "back\\slash", "Zoë's"])
def test_a_name_that_is_quoted_is_read_as_it_is(name: str) -> None:
    assert read(f"everything: keep on {quoted(name)}, copies 2").keep_on == (name,)


def test_a_name_of_several_words_needs_no_quotes() -> None:
    assert read("everything: keep on my laptop").keep_on == ("my laptop",)


REFUSALS = [
    ("", 0, "where CONDITION"),
    ("were rating>=3: copies 3", 0, "did you mean where"),
    ("rating>=3: copies 3", 0, "where CONDITION"),
    ("where rating>=3", 15, "a colon"),
    ("where : copies 3", 5, "expected a condition"),
    ("where ratng>=3: copies 3", 6, "did you mean rating"),
    ("where rating>=3 (: copies 3", 17, "expected a term"),
    ("where rating:9: copies 3", 13, "-1 to 5"),
    ("where rating>=3 sort:added: copies 3", 6, "no sort"),
    ("where sort:taken: copies 3", 6, "no sort"),
    ("where copies<2: copies 3", 6, "where copies are"),
    ("where rating>=3 -is:held: copies 3", 6, "where copies are"),
    ("where is:at-risk: copies 3", 6, "where copies are"),
    ("everything rating>=3: copies 3", 11, "right behind"),
    ("everything:", 11, "copies 3"),
    ("everything: copies 3,", 21, "copies 3"),
    ("everything: copies", 12, "copies 3"),
    ("everything: copies 0", 19, "from 1 to 16"),
    ("everything: copies 17", 19, "from 1 to 16"),
    ("everything: copies many", 19, "a number"),
    ("everything: copies ²", 19, "a number"),
    ("everything: copies 2, copies 3", 22, "only once"),
    ("everything: one on archve", 19, "did you mean archive"),
    ("everything: zero on archive", 12, "copies 3"),
    ("everything: one on archive, 2 on archive", 28, "only once"),
    ("everything: evict soon", 18, "first, last or never"),
    ("everything: evict first, evict last", 25, "only once"),
    ("everything: not on moblie", 19, "did you mean mobile"),
    ("everything: not on mobile, one on mobile", 27, "not both"),
    ("everything: keep on", 12, "copies 3"),
    ("everything: copy 3", 12, "did you mean copies"),
]


@pytest.mark.parametrize(("text", "position", "says"), REFUSALS)
def test_an_error_points_at_what_is_wrong(text: str, position: int, says: str) -> None:
    with pytest.raises(RuleInvalid) as caught:
        read(text)
    error = caught.value
    assert error.position == position, str(error)
    assert says in str(error)
    first, shown, pointer = str(error).split("\n")
    assert first.endswith(f"(character {position + 1})")
    assert pointer.index("^") == shown.index(text[:20]) + position if text else True


def test_a_file_of_rules_has_comments_and_all_that_is_wrong_is_told() -> None:
    text = "# mine\n\neverything: copies 2\n  everything: copies 2  \nwhere rating:5: evict never\n"
    assert [rule.text for rule in parse_rules(text, TODAY)] == [
        "everything: copies 2",
        "where rating:5: evict never",
    ]
    with pytest.raises(RuleInvalid) as caught:
        parse_rules(text + "nothing: x\neverything: copies 99\n", TODAY)
    assert caught.value.line == 6
    assert "line 6: expected `where" in str(caught.value)
    assert "line 7: expected a number from 1 to 16" in str(caught.value)


def test_rules_are_bounded() -> None:
    with pytest.raises(RuleInvalid, match="characters at most"):
        read("where " + "a" * limits.RULE_CHARS_MAX + ": copies 2")
    lines = [f"where rating>=3 w{number}: copies 2" for number in range(limits.RULES_MAX + 1)]
    assert len(parse_rules("\n".join(lines[:-1]), TODAY)) == limits.RULES_MAX
    with pytest.raises(RuleInvalid, match="64 rules at most"):
        parse_rules("\n".join(lines), TODAY)


WORDS = (
    "where", "everything", "rating>=3", ":", ": ", ",", '"', "copies", "3", "on", "mobile",
    "keep", "not", "evict", "first", " ", "a", "(", ")", "\\", "is:held", "²", "\n",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=40))
def test_whatever_is_typed_is_a_rule_or_an_error_that_points_into_it(text: str) -> None:
    try:
        rule = read(text)
    except RuleInvalid as error:
        position = error.position
    else:
        position = 0
        assert read(rule.text) == rule
    assert position is not None and 0 <= position <= len(text)

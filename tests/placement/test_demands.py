"""What is decided of one photo and what is asked of the index about all of them are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.ids import NodeId
from photonic.placement.decision import Member, placement
from photonic.placement.demands import levels, originals
from photonic.placement.grammar import parse_rules
from photonic.placement.rules import Floor, Rule, Rules
from photonic.search.criteria import ALL, NOTHING, matches
from photonic.search.sample import Sample
from tests.placement.rule_lists import floors, members, rules
from tests.search.queries import IDS, samples

TODAY = date(2026, 1, 1)


@settings(max_examples=300)
@given(samples(), st.lists(rules(), max_size=5), members(), floors())
def test_a_photo_is_on_the_level_of_its_copies(
    photo: Sample, some: list[Rule], house: list[Member], floor: Floor
) -> None:
    wanted = placement(photo, Rules(some), house, (), floor).demand
    found = [level.copies for level in levels(some, floor) if matches(level.tree, photo)]
    assert found == [wanted.copies]


@settings(max_examples=300)
@given(samples(), st.lists(rules(), max_size=5), members(), floors())
def test_a_member_wants_what_the_decision_says(
    photo: Sample, some: list[Rule], house: list[Member], floor: Floor
) -> None:
    wanted = placement(photo, Rules(some), house, (), floor).demand
    for me in house:
        tree = originals(some, house, me, floor)
        assert matches(tree, photo) == wanted.is_wanted_by(me), me


def test_without_rules_the_questions_are_the_simplest() -> None:
    """So a library without rules costs what it did."""
    mobile, central = Member(_node(1), "mobile"), Member(_node(2), "central", wants_all=True)
    assert originals([], [mobile, central], mobile, Floor()) == NOTHING
    assert originals([], [mobile, central], central, Floor()) == ALL
    assert [(one.copies, one.tree) for one in levels([], Floor())] == [(2, ALL)]
    lines = "where rating>=3: copies 3, one on archive\nwhere flag:reject: copies 1, evict first"
    some = parse_rules(lines, TODAY)
    assert [one.copies for one in levels(some, Floor())] == [3, 2, 1]
    assert [one.copies for one in levels(some, Floor(2, least=2))] == [3, 2]


def test_a_contested_rule_takes_no_photo_to_a_lower_level() -> None:
    (rule,) = parse_rules("where rating>=3: copies 1", TODAY)
    photo = Sample(photo=IDS[0], rating=5)

    def level(rule: Rule) -> list[int]:
        return [one.copies for one in levels([rule], Floor()) if matches(one.tree, photo)]

    assert (level(rule), level(replace(rule, is_contested=True))) == ([1], [2])


def _node(number: int) -> NodeId:
    return NodeId(bytes([number]) * 32)

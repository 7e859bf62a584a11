"""What rules mean for a photo: the same in any order, and more of them never make it less safe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from photonic.ids import NodeId, peer_id
from photonic.placement.decision import Demand, Member, Placement, demand, most, placed, placement
from photonic.placement.grammar import parse_rules
from photonic.placement.rules import Floor, Need, Rank, Rule, Rules
from photonic.search.sample import Sample
from tests.placement.rule_lists import NODES, floors, members, rules
from tests.search.queries import IDS, samples

TODAY = date(2026, 1, 1)
LAPTOP, STUDIO, ATTIC, SPARE = (NodeId(bytes([number]) * 32) for number in range(1, 5))
HOUSE = (
    Member(LAPTOP, "mobile", "laptop"),
    Member(STUDIO, "central", "studio", wants_all=True),
    Member(ATTIC, "archive", "attic", wants_all=True),
)
FLOOR = Floor()
PHOTO = Sample(photo=IDS[0], name="IMG_1.JPG")


def of(text: str, contested: str = "") -> Rules:
    said = [replace(one, is_contested=True) for one in parse_rules(contested, TODAY)]
    return Rules((*parse_rules(text, TODAY), *said))


def decide(
    text: str,
    photo: Sample = PHOTO,
    held: tuple[NodeId, ...] = (STUDIO,),
    house: tuple[Member, ...] = HOUSE,
    contested: str = "",
    floor: Floor = FLOOR,
) -> Placement:
    return placement(photo, of(text, contested), house, held, floor)


def test_without_rules_two_copies_are_wanted_and_laptops_fetch_nothing() -> None:
    found = decide("")
    assert (found.demand.copies, found.demand.on, found.demand.rank) == (2, (), Rank.NORMAL)
    assert (found.missing, [one.name for one in found.expected]) == (1, ["attic"])


def test_of_two_numbers_the_larger_counts_in_any_order() -> None:
    lines = [
        "where rating>=3: copies 3, one on archive",
        "where flag:reject: copies 1, evict first",
    ]
    both = replace(PHOTO, rating=4, flag="reject")
    for text in ("\n".join(lines), "\n".join(reversed(lines))):
        found = decide(text, both).demand
        assert (found.copies, found.on, found.rank) == (3, (("archive", 1),), Rank.FIRST)


def test_only_a_rule_takes_a_photo_below_the_floor_and_never_below_what_the_node_was_told() -> None:
    text, reject = "where flag:reject: copies 1, evict first", replace(PHOTO, flag="reject")
    assert decide(text, reject).demand.copies == 1
    assert decide(text, reject, floor=Floor(2, least=2)).demand.copies == 2
    assert decide(text + "\neverything: copies 2", reject).demand.copies == 2
    assert decide(text).demand.copies == 2


def test_the_latest_eviction_counts() -> None:
    text = "everything: evict first\nwhere rating>=3: evict last\nwhere rating:5: evict never"
    ranks = [decide(text, replace(PHOTO, rating=rating)).demand.rank for rating in (0, 3, 5)]
    assert ranks == [Rank.FIRST, Rank.LAST, Rank.NEVER]


def test_what_is_not_for_laptops_goes_first_there_and_is_fetched_by_none() -> None:
    found = decide("everything: not on mobile").demand
    assert found.rank_for(HOUSE[0]) is Rank.FIRST
    assert found.rank_for(HOUSE[1]) is Rank.NORMAL
    assert decide("everything: not on mobile, evict never").demand.rank_for(HOUSE[0]) is Rank.NEVER
    archive = decide("everything: copies 2, not on archive")
    assert (archive.expected, archive.missing) == ((), 1)


def test_not_on_a_role_gives_way_to_who_wants_it_there_and_to_the_number_of_copies() -> None:
    assert not decide("everything: not on archive\neverything: one on archive").demand.not_on
    by_name = decide("everything: not on archive\nwhere rating>=0: keep on attic").demand
    assert by_name.not_on == {"archive"}
    assert by_name.is_wanted_by(HOUSE[2]) and by_name.rank_for(HOUSE[2]) is Rank.NEVER
    three = decide("everything: copies 3, not on archive").demand
    assert not three.not_on and three.yielding == {"archive"}
    assert three.is_wanted_by(HOUSE[2])


def test_keep_on_names_a_role_a_node_or_a_peer_id() -> None:
    for name in ("mobile", "Laptop", "laptop", peer_id(LAPTOP)):
        found = decide(f"everything: keep on {name}")
        assert found.demand.keep == {LAPTOP}, name
        assert [one.name for one in found.expected] == ["laptop", "attic"]
    assert decide("everything: keep on desk").demand.unknown == ("desk",)


def test_what_is_wanted_on_so_many_of_a_role_is_for_its_first_members() -> None:
    house = (*HOUSE, Member(SPARE, "mobile", "spare"))
    found = decide("everything: one on mobile", house=house)
    assert found.demand.keep == {LAPTOP}
    assert (found.missing, found.missing_on) == (1, (("mobile", 1),))
    # Another member of the role that holds it is as good.
    assert decide("everything: one on mobile", house=house, held=(STUDIO, SPARE)).is_safe


def test_copies_on_roles_add_up() -> None:
    found = decide("everything: copies 2, two on mobile, one on archive")
    assert found.demand.copies == 3
    assert found.missing_on == (("archive", 1), ("mobile", 2))
    assert found.missing == 3


def test_of_a_contested_rule_only_what_asks_for_more_counts() -> None:
    contested = "everything: copies 1, evict first, not on archive"
    found = decide("", contested=contested).demand
    assert (found.copies, found.rank, found.not_on) == (2, Rank.NORMAL, frozenset())
    more = decide("everything: copies 1", contested="everything: copies 3, evict never").demand
    assert (more.copies, more.rank) == (3, Rank.NEVER)


def test_while_a_rule_cannot_be_read_nothing_is_evicted() -> None:
    some = Rules(tuple(parse_rules("everything: evict first", TODAY)), ("from the future",))
    assert demand(some, some.rules, HOUSE, Floor()).rank is Rank.NEVER


def test_a_blob_of_several_photos_is_wanted_as_the_most_careful_of_them_says() -> None:
    one = Need(2, (("archive", 2),), Rank.FIRST)
    other = Need(3, (("central", 2),), Rank.LAST)
    assert most([one, other]) == Need(4, (("archive", 2), ("central", 2)), Rank.LAST)
    assert most([one]) == one


@given(
    samples(),
    st.lists(rules(), max_size=5),
    members(),
    st.sets(st.sampled_from(NODES)),
    floors(),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rules_and_members_means_nothing(
    photo: Sample,
    some: list[Rule],
    house: list[Member],
    held: set[NodeId],
    floor: Floor,
    dice: Random,
) -> None:
    found = placement(photo, Rules(some), house, held, floor)
    other = placement(
        photo,
        Rules(dice.sample(some, len(some))),
        dice.sample(house, len(house)),
        sorted(held, reverse=True),
        floor,
    )
    assert unordered(found) == unordered(other)


def unordered(found: Placement) -> Placement:
    """Return a placement without the order of what is told to people."""
    said = replace(found.demand, rules=(), unknown=tuple(sorted(found.demand.unknown)))
    return replace(found, demand=said)


def assert_no_less_is_wanted(before: Demand, after: Demand, house: list[Member]) -> None:
    """Each member wants it still, and gives it up no earlier.

    But where `not on` gave way before: with a copy more on one of the roles it may have to no more,
    and then there are enough others.
    """
    if before.yielding:
        assert (
            sum(one.role not in after.not_on for one in house) >= after.copies or not after.not_on
        )
        return
    for member in house:
        assert after.rank_for(member) >= before.rank_for(member)
        assert after.is_wanted_by(member) or not before.is_wanted_by(member)


@given(samples(), st.lists(rules(), max_size=5), rules(), members(), floors())
def test_a_rule_that_asks_for_more_never_takes_safety_away(
    photo: Sample, some: list[Rule], rule: Rule, house: list[Member], floor: Floor
) -> None:
    """`more` says no smaller number than the floor, evicts nothing first, and refuses nobody."""
    copies = None if rule.copies is None else max(rule.copies, floor.copies)
    evict = None if rule.evict is Rank.FIRST else rule.evict
    more = replace(rule, copies=copies, evict=evict, not_on=())
    before = placement(photo, Rules(some), house, (), floor).demand
    after = placement(photo, Rules([*some, more]), house, (), floor).demand
    assert after.copies >= before.copies
    assert after.rank >= before.rank
    assert after.keep >= before.keep
    for role, count in before.on:
        assert dict(after.on)[role] >= count
    assert_no_less_is_wanted(before, after, house)


@given(samples(), st.lists(rules(), max_size=5), rules(), members(), floors())
def test_a_contested_rule_never_takes_safety_away_whatever_it_says(
    photo: Sample, some: list[Rule], rule: Rule, house: list[Member], floor: Floor
) -> None:
    before = placement(photo, Rules(some), house, (), floor).demand
    contested = replace(rule, is_contested=True)
    after = placement(photo, Rules([*some, contested]), house, (), floor).demand
    assert after.copies >= before.copies and after.rank >= before.rank
    assert after.keep >= before.keep
    assert_no_less_is_wanted(before, after, house)


@given(
    samples(), st.lists(rules(), max_size=5), members(), st.sets(st.sampled_from(NODES)), floors()
)
def test_copies_are_counted_as_they_are(
    photo: Sample, some: list[Rule], house: list[Member], held: set[NodeId], floor: Floor
) -> None:
    found = placement(photo, Rules(some), house, held, floor)
    assert found.demand.copies >= max(1, floor.least)
    assert found.demand.copies >= sum(count for _, count in found.demand.on)
    assert found.is_safe == (
        len(found.held) >= found.demand.copies
        and all(
            sum(one.role == role for one in found.held) >= count for role, count in found.demand.on
        )
    )
    assert {one.node for one in found.held} == held & {one.node for one in house}
    if found.demand.not_on:  # it never leaves fewer members than copies
        left = sum(one.role not in found.demand.not_on for one in house)
        assert left >= found.demand.copies
    assert placed(found.demand, house, held) == found

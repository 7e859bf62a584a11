"""Rules merge as everything else does, and while they contest, the safer reading counts."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.fold import Field, SubjectState, Version
from photonic.ids import ChangeId, NodeId, digest
from photonic.placement.decision import demand
from photonic.placement.policy import ORDER, PLACEMENT_POLICY, amended, changes, entries, read
from photonic.placement.rules import Floor

TODAY = date(2026, 1, 1)
HAN, LEIA = NodeId(b"h" * 32), NodeId(b"l" * 32)
ONE, TWO, THREE = "everything: copies 1", "everything: copies 2", "everything: copies 3"
LINES = (ONE, TWO, THREE, "where rating>=3: evict last", "where flag:reject: evict first")


def version(value: object, author: NodeId = HAN, at: int = 1) -> Version:
    return Version(ChangeId(digest(f"{value} {author!r} {at}".encode())), value, author, at)


def after(state: SubjectState, sets: dict[str, object], at: int = 1) -> SubjectState:
    """Return the state after a change that had seen all of it."""
    written = {name: Field((version(value, at=at),)) for name, value in sets.items()}
    return SubjectState(PLACEMENT_POLICY, fields={**state.fields, **written})


def merged(one: SubjectState, other: SubjectState, base: SubjectState) -> SubjectState:
    """Return the state of who has seen two changes that were made apart on one base."""
    fields = dict(base.fields)
    for name in {*one.fields, *other.fields}:
        before, mine, theirs = (s.fields.get(name) for s in (base, one, other))
        if mine == before or theirs == before:
            fields[name] = (theirs if mine == before else mine) or Field(())
        elif mine and theirs:
            fields[name] = Field((*mine.versions, *theirs.versions))
    return SubjectState(PLACEMENT_POLICY, fields=fields)


def texts(state: SubjectState) -> list[list[str]]:
    return [entry.texts for entry in entries(state)]


NOBODY = SubjectState(PLACEMENT_POLICY)


@given(st.lists(st.lists(st.sampled_from(LINES), unique=True), max_size=6))
def test_what_is_set_is_what_is_there_in_that_order(lists: list[list[str]]) -> None:
    state = NOBODY
    for at, lines in enumerate(lists):
        state = after(state, changes(state, lines), at)
        assert texts(state) == [[line] for line in lines]
        assert changes(state, lines) == {}
        assert [rule.text for rule in read(entries(state), TODAY).rules] == lines


def test_a_rule_that_is_changed_keeps_its_name() -> None:
    state = after(NOBODY, changes(NOBODY, [TWO, LINES[3]]))
    sets = changes(state, [THREE, LINES[3]])
    assert sets == {entries(state)[0].name: THREE}


def test_rules_that_are_added_apart_are_both_there_and_the_same_one_once() -> None:
    base = after(NOBODY, changes(NOBODY, [TWO]))
    one = after(base, changes(base, [TWO, LINES[3]]), 2)
    other = after(base, changes(base, [TWO, LINES[4]]), 3)
    assert sorted(texts(merged(one, other, base))) == sorted([[TWO], [LINES[3]], [LINES[4]]])
    same = after(base, changes(base, [TWO, LINES[3]]), 3)
    twice = merged(one, same, base)
    assert texts(twice) == [[TWO], [LINES[3]]] and not entries(twice)[1].is_contested
    names = [entry.name for entry in entries(one)]
    assert names == [entry.name for entry in entries(same)]


def test_a_rule_that_is_changed_apart_is_contested_and_the_larger_number_counts() -> None:
    base = after(NOBODY, changes(NOBODY, [TWO]))
    one = after(base, changes(base, [ONE]), 2)
    other = after(base, changes(base, [THREE]), 3)
    both = merged(one, other, base)
    assert sorted(texts(both)[0]) == [ONE, THREE]
    assert entries(both)[0].is_contested
    found = read(entries(both), TODAY)
    assert all(rule.is_contested for rule in found.rules)
    assert demand(found, found.rules, (), Floor()).copies == 3
    settled = after(both, changes(both, [ONE]), 4)
    assert texts(settled) == [[ONE]] and not entries(settled)[0].is_contested
    two_rules = after(both, changes(both, [ONE, THREE]), 4)
    assert texts(two_rules) == [[ONE], [THREE]]
    assert not any(entry.is_contested for entry in entries(two_rules))


def test_a_rule_that_one_removed_and_another_changed_counts_until_it_is_settled() -> None:
    base = after(NOBODY, changes(NOBODY, [TWO]))
    one = after(base, changes(base, []), 2)
    other = after(base, changes(base, [THREE]), 3)
    both = merged(one, other, base)
    assert texts(both) == [[THREE]] and entries(both)[0].is_contested
    found = read(entries(both), TODAY)
    assert demand(found, found.rules, (), Floor()).copies == 3
    assert entries(after(both, changes(both, []), 4)) == []


def test_adding_and_removing_leaves_the_others_as_they_are() -> None:
    base = after(NOBODY, changes(NOBODY, [TWO, LINES[3]]))
    one, other = (after(base, changes(base, [text, LINES[3]])) for text in (ONE, THREE))
    both = merged(one, other, base)
    assert entries(both)[0].is_contested
    more = after(both, amended(both, [LINES[4]], [LINES[3]]), 4)
    assert entries(more)[0].is_contested
    assert texts(more)[1:] == [[LINES[4]]]
    assert amended(more, [LINES[4]], [LINES[3]]) == {}
    settled = after(more, amended(more, [], [ONE]), 5)
    assert texts(settled) == [[THREE], [LINES[4]]]
    assert not entries(settled)[0].is_contested


def test_what_a_newer_photonic_wrote_is_kept_and_said_to_be_unread() -> None:
    odd = {
        "rule/x": Field((version("whatever: the future brings"),)),
        "rule/y": Field((version(7),)),
        ORDER: Field((version({"not": "a list"}),)),
        "other": Field((version(TWO),)),
    }
    state = SubjectState(PLACEMENT_POLICY, fields=odd)
    found = read(entries(state), TODAY)
    assert found.rules == () and len(found.unread) == 2
    assert "whatever: the future brings" in found.unread
    # Who adds a rule leaves the others as they are.
    sets = changes(state, [*found.unread, TWO])
    assert not sets.keys() & {"rule/x", "rule/y", "other"}
    assert TWO in sets.values()

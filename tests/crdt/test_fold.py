"""The incremental fold and the one from nothing are one function, whatever is delivered how."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from photonic.crdt.changes import Change, SignedChange, seal
from photonic.crdt.fields import PATH, RATING, TAGS, TITLE
from photonic.crdt.fold import EMBEDDED, SubjectState, extend, fold
from photonic.identity import Identity
from photonic.ids import LibraryId, Subject
from tests.crdt.replicas import WORLD, photo

_LIBRARY = LibraryId(bytes(16))
_SUBJECT = photo(0)
_PEOPLE = [Identity.generate(WORLD) for _ in range(3)]
_FIELDS = (RATING, TITLE, PATH, "from a newer photonic")


def _is_effective(signed: SignedChange) -> bool:
    """Some changes count for nothing, as those of a member beyond its cut."""
    return signed.id[0] % 5 != 0


class Replica:
    """What one node was delivered, and the state that it extended change by change."""

    def __init__(self) -> None:
        self.delivered: dict[bytes, SignedChange] = {}
        self.state = SubjectState(_SUBJECT)

    def take(self, signed: SignedChange) -> None:
        self.delivered[signed.id] = signed
        self.state = extend(self.state, signed, _is_effective)


class Deliveries(RuleBasedStateMachine):
    """Replicas write, and are delivered each other's changes in any order, again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.replicas = [Replica() for _ in _PEOPLE]
        self.said: list[SignedChange] = []
        self.stamps = 0

    def _write(self, author: int, **said: Any) -> None:
        self.stamps += 1
        change = Change(
            kind=_SUBJECT.kind,
            key=_SUBJECT.key,
            parents=tuple(sorted(self.replicas[author].state.heads)),
            author=_PEOPLE[author].node,
            seq=len(self.said) + 1,
            at=(self.stamps * 7) % 5 + 1,  # stamps repeat and run backwards: they decide nothing
            **said,
        )
        signed = seal(_PEOPLE[author], _LIBRARY, change)
        self.said.append(signed)
        self.replicas[author].take(signed)

    @rule(author=st.integers(0, 2), name=st.sampled_from(_FIELDS), value=st.integers(0, 2))
    def set_a_field(self, author: int, name: str, value: int) -> None:
        self._write(author, sets={name: value})

    @rule(author=st.integers(0, 2), value=st.sampled_from(["bird", "sea"]))
    def add_a_tag(self, author: int, value: str) -> None:
        self._write(author, adds={TAGS: (value,)})

    @rule(author=st.integers(0, 2), value=st.sampled_from(["bird", "sea"]))
    def remove_a_tag(self, author: int, value: str) -> None:
        seen = self.replicas[author].state.tags.get(TAGS, {}).get(value, ())
        self._write(author, removes={TAGS: {value: (*sorted(seen), EMBEDDED)}})

    @rule(to=st.integers(0, 2), which=st.randoms(use_true_random=False))
    def deliver_one_of_all_that_was_ever_said(self, to: int, which: Random) -> None:
        if self.said:
            self.replicas[to].take(which.choice(self.said))

    @rule(to=st.integers(0, 2))
    def deliver_everything_backwards(self, to: int) -> None:
        for signed in reversed(self.said):
            self.replicas[to].take(signed)

    @invariant()
    def the_extended_state_is_the_folded_one(self) -> None:
        for replica in self.replicas:
            assert replica.state == fold(_SUBJECT, replica.delivered.values(), _is_effective)

    @invariant()
    def nodes_that_have_seen_the_same_show_the_same(self) -> None:
        first, *others = self.replicas
        for other in others:
            if other.delivered.keys() == first.delivered.keys():
                assert other.state == first.state


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(12)))
def test_a_chain_delivered_in_any_order_ends_with_its_last_word(order: list[int]) -> None:
    chain: list[SignedChange] = []
    for number in range(12):
        parents = (chain[-1].id,) if chain else ()
        author, sets = _PEOPLE[0], {RATING: number % 3}
        change = Change("photo", _SUBJECT.key, parents, author.node, number + 1, 1, sets)
        chain.append(seal(author, _LIBRARY, change))
    state = SubjectState(_SUBJECT)
    for position in order:
        state = extend(state, chain[position])
    assert [version.change for version in state.fields[RATING].versions] == [chain[-1].id]
    assert state.heads == {chain[-1].id}
    assert not state.lineage.missing()


def test_a_long_history_of_one_field_has_one_version() -> None:
    state = SubjectState(Subject("album", b"a" * 16))
    parents: tuple[bytes, ...] = ()
    for number in range(300):
        change = Change("album", b"a" * 16, parents, _PEOPLE[0].node, number + 1, number, {"n": 1})
        signed = seal(_PEOPLE[0], _LIBRARY, change)
        state = extend(state, signed)
        parents = (signed.id,)
    assert len(state.lineage) == 300 and len(state.fields["n"].versions) == 1


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(8)))
def test_a_path_is_what_the_first_said_whatever_comes_later_and_in_any_order(
    order: list[int],
) -> None:
    chain: list[SignedChange] = []
    for number in range(8):
        parents = (chain[-1].id,) if chain else ()
        author, sets = _PEOPLE[0], {PATH: f"{number}.jpg"}
        stamp = 100 - number  # a clock that runs backwards decides nothing
        change = Change("photo", _SUBJECT.key, parents, author.node, number + 1, stamp, sets)
        chain.append(seal(author, _LIBRARY, change))
    state = SubjectState(_SUBJECT)
    for position in order:
        state = extend(state, chain[position])
    assert [version.change for version in state.fields[PATH].versions] == [chain[0].id]
    assert state.fact(PATH) == "0.jpg"


def test_of_paths_that_were_decided_apart_the_earliest_is_first_and_the_others_stay() -> None:
    said = []
    for number, stamp in enumerate((30, 10, 20)):
        author = _PEOPLE[number]
        sets = {PATH: f"{number}.jpg"}
        said.append(
            seal(author, _LIBRARY, Change("photo", _SUBJECT.key, (), author.node, 1, stamp, sets))
        )
    state = fold(_SUBJECT, said)
    assert [version.value for version in state.fields[PATH].versions] == [
        "1.jpg", "2.jpg", "0.jpg",
    ]  # fmt: skip
    assert state.fact(PATH) == "1.jpg" and state.contested() == ()

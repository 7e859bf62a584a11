"""Documents take in anything and are never taken down by it."""

from __future__ import annotations

import random

import pytest

from photonic.crdt.document import DocumentFault, MapDocument, is_empty


def _pair() -> tuple[MapDocument, MapDocument]:
    left = MapDocument()
    left.insert({f"key {number}": b"value %d" % number for number in range(20)})
    return left, MapDocument([left.snapshot()])


def test_what_one_has_and_the_other_lacks_is_found_by_its_vector() -> None:
    left, right = _pair()
    update = left.insert({"new": b"thing"})
    missing = left.missing_for(right.vector())
    assert missing == update
    assert right.apply(missing).added == {"new": b"thing"}
    assert is_empty(left.missing_for(right.vector()))


def test_an_update_that_arrives_twice_does_nothing_the_second_time() -> None:
    left, right = _pair()
    update = left.insert({"new": b"thing"})
    assert right.apply(update).added
    again = right.apply(update)
    assert (again.added, again.overwritten, again.removed) == ({}, {}, frozenset())


def test_overwriting_and_deleting_are_told() -> None:
    left, right = _pair()
    delta = right.apply(left.insert({"key 3": b"other"}))
    assert delta.overwritten == {"key 3": b"other"}
    del left._map["key 4"]
    assert right.apply(left.missing_for(right.vector())).removed == {"key 4"}


def test_two_loads_of_one_document_never_share_a_client_id() -> None:
    left, _ = _pair()
    first, second = MapDocument([left.snapshot()]), MapDocument([left.snapshot()])
    update = first.insert({"a": b"1"})
    other = second.insert({"b": b"2"})  # as after a restart that lost the first insert
    merged = MapDocument([left.snapshot(), update, other])
    assert merged.entries()["a"] == b"1"
    assert merged.entries()["b"] == b"2"


def test_values_that_are_no_bytes_are_a_fault() -> None:
    left, right = _pair()
    left._map["number"] = 5
    with pytest.raises(DocumentFault):
        right.apply(left.missing_for(right.vector()))


def test_another_root_in_the_document_is_a_fault() -> None:
    left, right = _pair()
    hidden = left._doc.get("hidden", type=type(left._map))
    hidden["x"] = b"y"
    with pytest.raises(DocumentFault):
        right.apply(left.missing_for(right.vector()))


def test_twenty_thousand_mutated_updates_raise_nothing_but_a_fault() -> None:
    left, _ = _pair()
    whole, dice = left.snapshot(), random.Random(7)
    faults = 0
    for _ in range(20_000):
        mutated = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            mutated[dice.randrange(len(mutated))] = dice.randrange(256)
        document = MapDocument()
        try:
            document.apply(bytes(mutated[: dice.randint(1, len(mutated))]))
        except DocumentFault:
            faults += 1
    assert faults > 1_000


def test_a_vector_that_is_none_is_a_fault() -> None:
    left, _ = _pair()
    with pytest.raises(DocumentFault):
        left.missing_for(b"\xff\xff\xff")

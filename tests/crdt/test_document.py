"""Documents take in anything and are never taken down by it."""

from __future__ import annotations

import gc
import random
import weakref

import pytest

from photonic.crdt.blocks import number
from photonic.crdt.document import DocumentFault, MapDocument, is_empty, merge
from photonic.crdt.updates import is_out_of_bounds, parse


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


def test_entries_and_news_come_by_key_and_not_by_chance() -> None:
    """The library underneath keeps maps in another order in each process."""
    left, right = _pair()
    some = {f"{number * 7_919 % 1_000:03}": b"v" for number in range(200)}
    added = right.apply(left.insert(some)).added
    assert list(added) == sorted(some)
    assert list(left.entries()) == list(right.entries()) == sorted(left.entries())


def test_overwriting_and_deleting_are_told() -> None:
    left, right = _pair()
    delta = right.apply(left.insert({"key 3": b"other"}))
    assert delta.overwritten == {"key 3": b"other"}
    deleted = b"\x01\x01\x07\0\xa1" + number(left.client_id) + b"\x04\x01\0"  # of key 4
    assert right.apply(deleted).removed == {"key 4"}


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


def test_a_document_writes_under_the_client_id_that_it_is_given() -> None:
    document = MapDocument((), (1 << 53) - 1)
    document.insert({"a": b"1"})
    assert document.client_id == (1 << 53) - 1
    again = MapDocument([document.snapshot()], document.client_id)  # nothing of it was lost
    again.insert({"b": b"2"})
    assert again.vector()[-1] == len(again) == 2


def test_updates_are_loaded_in_any_order() -> None:
    source = MapDocument()
    updates = [source.insert({"k": b"%d" % number, f"k{number}": b"x"}) for number in range(6)]
    for order in ([5, 4, 3, 2, 1, 0], [0, 2, 4, 1, 3, 5], [1, 1, 0, 5, 3, 2, 4]):
        loaded = MapDocument([updates[number] for number in order])
        assert loaded.entries() == source.entries()
        assert loaded.vector() == source.vector()


def test_thousands_of_updates_are_loaded_backwards_in_no_time() -> None:
    source = MapDocument()
    updates = [source.insert({f"k{position}": b"x"}) for position in range(3_000)]
    assert len(MapDocument(updates[::-1])) == 3_000


def test_documents_that_are_let_go_are_freed() -> None:
    """What the library holds for an observer must not hold the document."""
    document = MapDocument()
    document.insert({"k": b"v"})
    alive = weakref.ref(document._doc)
    del document
    gc.collect()
    assert alive() is None


def test_an_insertion_is_told_without_deletes() -> None:
    document = MapDocument()
    document.insert({"k": b"1"})
    update = document.insert({"k": b"2"})
    assert update.endswith(b"\0") and not document.snapshot().endswith(b"\0")
    assert is_empty(document.insert({}))


def entry(key: bytes) -> bytes:
    return b"\x28\x01\x01c\x01" + key + b"\x01\x74\x01v"


@pytest.mark.parametrize(
    ("forged", "is_taken"),
    [
        (b"\x01\x01\x05\x03" + entry(b"z") + b"\0", False),
        (b"\x01\x01\x05\x03\0\x02\0", False),
        (b"\x01\x02\x05\x01\x0a\x03" + entry(b"z") + b"\0", False),
        (b"\x01\x01\x05\x01" + entry(b"z") + b"\0", True),
        (b"\x01\x01\x05\x01\0\x07\0", True),
        (b"\x01\x01\x05\x01\0\xff\xff\xff\xff\x07\0", True),
    ],
)
def test_what_is_written_after_forged_blocks_reaches_journal_and_peers(
    forged: bytes, is_taken: bool
) -> None:
    """A member writes under the client id that this document writes under."""
    document, peer = MapDocument((), 5), MapDocument()
    journal = [document.insert({"a": b"1"})]
    delta = document.apply(forged)
    assert (delta.is_whole, not is_empty(delta.update)) == (is_taken, is_taken)
    journal.append(delta.update)
    for position in range(8):
        journal.append(document.insert({f"k{position}": b"x"}))
        assert not is_out_of_bounds(parse(journal[-1]))
    expected = {"a": b"1", **delta.added, **{f"k{position}": b"x" for position in range(8)}}
    for update in (forged, *journal):
        peer.apply(update)
    peer.apply(document.missing_for(peer.vector()))
    for replica in (document, peer, MapDocument(journal), MapDocument([merge(journal)])):
        assert replica.entries() == expected


def test_merging_keeps_the_order_in_which_entries_overwrote_each_other() -> None:
    left, right = _pair()
    updates = [left.snapshot(), left.insert({"key 1": b"a"}), left.insert({"key 1": b"b"})]
    right.apply(updates[1])
    updates.append(right.insert({"key 1": b"c"}))
    left.apply(updates[-1])
    assert MapDocument([merge(updates)]).entries() == MapDocument(updates).entries()
    assert MapDocument([merge(updates[::-1])]).entries() == MapDocument(updates).entries()


@pytest.mark.parametrize(
    "forged",
    [
        b"\x01\x01\x05\0\0\x03\0",
        b"\x01\x01\x05\0\0\x05\0",
        b"\x01\x01\x05\x01\0\x01\0",
        b"\x01\x02\x05\0\0\x01" + entry(b"z") + b"\0",
        b"\x01\x02\x05\0" + entry(b"b") + entry(b"a") + b"\0",
    ],
)
def test_merging_loses_no_entry_to_a_block_that_was_forged_in_its_place(forged: bytes) -> None:
    honest = b"\x01\x03\x05\0" + entry(b"a") + entry(b"b") + entry(b"c") + b"\0"
    for updates in ([honest, forged], [forged, honest], [honest, forged, honest]):
        entries = {key: value for data in updates for key, value in parse(data).entries()}
        merged = merge(updates)
        assert dict(parse(merged).entries()) == entries
        assert MapDocument([merged]).entries() == entries
        assert dict(parse(merge([merged, forged, honest])).entries()) == entries


def test_merging_bytes_that_are_no_update_is_a_fault() -> None:
    left, _ = _pair()
    for bad in (b"", b"\xff" * 20, left.snapshot()[:-20]):
        with pytest.raises(DocumentFault):
            merge([left.snapshot(), bad])

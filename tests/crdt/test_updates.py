"""Updates are read before any document sees them, cut into parts, and freed of what may hide."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from photonic import limits
from photonic.crdt.blocks import number
from photonic.crdt.document import EMPTY_UPDATE, MapDocument, is_empty, merge
from photonic.crdt.updates import (
    Block,
    Kind,
    UpdateInvalid,
    first_part,
    for_peers,
    parse,
    reachable,
    read_vector,
    without_deletes,
)
from tests.crdt.fuzzing import Replicas, Step, histories, hostile

ENTRY = b"\x28\x01\x01c\x01k\x01\x74\x01v"  # "k" is b"v"


def update(*sections: bytes, deletes: bytes = b"\0") -> bytes:
    return bytes([len(sections)]) + b"".join(sections) + deletes


def section(*blocks: bytes, client: bytes = b"\x05", clock: bytes = b"\0") -> bytes:
    return bytes([len(blocks)]) + client + clock + b"".join(blocks)


def twins() -> tuple[MapDocument, MapDocument]:
    """Return two documents that know each other's entry under one key."""
    left, right = MapDocument((), 1), MapDocument((), 2)
    left.insert({"k": b"v"})
    right.insert({"k": b"v"})
    left.apply(right.snapshot())
    right.apply(left.snapshot())
    return left, right


# --- reading ---------------------------------------------------------------------------------


def test_an_entry_is_read_with_its_place() -> None:
    document = MapDocument((), 5)
    data = document.insert({"k": b"v"})
    assert data == update(section(ENTRY))
    parsed = parse(data)
    assert list(parsed.blocks()) == [Block(5, 0, 1, Kind.ITEM, "k", b"v", None, 4, 14)]
    assert list(parsed.entries()) == [("k", b"v")]


def test_an_overwriting_block_names_its_origin_and_no_key() -> None:
    document = MapDocument((), 5)
    document.insert({"k": b"1"})
    document.insert({"k": b"2"})
    document.insert({"k": b"3"})
    deleted, item = parse(document.snapshot()).blocks()
    assert (deleted.kind, deleted.key, deleted.length) == (Kind.DELETED, "k", 2)
    assert (item.kind, item.key, item.value, item.origin) == (Kind.ITEM, None, b"3", (5, 1))
    assert item.clock == 2


def test_a_twin_that_lost_is_a_deleted_block_under_the_key() -> None:
    left, right = twins()
    assert left.entries() == right.entries() == {"k": b"v"}
    kinds = [(block.kind, block.key) for block in parse(left.snapshot()).blocks()]
    assert sorted(kinds) == [(Kind.DELETED, "k"), (Kind.ITEM, "k")]


def test_blocks_that_are_not_there_are_read_as_skipped() -> None:
    document = MapDocument((), 5)
    pieces = [document.insert({f"k{number}": b"v"}) for number in range(4)]
    first, gap, last = parse(merge([pieces[0], pieces[3]])).blocks()
    assert (first.clock, gap.kind, gap.clock, gap.length, last.clock) == (0, Kind.SKIP, 1, 2, 3)


@pytest.mark.parametrize("grows_only", [True, False])
@given(history=histories)
def test_every_update_that_our_documents_make_is_read(
    grows_only: bool, history: list[Step]
) -> None:
    replicas = Replicas(grows_only)
    replicas.run(history)
    replicas.meet_all()
    for document in replicas.documents:
        whole = parse(document.snapshot())
        assert dict(whole.entries()).keys() <= document.entries().keys()
        if grows_only:
            assert dict(whole.entries()) == document.entries()
        for other in replicas.updates:
            parse(document.missing_for(MapDocument([other]).vector()))
    for start in range(len(replicas.updates)):
        assert parse(merge(replicas.updates[start::2])).data


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"", "ends in the middle"),
        (EMPTY_UPDATE + b"\0", "follows its end"),
        (b"\x80\0\0", "longer than it need be"),
        (b"\xff" * 12, "too large"),
        (update(section(ENTRY), section(ENTRY)), "twice"),
        (update(section()), "no blocks"),
        (update(section(ENTRY, client=b"\x80" * 7 + b"\x10")), "number that is too large"),
        (update(section(ENTRY, clock=b"\x80\x80\x80\x80\x10")), "too many blocks"),
        (update(section(b"\0\x80\x80\x80\x80\x10", ENTRY)), "too many blocks"),
        (update(section(b"\0\0")), "empty"),
        (update(section(b"\x0a\0", ENTRY)), "empty"),
        (update(section(b"\x28\x01\x01d\x01k\x01\x74\x01v")), "outside of the map"),
        (update(section(b"\x28\0\x05\0\x01k\x01\x74\x01v")), "outside of the map"),
        (update(section(b"\x28\x01\x01c\0\x01\x74\x01v")), "a key has 0 bytes"),
        (update(section(b"\x28\x01\x01c\x01\xff\x01\x74\x01v")), "no text"),
        (update(section(b"\x28\x01\x01c\xff\x7fk")), "a key has 16,383 bytes"),
        (update(section(b"\x28\x01\x01c\x01k\x02\x74\x01v\x74\x01v")), "one value"),
        (update(section(b"\x28\x01\x01c\x01k\x01\x77\x01v")), "one value"),
        (update(section(b"\x28\x01\x01c\x01k\x01\x74\xff\xff\x7f")), "longer than one may be"),
        (update(section(b"\x08\x01\x01c\x01\x74\x01v")), "kind"),
        (update(section(b"\xe8\x01\0\x01\0\x01\x74\x01v")), "kind"),
        (update(section(b"\xa8" + b"\x80" * 7 + b"\x10\0\x01\x74\x01v")), "origin"),
        (update(section(ENTRY), deletes=b"\x01\x05\x01\0"), "ends in the middle"),
    ],
)
def test_what_is_not_spelt_as_ours_is_refused_with_a_reason(bad: bytes, reason: str) -> None:
    with pytest.raises(UpdateInvalid, match=reason):
        parse(bad)


def test_an_update_that_is_cut_anywhere_is_refused() -> None:
    left, _ = twins()
    left.insert({"k": b"w"})
    whole = left.snapshot()
    for length in range(len(whole)):
        with pytest.raises(UpdateInvalid):
            parse(whole[:length])


def test_documents_of_another_shape_are_refused() -> None:
    for value in (5, "text", None, [b"v"], {"a": b"v"}, Map({"a": b"v"}), Array([1]), Text("t")):
        with pytest.raises(UpdateInvalid):
            parse(hostile({"k": value}))
    for other in (Array([1]), Text("t")):
        document: Doc[Any] = Doc()
        document["c"] = other
        with pytest.raises(UpdateInvalid):
            parse(document.get_update())


def test_a_huge_count_costs_nothing() -> None:
    for bad in (b"\xff\xff\xff\xff\x7f", b"\x01\xff\xff\xff\xff\x7f\x05\0" + ENTRY):
        with pytest.raises(UpdateInvalid):
            parse(bad)


# --- deletes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("grows_only", [True, False])
@given(history=histories)
def test_replicas_converge_without_ever_sending_deletes(
    grows_only: bool, history: list[Step]
) -> None:
    plain, stripped = Replicas(grows_only, on_the_wire=lambda data: data), Replicas(grows_only)
    for replicas in (plain, stripped):
        replicas.run(history)
        replicas.meet_all()
    expected = plain.documents[0].entries()
    for replicas in (plain, stripped):
        for document in replicas.documents:
            assert document.entries() == expected
            parse(document.snapshot())
    vectors = [sorted(replicas.documents[0].vector()) for replicas in (plain, stripped)]
    assert vectors[0] == vectors[1]


@pytest.mark.parametrize("grows_only", [True, False])
@given(history=histories, dice=st.randoms(use_true_random=False))
def test_updates_may_come_in_any_order_and_twice_for_none_waits_in_a_document(
    grows_only: bool, history: list[Step], dice: random.Random
) -> None:
    replicas = Replicas(grows_only)
    replicas.run(history)
    replicas.meet_all()
    whole, document = replicas.documents[0], MapDocument()
    shuffled = [*replicas.updates, *replicas.updates[::2]]
    dice.shuffle(shuffled)
    journal = []
    for data in shuffled:
        delta = document.apply(data)
        assert delta.is_whole or not is_empty(without_deletes(whole.missing_for(document.vector())))
        assert not parse(document.snapshot()).has(Kind.SKIP)
        journal.append(delta.update)
    delta = document.apply(whole.missing_for(document.vector()))
    assert delta.is_whole
    for copy in (document, MapDocument([*journal, delta.update]), MapDocument(shuffled)):
        assert copy.entries() == whole.entries()
        assert read_vector(copy.vector()) == read_vector(whole.vector())
    assert MapDocument([merge(shuffled or [EMPTY_UPDATE])]).entries() == whole.entries()


def test_what_waits_in_the_library_is_lost_there_when_the_gap_closes() -> None:
    """A reason for `reachable`; if this fails, the library was mended."""
    source, there = MapDocument((), 5), MapDocument()
    pieces = [source.insert({key: b"%d" % n}) for n, key in enumerate(("k", "k", "k", "k", "o"))]
    for position in (0, 1, 3, 4, 2):
        there._doc.apply_update(pieces[position])
    assert there.entries()["k"] == b"2"
    assert source.entries()["k"] == b"3"


def test_a_block_that_spans_a_gap_corrupts_the_library() -> None:
    """A reason for `reachable`; if this fails, the library was mended."""
    there = MapDocument()
    there._doc.apply_update(update(section(ENTRY)))
    there._doc.apply_update(update(section(ENTRY.replace(b"k", b"l"), clock=b"\x09")))
    there._doc.apply_update(update(section(b"\0\x14", clock=b"\x04")))
    there._doc.apply_update(update(section(b"\0\x03", clock=b"\x01")))
    with pytest.raises(UpdateInvalid):
        parse(there.snapshot())
    safe = MapDocument()
    for forged in (
        update(section(ENTRY)),
        update(section(ENTRY.replace(b"k", b"l"), clock=b"\x09")),
        update(section(b"\0\x14", clock=b"\x04")),
        update(section(b"\0\x03", clock=b"\x01")),
    ):
        safe.apply(forged)
    assert [block.length for block in parse(safe.snapshot()).blocks()] == [1, 3]


def test_a_set_of_deletes_hides_what_comes_later_and_is_taken_away() -> None:
    honest = MapDocument((), 5)
    data = honest.insert({"k": b"v"})
    attack = b"\0\x01\x05\x01\0\x01"
    victim = MapDocument()
    victim._doc.apply_update(attack)
    victim._doc.apply_update(data)
    assert victim.entries() == {}, "this is why"
    safe = MapDocument()
    for told in (attack, data, attack):
        safe.apply(told)
    assert safe.entries() == {"k": b"v"}
    assert parse(attack).without_deletes() == without_deletes(attack) == EMPTY_UPDATE


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_peers_get_no_deleted_block_under_a_key(order: tuple[int, ...]) -> None:
    documents = [MapDocument((), client) for client in (1, 2, 3)]
    for document in documents:
        document.insert({"k": b"v"})
    first = documents[0]
    first.insert({f"other {number}": b"v" for number in range(3)})
    for position in order:
        first.apply(documents[position].snapshot())
    sent = for_peers(first.snapshot())
    assert Kind.DELETED not in {block.kind for block in parse(sent).blocks()}
    fresh = MapDocument()
    fresh.apply(sent)
    assert fresh.entries() == first.entries()
    assert sorted(fresh.vector()) == sorted(first.vector())
    for document in documents:  # those that still have their own twin converge with it, too
        document.apply(for_peers(fresh.missing_for(document.vector())))
        fresh.apply(for_peers(document.missing_for(fresh.vector())))
        assert document.entries() == fresh.entries() == first.entries()


def test_neighbours_that_lost_become_one_block_that_names_nothing() -> None:
    left, right = MapDocument((), 1), MapDocument((), 2)
    entries = {f"k{number}": b"v" for number in range(5)}
    left.insert(entries)
    right.insert(entries)
    left.apply(right.snapshot())
    (buried,) = [b for b in parse(for_peers(left.snapshot())).blocks() if b.kind is Kind.GC]
    assert (buried.length, buried.end - buried.start) == (5, 2)


@given(history=histories)
def test_replicas_converge_by_what_peers_get(history: list[Step]) -> None:
    replicas = Replicas(grows_only=True, on_the_wire=for_peers)
    replicas.run(history)
    replicas.meet_all()
    expected = {
        key for document in replicas.documents for key in document.entries()
    }  # fmt: skip
    for document in replicas.documents:
        assert document.entries().keys() == expected


# --- parts -----------------------------------------------------------------------------------


def fetch(source: MapDocument, target: MapDocument, bytes_max: int) -> int:
    """Let `target` ask for parts until it has all; return how many it took."""
    for count in range(1, 1_000):
        before = target.vector()
        part, is_all = first_part(source.missing_for(target.vector()), bytes_max)
        parsed = parse(part)
        assert not any(block.kind is Kind.SKIP for block in parsed.blocks())
        blocks = [block.end - block.start for block in parsed.blocks()]
        assert len(part) <= max(bytes_max, max(blocks, default=0) + 32)
        target.apply(part)
        if is_all:
            return count
        assert target.vector() != before, "each part brings the receiver further"
    raise AssertionError("it never ends")


@pytest.mark.parametrize("grows_only", [True, False])
@given(history=histories, start=histories, bytes_max=st.integers(1, 300))
def test_an_update_in_parts_brings_what_it_brings_whole(
    grows_only: bool, history: list[Step], start: list[Step], bytes_max: int
) -> None:
    replicas = Replicas(grows_only)
    replicas.run(start)
    target = MapDocument([replicas.documents[1].snapshot()])
    replicas.run(history)
    replicas.meet_all()
    source = replicas.documents[0]
    fetch(source, target, bytes_max)
    assert target.entries() == source.entries()
    assert is_empty(without_deletes(source.missing_for(target.vector())))


def test_what_overwrites_comes_after_what_it_overwrites() -> None:
    """The writer of the long section depends on one that stands behind it in the update."""
    for first, second in ((1, 2), (2, 1)):
        left, right = MapDocument((), first), MapDocument((), second)
        left.insert({f"k{number}": b"0" for number in range(100)})
        right.apply(left.snapshot())
        right.insert({f"k{number}": b"1" for number in range(100)})
        target = MapDocument()
        assert fetch(right, target, 200) > 5
        assert target.entries() == right.entries()


def test_a_gap_for_good_does_not_keep_back_what_is_whole() -> None:
    torn, whole = MapDocument((), 9), MapDocument((), 2)
    pieces = [torn.insert({f"t{number}": b"x" * 100}) for number in range(20)]
    whole.insert({f"w{number}": b"x" * 100 for number in range(20)})
    update_with_gap = merge([*pieces[:3], *pieces[5:], whole.snapshot()])
    part, is_all = first_part(update_with_gap, 2_900)
    target = MapDocument()
    target.apply(part)
    assert not is_all
    assert {f"w{number}" for number in range(20)} <= target.entries().keys()
    everything, is_all = first_part(update_with_gap, len(update_with_gap) - 1 + 100)
    assert is_all and parse(everything).without_deletes() == everything


def test_blocks_that_wait_for_themselves_do_not_stop_anybody() -> None:
    round_about = b"\xa8\x05\x07\x01\x74\x01v"  # overwrites what its own client writes later
    other = b"\xa8\x06\x01\x01\x74\x01v"
    back = b"\xa8\x05\x02\x01\x74\x01v"
    forged = update(
        section(ENTRY, round_about, other, back),
        section(ENTRY, back, round_about, client=b"\x06"),
    )
    assert first_part(forged, len(forged)) == (forged, True)
    for bytes_max in range(1, len(forged)):
        part, _ = first_part(forged, bytes_max)
        parse(part)


def test_many_that_wait_for_one_are_not_looked_at_whenever_it_moves() -> None:
    """This would hang if they were: two clients that take turns, and many that wait for both."""
    turns, others = 3_000, 3_000
    one = b"".join(b"\x88\x06" + number(n) + b"\x01\x74\x01v" for n in range(turns))
    two = b"".join(b"\x88\x05" + number(n) + b"\x01\x74\x01v" for n in range(turns))
    sections = [
        number(turns + 1) + b"\x05\0" + ENTRY + one,
        number(turns + 1) + b"\x06\0" + ENTRY + two,
        *(
            b"\x01" + number(100 + n) + b"\0\x88\x05" + number(1 << 30) + b"\x01\x74\x01v"
            for n in range(others)
        ),
    ]
    forged = number(len(sections)) + b"".join(sections) + b"\0"
    reach: dict[int, int] = {}
    part, is_all = reachable(parse(forged), reach)
    assert not is_all
    assert reach == {5: turns + 1, 6: turns + 1}
    assert len(parse(part).sections) == 2


def test_a_block_that_is_too_long_for_a_part_travels_alone() -> None:
    document = MapDocument()
    document.insert({"long": bytes(limits.CHANGE_BYTES_MAX), "short": b"v"})
    assert fetch(document, MapDocument(), 100) == 2

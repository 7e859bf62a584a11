"""Several updates as one: nothing is lost by it, whatever was forged in the place of what."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.blocks import number
from photonic.crdt.document import EMPTY_UPDATE, MapDocument, merge
from photonic.crdt.union import union
from photonic.crdt.updates import Kind, parse, read_vector
from tests.crdt.fuzzing import Forger, Replicas, Step, histories

ENTRIES = {f"key {position}": b"v%d" % position for position in range(8)}


def entry(key: bytes) -> bytes:
    return b"\x28\x01\x01c\x01" + key + b"\x01\x74\x01v"


def kinds(update: bytes) -> list[tuple[int, int, str]]:
    return [(block.clock, block.length, block.kind.name) for block in parse(update).blocks()]


def join(*updates: bytes) -> bytes:
    return union([parse(update) for update in updates])[0]


@given(history=histories, dice=st.randoms(use_true_random=False))
def test_a_union_of_snapshots_and_updates_is_the_document(
    history: list[Step], dice: random.Random
) -> None:
    replicas = Replicas(grows_only=False)
    replicas.run(history)
    some = [*replicas.updates, *(document.snapshot() for document in replicas.documents)]
    replicas.meet_all()
    some += [document.snapshot() for document in replicas.documents]
    dice.shuffle(some)
    whole = replicas.documents[0]
    cut = dice.randint(1, len(some))
    for merged in (join(*some), join(join(*some[:cut]), *some[cut:])):
        assert MapDocument([merged]).entries() == whole.entries()
        assert read_vector(MapDocument([merged]).vector()) == read_vector(whole.vector())


@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 30))
def test_no_entry_is_lost_to_whatever_was_forged(seed: int, count: int) -> None:
    forger = Forger(seed, ENTRIES, [3, 77, 1 << 40])
    some = [forger.forge(overwrites=False) for _ in range(count)]
    expected = {key: value for update in some for key, value in parse(update).entries()}
    merged = merge(some)
    assert dict(parse(merged).entries()) == expected
    assert merge([merged, *some, merged]) == merged or dict(parse(merged).entries()) == expected


@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 30))
def test_blocks_of_a_union_follow_one_another(seed: int, count: int) -> None:
    forger = Forger(seed, ENTRIES, [3, 77, 1 << 40])
    some = [forger.forge(overwrites=True) for _ in range(count)]
    merged = join(*some)
    taken = {
        (block.client, clock)
        for update in some
        for block in parse(update).blocks()
        if block.kind is not Kind.SKIP
        for clock in range(block.clock, block.clock + block.length)
    }
    again = {
        (block.client, clock)
        for block in parse(merged).blocks()
        if block.kind is not Kind.SKIP
        for clock in range(block.clock, block.clock + block.length)
    }
    assert again == taken
    assert join(merged, merged) == merged


def test_entries_stay_where_a_longer_block_would_lie_over_them() -> None:
    two = b"\x01\x03\x05\x01" + entry(b"a") + b"\x0a\x02" + entry(b"b") + b"\0"
    assert kinds(two) == [(1, 1, "ITEM"), (2, 2, "SKIP"), (4, 1, "ITEM")]
    deleted = b"\x01\x01\x05\0\x21\x01\x01c\x01a\x03\0"
    buried = b"\x01\x01\x05\0\0\x07\0"
    expected = [(0, 1, "DELETED"), (1, 1, "ITEM"), (2, 1, "DELETED"), (3, 1, "GC")]
    expected += [(4, 1, "ITEM"), (5, 2, "GC")]
    for some in ([two, deleted, buried], [buried, deleted, two], [deleted, two, buried, two]):
        assert kinds(join(*some)) == expected
    rest = list(parse(join(two, deleted)).blocks())[2]
    assert (rest.kind, rest.origin) == (Kind.DELETED, (5, 1)), "it goes on from the place before"


def test_of_two_entries_in_one_place_the_later_is_told() -> None:
    first = b"\x01\x01\x05\0" + entry(b"a") + b"\0"
    second = b"\x01\x01\x05\0" + entry(b"b") + b"\0"
    assert union([parse(first), parse(second)]) == (first, {"b": b"v"})
    assert union([parse(second), parse(first)]) == (second, {"a": b"v"})
    elsewhere = b"\x01\x01\x06\0" + entry(b"b") + b"\0"
    assert union([parse(first), parse(second), parse(elsewhere)])[1] == {}


def test_nothing_and_nothing_is_nothing() -> None:
    assert join() == join(EMPTY_UPDATE) == join(EMPTY_UPDATE, EMPTY_UPDATE) == EMPTY_UPDATE


def test_hostile_layers_take_no_longer_than_their_bytes() -> None:
    """A block over each of many entries, many times: this would hang if each met each."""
    count = 2_000
    items = b"".join(entry(b"k") + b"\x0a\x01" for _ in range(count)) + entry(b"k")
    some = b"\x01" + number(2 * count + 1) + b"\x05\0" + items + b"\0"
    long = b"\x01\x01\x05\0\0" + number(1 << 31) + b"\0"
    short = b"\x01" + number(count) + b"\x05\0" + b"\0\x01" * count + b"\0"
    merged = join(some, *[long] * 50, *[short] * 50)
    assert len(parse(merged).sections[0].blocks) == 2 * count + 2

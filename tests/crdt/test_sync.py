"""Two machines joined without a socket: bounded, resumable, and stubborn where it must be."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Map

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CAPTION, RATING
from photonic.crdt.keys import change_key, shard_of
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.sync import (
    AskIds,
    Digests,
    Message,
    PlainChanges,
    Push,
    Reconciler,
    Root,
    Same,
    Update,
)
from photonic.journal.journal import CHANGES
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo

_WORDS = "x" * 3_000


class Wire:
    """Two machines and what is under way between them, oldest first."""

    def __init__(self, left: Catalog, right: Catalog) -> None:
        self.catalogs = (left, right)
        self.machines = (
            Reconciler(CatalogReplica(left), b"right"),
            Reconciler(CatalogReplica(right), b"left"),
        )
        self.waiting: deque[tuple[int, Message]] = deque()
        self.seen: list[Message] = []

    def begin(self) -> None:
        self.waiting.clear()  # a connection that broke delivers nothing any more
        self.waiting.extend((1, message) for message in self.machines[0].begin())

    def deliver(self) -> Iterator[Message]:
        """Deliver message by message; each is durable on its side before the next."""
        while self.waiting:
            receiver, message = self.waiting.popleft()
            self.seen.append(message)
            answers = self.machines[receiver].handle(message)
            self.catalogs[receiver].flush()
            self.waiting.extend((1 - receiver, answer) for answer in answers)
            yield message

    def run(self) -> None:
        self.begin()
        for _ in self.deliver():
            pass

    def bytes_of(self, *kinds: type) -> int:
        return sum(len(msgspec.msgpack.encode(m)) for m in self.seen if isinstance(m, kinds))


def _long_drafts(count: int) -> list[Draft]:
    """Photos of one shard with so many words that the document is far longer than one part."""
    numbers = (n for n in range(1_000_000) if shard_of(photo(n)) == shard_of(photo(0)))
    drafts = []
    for number, _ in zip(numbers, range(count), strict=False):
        made = import_draft(number)
        drafts.append(Draft(made.subject, {**made.sets, CAPTION: _WORDS}))
    return drafts


def test_a_long_document_comes_in_parts_and_no_message_is_longer_than_a_part() -> None:
    left, right = Cluster(2).catalogs
    commit(left, *_long_drafts(400))
    wire = Wire(left, right)
    wire.run()
    parts = [m for m in wire.seen if isinstance(m, Update) and m.more]
    assert len(parts) >= 3
    longest = max(len(m.data) for m in wire.seen if isinstance(m, Update))
    assert longest <= limits.UPDATE_PART_BYTES_MAX + limits.CHANGE_BYTES_MAX
    assert left.root_digest() == right.root_digest()


@pytest.mark.parametrize("cut_after", [3, 5, 6, 7, 9])
def test_a_round_that_is_cut_goes_on_where_it_was(cut_after: int) -> None:
    left, right = Cluster(2).catalogs
    commit(left, *_long_drafts(400))
    whole = Wire(left, right)
    first = Wire(left, right)
    first.begin()
    for position, _ in enumerate(first.deliver(), 1):
        if position == cut_after:
            break
    again = Wire(left, right)
    again.run()
    assert left.root_digest() == right.root_digest()
    moved = first.bytes_of(Update) + again.bytes_of(Update)
    everything = 400 * len(_WORDS)
    assert moved < everything + 2 * limits.UPDATE_PART_BYTES_MAX + 200_000
    assert not whole.seen


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.lists(st.integers(1, 25), max_size=4))
def test_however_often_it_is_cut_two_nodes_agree_in_the_end(
    mine: int, theirs: int, cuts: list[int]
) -> None:
    left, right = Cluster(2).catalogs
    commit(left, *(import_draft(number) for number in range(mine)))
    commit(right, *(import_draft(number) for number in range(20, 20 + theirs)))
    for cut in cuts:
        meet(left, right, cut_after=cut)
    meet(left, right)
    assert left.root_digest() == right.root_digest()


def test_no_more_than_the_window_is_under_way() -> None:
    left, right = Cluster(2).catalogs
    commit(left, *(import_draft(number) for number in range(600)))
    wire = Wire(left, right)
    wire.begin()
    for _ in wire.deliver():
        assert len(wire.waiting) <= 2 * limits.SYNC_WINDOW + 2
        assert len(wire.machines[1]._asked) <= limits.SYNC_WINDOW


def test_progress_counts_down_to_nothing() -> None:
    left, right = Cluster(2).catalogs
    commit(left, *(import_draft(number) for number in range(600)))
    wire = Wire(right, left)  # the side that begins hears what differs
    wire.begin()
    seen = [wire.machines[0].progress for _ in wire.deliver()]
    assert max(progress.of for progress in seen) > 100
    lefts = [progress.left for progress in seen if progress.of]
    assert lefts == sorted(lefts, reverse=True) and lefts[-1] == 0


def test_blocks_that_a_member_forged_under_anothers_name_hide_nothing_for_long() -> None:
    """The forger's block stands where the honest node's next one belongs, so documents never agree.

    The digests still differ after everything was exchanged; then changes are sent plainly.
    """
    cluster = Cluster(3)
    honest, victim, forger = cluster.catalogs
    drafts = [import_draft(0)]
    commit(honest, *drafts)
    meet(honest, victim)
    meet(honest, forger)
    number = shard_of(photo(0))
    client = _only_client(honest, number)
    commit(honest, Draft(photo(0), {RATING: 5}))
    assert victim.receive(number, CHANGES, _hole(client, clock=1), b"forger")
    victim.flush()
    wire = Wire(victim, honest)
    for _ in range(4):
        wire.run()
    assert any(isinstance(message, AskIds) for message in wire.seen)
    assert any(isinstance(message, PlainChanges) for message in wire.seen)
    assert victim.state(photo(0)).fact(RATING) == 5
    assert victim.root_digest() == honest.root_digest()


def _only_client(catalog: Catalog, number: int) -> int:
    doc: Doc[Map[bytes]] = Doc()
    doc.apply_update(catalog.documents.get(number, CHANGES).snapshot())
    vector = doc.get_state()
    client = shift = 0
    for byte in vector[1:]:  # one client: its number is the varint behind the count
        client |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return client
    raise AssertionError(vector)


def _hole(client: int, clock: int) -> bytes:
    """A well-formed update in which `client` has nothing (a GC block of one) at `clock`."""

    def varint(number: int) -> bytes:
        out = bytearray()
        while number >= 0x80:
            out.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*out, number])

    return b"\x01\x01" + varint(client) + varint(clock) + b"\x00\x01" + b"\x00"


def test_the_same_change_adopted_on_two_nodes_is_one_change() -> None:
    cluster = Cluster(3)
    source, left, right = cluster.catalogs
    commit(source, import_draft(0), Draft(photo(0), {RATING: 3}))
    plain = [signed.data for signed in source.changes(photo(0))]
    for catalog in (left, right):
        assert catalog.adopt(plain, b"backup") == 2
        assert catalog.adopt(plain, b"backup") == 0
        catalog.flush()
    for pair in ((left, right), (source, left), (right, source)):
        meet(*pair)
    assert len({catalog.root_digest() for catalog in cluster.catalogs}) == 1
    assert not any(catalog.quarantined() for catalog in cluster.catalogs)
    commit(left, Draft(photo(0), {RATING: 4}))
    meet(left, right)
    meet(right, source)
    assert source.state(photo(0)).fact(RATING) == 4
    late = cluster.open(0)
    meet(source, late)
    assert late.root_digest() == source.root_digest()


def test_messages_about_shards_that_do_not_exist_are_ignored() -> None:
    (catalog,) = Cluster(1).catalogs
    machine = Reconciler(CatalogReplica(catalog), b"peer")
    for message in (
        Update(9_999, CHANGES, b"x", b"y", True),
        Push(-1, 7, b"x"),
        AskIds(257),
        PlainChanges(-3, (b"x",)),
        Digests(b"short"),
    ):
        assert machine.handle(message) == []


def test_a_bad_plain_change_is_refused_and_counted() -> None:
    (catalog,) = Cluster(1).catalogs
    machine = Reconciler(CatalogReplica(catalog), b"peer")
    assert machine.handle(PlainChanges(3, (b"no change at all" * 9,))) == []
    assert machine.refused == 1 and catalog.flush().fresh == []


def test_nothing_differs_costs_one_hash_each_way() -> None:
    left, right = Cluster(2).catalogs
    meet(left, right)
    wire = Wire(left, right)
    wire.run()
    assert [type(message) for message in wire.seen] == [Root, Same]
    assert change_key(bytes(32))

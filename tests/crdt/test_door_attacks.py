"""What a member sends to hide, forge or displace what others wrote, and what comes of it."""

from __future__ import annotations

import pytest

from photonic import limits
from photonic.crdt.blocks import number
from photonic.crdt.changes import Change, SignedChange, seal
from photonic.crdt.document import EMPTY_UPDATE, MapDocument, is_empty
from photonic.crdt.door import (
    Admission,
    admit_changes,
    admit_holdings,
    admit_plain,
    judge_holdings,
)
from photonic.crdt.keys import DROPPED, HELD, change_key, holding_key, shard_of
from photonic.crdt.updates import for_peers, parse
from photonic.errors import ChangeInvalid, UpdateRefused
from photonic.identity import SIGNATURE_BYTES, Identity
from photonic.ids import BlobId, LibraryId, NodeId, digest
from tests.crdt.fuzzing import hostile
from tests.crdt.replicas import WORLD, photo

LIBRARY = LibraryId(digest(b"library"))
AUTHOR = Identity.generate(WORLD)
SUBJECT = photo(0)
SHARD = shard_of(SUBJECT)


def change(number: int, *, author: Identity = AUTHOR, size_bytes: int = 0) -> SignedChange:
    said = {"rating": number, "pad": "x" * size_bytes}
    return seal(author, LIBRARY, Change(*SUBJECT, (), author.node, number + 1, number, said))


def entries(*some: SignedChange) -> dict[str, bytes]:
    return {change_key(signed.id): signed.data for signed in some}


def admit(update: bytes, known: dict[str, bytes] | None = None) -> Admission:
    return admit_changes(LIBRARY, SHARD, update, lambda keys: known or {})


def admitted_ids(update: bytes, known: dict[str, bytes] | None = None) -> list[bytes]:
    return [signed.id for signed in admit(update, known).fresh]


# --- changes ---------------------------------------------------------------------------------


def test_honest_changes_pass_once_and_in_their_order() -> None:
    some = [change(number) for number in range(40)]
    update = MapDocument().insert(entries(*some))
    assert admitted_ids(update) == [signed.id for signed in some]
    assert admitted_ids(update, entries(*some[:30])) == [signed.id for signed in some[30:]]
    assert admit(update).update == update
    assert not admit(EMPTY_UPDATE).fresh and is_empty(admit(EMPTY_UPDATE).update)


def test_one_change_from_two_nodes_passes_and_converges() -> None:
    one = change(1)
    left, right = MapDocument((), 1), MapDocument((), 2)
    update = left.insert(entries(one))
    right.insert(entries(one))
    assert admitted_ids(update, right.entries()) == []
    for source, target in ((left, right), (right, left)):
        missing = for_peers(source.missing_for(target.vector()))
        target.apply(admit(missing, target.entries()).update)
    assert left.entries() == right.entries() == entries(one)
    third = MapDocument()
    admission = admit(for_peers(left.snapshot()))
    third.apply(admission.update)
    assert third.entries() == entries(one)
    assert [signed.id for signed in admission.fresh] == [one.id]


def test_twins_in_one_update_are_one_fresh_change() -> None:
    one = change(1)
    data = MapDocument((), 1).insert(entries(one))
    both = b"\x02" + data[1:-1] + MapDocument((), 2).insert(entries(one))[1:]
    assert admitted_ids(both) == [one.id]


def test_an_entry_that_comes_a_thousand_times_is_refused() -> None:
    """A document's time goes with the square of the twins under one key."""
    data = MapDocument((), 1).insert(entries(change(1)))
    block = data[data.index(b"\x28\x01\x01c") : -1]
    for count, is_taken in ((limits.TWINS_PER_UPDATE_MAX, True), (1_000, False)):
        twins = b"\x01" + number(count) + b"\x05\0" + block * count + b"\0"
        if is_taken:
            assert admitted_ids(twins) == [change(1).id]
        else:
            with pytest.raises(UpdateRefused, match="more often"):
                admit(twins)


def test_a_set_of_deletes_hides_nothing_in_one_step_nor_in_two() -> None:
    one = change(1)
    honest = MapDocument((), 5).insert(entries(one))
    deletes = b"\x01\x05\x01\0\x01"
    victim = MapDocument()
    victim.apply(admit(b"\0" + deletes).update)  # before the entry is there
    victim.apply(admit(honest[:-1] + deletes).update)  # together with it
    victim.apply(admit(b"\0" + deletes).update)  # and behind it
    assert victim.entries() == entries(one)
    assert victim.snapshot() == honest


def test_a_deleted_block_under_a_key_is_refused() -> None:
    key = change_key(change(1).id).encode()
    for info, tail in ((b"\x21\x01\x01c\x2b" + key, b"\x01"), (b"\xa1\x05\0", b"\x01")):
        with pytest.raises(UpdateRefused, match="hides"):
            admit(b"\x01\x01\x07\0" + info + tail + b"\0")
    one = MapDocument((), 7)
    one.insert(entries(change(1)))
    del one._map[key.decode()]
    with pytest.raises(UpdateRefused, match="hides"):
        admit(one.snapshot())


def test_an_overwrite_is_refused() -> None:
    document = MapDocument()
    document.insert(entries(change(1)))
    key = change_key(change(1).id)
    with pytest.raises(UpdateRefused, match="overwrites"):
        admit(document.insert({key: change(1).data}))


def test_a_forged_or_altered_change_is_refused() -> None:
    one, other = change(1), change(2)
    stranger = Identity.generate(WORLD)
    forged = one.data[:SIGNATURE_BYTES] + other.data[SIGNATURE_BYTES:]
    resigned = stranger.sign(b"anything") + one.data[SIGNATURE_BYTES:]
    for key, data, reason in (
        (change_key(other.id), forged, "signature"),
        (change_key(one.id), resigned, "signature"),
        (change_key(one.id), bytes(SIGNATURE_BYTES) + one.data[SIGNATURE_BYTES:], "signature"),
        (change_key(other.id), one.data, "not its own"),
        ("x" * 43, one.data, "not its own"),
        (change_key(one.id) + "=", one.data, "not its own"),
        (change_key(one.id), one.data[:70], "not a change"),
        (change_key(one.id), b"", "cannot be a change"),
    ):
        with pytest.raises(ChangeInvalid, match=reason):
            admit(MapDocument().insert({key: data}))
        # What is known under the key does not excuse what is sent.
        with pytest.raises(ChangeInvalid, match=reason):
            admit(MapDocument().insert({key: data}), entries(one, other))


def test_one_forged_signature_among_a_thousand_refuses_all() -> None:
    some = entries(*(change(number) for number in range(1_000)))
    assert len(admit(MapDocument().insert(some)).fresh) == 1_000
    for position in (0, 499, 999):
        key = list(some)[position]
        bad = dict(some)
        bad[key] = bytes([bad[key][0] ^ 1]) + bad[key][1:]
        with pytest.raises(ChangeInvalid, match="signature"):
            admit(MapDocument().insert(bad))
        with pytest.raises(ChangeInvalid, match="signature"):
            admit_plain(LIBRARY, list(bad.values()))


def test_another_valid_signature_of_the_same_change_is_taken_and_not_fresh() -> None:
    one = change(1)
    again = seal(AUTHOR, LIBRARY, one.change)
    assert again.id == one.id
    here = {change_key(one.id): b"another signature, judged when it came"}
    assert admitted_ids(MapDocument().insert(entries(again)), here) == []


def test_a_change_of_another_shard_or_library_is_refused() -> None:
    update = MapDocument().insert(entries(change(1)))
    with pytest.raises(ChangeInvalid, match="shard"):
        admit_changes(LIBRARY, SHARD ^ 1, update, lambda keys: {})
    with pytest.raises(ChangeInvalid):
        admit_changes(LibraryId(digest(b"other")), SHARD, update, lambda keys: {})


def test_an_entry_outside_of_the_map_is_refused() -> None:
    with pytest.raises(UpdateRefused, match="outside"):
        admit(hostile(entries(change(1)), root="d"))


def test_a_change_as_long_as_one_may_be_passes_and_a_longer_one_does_not() -> None:
    spare = limits.CHANGE_BYTES_MAX - len(change(1, size_bytes=1_000).data) + 1_000
    longest = change(1, size_bytes=spare)
    assert len(longest.data) == limits.CHANGE_BYTES_MAX
    assert admitted_ids(MapDocument().insert(entries(longest))) == [longest.id]
    with pytest.raises(UpdateRefused, match="longer than one may be"):
        admit(hostile({change_key(longest.id): longest.data + b"\0"}))


def test_places_that_were_taken_by_forged_blocks_leave_the_change_to_be_sent_plainly() -> None:
    one = change(1)
    honest = MapDocument((), 5).insert(entries(one))
    victim = MapDocument()
    victim.apply(admit(b"\x01\x01\x05\0\0\x04\0").update)  # GC under the client id of another
    admission = admit(honest)
    victim.apply(admission.update)
    assert [signed.id for signed in admission.fresh] == [one.id], "the catalog hears of it"
    assert len(victim) == 0, "the document does not"
    assert admit_plain(LIBRARY, [one.data]) == [one]
    assert parse(victim.insert(entries(one))).has(parse(honest).sections[0].blocks[0].kind)
    assert victim.entries() == entries(one)


def test_bytes_that_are_no_update_are_refused_with_their_reason() -> None:
    for bad, reason in ((b"", "middle"), (b"\0\0\0", "follows"), (b"\xff" * 30, "too large")):
        with pytest.raises(UpdateRefused, match=reason):
            admit(bad)
        with pytest.raises(UpdateRefused, match=reason):
            admit_holdings(SHARD, bad)


# --- holdings --------------------------------------------------------------------------------

KEY = holding_key(BlobId(SUBJECT.key), NodeId(AUTHOR.node))


def take(document: MapDocument, update: bytes) -> dict[str, bytes]:
    some = judge_holdings(SHARD, document.apply(admit_holdings(SHARD, update).update))
    return {holding_key(blob, node): HELD if is_held else DROPPED for blob, node, is_held in some}


def test_holdings_that_are_overwritten_pass() -> None:
    source, target = MapDocument((), 1), MapDocument()
    for value in (HELD, DROPPED, HELD):
        assert take(target, source.insert({KEY: value})) == {KEY: value}
    assert take(MapDocument(), source.snapshot()) == {KEY: HELD}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (KEY, b"\x02"),
        (KEY, b""),
        ("!" + KEY[1:], HELD),
        (KEY + "=", HELD),
        (KEY.partition(".")[0], HELD),
        (holding_key(BlobId(digest(b"elsewhere")), NodeId(AUTHOR.node)), HELD),
    ],
    ids=["no value", "empty", "no key", "padded", "no node", "of another shard"],
)
def test_a_holding_that_is_none_is_refused(key: str, value: bytes) -> None:
    with pytest.raises(UpdateRefused, match="a holding"):
        admit_holdings(SHARD, hostile({key: value}))


def test_a_holding_that_is_removed_is_refused_when_it_shows() -> None:
    source, target = MapDocument((), 1), MapDocument()
    take(target, source.insert({KEY: HELD}))
    del source._map[KEY]
    assert take(target, source.snapshot()) == {}, "the set of deletes is not taken in"
    forged = b"\x01\x01\x07\0\xa1\x01\0\x01\0"  # a deleted block that overwrites it
    with pytest.raises(UpdateRefused, match="removes"):
        take(target, forged)


def test_what_waits_for_a_block_that_was_never_sent_is_not_kept() -> None:
    target = MapDocument()
    poison = b"\x01\x01\x07\0\xa1\x01\0\x01\0"  # would delete the first thing that client 1 says
    assert take(target, poison) == {}
    assert take(target, MapDocument((), 1).insert({KEY: HELD})) == {KEY: HELD}


def test_an_update_by_clients_without_number_is_refused_before_it_costs_anybody_anything() -> None:
    """Each client costs whoever takes it in, for ever: its place in every state vector."""
    count = limits.CLIENTS_PER_UPDATE_MAX + 1
    sections = [number(1) + number(client + 1) + b"\0" + b"\0\1" for client in range(count)]
    with pytest.raises(UpdateRefused, match="clients"):
        admit(number(count) + b"".join(sections) + b"\0")

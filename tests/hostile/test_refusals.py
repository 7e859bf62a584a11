"""What the door refuses: without effect, counted, told, and its sender shunned for a while."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from photonic import limits, wire
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.fields import RATING
from photonic.crdt.keys import change_key, holding_key, shard_of
from photonic.crdt.sync import PlainChanges, Push
from photonic.identity import SIGNATURE_BYTES, Identity
from photonic.ids import BlobId, NodeId
from photonic.journal.journal import CHANGES, HOLDINGS
from photonic.p2p.conduct import Conduct
from photonic.p2p.transport import Admission
from tests.crdt.fuzzing import hostile
from tests.crdt.replicas import WORLD, Cluster, import_draft, photo
from tests.hostile.kit import Honest, Line, Malice, entries, play, push, wait_same

SHARD = shard_of(photo(0))


def _forged_author(malice: Malice, number: int) -> Push:
    """A change in the name of somebody else, under the culprit's signature."""
    stranger = Identity.generate(WORLD)
    theirs = Malice(stranger, malice.library).change(photo(0), {RATING: number})
    body = theirs.data[SIGNATURE_BYTES:]
    forged = malice.identity.sign(b"whatever") + body
    return push(SHARD, {change_key(theirs.id): forged})


def _wrong_signature(malice: Malice, number: int) -> Push:
    signed = malice.change(photo(0), {RATING: number})
    spoilt = bytes([signed.data[0] ^ 1]) + signed.data[1:]
    return push(SHARD, {change_key(signed.id): spoilt})


def _altered_after_signing(malice: Malice, number: int) -> Push:
    signed = malice.change(photo(0), {RATING: number})
    return push(SHARD, {change_key(signed.id): signed.data[:-1] + b"\x09"})


def _under_another_name(malice: Malice, number: int) -> Push:
    one, other = (malice.change(photo(0), {RATING: n}) for n in (number, -number - 1))
    return push(SHARD, {change_key(one.id): other.data})


def _of_another_library(malice: Malice, number: int) -> Push:
    elsewhere = Malice(malice.identity, type(malice.library)(bytes(16)))
    return push(SHARD, entries(elsewhere.change(photo(0), {RATING: number})))


def _in_another_shard(malice: Malice, number: int) -> Push:
    return push(SHARD ^ 1, entries(malice.change(photo(0), {RATING: number})))


def _overwrite(malice: Malice, number: int) -> Push:
    """A block that follows another under the same key: it takes its place."""
    return Push(SHARD, CHANGES, b"\x01\x01" + bytes([number + 1]) + b"\0\xa8\x05\0\x01\x74\x01x\0")


def _deletion(malice: Malice, number: int) -> Push:
    key = change_key(malice.change(photo(0), {RATING: number}).id).encode()
    return Push(SHARD, CHANGES, b"\x01\x01\x07\0\x21\x01\x01c\x2b" + key + b"\x01\0")


def _no_update(malice: Malice, number: int) -> Push:
    return Push(SHARD, CHANGES, b"\xff" * (number + 1))


def _too_long(malice: Malice, number: int) -> Push:
    return Push(SHARD, CHANGES, bytes([number]) * (limits.UPDATE_BYTES_MAX + 1))


def _plainly(malice: Malice, number: int) -> PlainChanges:
    signed = malice.change(photo(0), {RATING: number})
    return PlainChanges(SHARD, (bytes(SIGNATURE_BYTES) + signed.data[SIGNATURE_BYTES:],))


def _no_holding(malice: Malice, number: int) -> Push:
    key = holding_key(BlobId(photo(0).key), malice.identity.node)
    return Push(SHARD, HOLDINGS, hostile({key: b"perhaps %d" % number}))


REFUSED: list[Callable[[Malice, int], Push | PlainChanges]] = [
    _forged_author, _wrong_signature, _altered_after_signing, _under_another_name,
    _of_another_library, _in_another_shard, _overwrite, _deletion, _no_update, _too_long,
    _plainly, _no_holding,
]  # fmt: skip


@pytest.mark.parametrize("attack", REFUSED, ids=lambda attack: attack.__name__[1:])
def test_what_is_refused_changes_nothing_and_its_sender_is_cut_and_told(
    attack: Callable[[Malice, int], Push | PlainChanges],
) -> None:
    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        await left.write(import_draft(0), Draft(photo(0), {RATING: 3}))
        await wait_same(left, right)
        before = left.catalog.state(photo(0)), left.catalog.root_digest()
        stream = await line.reach(left)
        for number in range(limits.REFUSED_BORNE_MAX):
            assert await line.say(stream, attack(malice, number))
        quarantined = min(limits.REFUSED_BORNE_MAX, 1) if attack is _plainly else None
        while left.conduct._records.get(malice.identity.node) is None or (
            left.conduct._records[malice.identity.node].refused < limits.REFUSED_BORNE_MAX - 0.9
        ):
            await trio.lowlevel.checkpoint()
        assert not left.told, "a few are borne with"
        if quarantined is None:
            assert left.catalog.quarantined(), "and kept to be looked at"
        for number in range(2):
            await line.say(stream, attack(malice, 100 + number))
        while malice.identity.node in left.transport.connected():
            await trio.lowlevel.checkpoint()
        assert left.told == [malice.identity.node]
        assert left.gate(malice.identity.node) is Admission.REFUSED
        assert (left.catalog.state(photo(0)), left.catalog.root_digest()) == before
        await right.write(Draft(photo(0), {RATING: 5}))
        await left.wait_until(lambda: left.catalog.state(photo(0)).fact(RATING) == 5)
        await wait_same(left, right)
        assert right.transport.node in left.transport.connected(), "nobody else is shunned"

    play(story)


def test_what_is_no_message_at_all_counts_as_well() -> None:
    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        for _ in range(limits.REFUSED_BORNE_MAX + 2):
            if left.told:
                break
            stream = await line.reach(left)
            failed = left.conduct._records.get(malice.identity.node)
            seen = failed.at_s if failed else None
            await stream.send(wire.frame(b"\xc1 no message"))
            while left.conduct._records.get(malice.identity.node) is None or (
                left.conduct._records[malice.identity.node].at_s == seen
            ):
                await trio.lowlevel.checkpoint()
        assert left.told == [malice.identity.node]

    play(story)


# --- how long ----------------------------------------------------------------------------------


class _Clock:
    now = 0.0

    def monotonic_s(self) -> float:
        return self.now

    def now_ms(self) -> int:
        return int(self.now * 1000)


def test_who_comes_back_and_goes_on_is_shunned_for_longer_and_longer_up_to_a_bound() -> None:
    clock, pauses = _Clock(), list[float]()
    conduct = Conduct(clock, lambda _, pause_s: pauses.append(pause_s))
    node = NodeId(bytes(32))
    for _ in range(10):
        while not conduct.note_refused(node):
            assert not conduct.is_shunned(node)
        assert conduct.is_shunned(node)
        clock.now += pauses[-1] - 0.001
        assert conduct.is_shunned(node)
        clock.now += 0.002
        assert not conduct.is_shunned(node)
    assert pauses == sorted(pauses) and pauses[0] == limits.SHUNNED_MIN_S
    assert pauses[-1] == limits.SHUNNED_MAX_S and len(set(pauses)) > 5
    clock.now += limits.SHUNNED_FORGIVEN_S
    while not conduct.note_refused(node):
        pass
    assert pauses[-1] == limits.SHUNNED_MIN_S, "good conduct is worth something"


def test_a_peer_that_is_refused_something_now_and_then_is_borne_with_for_ever() -> None:
    clock = _Clock()
    conduct = Conduct(clock)
    for _ in range(1_000):
        assert not conduct.note_refused(NodeId(bytes(32)))
        clock.now += limits.REFUSED_FORGIVEN_S
    assert conduct.shunned == 0


def test_what_is_remembered_of_peers_is_bounded() -> None:
    conduct = Conduct(_Clock())
    for number in range(10 * limits.PEERS_KNOWN_MAX):
        conduct.note_refused(NodeId(number.to_bytes(32, "big")))
    assert len(conduct._records) == limits.PEERS_KNOWN_MAX


def test_honest_nodes_that_carry_what_a_hostile_author_wrote_are_not_shunned() -> None:
    """Only what the door refuses counts, and that no honest node sends on."""

    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        stream = await line.reach(left)
        some: list[SignedChange] = []
        for number in range(20):
            some.append(malice.change(photo(0), {RATING: number}))
            await line.say(stream, malice.push(some[-1]), _wrong_signature(malice, number))
        while not left.told:
            await trio.lowlevel.checkpoint()
        await wait_same(left, right)
        assert not right.told

    play(story, Cluster(3))

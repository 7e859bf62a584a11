"""Floods from a member: memory stays bounded, honest edits go through, honest nodes stay equal.

The full size (100,000) is run with PHOTONIC_LONG=1; the common run has a tenth of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest
import trio

from photonic import limits
from photonic.crdt.changes import Change, Draft, SignedChange, seal
from photonic.crdt.fields import CAPTION, NAME, RATING
from photonic.crdt.fold import fold
from photonic.crdt.keys import ROOT, shard_of
from photonic.crdt.projection import project
from photonic.crdt.quota import within
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.sync import Ask, AskChanges, AskIds, Message, Push, Root
from photonic.errors import NotAllowed
from photonic.ids import ALBUM, MEMBER, Subject
from photonic.journal.journal import CHANGES, HOLDINGS
from photonic.p2p.outbox import Outbox
from tests.crdt.replicas import Cluster, commit, import_draft, meet, photo
from tests.hostile.kit import Honest, Line, Malice, play, resident_bytes, wait_same

IS_LONG = bool(os.environ.get("PHOTONIC_LONG"))
MANY = 100_000 if IS_LONG else 10_000
MIB = limits.MIB


def _heads(malice: Malice, count: int, pad: int = 0) -> Iterator[SignedChange]:
    for number in range(count):
        yield malice.change(photo(0), {RATING: number, "pad": "x" * pad}, at=number << 16)


def _chain(malice: Malice, count: int) -> Iterator[SignedChange]:
    last: tuple[bytes, ...] = ()
    for number in range(count):
        signed = malice.change(photo(0), {RATING: number}, parents=last, at=number << 16)
        last = (signed.id,)
        yield signed


def _tag_bomb(malice: Malice, count: int) -> Iterator[SignedChange]:
    for number in range(count // 100):
        tags = tuple(f"tag {number} {n}" for n in range(100))
        yield malice.change(photo(0), adds={"tags": tags})


def _albums(malice: Malice, count: int) -> Iterator[SignedChange]:
    for number in range(min(count, 10_000)):
        yield malice.change(Subject(ALBUM, number.to_bytes(16, "big")), {NAME: f"album {number}"})


def _photos(malice: Malice, count: int) -> Iterator[SignedChange]:
    for number in range(count):
        yield malice.change(photo(number + 1), {CAPTION: f"nothing {number}"})


def _huge(malice: Malice, count: int) -> Iterator[SignedChange]:
    yield from _heads(malice, count // 50, pad=60_000)


FLOODS = [_heads, _chain, _tag_bomb, _albums, _photos, _huge]


def _in_pushes(malice: Malice, some: Sequence[SignedChange]) -> Iterator[Push]:
    by_shard: dict[int, list[SignedChange]] = {}
    for signed in some:
        by_shard.setdefault(shard_of(signed.change.subject), []).append(signed)
    for mine in by_shard.values():
        step = max(1, 200_000 // len(mine[0].data))
        for start in range(0, len(mine), step):
            yield malice.push(*mine[start : start + step])


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__[1:])
def test_a_flood_is_taken_in_bounded_memory_and_honest_nodes_stay_equal(
    flood: Callable[[Malice, int], Iterator[SignedChange]],
) -> None:
    cluster = Cluster(3)
    left, right, _ = cluster.catalogs
    malice = Malice(cluster.identities[2], cluster.library)
    commit(left, import_draft(0), Draft(photo(0), {CAPTION: "honest"}))
    pushes = list(_in_pushes(malice, list(flood(malice, MANY))))
    sent = sum(len(push.data) for push in pushes)
    before = resident_bytes()
    for push in pushes:
        assert left.receive(push.shard, push.document, push.data, malice.identity.node)
        left.flush()
    state = left.state(photo(0))
    grown = resident_bytes() - before
    # The journal and the directory of this test are in memory: they have each byte twice.
    assert grown < 64 * MIB + 6 * sent, f"{grown / MIB:.0f} MiB for {sent / MIB:.0f} MiB"
    print(f"{sent / MIB:.1f} MiB sent, {grown / MIB:.0f} MiB more in memory")
    assert {version.value for version in state.fields[CAPTION].versions} == {"honest"}
    assert project(state) is not None
    commit(left, Draft(photo(0), {CAPTION: "honest still"}))
    assert left.state(photo(0)).fact(CAPTION) == "honest still"
    for _ in range(3):
        meet(left, right)
    assert left.root_digest() == right.root_digest()
    assert left.state(photo(0)) == right.state(photo(0))


# --- the quota ---------------------------------------------------------------------------------


def test_of_one_subject_so_many_changes_of_an_author_count_and_of_others_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SUBJECT_CHANGES_FREE", 4)
    monkeypatch.setattr(limits, "SUBJECT_CHANGES_PER_AUTHOR_MAX", 10)
    cluster = Cluster(2)
    one, other = (Malice(identity, cluster.library) for identity in cluster.identities)
    flood = [one.change(photo(0), {RATING: n}, seq=n + 1) for n in range(30)]
    honest = [other.change(photo(0), {RATING: 100 + n}) for n in range(3)]
    for order in ([*flood, *honest], [*honest, *reversed(flood)]):
        found = fold(photo(0), order)
        assert {v.value for v in found.fields[RATING].versions} == {*range(10), 100, 101, 102}
    displaced = one.change(photo(0), {RATING: -1}, seq=1)
    values = {v.value for v in fold(photo(0), [*flood, displaced, *honest]).fields[RATING].versions}
    assert values >= {100, 101, 102} and len(values) == 13, "nobody displaces what others said"


def test_whoever_has_no_right_to_speak_shares_one_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key costs nothing: without this a member would carry the words of a thousand of them."""
    monkeypatch.setattr(limits, "SUBJECT_CHANGES_FREE", 4)
    monkeypatch.setattr(limits, "SUBJECT_CHANGES_PER_AUTHOR_MAX", 10)
    cluster = Cluster(2)
    some = {}
    for number in range(40):
        malice = Malice(cluster.identities[number % 2], cluster.library)
        signed = malice.change(photo(0), {RATING: number}, seq=number + 1)
        some[signed.id] = signed
    assert len(within(some, lambda _: False)) == 10
    assert len(within(some, lambda _: True)) == 20


def test_the_quota_is_of_bytes_as_well() -> None:
    cluster = Cluster(1)
    malice = Malice(cluster.identities[0], cluster.library)
    some = {s.id: s for s in _heads(malice, 100, pad=60_000)}
    kept = within(some, lambda _: True)
    size = sum(len(s.data) for s in kept.values())
    assert 0.9 * limits.SUBJECT_BYTES_PER_AUTHOR_MAX < size <= limits.SUBJECT_BYTES_PER_AUTHOR_MAX


def test_a_node_says_so_before_its_own_words_would_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SUBJECT_CHANGES_FREE", 4)
    monkeypatch.setattr(limits, "SUBJECT_CHANGES_PER_AUTHOR_MAX", 10)
    catalog = Cluster(1).catalogs[0]
    for number in range(10):
        commit(catalog, Draft(photo(0), {RATING: number}))
    with pytest.raises(NotAllowed, match="as counts"):
        catalog.write([Draft(photo(1), {RATING: 1}), Draft(photo(0), {RATING: 11})])
    assert not catalog.has_staged
    commit(catalog, Draft(photo(1), {RATING: 1}))
    assert catalog.state(photo(0)).fact(RATING) == 9


# --- what is asked -----------------------------------------------------------------------------


def _has_stars(node: Honest, number: int) -> bool:
    return bool(node.catalog.state(photo(number)).fact(RATING) == 4)


def _questions(count: int) -> list[Message]:
    shard = shard_of(photo(0))
    return [
        *[Root(bytes(32))] * count,
        *[AskIds(shard)] * count,
        *[Ask(shard, document, b"\0") for document in (CHANGES, HOLDINGS)] * count,
        *[AskChanges(shard, bytes(32 * 100))] * count,
    ]


def test_who_asks_without_end_and_never_reads_delays_nobody_and_costs_a_bounded_outbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outboxes: list[Outbox] = []
    made = Outbox.__init__

    def note(self: Outbox) -> None:
        made(self)
        outboxes.append(self)

    monkeypatch.setattr(Outbox, "__init__", note)

    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        await left.write(*(import_draft(n) for n in range(2_000)))
        await wait_same(left, right)
        stream = await line.reach(left)
        before, most = resident_bytes(), 0

        async def ask() -> None:
            while await line.say(stream, *_questions(100)):
                pass

        nursery.start_soon(ask)
        number = 0
        while number < 30 or most <= limits.OUTBOX_ANSWERS_MAX // 2:
            number += 1
            await left.write(Draft(photo(number), {RATING: 4}))
            with trio.fail_after(5):
                await right.wait_until(partial(_has_stars, right, number))
            most = max(most, *(len(box._answers) for box in outboxes))
        assert most <= limits.OUTBOX_ANSWERS_MAX, "it is full, and stays as it is"
        assert resident_bytes() - before < limits.OUTBOX_BYTES_MAX + 64 * MIB

    play(story)


def test_what_one_batch_asks_has_the_catalog_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thousands of small questions in one message batch are many jobs, not one."""
    monkeypatch.setattr(limits, "SYNC_TAKE_S", 0.0)

    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        await left.write(import_draft(0))
        await wait_same(left, right)
        stream = await line.reach(left)
        jobs = 0
        calling = left.sessions._call

        async def counted(work: object) -> object:
            nonlocal jobs
            jobs += 1
            return await calling(work)  # type: ignore[arg-type]

        monkeypatch.setattr(left.sessions, "_call", counted)
        batch = [AskIds(shard_of(photo(0))) for _ in range(50)]
        await left.sessions._take(malice.identity.node, batch)
        assert jobs == 50
        assert await line.say(stream, Root(bytes(32)))

    play(story)


def test_who_pushes_without_end_keeps_rest_while_others_are_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it pushes is passed on: whoever took all of it at once would flood the others."""
    monkeypatch.setattr(limits, "PUSHES_TAKE_S", 0.0)  # each push is a job
    monkeypatch.setattr(limits, "PUSHES_REST_FACTOR", 1e9)  # and the rest after it without end

    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        await left.write(import_draft(0))
        await wait_same(left, right)
        await line.reach(left)
        pushes = [malice.push(one) for one in _photos(malice, 50)]
        nursery.start_soon(left.sessions._take, malice.identity.node, pushes)
        await right.write(Draft(photo(0), {CAPTION: "heard"}))
        while left.catalog.state(photo(0)).fact(CAPTION) != "heard":
            await left.changed.wait()
        taken = sum(bool(left.catalog.changes(photo(number + 1))) for number in range(50))
        assert taken == 1

    play(story)


def test_what_could_not_be_answered_is_not_even_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[int] = []
    asked = CatalogReplica.change_ids

    def counted(self: CatalogReplica, shard: int, after: bytes, limit: int) -> object:
        looked_up.append(shard)
        return asked(self, shard, after, limit)

    monkeypatch.setattr(CatalogReplica, "change_ids", counted)

    async def story(
        nursery: trio.Nursery, left: Honest, right: Honest, line: Line, malice: Malice
    ) -> None:
        await line.reach(left)
        batch = [AskIds(shard_of(photo(0)))] * 50
        await left.sessions._take(malice.identity.node, batch)
        assert len(looked_up) == 50
        outbox = left.sessions._sessions[malice.identity.node].outbox
        while not outbox.is_full:
            outbox.answer(Root(bytes(32)))
        push = malice.push(malice.change(photo(0), {RATING: 1}))
        await left.sessions._take(malice.identity.node, [*batch, push])
        assert len(looked_up) == 50
        assert left.catalog.changes(photo(0)), "what it tells is heard all the same"

    play(story)


def test_a_root_document_that_a_member_filled_keeps_nobody_from_joining() -> None:
    cluster = Cluster(3)
    left, malice = cluster.catalogs[0], Malice(cluster.identities[2], cluster.library)
    for number in range(200):
        subject = Subject(MEMBER, number.to_bytes(32, "big"))
        said = malice.push(malice.change(subject, {"pad": "x" * 60_000}))
        assert left.receive(said.shard, said.document, said.data, malice.identity.node)
        left.flush()
    founding = left.founding_updates()
    assert sum(len(update) for _, update in founding) < limits.FRAME_BYTES_MAX // 2
    fresh = cluster.open(1)
    for document, update in founding:
        assert fresh.receive(ROOT, document, update, cluster.identities[0].node)
    fresh.flush()
    assert fresh.roster == left.roster
    for _ in range(3):
        meet(left, fresh)
    assert fresh.root_digest() == left.root_digest()


def test_a_change_of_a_forged_number_of_heads_is_still_one_change() -> None:
    cluster = Cluster(1)
    me = cluster.identities[0]
    parents = tuple(n.to_bytes(32, "big") for n in range(limits.CHANGE_PARENTS_MAX))
    change = Change(*photo(0), parents, me.node, 1, 1, {RATING: 1})
    assert len(fold(photo(0), [seal(me, cluster.library, change)]).lineage.missing()) == 256

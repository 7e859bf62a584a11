"""Only members with the scope `blobs.hold` keep copies that count; from all one may fetch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.batches import Batch
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.commits import Committed
from photonic.crdt.fields import CERTIFICATE, REVOKED
from photonic.crdt.index import PhotoIndex
from photonic.crdt.loader import Loader
from photonic.crdt.migrations import VERSION
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import MEMBER_SCOPES, Certificate
from photonic.ids import BlobId, NodeId, member_subject
from photonic.projector import Projector
from photonic.scopes import BLOBS_HOLD, BLOBS_READ
from photonic.search.criteria import Number
from photonic.search.sample import Sample
from tests.crdt.photo_rows import NODES, SEAL, batch_of, libraries
from tests.crdt.replicas import WORLD, Cluster, certificate, commit, import_draft, meet, photo
from tests.crdt.test_index import content
from tests.test_projector import Desk, assert_is_whole

WITHOUT = tuple(scope for scope in MEMBER_SCOPES if scope != BLOBS_HOLD)
PHOTOS = 3
ADMIN, ONE, OTHER, FAR = range(4)


def blob(number: int) -> BlobId:
    return BlobId(photo(number).key)


# --- the index -----------------------------------------------------------------------------------

_NODES = st.sets(st.sampled_from(NODES[:4]))


@settings(max_examples=60, deadline=None)
@given(libraries(6), st.data())
def test_whoever_counts_now_the_index_is_what_it_is_made_at_once(
    tmp_path_factory: pytest.TempPathFactory, some: list[Sample], data: st.DataObject
) -> None:
    kept = PhotoIndex(None, SEAL)
    kept.apply(batch_of(some), 1)
    said = Batch()
    for _ in range(data.draw(st.integers(1, 3))):
        holders = {sample.photo: data.draw(_NODES) for sample in some}
        said = Batch(holders={**holders}, uncounted=data.draw(_NODES))
        kept.apply(said, 1)
    folder = tmp_path_factory.mktemp("load")
    loader = Loader(folder / "index.db", now_ms=0, seal=SEAL)
    made = batch_of(some)
    made.holders, made.uncounted = said.holders, said.uncounted
    loader.add(made)
    assert loader.build()
    loader.close()
    loaded = PhotoIndex(folder / "index.db", SEAL)
    loaded.replace(loader.path)
    loaded.note_number("journal", 1)
    assert content(kept) == content(loaded)
    query = PhotoQuery(kept.engine)
    for one, nodes in said.holders.items():
        listed = query.photo(one)
        assert listed is not None
        assert listed.row.copies == len(set(nodes) - set(said.uncounted))
        assert query.holders(one) == set(nodes)
    loaded.close()


# --- the news, in whatever order -----------------------------------------------------------------


class Watcher:
    """A catalog whose index follows each of its commits."""

    def __init__(self, catalog: Catalog, me: NodeId) -> None:
        self.catalog, self.index = catalog, PhotoIndex(None)
        self.query = PhotoQuery(self.index.engine)
        self.projector = Projector(
            catalog, catalog._journal, self.index, me, lambda _: (), WORLD.clock
        )
        self.projector.catch_up()
        flush = catalog.flush

        def followed() -> Committed:
            committed = flush()
            self.projector.follow(committed)
            return committed

        catalog.flush = followed  # type: ignore[method-assign]

    def settle(self) -> None:
        while self.projector.step() is not None:
            pass

    def copies(self, number: int) -> int:
        listed = self.query.photo(blob(number))
        assert listed is not None
        return listed.row.copies


_WHO = st.sampled_from([ONE, OTHER])
_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("hold"), _WHO, st.integers(0, PHOTOS - 1), st.booleans()),
        st.tuples(st.just("may hold"), _WHO, st.booleans()),
        st.tuples(st.just("revoke"), _WHO, st.booleans()),
        st.tuples(st.just("meet"), st.permutations(range(4))),
    ),
    min_size=4,
    max_size=14,
)


def _play(cluster: Cluster, act: tuple[object, ...]) -> None:
    admin, nodes = cluster.catalogs[ADMIN], [one.node for one in cluster.identities]
    match act:
        case ("hold", int() as who, int() as number, bool() as is_held):
            cluster.catalogs[who].hold({blob(number): is_held})
            cluster.catalogs[who].flush()
        case ("may hold", int() as who, bool() as may):
            commit(admin, certificate(nodes[who], MEMBER_SCOPES if may else WITHOUT))
        case ("revoke", int() as who, bool() as is_revoked):
            commit(admin, Draft(member_subject(nodes[who]), {REVOKED: 99 if is_revoked else None}))
        case ("meet", list() as order):
            meet(cluster.catalogs[order[0]], cluster.catalogs[order[1]])


@settings(max_examples=40, deadline=None)
@given(_ACTS)
def test_copies_count_while_their_holder_may_keep_some_in_whatever_order_it_is_heard(
    acts: list[tuple[object, ...]],
) -> None:
    cluster = Cluster(4)
    watchers = [Watcher(cluster.catalogs[n], cluster.identities[n].node) for n in (ADMIN, FAR)]
    commit(cluster.catalogs[ADMIN], *(import_draft(number) for number in range(PHOTOS)))
    for act in acts:
        _play(cluster, act)
    for _ in range(3):
        for left, right in ((ADMIN, ONE), (ADMIN, OTHER), (ADMIN, FAR), (FAR, ONE)):
            meet(cluster.catalogs[left], cluster.catalogs[right])
    roster = cluster.catalogs[ADMIN].roster
    for watcher in watchers:
        watcher.settle()
        assert watcher.catalog.roster == roster
        for number in range(PHOTOS):
            said = watcher.catalog.directory.holders(blob(number))
            live = {n for n, is_held in said.items() if is_held and roster.members[n].ends is None}
            assert watcher.query.holders(blob(number)) == live
            assert watcher.catalog.holders(blob(number)) == live
            keep = {n for n in live if BLOBS_HOLD in roster.members[n].certificate.scopes}
            assert watcher.copies(number) == len(keep), (number, acts)
        made = Watcher(watcher.catalog, watcher.projector._judging._me)
        made.settle()
        assert content(made.index) == content(watcher.index)


# --- what is there already -----------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.commit(*(import_draft(number) for number in range(6)))
    made.catalog.hold({blob(number): True for number in range(6)})
    made.projector.follow(made.catalog.flush())
    yield made
    made.close()


def other_certificate(desk: Desk, wanted: Certificate) -> Draft:
    value = msgspec.to_builtins(wanted)
    return Draft(member_subject(desk.cluster.identities[0].node), {CERTIFICATE: value})


def at_risk(desk: Desk) -> int:
    return PhotoQuery(desk.index.engine).at_risk(1).photos


def test_a_member_that_may_keep_copies_no_more_keeps_none_that_count(desk: Desk) -> None:
    assert at_risk(desk) == 0
    node = desk.cluster.identities[0].node
    desk.commit(certificate(node, (*WITHOUT, "members.admin")))
    desk.settle()
    query = PhotoQuery(desk.index.engine)
    assert at_risk(desk) == 6
    assert query.count(Number("copies", "<", 1)).count == 6
    assert query.holders(blob(0)) == {node}, "it stays somebody to fetch from"
    assert query.held_by(node).originals == 6
    assert_is_whole(desk)
    desk.commit(certificate(node, (*MEMBER_SCOPES, "members.admin")))
    desk.settle()
    assert at_risk(desk) == 0
    assert_is_whole(desk)


def test_what_touches_neither_writing_nor_keeping_costs_nothing_for_each_photo(desk: Desk) -> None:
    scopes = tuple(one for one in (*MEMBER_SCOPES, "members.admin") if one != BLOBS_READ)
    for wanted in (
        Certificate("another name", "central", (*MEMBER_SCOPES, "members.admin")),
        Certificate("another name", "central", (*MEMBER_SCOPES, "members.admin"), 1 << 50, 1 << 40),
        Certificate("another name", "central", scopes),
    ):
        before = desk.index._db.total_changes
        desk.commit(other_certificate(desk, wanted))
        assert desk.index.stale() == []
        assert desk.index._db.total_changes - before < 6, "less than a row for each photo"
    assert_is_whole(desk)


@pytest.mark.parametrize("scopes", [WITHOUT, MEMBER_SCOPES])
def test_a_node_that_dies_between_the_news_and_the_index_goes_over_it_when_it_starts(
    desk: Desk, scopes: tuple[str, ...]
) -> None:
    node = desk.cluster.identities[0].node
    commit(desk.catalog, certificate(node, (*WITHOUT, "members.admin")))
    if scopes is MEMBER_SCOPES:
        commit(desk.catalog, certificate(node, (*scopes, "members.admin")))
    assert at_risk(desk) == 0
    desk.projector.close()
    desk.projector = desk.opened()
    desk.settle()
    assert at_risk(desk) == (6 if scopes is WITHOUT else 0)
    assert_is_whole(desk)


@pytest.mark.parametrize("may_keep", [True, False])
def test_an_index_of_before_is_gone_over_only_where_somebody_may_keep_no_copies(
    desk: Desk, may_keep: bool
) -> None:
    if not may_keep:
        node = desk.cluster.identities[0].node
        desk.commit(certificate(node, (*WITHOUT, "members.admin")))
        desk.settle()
    desk.projector.close()
    desk.index.close()
    with sqlite3.connect(desk.folder / "index.db") as db:  # as the version before had left it
        db.execute("ALTER TABLE holder DROP COLUMN hints")
        db.execute("UPDATE photo SET copies = 1")
        db.execute("DELETE FROM tally WHERE name = 'verdict'")
        db.execute(f"PRAGMA user_version = {VERSION - 1}")
    db.close()
    desk.index = PhotoIndex(desk.folder / "index.db", desk.index.seal)
    written = desk.index._db.total_changes
    desk.projector = desk.opened()
    desk.settle()
    if may_keep:
        assert desk.index._db.total_changes - written < 20, "nothing for each photo"
    assert_is_whole(desk)

"""A word that is stamped with a time to come: all show the same, and it ends nobody's say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.acts import ActsQuery
from photonic.crdt.batches import Batch, EditRow
from photonic.crdt.changes import Draft
from photonic.crdt.clock import first_stamp
from photonic.crdt.fields import RATING
from photonic.crdt.index import PhotoIndex
from photonic.crdt.policy import AUTO
from photonic.ids import NodeId, digest
from tests.crdt.photo_rows import NODES
from tests.crdt.replicas import WORLD, Cluster, commit, import_draft, meet, photo
from tests.hostile.kit import Malice

DAY_MS = 24 * 3_600_000
_AHEAD = st.integers(2, 400 * 365).map(lambda days: days * DAY_MS)


def shown(cluster: Cluster, position: int) -> object:
    field = cluster.catalogs[position].state(photo(0)).fields[RATING]
    picked = AUTO.pick(RATING, field)
    return picked.value if picked else None


@settings(max_examples=40, deadline=None)
@given(_AHEAD, st.permutations([(0, 1), (1, 0), (0, 1), (1, 0)]), st.booleans())
def test_all_show_the_same_of_a_word_from_the_future_and_whoever_saw_it_overrules_it(
    ahead_ms: int, order: list[tuple[int, int]], heard_by_first: bool
) -> None:
    cluster = Cluster(3)
    left, right, _ = cluster.catalogs
    commit(left, import_draft(0))
    meet(left, right)
    malice = Malice(cluster.identities[2], cluster.library)
    lie = malice.change(photo(0), {RATING: 1}, at=first_stamp(WORLD.clock.now_ms() + ahead_ms))
    commit(left, Draft(photo(0), {RATING: 4}))  # has not seen it
    push = malice.push(lie)
    hears = left if heard_by_first else right
    assert hears.receive(push.shard, push.document, push.data, malice.identity.node)
    hears.flush()
    for one, other in order:
        meet(cluster.catalogs[one], cluster.catalogs[other])
    for catalog in (left, right):
        field = catalog.state(photo(0)).fields[RATING]
        assert {version.value for version in field.versions} == {1, 4}, "both stay in sight"
    assert shown(cluster, 0) == shown(cluster, 1)
    commit(right, Draft(photo(0), {RATING: 5}))
    meet(left, right)
    for position in (0, 1):
        assert shown(cluster, position) == 5, "whoever has seen it overrules it"
        assert not cluster.catalogs[position].state(photo(0)).fields[RATING].is_contested


@given(st.lists(st.tuples(st.sampled_from(NODES[:3]), st.integers(0, 20)), max_size=12))
def test_who_stamps_beyond_a_moment_is_found_with_the_latest_and_nobody_else(
    said: list[tuple[NodeId, int]],
) -> None:
    index = PhotoIndex(None)
    rows = [
        EditRow(digest(b"%d" % n), "photo", b"p" * 32, b"a" * 16 if n % 2 else None, author, at)
        for n, (author, at) in enumerate(said)
    ]
    index.apply(Batch(edits=rows))
    expected: dict[NodeId, tuple[int, int]] = {}
    for author, at in said:
        if at > 10:
            count, latest = expected.get(author, (0, 0))
            expected[author] = (count + 1, max(latest, at))
    assert ActsQuery(index.engine).stamped_after(10) == expected
    index.close()

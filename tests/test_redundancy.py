"""The report of copies says what the holders say, however they share the photos out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.batches import Batch
from photonic.crdt.copies import CopySet
from photonic.crdt.index import PhotoIndex
from photonic.crdt.query import PhotoQuery
from photonic.ids import BlobId, NodeId, peer_id
from photonic.redundancy import NodeCopiesView, Place, RedundancyView, redundancy
from photonic.search.sample import Sample
from tests.crdt.photo_rows import NODES, SEAL, batch_of, libraries

ME, *OTHERS = NODES
ROLES = ("central", "mobile", "archive", "archive")
MEMBERS = {
    node: Place(f"node {number}", role, is_connected=number % 2 == 0)
    for number, (node, role) in enumerate(zip(NODES, ROLES, strict=True))
}


def report(sets: list[CopySet], *, wants_all: bool = True) -> RedundancyView:
    return redundancy(sets, MEMBERS, ME, wants_all=wants_all, min_copies=2, oldest=None, overdue=0)


@given(
    libraries(8),
    st.data(),
    st.sets(st.sampled_from(NODES)),
)
def test_the_report_is_what_one_counts_photo_by_photo(
    some: list[Sample], data: st.DataObject, uncounted: set[NodeId]
) -> None:
    index = PhotoIndex(None, SEAL)
    index.apply(batch_of(some), 1)
    holders = {one.photo: data.draw(st.sets(st.sampled_from(NODES))) for one in some}
    index.apply(Batch(holders={**holders}, uncounted=uncounted), 1)
    here = {one.photo for one in some if data.draw(st.booleans())}
    index.mark_held([BlobId(one.photo) for one in some], is_held=False)
    index.mark_held([BlobId(photo) for photo in here], is_held=True)
    told = report(PhotoQuery(index.engine).copy_sets())
    alive = [one for one in some if not one.trashed]
    counted = {one.photo: holders[one.photo] - uncounted for one in alive}
    assert told.photos == len(alive)
    for line in told.copies:
        exact = [p for p in counted if min(3, len(counted[p])) == line.copies]
        assert line.photos == len(exact)
    assert told.below == sum(len(nodes) < 2 for nodes in counted.values())
    for role in told.roles:
        of_role = {node for node, place in MEMBERS.items() if place.role == role.role}
        assert role.photos == sum(bool(nodes & of_role) for nodes in counted.values())
        assert role.photos + role.lacking == told.photos
    for node, of_node in zip(NODES, sorted(told.nodes, key=_place_of), strict=True):
        assert of_node.photos == sum(node in holders[p] for p in counted)
        assert of_node.only_there == sum(nodes == {node} for nodes in counted.values())
        away = [p for p in counted if p not in here and node in holders[p] and node != ME]
        assert of_node.awaited == len(away)
    assert told.awaited == sum(p not in here for p in counted)
    connected = {node for node in OTHERS if MEMBERS[node].is_connected}
    assert told.unreachable == sum(p not in here and not holders[p] & connected for p in counted)


def _place_of(line: NodeCopiesView) -> int:
    return [peer_id(node) for node in NODES].index(line.node)


def test_a_node_that_does_not_want_everything_waits_for_nothing() -> None:
    away = CopySet(frozenset({NODES[1]}), frozenset(), is_here=False, photos=7, size_bytes=70)
    assert report([away], wants_all=False).awaited == 0
    told = report([away])
    assert (told.awaited, told.awaited_bytes, told.unreachable) == (7, 70, 7)


def test_what_a_hint_says_is_waited_for_and_is_no_copy() -> None:
    hinted = CopySet(frozenset(), frozenset({NODES[2]}), is_here=False, photos=3, size_bytes=30)
    told = report([hinted])
    assert told.below == 3 and told.copies[0].photos == 3
    assert told.unreachable == 0, "one fetches from it all the same"

"""A member that may keep no copies and says that it holds everything: nothing looks safer."""

from __future__ import annotations

from photonic.crdt.keys import HELD, holding_key, shard_of
from photonic.ids import BlobId, NodeId
from photonic.journal.journal import HOLDINGS
from photonic.safety import Safety
from photonic.scopes import BLOBS_HOLD, MEMBER_SCOPES
from photonic.search.criteria import Number
from tests.crdt.replicas import WORLD, certificate, commit, import_draft, meet, photo
from tests.crdt.test_copies import Watcher
from tests.hostile.kit import push
from tests.hostile.test_effects import Scene

PHOTOS = 12
WITHOUT = tuple(scope for scope in MEMBER_SCOPES if scope != BLOBS_HOLD)


def claim_everything(scene: Scene) -> None:
    """Let the culprit tell both honest nodes that it holds every photo, and both agree."""
    me = scene.malice.identity.node
    for number in range(PHOTOS):
        entry = {holding_key(BlobId(photo(number).key), me): HELD}
        message = push(shard_of(photo(number)), entry, HOLDINGS)
        for catalog in (scene.left, scene.right):
            assert catalog.receive(message.shard, message.document, message.data, me)
            catalog.flush()
    scene.agree()


def safety(watcher: Watcher, me: NodeId) -> Safety:
    roster = watcher.catalog.roster

    def keepers() -> list[NodeId]:
        return [node for node in roster.members if roster.keeps(node)]

    return Safety(
        watcher.query, WORLD.clock, 2, keepers, me, lambda: 0, lambda _: 0, lambda: False,
        lambda _: None,
    )  # fmt: skip


def test_a_member_that_may_keep_no_copies_makes_nothing_look_safe_by_claiming_everything() -> None:
    scene = Scene()
    nodes = [one.node for one in scene.cluster.identities]
    culprit = scene.malice.identity.node
    commit(scene.left, certificate(culprit, WITHOUT), *(import_draft(n) for n in range(PHOTOS)))
    scene.left.hold({BlobId(photo(n).key): True for n in range(PHOTOS - 1)})  # of one, nobody
    scene.left.flush()
    meet(scene.left, scene.right)
    watchers = [Watcher(scene.left, nodes[0]), Watcher(scene.right, nodes[1])]
    before = [watcher.query.at_risk(2) for watcher in watchers]
    assert [one.photos for one in before] == [PHOTOS, PHOTOS]
    claim_everything(scene)
    for watcher, known in zip(watchers, before, strict=True):
        watcher.settle()
        query = watcher.query
        assert culprit in query.holders(BlobId(photo(0).key)), "it may be asked"
        assert query.at_risk(2) == known
        assert known.nowhere == 1, "a photo that it alone claims is nowhere"
        assert query.count(Number("copies", ">=", 2)).count == 0
        assert query.held_by(nodes[0]).only_there == PHOTOS - 1, (
            "a revocation is told what it costs"
        )
        looked = safety(watcher, nodes[0])
        looked.note(looked._look())
        assert looked.view().photos_at_risk == PHOTOS


def test_what_a_node_holds_that_may_keep_no_copies_is_not_taken_for_a_copy_by_itself() -> None:
    scene = Scene()
    nodes = [one.node for one in scene.cluster.identities]
    commit(scene.left, certificate(nodes[1], WITHOUT), *(import_draft(n) for n in range(PHOTOS)))
    scene.left.hold({BlobId(photo(0).key): True})
    scene.left.flush()
    meet(scene.left, scene.right)
    watcher = Watcher(scene.right, nodes[1])
    mine = {BlobId(photo(n).key) for n in range(PHOTOS)}
    watcher.index.mark_held(mine)
    scene.right.hold(dict.fromkeys(mine, True))
    scene.right.flush()
    found = watcher.query.at_risk(2, counts_here=False)
    assert (found.photos, found.only_here) == (PHOTOS, PHOTOS - 1), "one is on the other node, too"
    watched = safety(watcher, nodes[1])
    watched._underway = lambda _: 1 << 40  # what it fetches brings nothing nearer to safe
    watched.note(watched._look())
    assert watched.view().bytes_left == found.lacking_bytes > 0

"""What the door must let through, for it cannot know better, and what comes of it: nothing.

Each test ends with honest nodes that show the same, byte for byte.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.crdt.blocks import number
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import CAPTION, CERTIFICATE, LIBRARY_NAME, NAME, ORIGINAL, RATING, REVOKED
from photonic.crdt.fold import SubjectState, extend, fold
from photonic.crdt.keys import DROPPED, HELD, ROOT, Holding, holding_key, shard_of
from photonic.crdt.policy import DISPLAY_POLICY
from photonic.crdt.projection import project
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.roster import ADMIN_SCOPES, Certificate
from photonic.crdt.sync import Reconciler
from photonic.crdt.updates import read_vector
from photonic.identity import Identity
from photonic.ids import LIBRARY, BlobId, Subject, digest, member_subject
from photonic.journal.journal import HOLDINGS
from photonic.scopes import CATALOG_READ
from tests.crdt.replicas import WORLD, Cluster, certificate, commit, import_draft, meet, photo
from tests.hostile.kit import Malice, push

DAY_MS = 24 * 3_600_000
BLOB = BlobId(photo(0).key)


class Scene:
    """Two honest nodes (the first is the admin), and a member that means harm."""

    def __init__(self) -> None:
        self.cluster = Cluster(3)
        self.left, self.right, self.own = self.cluster.catalogs
        self.malice = Malice(self.cluster.identities[2], self.cluster.library)

    def send(self, *some: Any, to: Catalog | None = None) -> None:
        """Let the door of an honest node judge changes of the culprit; it takes them in."""
        catalog = to or self.left
        for signed in some:
            message = self.malice.push(signed)
            assert catalog.receive(message.shard, message.document, message.data, b"m" * 32)
        catalog.flush()

    def agree(self) -> None:
        for _ in range(3):
            meet(self.left, self.right)
        assert self.left.root_digest() == self.right.root_digest()
        for shard in {shard_of(photo(0)), ROOT}:
            for subject in self.left.subjects(shard):
                assert self.left.state(subject) == self.right.state(subject)
        assert self.left.roster == self.right.roster


def _value(name: str, scopes: tuple[str, ...]) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(Certificate(name, "central", scopes))
    return built


# --- beyond its scope --------------------------------------------------------------------------


def test_a_member_admits_nobody_revokes_nobody_and_names_nothing() -> None:
    scene = Scene()
    accomplice = Identity.generate(WORLD)
    admin, me = scene.cluster.identities[0].node, scene.malice.identity.node
    before = scene.left.roster
    said = [
        scene.malice.change(member_subject(accomplice.node), {CERTIFICATE: _value("x", ())}),
        scene.malice.change(member_subject(me), {CERTIFICATE: _value("x", ADMIN_SCOPES)}),
        scene.malice.change(member_subject(admin), {REVOKED: 0}),
        scene.malice.change(member_subject(admin), {CERTIFICATE: _value("x", ())}),
        scene.malice.change(Subject(LIBRARY, scene.cluster.library), {LIBRARY_NAME: "mine"}),
        scene.malice.change(DISPLAY_POLICY, {"*": "prefer:mobile"}),
    ]
    scene.send(*said)
    scene.agree()
    assert scene.left.roster == scene.right.roster == before
    name = scene.right.state(Subject(LIBRARY, scene.cluster.library)).fact(LIBRARY_NAME)
    assert name == "Test"
    assert not scene.left.display.rules


def test_a_member_that_may_only_read_writes_without_effect() -> None:
    scene = Scene()
    reader = Malice(Identity.generate(WORLD), scene.cluster.library)
    commit(scene.left, certificate(reader.identity.node, (CATALOG_READ,)), import_draft(0))
    scene.malice = reader
    scene.send(reader.change(photo(0), {RATING: 1}), reader.change(photo(1), {RATING: 1}))
    scene.agree()
    assert RATING not in scene.right.state(photo(0)).fields
    assert not scene.right.state(photo(1)).fields


def test_a_stranger_whom_a_member_speaks_for_is_nobody() -> None:
    """A member can carry what any key signed; only what members signed counts."""
    scene = Scene()
    commit(scene.left, import_draft(0))
    scene.malice = Malice(Identity.generate(WORLD), scene.cluster.library)
    scene.send(*(scene.malice.change(photo(0), {RATING: n}) for n in range(5)))
    scene.agree()
    assert RATING not in scene.right.state(photo(0)).fields


def test_an_old_certificate_that_is_said_again_is_no_certificate() -> None:
    """What an admin took away, neither the same bytes again nor their words bring back."""
    scene = Scene()
    me = scene.malice.identity.node
    commit(scene.left, certificate(me, ADMIN_SCOPES))
    old = [s.data for s in scene.left.changes(member_subject(me))]
    commit(scene.left, certificate(me, (CATALOG_READ,)))
    narrow = scene.left.roster.members[me]
    assert narrow.certificate.scopes == (CATALOG_READ,)
    assert scene.left.adopt(old, b"m" * 32) == 0, "it is here already"
    scene.send(
        scene.malice.change(
            member_subject(me),
            {CERTIFICATE: _value("x", ADMIN_SCOPES)},
            parents=[s.id for s in scene.left.changes(member_subject(me))],
        )
    )
    scene.agree()
    assert scene.right.roster.members[me] == narrow


def test_a_node_that_was_shown_only_the_old_certificate_learns_better_from_anybody() -> None:
    scene = Scene()
    me = scene.malice.identity.node
    commit(scene.left, certificate(me, ADMIN_SCOPES))
    rolled_back = scene.left.founding_updates()
    commit(scene.left, Draft(member_subject(me), {REVOKED: 0}))
    for document, update in rolled_back:
        assert scene.right.receive(ROOT, document, update, me)
    scene.right.flush()
    assert scene.right.roster.admits(me, WORLD.clock.now_ms()), "it was not told better yet"
    scene.agree()
    assert not scene.right.roster.admits(me, WORLD.clock.now_ms())


# --- numbers and clocks ------------------------------------------------------------------------


def test_two_changes_with_one_number_are_both_kept_and_everybody_has_both() -> None:
    scene = Scene()
    commit(scene.left, import_draft(0))
    meet(scene.left, scene.right)
    scene.send(scene.malice.change(photo(0), {RATING: 1}, seq=7), to=scene.left)
    scene.send(scene.malice.change(photo(0), {RATING: 2}, seq=7), to=scene.right)
    scene.agree()
    assert {v.value for v in scene.left.state(photo(0)).fields[RATING].versions} == {1, 2}


def test_a_clock_from_the_far_future_moves_nobodys_clock_by_more_than_a_day() -> None:
    scene = Scene()
    commit(scene.left, import_draft(0))
    now_ms = WORLD.clock.now_ms()
    for ahead_ms in (DAY_MS // 2, DAY_MS - 60_000, 2 * DAY_MS, 400 * 365 * DAY_MS):
        scene.send(scene.malice.change(photo(0), {RATING: 1}, at=(now_ms + ahead_ms) << 16))
    scene.send(scene.malice.change(photo(0), {RATING: 1}, at=(1 << 63) - 1))
    commit(scene.left, Draft(photo(0), {RATING: 4}))
    mine = max(
        s.change.at
        for s in scene.left.changes(photo(0))
        if s.change.author == scene.cluster.identities[0].node
    )
    assert stamp_ms(mine) <= WORLD.clock.now_ms() + DAY_MS
    assert scene.left.state(photo(0)).fact(RATING) == 4, (
        "whoever saw it writes over it all the same"
    )
    scene.agree()


# --- the original ------------------------------------------------------------------------------

NONSENSE: list[Any] = [None, 0, "gone", [], [b"x"], [b"x" * 32, -1, bytes(32)], {"a": 1}, [1] * 9]


def _others() -> list[Any]:
    return [
        [digest(b"another"), 1 << 62, bytes(32)],  # another blob, and a bigger one
        [photo(0).key, 1 << 62, digest(b"no such list")],  # this blob, of another size and list
    ]


@pytest.mark.parametrize("value", [*NONSENSE, *_others()], ids=repr)
def test_a_photo_is_not_hidden_by_writing_over_its_original(value: Any) -> None:
    scene = Scene()
    commit(scene.left, import_draft(0))
    shown = project(scene.left.state(photo(0)))
    assert shown is not None
    heads = sorted(scene.left.state(photo(0)).heads)
    scene.send(scene.malice.change(photo(0), {ORIGINAL: value, RATING: 2}, parents=heads))
    scene.agree()
    row = project(scene.right.state(photo(0)))
    assert row is not None and row.original == shown.original and row.rating == 2
    assert row.conflicts == ((ORIGINAL,) if value in _others() else ())


def test_a_person_settles_what_was_said_against_an_original() -> None:
    scene = Scene()
    commit(scene.left, import_draft(0))
    said = scene.left.state(photo(0)).fact(ORIGINAL)
    scene.send(scene.malice.change(photo(0), {ORIGINAL: _others()[0]}))
    assert scene.left.state(photo(0)).contested() == (ORIGINAL,)
    commit(scene.left, Draft(photo(0), {ORIGINAL: list(said)}))
    assert scene.left.state(photo(0)).contested() == ()
    scene.agree()


def test_a_photo_that_was_named_before_it_was_taken_in_is_taken_in_all_the_same() -> None:
    scene = Scene()
    for value in ("nonsense", _others()[0]):
        scene.send(scene.malice.change(photo(0), {ORIGINAL: value, NAME: "x"}))
    commit(scene.left, import_draft(0))
    scene.agree()
    row = project(scene.right.state(photo(0)))
    assert row is not None and row.original.blob == photo(0).key and row.name == "IMG_0.JPG"


_said = st.tuples(
    st.sampled_from([None, "gone", *([[photo(0).key, n, bytes(32)] for n in (1, 2)]),
                     *([[digest(b"%d" % n), 1, bytes(32)] for n in (1, 2)])]),
    st.sets(st.integers(0, 7), max_size=3),
)  # fmt: skip


@settings(max_examples=150)
@given(st.lists(_said, min_size=1, max_size=8), st.randoms())
def test_whatever_is_said_of_originals_the_order_does_not_matter_and_no_own_one_is_lost(
    said: list[tuple[Any, set[int]]], dice: Any
) -> None:
    malice = Malice(_AUTHOR, _LIBRARY)
    made: list[SignedChange] = []
    for position, (value, after) in enumerate(said):
        parents = [made[n].id for n in after if n < position]
        made.append(malice.change(photo(0), {ORIGINAL: value}, parents=parents, at=position))
    whole = fold(photo(0), made)
    dice.shuffle(made)
    state = SubjectState(photo(0))
    for signed in made:
        state = extend(state, signed)
    assert state == whole
    named = {tuple(s.change.sets[ORIGINAL]) for s in made if _is_own(s.change.sets[ORIGINAL])}
    versions = whole.fields[ORIGINAL].versions if ORIGINAL in whole.fields else ()
    assert {tuple(v.value) for v in versions if _is_own(v.value)} == named
    assert all(isinstance(v.value, list) for v in versions)


def _is_own(value: Any) -> bool:
    return isinstance(value, list) and value[0] == photo(0).key


_AUTHOR = Identity(digest(b"author"))
_LIBRARY = Cluster(1).library


# --- holdings ----------------------------------------------------------------------------------


def _holding_of(scene: Scene, catalog: Catalog, position: int) -> bool | None:
    return catalog.directory.holding(BLOB, scene.cluster.identities[position].node)


def test_who_says_that_another_dropped_or_holds_something_is_put_right_by_that_one() -> None:
    scene = Scene()
    commit(scene.left, import_draft(0))
    scene.left.hold({BLOB: True})
    scene.left.flush()
    meet(scene.left, scene.right)
    shard = shard_of(photo(0))
    lies = {
        holding_key(BLOB, scene.cluster.identities[0].node): DROPPED,
        holding_key(BLOB, scene.cluster.identities[1].node): HELD,
    }
    update = scene.right.documents.get(shard, HOLDINGS)
    scribe = type(update)([update.snapshot()], 1 << 50)
    lie = scribe.insert(lies)
    for catalog in (scene.left, scene.right):
        catalog.receive(shard, HOLDINGS, lie, scene.malice.identity.node)
        catalog.flush()
    scene.agree()
    for catalog in (scene.left, scene.right):
        assert _holding_of(scene, catalog, 0) is True
        assert _holding_of(scene, catalog, 1) in (None, False)


def test_what_an_older_copy_of_a_node_had_said_is_believed_if_its_store_agrees() -> None:
    """So a node that was restored from a backup takes its own words back, and no others."""
    for is_stored in (True, False):
        scene = Scene()
        commit(scene.left, import_draft(0))
        scene.left.stores = {BLOB: is_stored}.__getitem__
        me = scene.cluster.identities[0].node
        message = push(shard_of(photo(0)), {holding_key(BLOB, me): HELD}, HOLDINGS)
        assert scene.left.receive(message.shard, HOLDINGS, message.data, b"m" * 32)
        scene.left.flush()
        assert _holding_of(scene, scene.left, 0) is is_stored
        scene.agree()


def _gc(client: int, count: int) -> bytes:
    """An update that takes the first places of a client, with nothing in them."""
    return b"\x01\x01" + number(client) + b"\0\0" + number(count) + b"\0"


def test_blocks_forged_to_keep_holdings_out_keep_them_out_for_one_round() -> None:
    """The document believes to have what it has not; so it is told again, outside of it."""
    scene = Scene()
    commit(scene.left, import_draft(0))
    scene.left.hold({BLOB: True})
    scene.left.flush()
    shard = shard_of(photo(0))
    clients = read_vector(scene.left.documents.get(shard, HOLDINGS).vector())
    for client, count in clients.items():
        scene.right.receive(shard, HOLDINGS, _gc(client, count), scene.malice.identity.node)
    scene.right.flush()
    meet(scene.left, scene.right)
    conversation = _Conversation(scene)
    conversation.rounds()
    assert _holding_of(scene, scene.right, 0) is True, "it was told plainly"
    scene.left.hold({BLOB: False})
    scene.left.flush()
    conversation.rounds()
    assert _holding_of(scene, scene.right, 0) is False, "what it says of itself later, as well"
    assert scene.left.root_digest() == scene.right.root_digest()


class _Conversation:
    """Rounds of one conversation, as connected nodes have them."""

    def __init__(self, scene: Scene) -> None:

        nodes = scene.cluster.identities
        self._scene = scene
        self._machines = (
            Reconciler(CatalogReplica(scene.left), nodes[1].node),
            Reconciler(CatalogReplica(scene.right), nodes[0].node),
        )

    def rounds(self) -> None:
        for begins in (0, 1) * 4:
            waiting = [(1 - begins, m) for m in self._machines[begins].begin()]
            while waiting:
                receiver, message = waiting.pop(0)
                answers = self._machines[receiver].handle(message)
                waiting += [(1 - receiver, answer) for answer in answers]
            self._scene.left.flush()
            self._scene.right.flush()


def test_what_is_told_plainly_of_others_is_not_believed_against_what_is_known() -> None:

    scene = Scene()
    commit(scene.left, import_draft(0))
    scene.left.hold({BLOB: True})
    scene.left.flush()
    meet(scene.left, scene.right)
    nodes = [identity.node for identity in scene.cluster.identities]
    replica = CatalogReplica(scene.right)
    lie = Holding(BLOB, nodes[0], False)
    assert replica.believe(shard_of(photo(0)), [lie], nodes[2])
    assert _holding_of(scene, scene.right, 0) is True
    assert replica.believe(shard_of(photo(0)), [lie], nodes[0])
    assert _holding_of(scene, scene.right, 0) is False, "of itself everybody knows best"


# --- bombs -------------------------------------------------------------------------------------

ODD = "\x00\x07\x1b]0;owned\x07\x1b[2J\u202egpj.exe\u2066\ud7ff\ufeff\n\r/../../etc/passwd"


def test_names_with_control_characters_are_data_like_any_other() -> None:
    scene = Scene()
    commit(scene.left, import_draft(0))
    said = {NAME: ODD, CAPTION: ODD, ODD[:20]: ODD}
    scene.send(scene.malice.change(photo(0), said, adds={"tags": (ODD,)}))
    scene.send(scene.malice.change(Subject("album", b"a" * 16), {NAME: ODD}))
    scene.agree()
    row = project(scene.right.state(photo(0)))
    assert row is not None and row.tags == (ODD,)

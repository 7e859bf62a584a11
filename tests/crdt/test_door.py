"""What a member may send and what it does not do: the door, the roster, and nonsense in fields.

What a document does with what the door lets through is in test_updates_fuzz.py.
"""

from __future__ import annotations

import base64

import msgspec
import pytest

from photonic.crdt.changes import Draft, admit, seal
from photonic.crdt.document import MapDocument
from photonic.crdt.fields import RATING, REVOKED
from photonic.crdt.index import Batch, PhotoIndex
from photonic.crdt.keys import holding_key, shard_of
from photonic.crdt.projection import project
from photonic.crdt.roster import ADMIN_SCOPES
from photonic.errors import ChangeInvalid
from photonic.ids import BlobId, NodeId, member_subject
from photonic.journal.journal import HOLDINGS
from tests.crdt.fuzzing import hostile
from tests.crdt.replicas import Cluster, certificate, commit, import_draft, meet, photo

SHARD = shard_of(photo(0))


def test_a_value_that_cannot_be_compared_is_refused() -> None:
    cluster = Cluster(1)
    catalog, identity = cluster.catalogs[0], cluster.identities[0]
    (signed,) = catalog.write([import_draft(0)])
    body = msgspec.msgpack.encode(
        [*msgspec.to_builtins(signed.change, builtin_types=(bytes,))[:6], {"x": {1: 2}}]
    )
    signature = identity.sign(b"photonic change 1\0" + cluster.library + body)
    with pytest.raises(ChangeInvalid, match="compared"):
        admit(cluster.library, signature + body)
    assert admit(cluster.library, seal(identity, cluster.library, signed.change).data)
    nonsense = msgspec.structs.replace(signed.change, sets={"x": {1: 2}})
    with pytest.raises(ChangeInvalid, match="compared"):
        seal(identity, cluster.library, nonsense)


@pytest.mark.parametrize("huge", [1 << 63, (1 << 64) - 1])
def test_numbers_that_no_database_holds_are_shown_as_nothing(huge: int) -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    facts = {"media_type": "image/jpeg", "width": huge, "height": 5}
    commit(catalog, import_draft(0), Draft(photo(0), {RATING: huge, "facts": facts}))
    commit(catalog, Draft(photo(1), {"original": [photo(1).key, huge, bytes(32)]}))
    index = PhotoIndex(None)
    row = project(catalog.state(photo(0)))
    assert row is not None
    index.apply(Batch([row]), 1)
    assert project(catalog.state(photo(1))) is None


def test_a_holding_has_one_spelling_and_another_is_refused() -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    key = holding_key(BlobId(photo(0).key), NodeId(cluster.identities[0].node))
    for bad_key, value in ((f"!{key}", b"\x01"), (key, b"yes"), ("x" * 1_000, b"\x01")):
        assert not catalog.receive(SHARD, HOLDINGS, hostile({bad_key: value}), b"evil")
    assert catalog.receive(SHARD, HOLDINGS, MapDocument().insert({key: b"\x01"}), b"peer")
    assert base64.urlsafe_b64decode(key.split(".")[0] + "=") == photo(0).key


def test_what_a_revoked_admin_says_beyond_its_cut_admits_and_revokes_nobody() -> None:
    cluster, accomplices = Cluster(3), Cluster(1)
    founder, other, _ = cluster.catalogs
    admin, accomplice = cluster.identities[1].node, accomplices.identities[0].node
    commit(founder, certificate(admin, ADMIN_SCOPES))
    meet(founder, other)
    commit(founder, Draft(member_subject(admin), {REVOKED: 0}))
    # It has not heard of it yet, so it may still write.
    commit(other, certificate(accomplice, ADMIN_SCOPES))
    other.write(
        [
            Draft(member_subject(admin), {REVOKED: 1_000}),
            Draft(member_subject(admin), {REVOKED: None}),
        ]
    )
    other.flush()
    meet(other, founder)
    for catalog in (founder, other):
        assert not catalog.roster.admits(admin, 0)
        assert not catalog.roster.admits(accomplice, 0)


def test_rights_that_come_after_the_changes_ask_for_folding_all_again() -> None:
    cluster, strangers = Cluster(1), Cluster(1)
    catalog, late = cluster.catalogs[0], strangers.identities[0]
    catalog.write([import_draft(0)], identity=late, seq=lambda: 1)
    catalog.flush()
    assert catalog.state(photo(0)).fields == {}
    again = cluster.open(0, catalog._journal)  # a restart must not forget who was heard of
    committed = commit(again, certificate(late.node))
    assert committed.refold == {late.node}
    assert again.state(photo(0)).fact("name") == "IMG_0.JPG"
    nobody = Cluster(1).identities[0].node
    assert not commit(again, certificate(nobody)).refold


def test_holders_are_members_that_were_not_revoked() -> None:
    cluster = Cluster(2)
    founder, thief = cluster.catalogs
    commit(founder, import_draft(0))
    meet(founder, thief)
    thief.hold({BlobId(photo(0).key): True})
    thief.flush()
    meet(thief, founder)
    node = cluster.identities[1].node
    assert node in founder.holders(BlobId(photo(0).key))
    commit(founder, Draft(member_subject(node), {REVOKED: 99}))
    assert node not in founder.holders(BlobId(photo(0).key))

"""Library keys: who has which, who gave it, and what a revocation does."""

from __future__ import annotations

import msgspec

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CERTIFICATE, KEY_PREFIX, REVOKED
from photonic.crdt.library_keys import gifts, must_rotate, read_keys
from photonic.crdt.root import read_root
from photonic.crdt.sealing import name_of
from photonic.errors import NotAllowed
from photonic.identity import Identity, box_for
from photonic.ids import member_subject
from photonic.journal.journal import Journal
from photonic.provision import provide
from photonic.scopes import ADMIN_SCOPES, CATALOG_UNSEAL, MEMBER_SCOPES, SEALED_SCOPES
from tests.crdt.replicas import WORLD, Cluster, certificate, commit, meet


def give(cluster: Cluster, position: int = 0, *, rotates: bool = False) -> None:
    catalog = cluster.catalogs[position]
    provide(catalog, cluster.identities[position].node, WORLD, rotates=rotates)
    catalog.flush()


def spread(cluster: Cluster) -> None:
    for _ in range(2):
        for other in cluster.catalogs[1:]:
            meet(cluster.catalogs[0], other)


def make_admin(cluster: Cluster, position: int) -> None:
    commit(cluster.catalogs[0], certificate(cluster.identities[position].node, ADMIN_SCOPES))
    spread(cluster)


def writing(cluster: Cluster) -> list[bytes | None]:
    return [key.name if (key := one.keys.writing) else None for one in cluster.catalogs]


def test_all_members_and_the_authority_are_given_the_first_key() -> None:
    cluster = Cluster(3)
    give(cluster)
    spread(cluster)
    (key,) = cluster.catalogs[0].keys.keys.values()
    nodes = {identity.node for identity in cluster.identities}
    assert key.given == nodes | {cluster.authority.node} and key.number == 1
    assert writing(cluster) == [key.name] * 3
    said = list(cluster.catalogs[2].directory.shard(256))
    found = read_keys(cluster.library, cluster.catalogs[2].roster, said, [cluster.authority])
    assert found.here == cluster.catalogs[0].keys.here, "the authority's key recovers it"


def test_giving_again_writes_nothing() -> None:
    cluster = Cluster(2)
    give(cluster)
    give(cluster)
    assert not cluster.catalogs[0].flush().announcements
    assert provide(cluster.catalogs[0], cluster.identities[0].node, WORLD).given == frozenset()


def test_a_member_without_the_scope_is_given_none() -> None:
    cluster = Cluster(1)
    give(cluster)
    sealed, plain = Cluster(2).identities
    commit(
        cluster.catalogs[0],
        certificate(sealed.node, SEALED_SCOPES),
        certificate(plain.node, MEMBER_SCOPES),
    )
    give(cluster)
    (key,) = cluster.catalogs[0].keys.keys.values()
    assert plain.node in key.given and sealed.node not in key.given


def test_members_of_a_library_from_before_there_were_keys_may_read() -> None:
    cluster = Cluster(1)
    old = Cluster(1).identities[0]
    commit(cluster.catalogs[0], certificate(old.node, SEALED_SCOPES))
    give(cluster)  # makes the first key, and widens certificates
    give(cluster)
    catalog = cluster.catalogs[0]
    assert CATALOG_UNSEAL in catalog.roster.members[old.node].certificate.scopes
    assert old.node in next(iter(catalog.keys.keys.values())).given


def test_a_revocation_of_a_member_with_the_key_makes_a_new_one_that_it_lacks() -> None:
    cluster = Cluster(3)
    give(cluster)
    spread(cluster)
    first, (thief, kept) = cluster.catalogs[0], cluster.identities[1:]
    before = first.keys.newest
    assert before is not None and not must_rotate(first.keys, first.roster)
    commit(first, Draft(member_subject(thief.node), {REVOKED: 0}))
    assert must_rotate(first.keys, first.roster)
    give(cluster)
    spread(cluster)
    after = first.keys.newest
    assert after is not None and after.number == before.number + 1
    assert thief.node not in after.given and kept.node in after.given
    assert cluster.catalogs[1].keys.writing == before, "the thief has no more than it had"
    assert after.name not in cluster.catalogs[1].keys.here
    assert cluster.catalogs[2].keys.here.keys() == {before.name, after.name}
    assert not must_rotate(first.keys, first.roster)


def test_two_admins_that_rotate_apart_agree_on_one_key_and_keep_both() -> None:
    cluster = Cluster(3)
    give(cluster)
    make_admin(cluster, 1)
    spread(cluster)
    give(cluster, 0, rotates=True)
    give(cluster, 1, rotates=True)
    mine, yours = (one.keys.newest for one in cluster.catalogs[:2])
    assert mine and yours and mine.name != yours.name and mine.number == yours.number == 2
    spread(cluster)
    names = {len(one.keys.here) for one in cluster.catalogs}
    assert names == {3}
    assert writing(cluster) == [max(mine.name, yours.name)] * 3


def test_a_new_member_is_given_the_old_keys_too() -> None:
    cluster = Cluster(1)
    give(cluster)
    give(cluster, rotates=True)
    late = Cluster(1).identities[0]
    commit(cluster.catalogs[0], certificate(late.node))
    give(cluster)
    assert all(late.node in key.given for key in cluster.catalogs[0].keys.keys.values())


def test_a_key_from_a_member_that_is_no_admin_is_none() -> None:
    cluster = Cluster(2)
    give(cluster)
    spread(cluster)
    _, plain = cluster.catalogs
    evil = b"e" * 32
    drafts = gifts(
        plain.keys,
        [identity.node for identity in cluster.identities],
        WORLD.entropy.token,
        {9: evil},
    )
    numbers = iter(range(90, 99))
    plain.write(drafts, identity=cluster.identities[1], seq=lambda: next(numbers))
    plain.flush()
    spread(cluster)
    for catalog in cluster.catalogs:
        assert name_of(cluster.library, evil) not in catalog.keys.keys
    try:
        provide(plain, cluster.identities[1].node, WORLD, rotates=True)
    except NotAllowed:
        pass
    else:
        raise AssertionError("who is no admin makes no key")


def test_a_box_for_another_library_number_or_key_name_is_none() -> None:
    cluster = Cluster(1)
    give(cluster)
    catalog, me = cluster.catalogs[0], cluster.identities[0].node
    other = Cluster(1)
    secret = b"x" * 32
    good = gifts(catalog.keys, [me], WORLD.entropy.token, {7: secret})[0].sets
    (name, (number, box)) = next(iter(good.items()))
    foreign = gifts(other.catalogs[0].keys, [me], WORLD.entropy.token, {7: secret})[0].sets
    (_, (_, foreign_box)) = next(iter(foreign.items()))
    wrong = {
        name: [number + 1, box],
        KEY_PREFIX + "ab" * 16: [number, box],
        KEY_PREFIX + name_of(cluster.library, b"y" * 32).hex(): [number, foreign_box],
    }
    for key, value in wrong.items():
        commit(catalog, Draft(member_subject(me), {key: value}))
    assert secret not in catalog.keys.here.values()
    nonsense = {KEY_PREFIX: 1, KEY_PREFIX + "zz": [1, b""], KEY_PREFIX + "ab" * 16: ["1", 2]}
    for key, bad in nonsense.items():
        commit(catalog, Draft(member_subject(me), {key: bad}))
    commit(catalog, Draft(member_subject(me), {name: [number, box]}))
    assert secret in catalog.keys.here.values()


def test_a_box_is_bound_to_its_recipient() -> None:
    cluster = Cluster(2)
    give(cluster)
    spread(cluster)
    first, (me, you) = cluster.catalogs[0], cluster.identities
    secret = b"x" * 32
    mine = gifts(first.keys, [me.node], WORLD.entropy.token, {7: secret})[0].sets
    (name, (number, box)) = next(iter(mine.items()))
    inner = me.open_box(box)
    assert inner is not None
    box = box_for(you.node, inner, bytes(range(32)))
    commit(first, Draft(member_subject(you.node), {name: [number, box]}))
    spread(cluster)
    assert secret not in cluster.catalogs[1].keys.here.values()


def test_a_key_of_an_admin_beyond_its_cut_is_read_with_and_not_written_with() -> None:
    cluster = Cluster(3)
    give(cluster)
    make_admin(cluster, 1)
    spread(cluster)
    first, admin, plain = cluster.catalogs
    cut = admin._author.number
    give(cluster, 1, rotates=True)  # it rotated after the number up to which it counts
    spread(cluster)
    rotated = first.keys.newest
    assert rotated is not None and rotated.number == 2
    commit(first, Draft(member_subject(cluster.identities[1].node), {REVOKED: cut}))
    give(cluster)
    spread(cluster)
    for catalog in (first, plain):
        assert rotated.name in catalog.keys.here
        assert catalog.keys.newest != rotated and not catalog.keys.keys[rotated.name].counts
        newest = catalog.keys.newest
        assert newest is not None and cluster.identities[1].node not in newest.given


def test_when_all_admins_are_lost_the_authority_key_reads_and_gives() -> None:
    cluster = Cluster(1)
    give(cluster)
    lost = cluster.catalogs[0]
    mine, blind = (Identity.generate(WORLD) for _ in range(2))
    authority = cluster.authority
    fresh = Catalog(cluster.library, mine, Journal(None), WORLD, None, authority)
    other = Catalog(cluster.library, blind, Journal(None), WORLD)
    said = [signed.data for signed in lost.directory.shard(256)]
    for catalog in (fresh, other):
        catalog.adopt(said, b"backup")
        catalog.flush()
    assert not other.keys.here and fresh.keys.here == lost.keys.here
    fresh.write([certificate(mine.node, ADMIN_SCOPES)], identity=authority, seq=lambda: 50)
    fresh.flush()
    provide(fresh, mine.node, WORLD)
    fresh.flush()
    assert all(mine.node in key.given for key in fresh.keys.keys.values())


def test_keys_do_not_depend_on_the_order_of_changes() -> None:
    cluster = Cluster(2)
    give(cluster)
    give(cluster, rotates=True)
    said = list(cluster.catalogs[0].directory.shard(256))
    openers = (cluster.identities[0],)
    forwards = read_root(cluster.library, said, openers)
    backwards = read_root(cluster.library, reversed(said), openers)
    assert forwards == backwards


def test_a_damaged_certificate_value_is_no_member() -> None:
    cluster = Cluster(1)
    give(cluster)
    node = Cluster(1).identities[0].node
    commit(cluster.catalogs[0], Draft(member_subject(node), {CERTIFICATE: {"name": 1}}))
    give(cluster)
    (key,) = cluster.catalogs[0].keys.keys.values()
    assert node not in key.given and msgspec.msgpack.encode(sorted(key.given))

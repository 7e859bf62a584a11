"""Sealed fields: what is sealed opens to what it was, for its own place alone, and merges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import FACTS, GPS, NAME, ORIGINAL, RATING
from photonic.crdt.projection import project
from photonic.crdt.sealing import (
    POLICY_FIELDS,
    SEALED_FACTS,
    SEALING_POLICY,
    Sealing,
    is_sealed,
    key_named_by,
    name_of,
)
from photonic.ids import PHOTO, LibraryId, Subject
from photonic.provision import provide
from photonic.scopes import ADMIN_SCOPES, SEALED_SCOPES
from tests.crdt.replicas import WORLD, Cluster, certificate, commit, import_draft, meet, photo

LIBRARY, OTHER = LibraryId(b"l" * 16), LibraryId(b"o" * 16)
SECRET = b"s" * 32
REYKJAVIK = {"latitude": 64.147209, "longitude": -21.942409, "altitude_m": 15.0}
VIK = {"latitude": 63.418632, "longitude": -19.006479, "altitude_m": None}
SUBJECT = Subject(PHOTO, b"p" * 32)

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
    | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip


def sealing(library: LibraryId = LIBRARY, *secrets: bytes) -> Sealing:
    keys = {name_of(library, secret): secret for secret in secrets or (SECRET,)}
    return Sealing(library, keys, next(iter(keys)))


# --- one value -----------------------------------------------------------------------------------


@given(values)
def test_what_is_sealed_opens_to_what_it_was(value: Any) -> None:
    sealed = sealing().seal(SUBJECT, GPS, value)
    assert is_sealed(sealed) and sealing().open(SUBJECT, GPS, sealed) == value


@given(values, st.data())
def test_a_value_with_any_bit_changed_does_not_open(value: Any, data: st.DataObject) -> None:
    sealed = sealing().seal(SUBJECT, GPS, value)
    bit = data.draw(st.integers(0, 8 * len(sealed.data) - 1))
    changed = bytearray(sealed.data)
    changed[bit // 8] ^= 1 << bit % 8
    forged = Ext(sealed.code, bytes(changed))
    assert sealing().open(SUBJECT, GPS, forged) == forged


@given(values)
def test_a_value_opens_for_its_own_subject_field_library_and_key_alone(value: Any) -> None:
    sealed = sealing().seal(SUBJECT, GPS, value)
    elsewhere = Subject(PHOTO, b"q" * 32)
    assert sealing().open(elsewhere, GPS, sealed) == sealed
    assert sealing().open(Subject("album", SUBJECT.key), GPS, sealed) == sealed
    assert sealing().open(SUBJECT, RATING, sealed) == sealed
    # The same key under the same name, in another library.
    other = Sealing(OTHER, {name_of(LIBRARY, SECRET): SECRET})
    assert other.open(SUBJECT, GPS, sealed) == sealed
    assert sealing(LIBRARY, b"t" * 32).open(SUBJECT, GPS, sealed) == sealed


def test_equal_values_sealed_apart_are_equal_bytes_and_tell_no_length() -> None:
    once, again = (sealing().seal(SUBJECT, GPS, dict(REYKJAVIK)) for _ in range(2))
    assert once == again
    assert len(once.data) == len(sealing().seal(SUBJECT, GPS, VIK).data)
    assert once != sealing().seal(SUBJECT, GPS, VIK)


@pytest.mark.parametrize("length", [0, 1, 17, 32])
def test_what_is_too_short_is_no_sealed_value(length: int) -> None:
    torn = Ext(0x53, b"\x01" * length)
    assert key_named_by(torn) is None and sealing().open(SUBJECT, GPS, torn) == torn


@pytest.mark.parametrize(
    "plain",
    [
        b"\x82\x01\xa1a\xa1b\x02",  # a map whose keys cannot be put in order
        b"\x91" * 2_000 + b"\x01",  # deeper than anybody reads
        b"\xc1",
        b"",
        b"\xa2\xff\xff",  # text that is none
        b"\x81\x91\x90\x01",
    ],
)
def test_what_a_hostile_member_sealed_does_not_come_into_the_catalog(plain: bytes) -> None:
    own = sealing()
    assert own.writes_with is not None
    padded = plain + b"\x80" + bytes(-(len(plain) + 1) % 64)
    box = own._ciphers[own.writes_with].encrypt(padded, own._about(SUBJECT, GPS))
    value = Ext(0x53, b"\x01" + own.writes_with + box)
    opened = own.open(SUBJECT, GPS, value)
    assert opened == value
    msgspec.msgpack.encode(opened, order="deterministic")


def test_the_other_facts_stay_readable_and_come_back_as_they_were() -> None:
    facts = {"media_type": "image/jpeg", "width": 10, "position": REYKJAVIK}
    sealed = sealing().sealed(SUBJECT, {FACTS: facts})
    assert sealed[FACTS].keys() == {"media_type", "width", SEALED_FACTS}
    assert b"position" not in msgspec.msgpack.encode(sealed)
    assert sealing()._opened(SUBJECT, FACTS, sealed[FACTS]) == facts


# --- catalogs ------------------------------------------------------------------------------------


def cluster_with_keys(size: int, **scopes: tuple[str, ...]) -> Cluster:
    """Return catalogs that have what the first one, an admin, gave to each."""
    cluster = Cluster(size)
    give_keys(cluster)
    return cluster


def give_keys(cluster: Cluster, *, rotates: bool = False) -> None:
    first = cluster.catalogs[0]
    provide(first, cluster.identities[0].node, WORLD, rotates=rotates)
    first.flush()


def set_gps(catalog: Catalog, value: Any, number: int = 1) -> None:
    commit(catalog, Draft(photo(number), {GPS: value}))


def shown_gps(catalog: Catalog, number: int = 1) -> Any:
    return [version.value for version in catalog.state(photo(number)).fields[GPS].versions]


def raw(catalog: Catalog, number: int = 1) -> bytes:
    return b"".join(signed.data for signed in catalog.directory.changes(photo(number)))


def coordinates() -> list[bytes]:
    encode = msgspec.msgpack.encode
    return [encode(REYKJAVIK["latitude"]), encode(REYKJAVIK["longitude"]), b"64.147", b"21.942"]


def test_a_library_without_a_key_writes_in_the_clear_and_one_with_a_key_does_not() -> None:
    cluster = Cluster(1)
    catalog = cluster.catalogs[0]
    commit(catalog, import_draft(1))
    set_gps(catalog, REYKJAVIK)
    assert any(part in raw(catalog) for part in coordinates())
    give_keys(cluster)
    assert shown_gps(catalog) == [REYKJAVIK], "what was there stays readable"
    commit(catalog, import_draft(2))
    set_gps(catalog, REYKJAVIK, 2)
    assert not any(part in raw(catalog, 2) for part in coordinates())
    assert shown_gps(catalog, 2) == [REYKJAVIK]


def test_the_policy_may_leave_places_in_the_clear() -> None:
    cluster = cluster_with_keys(1)
    catalog = cluster.catalogs[0]
    commit(catalog, Draft(SEALING_POLICY, {POLICY_FIELDS: []}), import_draft(1))
    set_gps(catalog, REYKJAVIK)
    assert any(part in raw(catalog) for part in coordinates())


def test_equal_places_set_apart_do_not_contest_and_different_ones_do() -> None:
    cluster = cluster_with_keys(2)
    here, there = cluster.catalogs
    commit(here, import_draft(1))
    meet(here, there)
    set_gps(here, REYKJAVIK)
    set_gps(there, dict(reversed(REYKJAVIK.items())))
    meet(here, there)
    for catalog in (here, there):
        assert len(shown_gps(catalog)) == 2 and catalog.state(photo(1)).contested() == ()
    set_gps(here, REYKJAVIK)
    set_gps(there, VIK)
    meet(here, there)
    assert here.state(photo(1)).contested() == there.state(photo(1)).contested() == (GPS,)


def test_equal_places_sealed_with_two_keys_do_not_contest_where_both_are_known() -> None:
    cluster = cluster_with_keys(2)
    here, there = cluster.catalogs
    commit(here, import_draft(1))
    meet(here, there)
    set_gps(there, REYKJAVIK)  # with the first key
    give_keys(cluster, rotates=True)
    set_gps(here, REYKJAVIK)  # with the second
    meet(here, there)
    names = {key_named_by(s.change.sets[GPS]) for s in here.directory.changes(photo(1))[1:]}
    assert len(names) == 2 and None not in names
    for catalog in (here, there):
        assert shown_gps(catalog) == [REYKJAVIK] * 2
        assert catalog.state(photo(1)).contested() == ()


def sealed_archive() -> tuple[Cluster, Catalog, Catalog]:
    """Return a library whose second member may read and was not given the key."""
    cluster = Cluster(2)
    node = cluster.identities[1].node
    first = cluster.catalogs[0]
    give_keys(cluster)
    archive = Cluster(1).identities[0]
    commit(first, certificate(archive.node, SEALED_SCOPES))
    give_keys(cluster)
    cluster.identities[1] = archive
    cluster.catalogs[1] = cluster.open(1)
    meet(first, cluster.catalogs[1])
    assert node != archive.node
    return cluster, first, cluster.catalogs[1]


def test_a_sealed_archive_holds_merges_and_forwards_what_it_cannot_read() -> None:
    cluster, first, archive = sealed_archive()
    facts = {"media_type": "image/jpeg", "width": 10, "position": REYKJAVIK}
    sets = {ORIGINAL: [photo(1).key, 100, bytes(32)], NAME: "a.jpg", FACTS: facts}
    commit(first, Draft(photo(1), sets), import_draft(2))
    set_gps(first, REYKJAVIK, 2)
    meet(first, archive)
    assert not archive.keys.here and first.root_digest() == archive.root_digest()
    for number in (1, 2):
        row = project(archive.state(photo(number)))
        assert row is not None and row.position is None and row.sealed == (GPS,)
        mine = project(first.state(photo(number)))
        assert mine is not None and mine.position is not None and mine.sealed == ()
    assert project(archive.state(photo(1))).facts.width == 10  # type: ignore[union-attr]
    # It edits other fields, and resolves by naming a version without being able to read it.
    commit(archive, Draft(photo(2), {RATING: 5}))
    version = archive.state(photo(2)).fields[GPS].versions[0]
    commit(archive, Draft(photo(2), {GPS: version.value}))
    third = cluster.open(0)
    meet(archive, third)  # the first member anew, from the archive alone
    assert third.keys.here and shown_gps(third, 2) == [REYKJAVIK]
    assert third.state(photo(2)).fields[RATING].versions[0].value == 5


def test_what_is_shown_of_a_place_that_somebody_took_away_is_nothing_and_not_sealed() -> None:
    cluster = cluster_with_keys(1)
    catalog = cluster.catalogs[0]
    facts = {"media_type": "image/jpeg", "position": REYKJAVIK}
    commit(catalog, Draft(photo(1), {ORIGINAL: [photo(1).key, 1, bytes(32)], FACTS: facts}))
    set_gps(catalog, None)
    row = project(catalog.state(photo(1)))
    assert row is not None and row.position is None and row.sealed == ()


def test_a_forged_value_is_shown_as_sealed_and_hides_no_other() -> None:
    cluster = cluster_with_keys(2, second=ADMIN_SCOPES)
    here, there = cluster.catalogs
    commit(here, import_draft(1), import_draft(2))
    set_gps(here, REYKJAVIK)
    meet(here, there)
    stolen = here.directory.changes(photo(1))[-1].change.sets[GPS]
    commit(there, Draft(photo(2), {GPS: stolen}))  # from one photo to another
    meet(here, there)
    row = project(here.state(photo(2)))
    assert row is not None and row.position is None and row.sealed == (GPS,)
    assert shown_gps(here) == [REYKJAVIK]

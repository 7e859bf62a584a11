"""The index of a catalog in which places are sealed, however and wherever it is made."""

from __future__ import annotations

from pathlib import Path

from photonic.crdt.changes import Draft
from photonic.crdt.fields import GPS
from photonic.crdt.query import PhotoQuery
from photonic.index_builders import BuilderApart
from photonic.provision import provide
from photonic.search.criteria import Has, Place
from tests.crdt.replicas import WORLD, import_draft, meet, photo
from tests.test_index_builders import OwnDesk
from tests.test_index_builders import desk as desk
from tests.test_projector import Desk

REYKJAVIK = {"latitude": 64.147209, "longitude": -21.942409}
BOX = Place(64.0, -22.0, 64.3, -21.8)


def give_keys(desk: Desk) -> None:
    """Let the desk's node, an admin, give everybody a key."""
    provide(desk.catalog, desk.cluster.identities[0].node, WORLD)
    desk.projector.follow(desk.catalog.flush())


def placed(desk: Desk) -> set[bytes]:
    page = PhotoQuery(desk.index.engine).page(BOX, 100, None)
    return {item.row.photo for item in page.items}


def keys_of(*numbers: int) -> set[bytes]:
    return {photo(number).key for number in numbers}


def test_a_process_of_its_own_opens_and_seals_as_the_node_does(desk: OwnDesk) -> None:
    give_keys(desk)
    desk.commit(*(import_draft(number) for number in range(30)))
    desk.commit(*(Draft(photo(number), {GPS: REYKJAVIK}) for number in (3, 17)))
    assert placed(desk) == keys_of(3, 17)
    desk.make_again()
    assert isinstance(desk.builder, BuilderApart)
    desk.settle()
    assert placed(desk) == keys_of(3, 17)
    assert desk.index.count_sealed() == 0
    desk.commit(Draft(photo(3), {GPS: None}), Draft(photo(4), {GPS: REYKJAVIK}))
    assert placed(desk) == keys_of(4, 17)


def test_what_came_before_its_key_is_shown_when_the_key_comes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    other, me = desk.cluster.catalogs[1], desk.cluster.identities[0].node
    # The desk's node gives the keys, and another folder of it hears the photos before the root.
    give_keys(desk)
    meet(desk.catalog, other)
    late = Desk.__new__(Desk)
    late.cluster, late.stored, late.clock = desk.cluster, set(), desk.clock
    late.folder = tmp_path / "late"
    late.folder.mkdir()
    late.journal = type(desk.journal)(late.folder / "journal.db")
    late.catalog = late._open_catalog()
    for document, update in desk.cluster.catalogs[0].founding_updates():
        assert late.catalog.receive(256, document, update, b"first")  # without any key
    late.catalog.flush()
    late.index = type(desk.index)(late.folder / "index.db")
    late.projector = late.opened()
    try:
        signed = other.write([import_draft(1), Draft(photo(1), {GPS: REYKJAVIK})])
        other.flush()
        late.catalog.adopt([one.data for one in signed], b"other")
        late.projector.follow(late.catalog.flush())
        assert placed(late) == set() and late.index.count_sealed() == 1
        keys = [s.data for s in desk.catalog.directory.shard(256)]
        late.catalog.adopt(keys, b"other")
        committed = late.catalog.flush()
        assert committed.keys_changed
        late.projector.follow(committed)
        late.settle()
        assert placed(late) == keys_of(1) and late.index.count_sealed() == 0
        assert me in late.catalog.roster.members
    finally:
        late.close()
        desk.close()


def test_what_is_sealed_here_is_found_as_such(desk: OwnDesk) -> None:
    give_keys(desk)
    desk.commit(import_draft(1), Draft(photo(1), {GPS: REYKJAVIK}))
    query = PhotoQuery(desk.index.engine)
    assert query.count(Has("place")).count == 1
    assert query.count(BOX).count == 1

"""Where photos were taken, in memory: the same answers as looking at each, and nothing on disk."""

from __future__ import annotations

import struct
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.index import PhotoIndex
from photonic.crdt.place_seal import PlaceSeal, PlaceUnreadable
from photonic.crdt.positions import Box, Degrees, Positions, Rows
from photonic.crdt.query import PhotoQuery
from photonic.ids import BlobId, digest
from photonic.search.criteria import Place
from photonic.search.sample import Sample
from tests.crdt.photo_rows import batch_of

latitudes = st.sampled_from([-90.0, -10.0, 0.0, 1e-7, 10.0, 90.0]) | st.floats(-90, 90)
longitudes = st.sampled_from([-180.0, -10.0, 0.0, 10.0, 180.0]) | st.floats(-180, 180)
spots = st.tuples(latitudes, longitudes)
boxes = st.tuples(latitudes, longitudes, latitudes, longitudes)
REYKJAVIK = (64.147209, -21.942409)


def is_inside(spot: Degrees, box: Box) -> bool:
    south, west, north, east = box
    if not south <= spot[0] <= north:
        return False
    if west > east:
        return spot[1] >= west or spot[1] <= east
    return west <= spot[1] <= east


class Table:
    """What the index has on the disk; gives it in pieces of two."""

    def __init__(self) -> None:
        self.rows: dict[int, Degrees] = {}

    def read(self, begin: int) -> tuple[Rows, bool]:
        found = [(n, *self.rows[n]) for n in sorted(self.rows) if n >= begin][:2]
        return found, len(found) == 2

    def write(self, changes: Mapping[int, Degrees | None]) -> None:
        for n, spot in changes.items():
            if spot is None:
                self.rows.pop(n, None)
            else:
                self.rows[n] = spot


@given(
    st.dictionaries(st.integers(0, 12), spots, max_size=8),
    st.lists(st.dictionaries(st.integers(0, 12), st.none() | spots, max_size=4), max_size=6),
    st.integers(0, 6),
    boxes,
)
def test_answers_are_those_of_looking_at_each_however_far_it_was_loaded(
    first: dict[int, Degrees],
    changes: list[dict[int, Degrees | None]],
    pieces: int,
    box: Box,
) -> None:
    table = Table()
    table.write(first)
    positions = Positions(table.read, threading.RLock())
    for number, some in enumerate(changes):
        if number < pieces:
            positions.load_piece()
        table.write(some)
        positions.note(some)
    expected = [n for n, spot in sorted(table.rows.items()) if is_inside(spot, box)]
    assert positions.inside(box).tolist() == expected
    assert positions.answer(box) == frozenset(expected)
    assert len(positions) == len(table.rows)
    assert {n: positions.of(n) for n in range(13)} == {n: table.rows.get(n) for n in range(13)}


def test_an_answer_that_is_remembered_follows_what_is_noted() -> None:
    positions = Positions(Table().read, threading.RLock())
    box = (60.0, -30.0, 70.0, -10.0)
    assert positions.answer(box) == frozenset()
    positions.note({5: REYKJAVIK})
    assert positions.answer(box) == {5}
    positions.note({5: None})
    assert positions.answer(box) == frozenset()


def sample(number: int, spot: Degrees | None) -> Sample:
    latitude, longitude = spot or (None, None)
    return Sample(
        photo=BlobId(digest(b"%d" % number)),
        taken=f"2024-05-{number + 1:02}T10:00:00",
        latitude=latitude,
        longitude=longitude,
    )


def found(index: PhotoIndex) -> set[bytes]:
    query = PhotoQuery(index.engine)
    page = query.page(Place(60.0, -30.0, 70.0, -10.0), 10, None)
    return {item.row.photo for item in page.items}


def test_an_index_has_no_place_on_the_disk_and_finds_it_after_a_restart(tmp_path: Path) -> None:
    path, seal = tmp_path / "index.db", PlaceSeal(b"k" * 64)
    index = PhotoIndex(path, seal)
    index.apply(batch_of([sample(1, REYKJAVIK), sample(2, (1.0, 2.0)), sample(3, None)]), 1)
    assert found(index) == {digest(b"1")}
    wanted = [struct.pack(order + "d", one) for one in REYKJAVIK for order in "<>"]
    wanted += [b"64.147", b"21.942", b"2:32:", b"3:4:"]
    for file in tmp_path.iterdir():
        assert not any(word in file.read_bytes() for word in wanted), file
    index.close()
    again = PhotoIndex(path, PlaceSeal(b"k" * 64))
    assert not again.positions.is_loaded or again.photo_count() < 10
    assert found(again) == {digest(b"1")}
    index.close()


def test_an_index_that_was_sealed_with_another_key_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = PhotoIndex(path, PlaceSeal(b"k" * 64))
    index.apply(batch_of([sample(1, REYKJAVIK)]), 1)
    index.close()
    other = PhotoIndex(path, PlaceSeal(b"o" * 64))
    assert other.photo_count() == 0 and other.journal_number == 0
    other.close()


def test_an_index_with_places_in_the_clear_is_removed_and_not_only_emptied(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = PhotoIndex(path)
    index._db.execute("CREATE TABLE old (latitude REAL, note TEXT)")
    rows = [(REYKJAVIK[0],)] * 20_000  # more pages than new tables take
    index._db.executemany("INSERT INTO old VALUES (?, 'at 64.147209')", rows)
    index._db.execute("PRAGMA user_version = 2")
    index.close()
    assert b"at 64.147209" in path.read_bytes()
    PhotoIndex(path).close()
    assert not any(b"at 64.147209" in file.read_bytes() for file in tmp_path.iterdir())


def test_a_place_opens_for_its_own_photo_alone() -> None:
    seal = PlaceSeal()
    sealed = seal.seal(b"p" * 32, *REYKJAVIK)
    assert seal.open(b"p" * 32, sealed) == REYKJAVIK
    for photo, data in ((b"q" * 32, sealed), (b"p" * 32, sealed[:-1]), (b"p" * 32, b"")):
        with pytest.raises(PlaceUnreadable):
            seal.open(photo, data)

"""Photos with the same pixels are found from each other, by an index."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings

from photonic import limits
from photonic.crdt.index import Batch, PhotoIndex
from photonic.crdt.migrations import MIGRATIONS, migrate
from photonic.crdt.projection import PhotoRow, PutAway
from photonic.crdt.query import PhotoQuery
from photonic.crdt.twins import pixels_key
from photonic.ids import BlobId, digest
from photonic.photos import PhotoFacts
from photonic.search.sample import Sample
from tests.crdt.photo_rows import NODES, index_of, libraries, pixels_of, row_of

SAME, OTHER = "5a" * 16, "5b" * 16


def row(number: int, pixels: str | None, *, trashed: bool = False) -> PhotoRow:
    sample = Sample(
        photo=BlobId(digest(b"%d" % number)),
        name=f"{number}.jpg",
        taken=f"2024-05-{number + 1:02}T10:00:00",
        added_ms=1,
        media_type="image/jpeg",
        kind="image",
    )
    made = row_of(sample)
    facts = msgspec.structs.replace(made.facts, pixels=pixels)
    removal = PutAway(NODES[0], 1) if trashed else None
    return msgspec.structs.replace(made, facts=facts, removal=removal)


def test_the_others_with_the_same_pixels_are_named_newest_first() -> None:
    index = PhotoIndex(None)
    rows = [row(0, SAME), row(1, OTHER), row(2, SAME), row(3, None), row(4, None), row(5, SAME)]
    index.apply(Batch(rows=[*rows, row(6, SAME, trashed=True)]))
    query = PhotoQuery(index.engine)
    photos = [one.photo for one in rows]
    assert query.same_pixels(photos[0]) == [photos[5], photos[2]]
    assert query.same_pixels(photos[5]) == [photos[2], photos[0]]
    for alone in (photos[1], photos[3], BlobId(bytes(32))):
        assert query.same_pixels(alone) == []
    index.apply(Batch(rows=[row(2, OTHER)], gone=[photos[5]]))
    assert query.same_pixels(photos[0]) == []
    assert query.same_pixels(photos[1]) == [photos[2]]


def test_some_of_many_are_named() -> None:
    index = PhotoIndex(None)
    index.apply(Batch(rows=[row(number, SAME) for number in range(25)]))
    assert len(PhotoQuery(index.engine).same_pixels(row(0, SAME).photo)) == (
        limits.SAME_PIXELS_SHOWN_MAX
    )


def test_the_question_is_answered_by_indexes() -> None:
    index = index_of([])
    steps = index._db.execute(
        "EXPLAIN QUERY PLAN SELECT b.n FROM file a JOIN file b ON b.pixels = a.pixels WHERE a.n = 1"
    ).fetchall()
    assert any("file_pixels" in str(step) for step in steps)
    assert not any("SCAN" in str(step) for step in steps)


@settings(max_examples=40, deadline=None)
@given(libraries())
def test_who_has_twins_is_what_the_identities_say(some: list[Sample]) -> None:
    query = PhotoQuery(index_of(some).engine)
    keys = {one.photo: pixels_key(PhotoFacts(media_type="", pixels=pixels_of(one))) for one in some}
    for one in some:
        expected = {
            other.photo
            for other in some
            if other.photo != one.photo
            and keys[one.photo] is not None
            and keys[other.photo] == keys[one.photo]
            and not other.trashed
        }
        assert set(query.same_pixels(one.photo)) == expected


@pytest.mark.parametrize("said", [None, "", "5a", "5A" * 16, "zz" * 16, "5a" * 17, " " * 32])
def test_what_a_peer_wrote_that_is_no_identity_is_none(said: str | None) -> None:
    assert pixels_key(PhotoFacts(media_type="image/jpeg", pixels=said)) is None


def test_an_index_of_the_version_before_goes_on() -> None:
    before, fresh = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    migrate(fresh)
    before.execute("CREATE TABLE file (n INTEGER PRIMARY KEY, blobs, held, digest)")
    before.execute("INSERT INTO file VALUES (1, x'90', 0, x'00')")
    before.execute("PRAGMA user_version = 1")
    assert not migrate(before, MIGRATIONS[:2]), "what is there stays"
    assert before.execute("SELECT pixels FROM file").fetchall() == [(None,)]
    columns = [
        [name for _, name, *_ in db.execute("PRAGMA table_info(file)")] for db in (before, fresh)
    ]
    assert all(one == other for one, other in pairwise(columns))

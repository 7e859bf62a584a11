"""The index kept step by step is what it would be if it were made at once; it is disposable."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from photonic.crdt.batches import AlbumRow, Batch, EditRow
from photonic.crdt.index import PhotoIndex
from photonic.crdt.loader import Loader
from photonic.crdt.migrations import MIGRATIONS, REBUILD, VERSION, migrate
from photonic.crdt.projection import BlobRow, PhotoRow
from photonic.crdt.query import PhotoQuery
from photonic.crdt.removals import FIRST
from photonic.crdt.rows import numbers_in, unpacked
from photonic.crdt.tables import IN_TRASH, LIVE, REMOVAL_HELD
from photonic.errors import IndexUnreadable
from photonic.ids import BlobId, NodeId, digest
from photonic.photos import BlobRef
from photonic.search.criteria import ALL, Equals, Is, Number
from photonic.search.sample import Sample
from tests.crdt.photo_rows import NODES, SEAL, batch_of, blob, index_of, libraries, row_of
from tests.search.queries import samples

KINDS = ("preview", "sidecar", "original")
WORDS = ("img", "harbour", "tromso", "red", "京", "x")
NEAR, FAR = NODES[0], NODES[3]


def photo(number: int) -> BlobId:
    return BlobId(digest(b"%d" % number))


def content(index: PhotoIndex) -> dict[str, object]:
    """Return all that the index says, without the numbers that it gave to rows and terms."""
    db, match = index._db, "SELECT rowid FROM words WHERE words MATCH ?"
    names = dict(db.execute("SELECT n, photo FROM photo"))
    terms = dict(db.execute("SELECT id, kind || ':' || key FROM term"))
    nodes = dict(db.execute("SELECT id, node FROM node"))
    columns = [row[1] for row in db.execute("PRAGMA table_info(photo)")]
    kept = ", ".join(name for name in columns if name not in ("n", "terms"))
    return {
        "photos": set(db.execute(f"SELECT {kept} FROM photo")),
        "files": {(names[n], *rest) for n, *rest in db.execute("SELECT * FROM file")},
        "keys": {(key, names[n]) for key, n in db.execute("SELECT * FROM blob_key")},
        "postings": {(terms[t], names[n]) for t, n in db.execute("SELECT * FROM posting")},
        "terms": {
            (names[n], *sorted(terms[one] for one in unpacked(packed)))
            for n, packed in db.execute("SELECT n, terms FROM photo")
        },
        "counts": set(db.execute("SELECT kind, key, count FROM term WHERE count != 0")),
        "holders": {
            (key, *(tuple(sorted(nodes[one] for one in numbers_in(some))) for some in packed))
            for key, *packed in db.execute("SELECT key, nodes, hints FROM holder")
        },
        "months": set(db.execute("SELECT * FROM month WHERE count != 0")),
        "tallies": set(db.execute("SELECT * FROM tally WHERE value != 0")),
        "albums": set(db.execute("SELECT * FROM album")),
        "edits": set(db.execute("SELECT change, kind, key, act, author, at FROM edit")),
        "removals": set(db.execute("SELECT photo, author, at_ms, held FROM removal")),
        "seqs": {(nodes[a], *rest) for a, *rest in db.execute("SELECT * FROM seq")},
        "found": {word: {names[n] for (n,) in db.execute(match, (word,))} for word in WORDS},
    }


# --- step by step and at once --------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Batch], list[Sample]]:
    """Batches that put photos in, change them and take them out, and what is there at last."""
    now: dict[BlobId, Sample] = {}
    batches: list[Batch] = []
    for _ in range(draw(st.integers(1, 5))):
        some = {
            photo(number): replace(draw(samples()), photo=photo(number))
            for number in draw(st.lists(st.integers(0, 5), unique=True, max_size=4))
        }
        gone = draw(st.lists(st.integers(0, 5).map(photo), unique=True, max_size=2))
        now = {name: sample for name, sample in (now | some).items() if name not in gone}
        # What is gone has no word of its holders taken back: they may be known before a photo is.
        made = batch_of([sample for name, sample in some.items() if name not in gone])
        batches.append(replace(made, gone=gone))
    return batches, list(now.values())


@settings(max_examples=150, deadline=None)
@given(histories())
def test_kept_step_by_step_it_is_what_it_is_made_at_once(
    history: tuple[list[Batch], list[Sample]],
) -> None:
    batches, now = history
    kept = PhotoIndex(None, SEAL)
    for number, batch in enumerate(batches):
        kept.apply(batch, number)
        kept.apply(batch, number)  # a repetition changes nothing
    holders: dict[BlobId, Collection[NodeId]] = {}
    for batch in batches:
        holders |= dict(batch.holders)
    made = PhotoIndex(None, SEAL)
    made.apply(replace(batch_of(now), holders=holders), len(batches) - 1)
    assert content(kept) == content(made)


@settings(max_examples=60, deadline=None)
@given(libraries(), st.data())
def test_what_the_store_has_is_noted_as_if_it_had_always_been_so(
    some: list[Sample], data: st.DataObject
) -> None:
    index = index_of(some)
    held = {sample.photo: data.draw(st.booleans()) for sample in some}
    assert set(index.mark_held([p for p, is_held in held.items() if is_held])) == {
        photo for photo, is_held in held.items() if is_held
    }
    index.mark_held([photo for photo, is_held in held.items() if not is_held], is_held=False)
    holders = {photo: NODES[: data.draw(st.integers(0, 3))] for photo in held}
    index.apply(Batch(holders=holders))
    again = [
        replace(sample, held=held[sample.photo], copies=len(holders[sample.photo]))
        for sample in some
    ]
    expected = PhotoIndex(None, SEAL)
    expected.apply(batch_of(again), 1)
    assert content(index) == content(expected)


@settings(max_examples=40, deadline=None)
@given(some=libraries(), pieces=st.integers(1, 4))
def test_a_load_makes_what_batches_make(
    tmp_path_factory: pytest.TempPathFactory, some: list[Sample], pieces: int
) -> None:
    folder = tmp_path_factory.mktemp("load")
    index = PhotoIndex(folder / "index.db", SEAL)
    loader = Loader(folder / "index.db", now_ms=0, seal=SEAL)
    author = NODES[1]
    seqs = [(author, number + 1, sample.photo) for number, sample in enumerate(some)]
    edits = [EditRow(digest(b"c"), "photo", photo(1), b"a" * 16, author, 5)]
    for begin in range(pieces):
        loader.add(replace(batch_of(some[begin::pieces]), seqs=seqs[begin::pieces], edits=edits))
    assert loader.build()
    assert loader.progress == (len(some), len(some))
    loader.close()
    index.replace(loader.path)
    index.note_number("journal", 1)
    expected = index_of(some)
    expected.apply(Batch(seqs=seqs, edits=edits))
    assert content(index) == content(expected)
    index.apply(batch_of(some), 1)  # and it can be written on
    assert content(index) == content(expected)
    assert list(folder.glob("index.db.*")) == []
    index.close()


def test_many_photos_of_one_moment_all_have_a_place() -> None:
    index = PhotoIndex(None, SEAL)
    some = [Sample(photo=photo(n), taken="2000-01-01T00:00:00") for n in range(3_000)]
    alike = [
        Sample(photo=BlobId(b"\0" * 4 + digest(b"%d" % n)[4:]), taken="2000-01-01T00:00:00")
        for n in range(200)
    ]
    for batch in (some, alike, some[:100], alike[:100]):
        index.apply(batch_of(batch))
    query = PhotoQuery(index.engine)
    assert query.count(ALL).count == 3_200
    assert query.histogram(ALL) == [("2000-01", 3_200)]
    assert query.count(Equals("kind", "image")).count == 3_200


# --- blobs ---------------------------------------------------------------------------------------


def test_what_a_node_lacks_is_found_previews_first_and_originals_only_in_reach() -> None:
    index = index_of([])
    old = Sample(photo=photo(1), name="old", taken="2024-01-01T00:00:00")
    new = Sample(photo=photo(2), name="new", taken="2025-01-01T00:00:00")
    index.apply(replace(batch_of([old, new]), holders={photo(1): {NEAR}, photo(2): {FAR}}))
    query = PhotoQuery(index.engine)
    found = query.missing(KINDS, [NEAR], 10)
    assert [(item.row.kind, item.name) for item in found] == [
        ("preview", "new"),
        ("preview", "old"),
        ("original", "old"),
    ]
    assert found[-1].holders == {NEAR}
    assert [item.name for item in query.missing(KINDS, [NEAR, FAR], 3)] == ["new", "old", "new"]
    assert [item.row.kind for item in query.missing(("original",), [], 10)] == []
    assert index.mark_held([photo(1)]) == [photo(1)]
    assert [item.row.kind for item in query.missing(KINDS, [NEAR], 10)] == ["preview", "preview"]
    assert query.holders(photo(2)) == {FAR}
    totals = query.totals(("original",))
    assert (totals.photos, totals.wanted, totals.held, totals.held_bytes) == (2, 2, 1, 1_000)


def test_no_photo_takes_an_originals_place_by_calling_it_its_preview() -> None:
    honest = row_of(Sample(photo=photo(1), name="honest", taken="2024-01-01T00:00:00"))
    bogus = row_of(Sample(photo=photo(2), name="bogus", taken="2025-01-01T00:00:00"))
    lie = BlobRow(BlobRef(photo(1), 1 << 40, b"x" * 32), "preview")
    index = PhotoIndex(None, SEAL)
    rows: list[PhotoRow] = [honest, structs.replace(bogus, blobs=(bogus.blobs[0], lie))]
    index.apply(Batch(rows=rows, holders={photo(1): {NEAR}}))
    query = PhotoQuery(index.engine)
    found = query.missing(KINDS, [NEAR], 10)
    (named,) = [item for item in found if item.row.blob == photo(1)]
    assert (named.row.kind, named.row.photo, named.row.size_bytes) == ("original", photo(1), 1_000)
    # A preview that is imported as a photo is still fetched where originals are not wanted.
    assert photo(1) in {item.row.blob for item in query.missing(("preview",), [NEAR], 10)}
    assert photo(1) in {item.row.blob for item in query.missing(KINDS, [], 10)}


def test_a_photo_is_as_safe_as_the_least_safe_of_its_contested_originals() -> None:
    row = row_of(Sample(photo=photo(1), conflicts=("original",)))
    other = BlobRow(blob("another original"), "original")
    index = PhotoIndex(None, SEAL)
    holders = {photo(1): NODES[:3], other.ref.blob: NODES[:1]}
    rows = [structs.replace(row, blobs=(*row.blobs, other))]
    index.apply(Batch(rows=rows, holders=holders, held={photo(1)}))
    query = PhotoQuery(index.engine)
    assert query.count(Number("copies", "<", 2)).count == 1
    assert query.count(Is("held")).count == 0
    found = query.missing(("original",), NODES[:1], 10)
    assert [item.row.blob for item in found] == [other.ref.blob]
    index.mark_held([other.ref.blob])
    assert query.count(Is("held")).count == 1


def test_the_blobs_of_a_photo_are_listed_and_walked_in_the_order_of_their_ids() -> None:
    some = [Sample(photo=photo(n), has_sidecar=n % 2 == 0, held=n < 3) for n in range(6)]
    index = index_of(some)
    rows = PhotoQuery(index.engine).blobs(photo(0))
    assert [row.kind for row in rows] == ["original", "sidecar", "preview"]
    assert [row.held for row in rows] == [True, False, False]
    found, after = [], b""
    while page := index.held_after(after, 4):
        found += page
        after = page[-1][0][:8]
    assert found == sorted(found)
    assert {name for name, kind, _ in found if kind == "original"} == {s.photo for s in some}
    assert {name for name, _, is_held in found if is_held} == {photo(n) for n in range(3)}
    assert blob(f"preview of {photo(0).hex()}").blob in {name for name, _, _ in found}


# --- the trash -----------------------------------------------------------------------------------


def test_a_removal_that_is_held_stays_so_until_it_is_another_one() -> None:
    gone = Sample(photo=photo(1), trashed=True)
    index = index_of([gone, Sample(photo=photo(2))])
    query = PhotoQuery(index.engine)
    assert query.count(Is("trashed")).count == 1
    index.set_trashed({photo(1): REMOVAL_HELD})
    assert query.count(Is("trashed")).count == 0
    index.apply(batch_of([gone]))  # the same word again
    (removal,) = query.removals(10)
    assert removal.held and removal.author == NODES[0] and removal.since_ms == 0
    listed = query.photo(photo(1))
    assert listed is not None and not listed.row.trashed and listed.row.removal_held
    index.set_trashed({photo(1): IN_TRASH})
    assert query.count(Is("trashed")).count == 1
    index.apply(batch_of([replace(gone, trashed=False)]))
    assert query.removals(10) == []
    index.set_trashed({photo(2): LIVE})
    assert query.count(Is("trashed")).count == 0


def test_the_moment_at_which_a_removal_was_known_first_is_kept() -> None:
    gone = Sample(photo=photo(1), trashed=True)
    index = PhotoIndex(None, SEAL)
    for now_ms in (5, 9):
        index.apply(replace(batch_of([gone]), now_ms=now_ms))
    query = PhotoQuery(index.engine)
    assert [row.since_ms for row in query.removals(10)] == [5]
    assert query.removals_behind(NODES[1], FIRST, 10) == []
    assert query.removals(10, photo(1)) == []


# --- the file ------------------------------------------------------------------------------------


def test_an_album_that_is_deleted_is_not_listed() -> None:
    index = PhotoIndex(None, SEAL)
    index.apply(Batch(albums=[AlbumRow(b"a" * 16, "Best", "rating:5", ("name",))]))
    (album,) = PhotoQuery(index.engine).albums()
    assert (album.name, album.query, album.conflicts) == ("Best", "rating:5", "name")
    index.apply(Batch(albums=[AlbumRow(b"a" * 16, None, None, ())]))
    assert PhotoQuery(index.engine).albums() == []


def test_it_remembers_how_far_it_is(tmp_path: Path) -> None:
    index = PhotoIndex(tmp_path / "index.db", SEAL)
    assert index.journal_number == 0
    index.apply(batch_of([Sample(photo=photo(1))]), 7)
    index.mark_stale([3, 1], 9)
    index.apply(Batch(projected=[3]))
    index.close()
    index = PhotoIndex(tmp_path / "index.db", SEAL)
    assert (index.journal_number, index.stale(), index.photo_count()) == (9, [1], 1)
    index.clear()
    assert (index.journal_number, index.stale(), index.photo_count()) == (0, [], 0)
    index.close()


def test_what_fails_halfway_has_not_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of([Sample(photo=photo(1), camera="A")])
    before = content(index)

    def fail(*_: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr("photonic.crdt.index.write_edits", fail)
        with pytest.raises(OSError, match="no"):
            index.apply(batch_of([Sample(photo=photo(1), camera="B"), Sample(photo=photo(2))]))
    assert content(index) == before
    index.apply(batch_of([Sample(photo=photo(1), camera="B"), Sample(photo=photo(2))]))
    assert content(index) == content(
        index_of([Sample(photo=photo(1), camera="B"), Sample(photo=photo(2))])
    )


def spoiled(path: Path) -> list[Callable[[], object]]:
    data = path.read_bytes()
    middle = bytearray(data)
    for start in range(4096, len(middle), 4096):
        middle[start : start + 512] = b"\xa5" * 512
    return [
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(b"this is no database at all" * 1_000),
        lambda: path.write_bytes(bytes(middle)),
        lambda: path.write_bytes(data[: len(data) // 2]),
    ]


@pytest.mark.parametrize("way", range(4))
def test_damage_is_seen_when_it_is_met_and_the_file_is_made_anew(tmp_path: Path, way: int) -> None:
    path = tmp_path / "index.db"
    some = [Sample(photo=photo(n), name=f"IMG_{n}") for n in range(500)]
    index = PhotoIndex(path, SEAL)
    index.apply(batch_of(some), 1)
    index.close()
    spoiled(path)[way]()
    index = PhotoIndex(path, SEAL)
    query = PhotoQuery(index.engine)
    try:
        query.page(ALL, 100, None)
        query.photo(photo(3))
        index.apply(batch_of(some[:3]))
    except (IndexUnreadable, sqlite3.DatabaseError):
        assert index.is_damaged
        index.remake()
    assert not index.is_damaged
    assert index.journal_number == 0
    index.apply(batch_of(some), 1)
    assert query.count(ALL).count == 500
    index.close()


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_a_version_that_cannot_be_gone_on_with_is_made_afresh(tmp_path: Path, version: int) -> None:
    def tables(db: sqlite3.Connection) -> set[tuple[str, str]]:
        return set(db.execute("SELECT name, sql FROM sqlite_master"))

    db = sqlite3.connect(tmp_path / "index.db", isolation_level=None)
    if version == 0:
        db.execute("CREATE TABLE photo (photo BLOB PRIMARY KEY, name TEXT)")  # as it once was
        db.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER)")
    else:
        migrate(db)
        db.execute("CREATE TABLE of_the_future (a)")
    db.execute(f"PRAGMA user_version = {version}")
    assert migrate(db)
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    assert migrate(fresh)
    assert tables(db) == tables(fresh)
    assert not migrate(db)


def test_a_step_in_sql_keeps_what_is_there_and_one_that_fails_did_not_happen() -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    db.execute("INSERT INTO tally VALUES ('photos', 5)")
    added = (*MIGRATIONS, ("ALTER TABLE album ADD COLUMN cover BLOB",))
    assert not migrate(db, added)
    assert db.execute("SELECT value FROM tally").fetchone() == (5,)
    assert db.execute("SELECT cover FROM album").fetchall() == []
    wrong = (*added, ("ALTER TABLE album ADD COLUMN more BLOB", "SELECT nonsense"))
    with pytest.raises(sqlite3.DatabaseError):
        migrate(db, wrong)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    assert migrate(db, (*added, (REBUILD,)))
    assert db.execute("SELECT * FROM tally").fetchall() == []

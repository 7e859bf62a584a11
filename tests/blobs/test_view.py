"""Another process that only asks is told the same as the one that keeps the store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from photonic.blobs.files import FileStore
from photonic.blobs.view import StoreView
from photonic.ids import BlobId, digest
from photonic.world import World
from tests.blobs.samples import noise

DATA = [noise(2_000 + 60_000 * seed, seed) for seed in range(6)]
BLOBS = [BlobId(digest(data)) for data in DATA]
ABSENT = BlobId(digest(b"nobody has this"))


def test_packed_blobs_are_held_as_others_are(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    view = StoreView(tmp_path)
    assert view.has_many(BLOBS) == frozenset()
    for data in DATA:
        store.put(data)
    assert view.has_many([*BLOBS, ABSENT]) == set(BLOBS)
    store.discard(BLOBS[0])
    store.discard(BLOBS[5])
    assert view.has_many(BLOBS) == set(BLOBS[1:5]) == store.has_many(BLOBS)
    view.close()


def test_what_is_entered_and_gone_is_not_held(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    store.put(DATA[0])
    store.path(store.put(DATA[5]).ref.blob).unlink()
    (pack,) = (tmp_path / "packs").iterdir()
    pack.rename(tmp_path / "elsewhere")
    view = StoreView(tmp_path)
    assert view.has_many(BLOBS) == frozenset()
    (tmp_path / "elsewhere").rename(pack)
    assert view.has_many(BLOBS) == {BLOBS[0]}


def test_a_blob_that_moves_to_another_pack_meanwhile_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore.open(tmp_path, World())
    store.put(DATA[0])
    view, real, moved = StoreView(tmp_path), StoreView._entered, list[int]()

    def entered(
        self: StoreView, db: sqlite3.Connection, asked: list[BlobId]
    ) -> dict[BlobId, int | None]:
        """Move it as soon as the first question is answered."""
        found = real(self, db, asked)
        for pack in store._shelf.packs.numbers() if not moved else ():
            moved.append(pack)
            store._shelf.packs.compact(pack)
        return found

    monkeypatch.setattr(StoreView, "_entered", entered)
    assert view.has_many([BLOBS[0]]) == {BLOBS[0]}
    assert not store._shelf.packs.has(moved[0])


def test_a_ledger_from_before_there_were_packs_is_read(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    store.put(DATA[5])
    store.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as db:
        db.execute("DROP INDEX packed")
        db.execute("ALTER TABLE blobs DROP COLUMN pack")
        db.execute("PRAGMA user_version = 1")
    db.close()
    view = StoreView(tmp_path)
    assert view.has_many(BLOBS) == {BLOBS[5]}
    view.close()


def test_where_there_is_no_store_nothing_is_held(tmp_path: Path) -> None:
    assert StoreView(tmp_path / "nowhere").has_many(BLOBS) == frozenset()

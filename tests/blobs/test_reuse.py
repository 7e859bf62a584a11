"""What another blob has of a new one is copied from it, verified, and found without a search."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList, Scan, anchor, anchors, scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.ledger import Ledger
from photonic.blobs.store import Origin, Partial
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.world import SystemFiles, World
from tests.blobs.samples import jpeg, noise
from tests.blobs.store_contract import pieces

PIXELS = noise(4_000_000, 1)
OLD, NEW = jpeg(noise(9_000, 1), PIXELS), jpeg(noise(12_345, 2), PIXELS)
FOUND = scan_bytes(NEW)


def begin(store: FileStore, data: bytes = NEW) -> Partial:
    found = scan_bytes(data)
    return store.begin(found.ref, found.chunks)


def finish(store: FileStore, data: bytes = NEW) -> None:
    partial = begin(store, data)
    for index in partial.missing():
        partial.write(index, pieces(data, scan_bytes(data))[index])
    partial.finish()
    assert store.read(digest_of(data)) == data


def digest_of(data: bytes) -> BlobId:
    return BlobId(digest(data))


def flip(path: Path, offset: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_what_rotted_in_the_other_blob_is_fetched(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(OLD).ref.blob
    flip(store.path(blob), 2_000_000)
    partial = begin(store)
    assert len(partial.missing()) == 2, "the new metadata, and the chunk that is wrong"
    assert store.has(blob), "that is not this one's business"
    finish(store)


def test_a_blob_that_is_gone_gives_nothing(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    discarded, removed = store.put(OLD).ref.blob, store.put(OLD + b"more").ref.blob
    store.discard(discarded)
    store.path(removed).unlink()
    assert begin(store).missing() == tuple(range(len(FOUND.chunks)))
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as db:
        sources = db.execute("SELECT count(DISTINCT source) FROM anchors").fetchone()
    db.close()
    assert sources == (1,), "whoever is dropped is not looked for again"
    finish(store)


def test_an_older_version_that_differs_in_the_middle_is_found(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    old = noise(6_000_000, 5)
    new = old[:3_000_000] + b"inserted" + old[3_000_000:-10] + b"other end!"
    store.put(old)
    assert begin(store, new).missing_bytes < len(new) / 3
    finish(store, new)


def test_several_blobs_may_each_have_a_part(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    left, right = noise(3_000_000, 6), noise(3_000_000, 7)
    store.put(left)
    store.put(right)
    assert begin(store, left + right).missing_bytes < 2 * limits.CHUNK_BYTES_MAX
    finish(store, left + right)


def test_what_comes_whole_is_not_searched_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore.open(tmp_path, World())
    asked: list[ChunkList] = []

    def kin(_ledger: Ledger, chunks: ChunkList) -> list[BlobId]:
        asked.append(chunks)
        return []

    monkeypatch.setattr(Ledger, "kin", kin)
    for size_bytes in (100, limits.PACKED_BLOB_BYTES_MAX + 1, limits.SMALL_BLOB_BYTES):
        finish(store, noise(size_bytes))
    assert asked == []
    finish(store, noise(limits.SMALL_BLOB_BYTES + 1))
    assert len(asked) == 1


class FullInBetween(SystemFiles):
    """A disk that has room for a few writes, though it said it had for more."""

    writes_left = 1_000

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        if not self.writes_left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes_left -= 1
        super().write_at(path, offset_bytes, data)


def test_a_disk_that_fills_up_while_copying_leaves_the_rest_missing(tmp_path: Path) -> None:
    disk = FullInBetween()
    store = FileStore.open(tmp_path, World(files=disk))
    store.put(OLD)
    disk.writes_left = 2
    partial = begin(store)
    assert len(FOUND.chunks) - len(partial.missing()) == 2
    disk.writes_left = 1_000
    finish(store)


def test_chunks_that_are_copied_outlive_the_process(tmp_path: Path) -> None:
    first = FileStore.open(tmp_path, World())
    blob = first.put(OLD).ref.blob
    begin(first)
    first.discard(blob)
    first.close()
    second = FileStore.open(tmp_path, World())
    resumed = second.resume(FOUND.ref)
    assert resumed is not None
    assert resumed.missing() == (0,)


def lists(count: int = 400) -> st.SearchStrategy[ChunkList]:
    chunks = st.builds(lambda n: Chunk(digest(str(n).encode()), 70_000), st.integers(0, 10_000))
    return st.builds(ChunkList, st.lists(chunks, max_size=count).map(tuple))


@given(lists(), st.binary(max_size=200))
def test_anchors_are_few_chunks_of_the_list(chunks: ChunkList, noisy: bytes) -> None:
    found = anchors(chunks.encoded)
    assert found <= {anchor(chunk.hash) for chunk in chunks.chunks}
    assert len(found) <= limits.ANCHORS_MIN + len(chunks) // limits.CHUNKS_PER_ANCHOR
    if chunks.chunks:
        assert anchor(chunks.chunks[-1].hash) in found
    anchors(noisy)  # what is no list has some or none, and is no error


@given(lists(60), lists(3), lists(3))
def test_a_list_is_found_by_one_with_another_begin(
    tail: ChunkList, head: ChunkList, other: ChunkList
) -> None:
    """New metadata at the front: the two share their last chunk, whatever else they do."""
    if not tail.chunks:
        return
    old = ChunkList((*head.chunks, *tail.chunks))
    new = {anchor(chunk.hash) for chunk in (*other.chunks, *tail.chunks)}
    assert anchors(old.encoded) & new


def test_a_ledger_of_the_version_before_learns_what_it_lacks(tmp_path: Path) -> None:
    """A store of version 1: no packs, no anchors, all blobs in files, which lie a folder deeper."""
    path, found, small = tmp_path / "ledger.sqlite3", scan_bytes(OLD), scan_bytes(b"small")
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE blobs (blob BLOB PRIMARY KEY NOT NULL, size_bytes INTEGER NOT NULL,"
            " chunks_id BLOB NOT NULL, origin TEXT NOT NULL, verified_at_ms INTEGER,"
            " chunks BLOB NOT NULL)"
        )
        for one in (found, small):
            ref = one.ref
            row = (ref.blob, ref.size_bytes, ref.chunks, "local", 1_000, one.chunks.encoded)
            db.execute("INSERT INTO blobs VALUES (?, ?, ?, ?, ?, ?)", row)
        db.execute("PRAGMA user_version = 1")
    db.close()
    for one, data in ((found, OLD), (small, b"small")):
        name = one.ref.blob.hex()
        file = tmp_path / "blobs" / name[:2] / name[2:4] / name
        file.parent.mkdir(parents=True)
        file.write_bytes(data)

    store = FileStore.open(tmp_path, World())
    assert list(store.refs()) == sorted((found.ref, small.ref), key=lambda ref: ref.blob)
    assert not file.parent.exists()
    assert store.read(small.ref.blob) == b"small"
    assert store.path(small.ref.blob).read_bytes() == b"small"
    assert store.verify(small.ref.blob).ref == small.ref
    assert begin(store).missing() == (0,)
    finish(store)
    store.discard(small.ref.blob)
    assert not store.has(small.ref.blob)
    store.close()
    FileStore.open(tmp_path, World()).close()


def test_whoever_shares_most_comes_first(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    chunks = [Chunk(digest(bytes([n])), 100_000) for n in range(200)]
    for first in (0, 100, 190):
        some = ChunkList(tuple(chunks[first:]))
        ref = BlobRef(digest_of(bytes([first])), some.size_bytes, some.id)
        ledger.record([Scan(ref, some)], Origin.LOCAL, 1)
    assert ledger.kin(ChunkList(tuple(chunks)))[0] == digest_of(bytes([0]))
    assert ledger.kin(ChunkList((Chunk(digest(b"other"), 5),))) == []
    ledger.close()

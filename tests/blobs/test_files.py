"""The file store keeps the contract, and its ledger can be lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.store import BlobStore, Origin
from photonic.errors import BlobCorrupt, BlobMissing, FileUnsettled, StoreFull
from photonic.world import Abilities, SystemFiles, World
from tests.blobs.samples import SmallDisk, StepClock, noise, small_world
from tests.blobs.store_contract import BIG, StoreContract, pieces

OPENED: dict[int, SmallDisk] = {}


class TestFileStore(StoreContract):
    def make(self, folder: Path) -> BlobStore:
        world = small_world()
        store = FileStore.open(folder, world)
        assert isinstance(world.files, SmallDisk)
        OPENED[id(store)] = world.files
        return store

    def leave_room(self, store: BlobStore, size_bytes: int) -> None:
        OPENED[id(store)].room_bytes = size_bytes


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_blob_is_one_plain_read_only_file(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    name = blob.hex()
    path = tmp_path / "blobs" / name[:2] / name
    assert store.path(blob) == path
    assert path.read_bytes() == BIG
    assert path.stat().st_mode & 0o777 == 0o444
    assert files_below(tmp_path / "partial") == []


@pytest.mark.parametrize("size_bytes", [900_000, 3_000_000])
def test_a_new_process_takes_over_the_chunks_that_are_right(
    tmp_path: Path, size_bytes: int
) -> None:
    data = noise(size_bytes)
    found = scan_bytes(data)
    first = FileStore.open(tmp_path, World())
    partial = first.begin(found.ref, found.chunks)
    for index, piece in list(enumerate(pieces(data, found)))[:-1]:
        partial.write(index, piece)
    (incoming,) = (p for p in files_below(tmp_path / "partial") if p.suffix == "")
    with incoming.open("r+b") as file:  # what a loss of power does to a page
        file.seek(10)
        file.write(bytes(20))
    first.close()

    second = FileStore.open(tmp_path, World())
    assert second.partials() == (found.ref.blob,)
    again = second.begin(found.ref, found.chunks)
    assert again.missing() == (0, len(found.chunks) - 1)
    for index in again.missing():
        again.write(index, pieces(data, found)[index])
    again.finish()
    assert second.read(found.ref.blob) == data


@pytest.mark.parametrize("size_bytes", [200_000, 3_000_000])
def test_a_complete_partial_needs_no_peer_after_a_restart(tmp_path: Path, size_bytes: int) -> None:
    data = noise(size_bytes)
    found = scan_bytes(data)
    first = FileStore.open(tmp_path, World())
    partial = first.begin(found.ref, found.chunks)
    for index, piece in enumerate(pieces(data, found)):
        partial.write(index, piece)
    first.close()
    second = FileStore.open(tmp_path, World())
    resumed = second.resume(found.ref)
    assert resumed is not None
    assert resumed.missing() == ()
    assert resumed.finish().ref == found.ref


def test_the_ledger_is_made_again_from_the_files(tmp_path: Path) -> None:
    first = FileStore.open(tmp_path, World())
    for seed in range(30):
        first.put(noise(1_000 * seed, seed))
    expected = {ref: first.chunk_list(ref.blob) for ref in first.refs()}
    rotten, lost = sorted(expected, key=lambda ref: ref.size_bytes)[3:5]
    first.path(rotten.blob).chmod(0o600)
    first.path(rotten.blob).write_bytes(b"rot")
    first.path(lost.blob).unlink()
    (tmp_path / "blobs" / "a stranger's file").write_bytes(b"left alone")
    first.close()
    for path in tmp_path.glob("ledger*"):
        path.unlink()

    second = FileStore.open(tmp_path, World())
    assert second.needs_rebuild is True
    assert list(second.refs()) == []
    told: list[int] = []
    assert second.rebuild(told.append) == 28
    assert told[-1] == 28
    assert FileStore.needs_rebuild.__get__(second) is False
    del expected[rotten], expected[lost]
    assert {ref: second.chunk_list(ref.blob) for ref in second.refs()} == expected
    assert all((held := second.held(ref.blob)) and held.origin is Origin.FOUND for ref in expected)
    assert (tmp_path / "damaged" / rotten.blob.hex()).read_bytes() == b"rot"
    assert second.rebuild() == 28


def test_a_ledger_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    first = FileStore.open(tmp_path, World())
    ref = first.put(BIG).ref
    first.close()
    (tmp_path / "ledger.sqlite3").write_bytes(b"this is no database, whatever it was" * 100)
    second = FileStore.open(tmp_path, World())
    assert second.needs_rebuild
    second.rebuild()
    assert list(second.refs()) == [ref]
    assert len(list(tmp_path.glob("ledger.damaged-*"))) == 1


def test_rot_on_disk_is_found_and_put_aside(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    path = store.path(blob)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"rot")
    with pytest.raises(BlobCorrupt):
        store.verify(blob)
    assert not store.has(blob)
    assert not path.exists()
    assert (tmp_path / "damaged" / blob.hex()).exists()
    store.put(BIG)
    assert store.verify(blob).ref.blob == blob


def test_a_file_removed_behind_our_back_is_missing_and_comes_again(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    store.path(blob).unlink()
    with pytest.raises(BlobMissing):
        store.read(blob)
    assert not store.has(blob)
    store.put(BIG)
    assert store.read(blob) == BIG


class Meddling(SystemFiles):
    """Somebody writes to the source while it is copied."""

    def copy(self, source: Path, target: Path) -> None:
        super().copy(source, target)
        with source.open("ab") as file:
            file.write(b"more")


def test_a_file_that_changes_while_it_is_adopted_is_caught(tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(BIG)
    store = FileStore.open(tmp_path / "store", World(files=Meddling()))
    with pytest.raises(FileUnsettled):
        store.adopt(source)
    assert list(store.refs()) == []
    assert files_below(tmp_path / "store" / "partial") == []


class NoSpace(SystemFiles):
    """A disk that says it has room and then has none."""

    full = False

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        if self.full:
            super().write_at(path, offset_bytes, data[:1_000])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_at(path, offset_bytes, data)

    def copy(self, source: Path, target: Path) -> None:
        if self.full:
            target.write_bytes(source.read_bytes()[:1_000])
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        super().copy(source, target)

    def publish_many(self, pairs: object, *, mode: int = 0o444) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().publish_many(pairs, mode=mode)  # type: ignore[arg-type]


def test_a_disk_that_fills_up_in_the_middle_is_survived(tmp_path: Path) -> None:
    disk, found = NoSpace(), scan_bytes(BIG)
    store = FileStore.open(tmp_path / "store", World(files=disk))
    source = tmp_path / "a.jpg"
    source.write_bytes(BIG)
    partial, right = store.begin(found.ref, found.chunks), pieces(BIG, found)
    partial.write(0, right[0])
    disk.full = True
    for ask in (lambda: partial.write(1, right[1]), lambda: store.adopt(source)):
        with pytest.raises(StoreFull):
            ask()
    assert partial.missing() == tuple(range(1, len(right)))
    disk.full = False
    for index, data in enumerate(right):
        partial.write(index, data)
    disk.full = True
    with pytest.raises(StoreFull):
        partial.finish()
    assert not store.has(found.ref.blob)
    assert files_below(tmp_path / "store" / "blobs") == []
    disk.full = False
    assert partial.finish().ref == found.ref
    assert store.read(found.ref.blob) == BIG


def test_the_reserve_of_the_disk_is_not_touched(tmp_path: Path) -> None:
    disk = SmallDisk(room_bytes=5_000)
    store = FileStore.open(tmp_path, World(clock=StepClock(), files=disk))
    with pytest.raises(StoreFull) as caught:
        store.put(noise(5_001))
    assert "5,001" in str(caught.value)
    store.put(noise(5_000))
    assert disk.free_bytes(tmp_path) >= limits.DISK_RESERVE_BYTES


def test_copying_works_where_the_kernel_copies_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    source = tmp_path / "a.jpg"
    source.write_bytes(BIG)
    store = FileStore.open(tmp_path / "store", World())
    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert store.read(store.adopt(source).ref.blob) == BIG


def test_a_ledger_of_a_newer_version_is_not_read(tmp_path: Path) -> None:
    FileStore.open(tmp_path, World()).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert list(FileStore.open(tmp_path, World()).refs()) == []
    assert list(tmp_path.glob("ledger.damaged-*"))


def test_what_the_file_system_can_do_is_tried_once_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []
    link = os.link

    def refuse(*args: object) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def watched(*args: object) -> None:
        tries.append(args)
        link(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", watched)
    store = FileStore.open(tmp_path / "a", World())
    assert store.abilities == store.abilities
    assert store.abilities.hard_links
    assert len(tries) == 1
    assert files_below(tmp_path / "a" / "partial") == []
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr("fcntl.ioctl", refuse)
    poor = FileStore.open(tmp_path / "b", World())
    assert poor.abilities == Abilities(False, False, False)
    assert files_below(tmp_path / "b" / "partial") == []
    source = tmp_path / "a.jpg"
    source.write_bytes(BIG)
    assert poor.read(poor.adopt(source).ref.blob) == BIG


def test_where_blocks_can_be_shared_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that has reflinks is asked for them first; this one only seems to."""

    def share(target: int, _order: int, source: int) -> int:
        os.pwrite(target, os.pread(source, 1 << 30, 0), 0)
        return 0

    monkeypatch.setattr("fcntl.ioctl", share)
    monkeypatch.setattr(os, "copy_file_range", lambda *_args: pytest.fail("not needed"))
    store, source = FileStore.open(tmp_path / "store", World()), tmp_path / "a.jpg"
    source.write_bytes(BIG)
    assert store.read(store.adopt(source).ref.blob) == BIG
    monkeypatch.setattr(os, "copy_file_range", lambda *_args: 8)
    assert store.abilities.shares_blocks

"""What is on its way in has one writer, and what the disk failed to keep never becomes a blob."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList, Scan, scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.ledger import Ledger
from photonic.blobs.partial import FilePartial
from photonic.blobs.store import Held
from photonic.errors import BlobDamaged, BlobMissing, StoreBusy, StoreFull
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.world import SystemFiles, World
from tests.blobs.samples import noise
from tests.blobs.store_contract import BIG, pieces

FOUND, RIGHT = scan_bytes(BIG), pieces(BIG, scan_bytes(BIG))
MANY = len(RIGHT)
WAIT_S = 20.0


def cut_otherwise(blob: BlobId, data: bytes, sizes: Sequence[int]) -> tuple[Scan, list[bytes]]:
    """Return a list that says of a blob that it is these bytes, in chunks of such sizes."""
    ends = list(accumulate(sizes))
    parts = [data[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    chunks = ChunkList(tuple(Chunk(digest(part), len(part)) for part in parts))
    return Scan(BlobRef(blob, len(data), chunks.id), chunks), parts


LIE, LIES = cut_otherwise(FOUND.ref.blob, noise(len(BIG), 77), [600_000] * 5)


def write_all(store: FileStore) -> None:
    partial = store.begin(FOUND.ref, FOUND.chunks)
    for index in partial.missing():
        partial.write(index, RIGHT[index])


def final(folder: Path) -> Path:
    name = FOUND.ref.blob.hex()
    return folder / "blobs" / name[:2] / name


def test_a_blob_that_is_cut_in_two_ways_is_not_written_by_both(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    partial = store.begin(FOUND.ref, FOUND.chunks)
    with pytest.raises(StoreBusy):
        store.begin(LIE.ref, LIE.chunks)
    assert store.begin(FOUND.ref, FOUND.chunks) is partial


def test_a_partial_that_was_dropped_does_not_write_into_the_next_one(tmp_path: Path) -> None:
    """What is stored is hashed when it comes; so a file has to have one writer."""
    store = FileStore.open(tmp_path, World())
    liar = store.begin(LIE.ref, LIE.chunks)
    store.drop_partial(FOUND.ref.blob)
    write_all(store)
    liar.write(2, LIES[2])
    assert store.begin(FOUND.ref, FOUND.chunks).finish().ref == FOUND.ref
    assert final(tmp_path).read_bytes() == BIG


class Slow(SystemFiles):
    """Waits in the middle of a write until it is told to go on."""

    def __init__(self) -> None:
        self.is_in, self.may_go_on, self.is_slow = threading.Event(), threading.Event(), False

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        if self.is_slow:
            self.is_in.set()
            assert self.may_go_on.wait(WAIT_S)
        super().write_at(path, offset_bytes, data)


def test_whoever_drops_a_partial_waits_for_what_is_being_written(tmp_path: Path) -> None:
    disk = Slow()
    store = FileStore.open(tmp_path, World(files=disk))
    liar = store.begin(LIE.ref, LIE.chunks)
    disk.is_slow = True
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(liar.write, 0, LIES[0])
        assert disk.is_in.wait(WAIT_S)
        dropping = pool.submit(store.drop_partial, FOUND.ref.blob)
        with pytest.raises(TimeoutError):
            dropping.result(0.05)
        disk.may_go_on.set()
        writing.result(WAIT_S)
        dropping.result(WAIT_S)
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_partial_is_not_dropped_while_a_thread_begins_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would think that it has the chunks of a file that is gone."""
    store = FileStore.open(tmp_path, World())
    store.begin(FOUND.ref, FOUND.chunks).write(0, RIGHT[0])
    store.close()
    store, real = FileStore.open(tmp_path, World()), FilePartial.reopen
    has_looked, may_go_on = threading.Event(), threading.Event()

    def reopen(self: FilePartial) -> None:
        real(self)
        has_looked.set()
        assert may_go_on.wait(WAIT_S)

    monkeypatch.setattr(FilePartial, "reopen", reopen)
    with ThreadPoolExecutor(3) as pool:
        beginning = pool.submit(store.begin, FOUND.ref, FOUND.chunks)
        assert has_looked.wait(WAIT_S)
        again = pool.submit(store.begin, FOUND.ref, FOUND.chunks)
        dropping = pool.submit(store.drop_partial, FOUND.ref.blob)
        with pytest.raises(TimeoutError):
            dropping.result(0.05)
        may_go_on.set()
        partial = beginning.result(WAIT_S)
        dropping.result(WAIT_S)
        again.result(WAIT_S)
    for index in range(1, MANY):
        partial.write(index, RIGHT[index])
    with pytest.raises(BlobMissing):
        partial.finish()
    assert not final(tmp_path).exists()


@pytest.mark.parametrize("data", [BIG, BIG[:20_000]], ids=["a file", "packed"])
def test_a_partial_of_a_held_blob_is_not_the_one_that_comes_when_it_is_dropped(
    tmp_path: Path, data: bytes
) -> None:
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    found = scan_bytes(data)
    carrier.put(data)
    done = carrier.begin(found.ref, found.chunks)
    owner.discard(found.ref.blob)
    if len(data) > limits.PACKED_BLOB_BYTES_MAX:
        owner.begin(found.ref, found.chunks).write(0, pieces(data, found)[0])
        with pytest.raises(BlobMissing):
            done.finish()
        assert not carrier.has(found.ref.blob)
        assert not final(tmp_path).exists(), "the other one's unfinished file"
    else:
        done.finish()
        assert carrier.read(found.ref.blob) == data


def test_a_dropped_small_blob_does_not_come_back(tmp_path: Path) -> None:
    store, found = FileStore.open(tmp_path, World()), scan_bytes(b"a sidecar")
    partial = store.begin(found.ref, found.chunks)
    partial.write(0, b"a sidecar")
    store.drop_partial(found.ref.blob)
    with pytest.raises(BlobMissing):
        partial.finish()
    assert not store.has(found.ref.blob)


class Forgetful(SystemFiles):
    """A disk that fails to write once, says so once, and has zeros there from then on."""

    def __init__(self) -> None:
        self.fails = False

    def _forget(self, path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(FOUND.chunks.offsets[1])
            file.write(bytes(FOUND.chunks.chunks[1].size_bytes))
        self.fails = False
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def sync(self, path: Path) -> None:
        if self.fails:
            self._forget(path)
        super().sync(path)

    def publish_many(self, pairs: Sequence[tuple[Path, Path]], *, mode: int = 0o444) -> None:
        if self.fails:
            self._forget(pairs[0][0])
        super().publish_many(pairs, mode=mode)


def test_an_fsync_that_failed_is_not_forgotten_by_the_next_one(tmp_path: Path) -> None:
    disk = Forgetful()
    store = FileStore.open(tmp_path, World(files=disk))
    write_all(store)
    partial, disk.fails = store.begin(FOUND.ref, FOUND.chunks), True
    with pytest.raises(OSError, match="Input/output"):
        partial.finish()
    with pytest.raises(BlobDamaged):
        partial.finish()
    assert not final(tmp_path).exists()
    again = store.begin(FOUND.ref, FOUND.chunks)
    assert again.missing() == (1,), "what the disk lost, and no more, comes again"
    again.write(1, RIGHT[1])
    assert again.finish().ref == FOUND.ref
    assert final(tmp_path).read_bytes() == BIG


def test_an_fsync_that_failed_before_a_note_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PARTIAL_NOTE_BYTES", sum(map(len, RIGHT[:3])))
    disk = Forgetful()
    store = FileStore.open(tmp_path, World(files=disk))
    partial, disk.fails = store.begin(FOUND.ref, FOUND.chunks), True
    partial.write(0, RIGHT[0])
    partial.write(1, RIGHT[1])
    with pytest.raises(OSError, match="Input/output"):
        partial.write(2, RIGHT[2])
    for index in range(3, MANY):
        partial.write(index, RIGHT[index])
    with pytest.raises(BlobDamaged):
        partial.finish()
    assert store.begin(FOUND.ref, FOUND.chunks).missing() == (1,)


class HalfFull(SystemFiles):
    """A disk on which the last step of a batch fails: some have their final names then."""

    is_full, count = False, 1

    def publish_many(self, pairs: Sequence[tuple[Path, Path]], *, mode: int = 0o444) -> None:
        if not self.is_full:
            return super().publish_many(pairs, mode=mode)
        super().publish_many(pairs[: self.count], mode=mode)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_got_its_name_before_a_batch_failed_is_not_fetched_again(tmp_path: Path) -> None:
    disk = HalfFull()
    store = FileStore.open(tmp_path, World(files=disk))
    datas = sorted((noise(200_000, seed) for seed in range(3)), key=digest)
    founds = [scan_bytes(data) for data in datas]
    begun = [store.begin(found.ref, found.chunks) for found in founds]
    for partial, found, data in zip(begun, founds, datas, strict=True):
        for index, piece in enumerate(pieces(data, found)):
            partial.write(index, piece)
    disk.is_full = True
    assert all(isinstance(result, StoreFull) for result in store.finish_many(begun))
    assert not any(store.has(found.ref.blob) for found in founds)
    disk.is_full = False
    again = [store.begin(found.ref, found.chunks) for found in founds]
    assert [partial.missing_bytes for partial in again] == [0, 0, 0]
    assert all(isinstance(result, Held) for result in store.finish_many(again))
    assert [store.read(found.ref.blob) for found in founds] == datas
    assert store.partials() == ()


def test_a_blob_that_came_in_two_ways_is_not_lost_with_the_one_that_fails(tmp_path: Path) -> None:
    disk, data = HalfFull(), noise(200_000)
    store, found = FileStore.open(tmp_path, World(files=disk)), scan_bytes(data)
    whole = store.receive(found.ref, found.chunks, data)
    partial = store.begin(found.ref, found.chunks)
    for index, piece in enumerate(pieces(data, found)):
        partial.write(index, piece)
    disk.is_full, disk.count = True, 0
    assert all(isinstance(result, StoreFull) for result in store.finish_many([whole, partial]))
    disk.is_full = False
    assert partial.finish().ref == found.ref
    both = [store.receive(found.ref, found.chunks, data), store.begin(found.ref, found.chunks)]
    store.discard(found.ref.blob)
    again = [store.receive(found.ref, found.chunks, data), store.begin(found.ref, found.chunks)]
    again[1].write(0, pieces(data, found)[0])
    assert all(isinstance(one, Held) for one in store.finish_many(again))
    assert all(isinstance(one, Held) for one in store.finish_many(both))
    assert store.read(found.ref.blob) == data
    assert store.partials() == ()
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_copy_that_cannot_be_held_takes_no_room(tmp_path: Path) -> None:
    disk = HalfFull()
    store = FileStore.open(tmp_path / "store", World(files=disk))
    staged = []
    for seed in range(3):
        source = tmp_path / str(seed)
        source.write_bytes(noise(200_000, seed))
        staged.append(store.stage(source))
    disk.is_full = True
    assert all(isinstance(result, StoreFull) for result in store.finish_many(staged))
    assert list((tmp_path / "store" / "partial").iterdir()) == []
    disk.is_full = False
    assert [store.adopt(tmp_path / str(seed)).ref for seed in range(3)] == [p.ref for p in staged]


def test_a_final_name_that_nobody_vouches_for_is_looked_at(tmp_path: Path) -> None:
    """For instance when the ledger was lost, and is being made again."""
    store = FileStore.open(tmp_path, World())
    final(tmp_path).parent.mkdir(parents=True)
    final(tmp_path).write_bytes(BIG[:-5] + b"wrong")
    partial = store.begin(FOUND.ref, FOUND.chunks)
    assert partial.missing() == (MANY - 1,), "what is right of it is taken over"
    assert not final(tmp_path).exists()
    partial.write(MANY - 1, RIGHT[-1])
    assert partial.finish().ref == FOUND.ref
    store._ledger.forget(FOUND.ref.blob)
    assert store.begin(FOUND.ref, FOUND.chunks).missing() == ()
    assert store.has(FOUND.ref.blob)


def test_a_blob_that_a_crash_left_half_dropped_is_not_a_lost_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore.open(tmp_path, World())
    for data in (BIG, noise(200_000, 1)):
        store.put(data)
    other = BlobId(digest(noise(200_000, 1)))
    for where, name, blob in ((SystemFiles, "remove", FOUND.ref.blob), (Ledger, "forget", other)):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, stop)
            with pytest.raises(KeyboardInterrupt):
                store.discard(blob)
        assert not store.has(blob)
    store.close()
    store = FileStore.open(tmp_path, World())
    assert list(store.refs()) == []
    assert store.damaged() == ()
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def stop(*_: object) -> None:
    raise KeyboardInterrupt

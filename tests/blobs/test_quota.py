"""A store that may use only so much of the disk: it never uses more, and says when it is full."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.quota import folder_bytes, plain_bytes
from photonic.errors import StoreFull
from photonic.ids import BlobId
from photonic.world import SystemClock, World

QUOTA = 2_000_000


def used_bytes(root: Path) -> int:
    """What is really there of photos, by the disk."""
    folders = ("blobs", "packs", "partial", "damaged")
    files = [path for name in folders for path in (root / name).rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def test_what_is_there_is_counted_wherever_it_lies(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World(), QUOTA)
    store.put(os.urandom(1_000))  # packed
    store.put(os.urandom(300_000))
    found = scan_bytes(os.urandom(400_000))
    store.begin(found.ref, found.chunks)
    shelf = store._shelf
    assert folder_bytes(tmp_path) + plain_bytes(shelf.ledger) == pytest.approx(
        used_bytes(tmp_path), abs=8_192
    )
    store.close()


@pytest.mark.parametrize("size_bytes", [1_000, 30_000, 70_000, 300_000])
def test_taking_in_ends_at_the_quota_and_goes_on_when_there_is_room(
    tmp_path: Path, size_bytes: int
) -> None:
    store = FileStore.open(tmp_path, World(), QUOTA)
    held: list[BlobId] = []

    def fill() -> None:
        while True:
            held.append(store.put(os.urandom(size_bytes)).ref.blob)

    with pytest.raises(StoreFull) as full:
        fill()
    assert QUOTA - 2 * size_bytes - 200_000 < used_bytes(tmp_path) <= QUOTA
    assert f"{QUOTA:,}" in full.value.message and "quota_bytes" in full.value.fix
    with pytest.raises(StoreFull):
        store.put(os.urandom(size_bytes))
    for blob in held[:-1]:
        store.discard(blob)
    if size_bytes <= limits.PACKED_BLOB_BYTES_MAX:  # the pack that grows is compacted at a start
        store.close()
        store = FileStore.open(tmp_path, World(), QUOTA)
    store.put(os.urandom(size_bytes))
    assert used_bytes(tmp_path) <= QUOTA
    store.close()


def test_files_that_are_adopted_at_one_time_do_not_go_beyond_it_together(tmp_path: Path) -> None:
    folder, root = tmp_path / "card", tmp_path / "store"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.raw").write_bytes(os.urandom(300_000))
    store = FileStore.open(root, World(), QUOTA)
    refused: list[StoreFull] = []

    def adopt(path: Path) -> None:
        try:
            store.adopt(path)
        except StoreFull as error:
            refused.append(error)

    threads = [threading.Thread(target=adopt, args=(path,)) for path in folder.iterdir()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused
    assert used_bytes(root) <= QUOTA
    store.close()


class SlowClock(SystemClock):
    """A clock by which counting takes long, so that it is not repeated soon."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def monotonic_s(self) -> float:
        self._now_s += 1.0
        return self._now_s


def test_what_a_pack_adds_to_its_blobs_counts_between_two_counts(tmp_path: Path) -> None:
    """Where counting is rare, so that the last thousand small blobs are known by their sum."""
    store = FileStore.open(tmp_path, World(clock=SlowClock()), 300_000)

    def fill() -> None:
        while True:
            store.put(os.urandom(100))

    with pytest.raises(StoreFull):
        fill()
    assert used_bytes(tmp_path) <= 300_000
    store.close()


def test_what_was_written_since_the_last_count_counts(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path / "store", World(clock=SlowClock()), QUOTA)

    def fill() -> None:
        for number in range(12):
            path = tmp_path / f"{number}.raw"
            path.write_bytes(os.urandom(300_000))
            store.adopt(path)

    with pytest.raises(StoreFull):
        fill()
    assert used_bytes(tmp_path / "store") <= QUOTA
    store.close()


def test_what_was_begun_has_its_room(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World(), QUOTA)
    data = os.urandom(1_500_000)
    found = scan_bytes(data)
    partial = store.begin(found.ref, found.chunks)
    with pytest.raises(StoreFull):
        store.put(os.urandom(800_000))  # there is room, but it is promised
    for index, offset in enumerate(found.chunks.offsets[:-1]):
        partial.write(index, data[offset : found.chunks.offsets[index + 1]])
    partial.finish()
    assert used_bytes(tmp_path) <= QUOTA
    store.close()


def test_two_processes_see_what_the_other_stored(tmp_path: Path) -> None:
    owner = FileStore.open(tmp_path, World(), QUOTA)
    carrier = FileStore.attach(tmp_path, World(), QUOTA)

    def fill() -> None:
        while True:
            owner.put(os.urandom(100_000))
            carrier.put(os.urandom(100_000))

    with pytest.raises(StoreFull):
        fill()
    # Each may have been let write, by a count that lacked the last that the other wrote.
    assert used_bytes(tmp_path) <= QUOTA + 100_000
    with pytest.raises(StoreFull):
        carrier.check_room(200_000)
    owner.close()
    carrier.close()


@given(sizes=st.lists(st.integers(1, 900_000), max_size=12), seed=st.integers(0, 1_000))
def test_it_never_holds_more_whatever_comes(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    root = tmp_path_factory.mktemp("store")
    store = FileStore.open(root, World(), QUOTA)
    blobs = []
    for number, size_bytes in enumerate(sizes):
        try:
            blobs.append(store.put(os.urandom(size_bytes)).ref.blob)
        except StoreFull:
            if blobs:
                store.discard(blobs.pop((seed + number) % len(blobs)))
        assert used_bytes(root) <= QUOTA
    store.close()


def test_without_a_quota_nothing_is_counted(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    store.put(os.urandom(300_000))
    assert store.quota.left_bytes() is None
    store.close()
    assert limits.QUOTA_BYTES_MIN > limits.FETCH_WINDOW_BYTES, "else a full one never goes on"

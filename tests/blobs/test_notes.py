"""What is noted of a partial is not read when it is reopened, and not believed in the end."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.notes import decode, encode
from photonic.blobs.partial import FilePartial
from photonic.blobs.store import Partial
from photonic.errors import BlobDamaged
from photonic.world import SystemFiles, World
from tests.blobs.samples import noise
from tests.blobs.store_contract import BIG, pieces

FOUND, RIGHT = scan_bytes(BIG), pieces(BIG, scan_bytes(BIG))
MANY = len(RIGHT)


@pytest.fixture(autouse=True)
def noting_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PARTIAL_NOTE_BYTES", 1_000_000)


class Recorded(SystemFiles):
    """Tells in which order a partial and its note became durable."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.has_room = True

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        self.steps.append("write")
        super().write_at(path, offset_bytes, data)

    def sync(self, path: Path) -> None:
        self.steps.append("sync")
        super().sync(path)

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        if path.suffix == ".have":
            self.steps.append("note")
            if not self.has_room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_durable(path, data, mode=mode)


def write(partial: Partial, indices: range) -> None:
    for index in indices:
        partial.write(index, RIGHT[index])


def left_by_a_kill(folder: Path, count: int) -> Path:
    """Leave a partial with so many chunks; return its file."""
    store = FileStore.open(folder, World())
    write(store.begin(FOUND.ref, FOUND.chunks), range(count))
    store.close()
    return folder / "partial" / FOUND.ref.blob.hex()


def rot(path: Path, index: int) -> None:
    with path.open("r+b") as file:
        file.seek(FOUND.chunks.offsets[index] + 5)
        file.write(b"rot")


def noted(path: Path) -> frozenset[int]:
    note = path.with_name(f"{path.name}.have").read_bytes()
    return decode(note, FOUND.chunks, path.stat().st_ino)


def test_what_is_noted_was_durable_before(tmp_path: Path) -> None:
    disk = Recorded()
    store = FileStore.open(tmp_path, World(files=disk))
    write(store.begin(FOUND.ref, FOUND.chunks), range(MANY))
    said = "".join(step[0] for step in disk.steps)
    assert "sn" in said, "there was a note"
    assert said.count("n") == said.count("sn"), "each right after the partial was synced"
    assert said.count("n") <= len(BIG) / 1_000_000 + 1
    path = tmp_path / "partial" / FOUND.ref.blob.hex()
    assert noted(path) == set(range(max(noted(path)) + 1))


def test_noted_chunks_are_not_read_when_a_partial_is_reopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left_by_a_kill(tmp_path, MANY - 1)
    believed = noted(path)
    assert 0 < len(believed) < MANY - 1
    looked_at: list[int] = []
    take = FilePartial._take

    def watched(self: FilePartial, index: int, data: bytes | memoryview) -> None:
        looked_at.append(index)
        take(self, index, data)

    monkeypatch.setattr(FilePartial, "_take", watched)
    store = FileStore.open(tmp_path, World())
    partial = store.resume(FOUND.ref)
    assert partial is not None
    assert partial.missing() == (MANY - 1,)
    assert partial.missing_bytes == len(RIGHT[-1])
    assert set(looked_at) == set(range(MANY - 1)) - believed
    write(partial, range(MANY - 1, MANY))
    partial.finish()
    assert store.read(FOUND.ref.blob) == BIG
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_chunk_that_is_not_noted_is_verified(tmp_path: Path) -> None:
    path = left_by_a_kill(tmp_path, MANY - 1)
    wrong = max(noted(path)) + 1
    rot(path, wrong)
    partial = FileStore.open(tmp_path, World()).resume(FOUND.ref)
    assert partial is not None
    assert partial.missing() == (wrong, MANY - 1)


def test_a_note_that_is_wrong_never_makes_a_blob(tmp_path: Path) -> None:
    path = left_by_a_kill(tmp_path, MANY)
    assert 1 in noted(path)
    rot(path, 1)
    store = FileStore.open(tmp_path, World())
    partial = store.resume(FOUND.ref)
    assert partial is not None
    assert partial.missing() == ()
    (result,) = store.finish_many([partial])
    assert isinstance(result, BlobDamaged)
    assert not store.has(FOUND.ref.blob)
    assert list((tmp_path / "blobs").rglob("*")) == []
    again = store.begin(FOUND.ref, FOUND.chunks)
    assert again.missing() == (1,), "only what is wrong is fetched again"
    again.write(1, RIGHT[1])
    assert again.finish().ref == FOUND.ref
    assert store.read(FOUND.ref.blob) == BIG


def test_a_note_of_another_file_is_not_believed(tmp_path: Path) -> None:
    path = left_by_a_kill(tmp_path, MANY)
    shutil.copy(path, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    rot(path, 1)
    partial = FileStore.open(tmp_path, World()).resume(FOUND.ref)
    assert partial is not None
    assert partial.missing() == (1,)


def test_a_note_of_more_than_there_is_is_not_believed(tmp_path: Path) -> None:
    path = left_by_a_kill(tmp_path, MANY)
    os.truncate(path, FOUND.chunks.offsets[max(noted(path))])
    partial = FileStore.open(tmp_path, World()).resume(FOUND.ref)
    assert partial is not None
    assert partial.missing() == tuple(range(max(noted(path)), MANY))


def test_a_dropped_partial_leaves_no_note(tmp_path: Path) -> None:
    left_by_a_kill(tmp_path, MANY)
    store = FileStore.open(tmp_path, World())
    store.drop_partial(FOUND.ref.blob)
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_disk_without_room_for_a_note_takes_the_chunks_all_the_same(tmp_path: Path) -> None:
    disk = Recorded()
    store = FileStore.open(tmp_path, World(files=disk))
    disk.has_room = False
    partial = store.begin(FOUND.ref, FOUND.chunks)
    write(partial, range(MANY))
    assert "note" in disk.steps
    assert partial.finish().ref == FOUND.ref


@given(st.sets(st.integers(0, MANY - 1)), st.integers(0, 2**63), st.data())
def test_a_note_says_what_was_noted_and_nothing_once_it_is_damaged(
    stored: set[int], inode: int, data: st.DataObject
) -> None:
    note = encode(FOUND.chunks, inode, stored)
    assert decode(note, FOUND.chunks, inode) == stored
    assert decode(note, FOUND.chunks, inode + 1) == frozenset()
    assert decode(note, scan_bytes(noise(len(BIG), 5)).chunks, inode) == frozenset()
    at = data.draw(st.integers(0, len(note) - 1))
    damaged = note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :]
    for wrong in (damaged, note[:at], note + b"\0", data.draw(st.binary(max_size=200))):
        assert decode(wrong, FOUND.chunks, inode) == frozenset()

"""Chunks are cut the same way whatever the way of reading, and lists are canonical."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs import chunks as chunking
from photonic.blobs.chunks import Chunk, ChunkList, Scan, scan, scan_bytes
from photonic.errors import FileUnsettled, FrameInvalid
from photonic.ids import HASH_BYTES, digest
from tests.blobs.samples import jpeg, noise, segment

hashes = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)
sizes = st.integers(1, limits.BIG_CHUNK_BYTES_MAX)
lists = st.lists(st.builds(Chunk, hashes, sizes), max_size=20).map(lambda c: ChunkList(tuple(c)))


def check(found: Scan, data: bytes) -> None:
    """Assert that a scan names exactly these bytes."""
    offsets = found.chunks.offsets
    assert found.ref.blob == digest(data)
    assert found.ref.size_bytes == found.chunks.size_bytes == offsets[-1] == len(data)
    assert found.ref.chunks == found.chunks.id
    for chunk, start in zip(found.chunks.chunks, offsets, strict=False):
        assert chunk.hash == digest(data[start : start + chunk.size_bytes])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3_000_000), st.integers(0, 1_000), st.booleans())
def test_a_scan_names_the_bytes(size_bytes: int, seed: int, is_flat: bool) -> None:
    data = bytes(size_bytes) if is_flat else noise(size_bytes, seed)
    found = scan_bytes(data)
    check(found, data)
    assert all(c.size_bytes <= limits.CHUNK_BYTES_MAX for c in found.chunks.chunks)
    assert all(c.size_bytes >= limits.CHUNK_BYTES_MIN for c in found.chunks.chunks[:-1])


@pytest.mark.parametrize("size_bytes", [0, 1, 5_000_000, limits.BIG_BLOB_BYTES + 3_000_000])
def test_a_file_is_cut_like_the_same_bytes_in_memory(tmp_path: Path, size_bytes: int) -> None:
    data = noise(size_bytes)
    path = tmp_path / "blob"
    path.write_bytes(data)
    assert scan(path) == scan_bytes(data)
    check(scan(path), data)


def test_a_big_blob_is_cut_into_bigger_chunks() -> None:
    found = scan_bytes(noise(limits.BIG_BLOB_BYTES + 8_000_000))
    average = found.ref.size_bytes / len(found.chunks)
    assert 2 * limits.CHUNK_BYTES_AVG < average < limits.BIG_CHUNK_BYTES_MAX
    assert all(c.size_bytes <= limits.BIG_CHUNK_BYTES_MAX for c in found.chunks.chunks)


def test_cuts_do_not_depend_on_how_much_a_read_returns() -> None:
    class Dribble:
        """A file that never gives more than a few bytes at a time."""

        def __init__(self) -> None:
            self.at = 0

        def seek(self, offset: int) -> int:
            self.at = offset
            return offset

        def read(self, size: int) -> bytes:
            part = data[self.at : self.at + min(size, 7_777)]
            self.at += len(part)
            return part

    data = jpeg(noise(50_000), noise(2_000_000, 1))
    assert chunking._scan(Dribble(), len(data)) == scan_bytes(data)  # type: ignore[arg-type]


@given(st.binary(max_size=3_000), st.binary(max_size=3_000))
def test_pixels_keep_their_chunks_when_metadata_is_rewritten(old: bytes, new: bytes) -> None:
    pixels = noise(1_200_000)
    before, after = (scan_bytes(jpeg(metadata, pixels)) for metadata in (old, new))
    assert after.chunks.chunks[1:] == before.chunks.chunks[1:]
    assert len(after.chunks) > 3
    assert after.chunks.chunks[0].size_bytes == len(jpeg(new, b"")) - len(segment(0xDA, bytes(12)))


@given(st.binary(max_size=400))
def test_anything_that_begins_like_a_jpeg_can_be_cut(tail: bytes) -> None:
    data = b"\xff\xd8" + tail
    check(scan_bytes(data), data)


def test_fill_bytes_and_markers_without_length_are_walked_over() -> None:
    head = b"\xff\xd8" + b"\xff\x01" + b"\xff\xff\xff" + segment(0xE0, b"x")[1:]
    data = head + segment(0xDA, bytes(10)) + noise(1_000)
    assert scan_bytes(data).chunks.chunks[0].size_bytes == len(head)


def test_a_file_that_grows_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "blob"
    path.write_bytes(noise(100_000))
    real = chunking.start_of_scan

    def grow(file: object, size_bytes: int) -> int | None:
        with path.open("ab") as more:
            more.write(b"more")
        return real(file, size_bytes)  # type: ignore[arg-type]

    monkeypatch.setattr(chunking, "start_of_scan", grow)
    with pytest.raises(FileUnsettled):
        scan(path)


def test_a_file_that_shrinks_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "blob"
    path.write_bytes(noise(100_000))
    real = chunking.start_of_scan

    def shrink(file: object, size_bytes: int) -> int | None:
        path.write_bytes(b"less")
        return real(file, size_bytes)  # type: ignore[arg-type]

    monkeypatch.setattr(chunking, "start_of_scan", shrink)
    with pytest.raises(FileUnsettled):
        scan(path)


@given(lists)
def test_a_list_survives_its_encoding(some: ChunkList) -> None:
    again = ChunkList.decode(some.encoded)
    assert again == some
    assert again.id == digest(some.encoded)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: b"PCL1" + b))
def test_foreign_bytes_are_a_canonical_list_or_refused(data: bytes) -> None:
    try:
        found = ChunkList.decode(data)
    except FrameInvalid:
        return
    assert found.encoded == data
    assert all(0 < c.size_bytes <= limits.BIG_CHUNK_BYTES_MAX for c in found.chunks)


@given(lists, st.data())
def test_a_damaged_list_is_another_list_or_refused(some: ChunkList, data: st.DataObject) -> None:
    raw = bytearray(some.encoded)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = ChunkList.decode(bytes(raw))
    except FrameInvalid:
        return
    assert found.id != some.id


def test_a_list_is_bounded() -> None:
    entry = Chunk(bytes(HASH_BYTES), 1)
    most = ChunkList((entry,) * limits.CHUNKS_PER_BLOB_MAX)
    assert len(most.encoded) <= limits.CHUNK_LIST_BYTES_MAX
    assert len(ChunkList.decode(most.encoded)) == limits.CHUNKS_PER_BLOB_MAX
    with pytest.raises(FrameInvalid):
        ChunkList.decode(most.encoded + most.encoded[-limits.CHUNK_LIST_ENTRY_BYTES :])

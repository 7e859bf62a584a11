"""What every blob store promises. A test module subclasses it for one implementation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList, Scan, scan_bytes
from photonic.blobs.store import BlobStore, Held, Origin, Partial
from photonic.errors import BlobCorrupt, BlobMissing, StoreFull
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from tests.blobs.samples import jpeg, noise

BIG = noise(3_000_000)
ABSENT = BlobId(digest(b"nobody has this"))


def pieces(data: bytes, found: Scan) -> list[bytes]:
    return [data[a:b] for a, b in pairwise(found.chunks.offsets)]


class StoreContract:
    """Subclass it, define the two methods."""

    def make(self, folder: Path) -> BlobStore:
        raise NotImplementedError

    def leave_room(self, store: BlobStore, size_bytes: int) -> None:
        raise NotImplementedError

    def test_what_is_put_can_be_read(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        held = store.put(BIG)
        blob = held.ref.blob
        assert blob == digest(BIG)
        assert held.origin is Origin.LOCAL
        assert store.has(blob)
        assert store.held(blob) == held
        assert store.size(blob) == len(BIG)
        assert store.read(blob) == BIG
        assert store.read(blob, 1_000, 10) == BIG[1_000:1_010]
        assert store.read(blob, len(BIG) - 3, 10) == BIG[-3:]
        with store.reader(blob) as file:
            file.seek(77)
            assert file.read(5) == BIG[77:82]
        assert store.chunk_list(blob) == scan_bytes(BIG).chunks
        assert store.chunk_list(blob).id == held.ref.chunks

    def test_what_is_not_held_is_missing(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        assert not store.has(ABSENT)
        assert store.held(ABSENT) is None
        for ask in (store.size, store.read, store.reader, store.chunk_list, store.verify):
            with pytest.raises(BlobMissing):
                ask(ABSENT)
        assert store.resume(BlobRef(ABSENT, 3, ABSENT)) is None
        assert store.resume(BlobRef(ABSENT, 3_000_000, ABSENT)) is None

    def test_putting_again_changes_nothing(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        assert store.put(b"once") == store.put(b"once")
        assert len(list(store.refs())) == 1

    def test_an_empty_blob_is_a_blob(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        ref = store.put(b"").ref
        assert store.read(ref.blob) == b""
        assert len(store.chunk_list(ref.blob)) == 0

    def test_an_empty_blob_can_be_received(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(b"")
        assert store.begin(found.ref, found.chunks).finish().ref == found.ref
        assert store.read(found.ref.blob) == b""

    def test_refs_are_sorted_and_can_be_continued(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        put = sorted((store.put(noise(100, seed)).ref for seed in range(20)), key=lambda r: r.blob)
        assert list(store.refs()) == put
        assert list(store.refs(after=put[7].blob)) == put[8:]

    def test_a_file_is_adopted_and_left_alone(self, tmp_path: Path) -> None:
        source = tmp_path / "a.jpg"
        source.write_bytes(BIG)
        store = self.make(tmp_path / "store")
        held = store.adopt(source)
        assert store.adopt(source) == held
        assert store.read(held.ref.blob) == source.read_bytes() == BIG
        with pytest.raises(FileNotFoundError):
            store.adopt(tmp_path / "absent.jpg")
        assert store.partials() == ()

    def test_files_are_staged_and_finished_together(self, tmp_path: Path) -> None:
        store = self.make(tmp_path / "store")
        staged: list[Partial] = []
        for number in (0, 1, 2, 1):
            source = tmp_path / f"{len(staged)}.jpg"
            source.write_bytes(noise(200_000, number))
            staged.append(store.stage(source))
        assert not any(store.has(partial.ref.blob) for partial in staged)
        results = store.finish_many(staged)
        assert [r.ref for r in results if isinstance(r, Held)] == [p.ref for p in staged]
        assert len(list(store.refs())) == 3
        assert store.finish_many(staged) == results

    def test_chunks_arrive_in_any_order(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        partial = store.begin(found.ref, found.chunks)
        assert partial.missing() == tuple(range(len(found.chunks)))
        for index, data in reversed(list(enumerate(pieces(BIG, found)))):
            partial.write(index, data)
            partial.write(index, data)
            assert index not in partial.missing()
        assert not store.has(found.ref.blob)
        held = partial.finish()
        assert held == store.held(found.ref.blob) == partial.finish()
        assert held.origin is Origin.RECEIVED
        assert store.read(found.ref.blob) == BIG
        assert store.partials() == ()

    def test_chunks_may_come_from_several_threads(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        partial = store.begin(found.ref, found.chunks)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(partial.write, range(len(found.chunks)), pieces(BIG, found)))
            assert set(pool.map(lambda _: partial.finish().ref, range(4))) == {found.ref}
        assert store.read(found.ref.blob) == BIG

    def test_chunks_that_another_blob_has_are_not_fetched(self, tmp_path: Path) -> None:
        store, pixels = self.make(tmp_path), noise(3_000_000, 9)
        store.put(jpeg(noise(20_000, 1), pixels))
        data = jpeg(noise(25_000, 2), pixels)
        found = scan_bytes(data)
        partial = store.begin(found.ref, found.chunks)
        assert partial.missing() == (0,)
        assert partial.missing_bytes < 0.03 * len(data)
        partial.write(0, pieces(data, found)[0])
        assert partial.finish().ref == found.ref
        assert store.read(found.ref.blob) == data

    def test_bytes_that_repeat_are_fetched_once(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        held, data = noise(1_500_000, 1), noise(1_500_000, 1) + noise(70_000, 2)
        store.put(held)
        cut = [Chunk(digest(p), len(p)) for p in pieces(held, scan_bytes(held))]
        twice = held + held
        chunks = ChunkList((*cut, *cut))
        ref = BlobRef(BlobId(digest(twice)), len(twice), chunks.id)
        assert store.begin(ref, chunks).finish().ref == ref
        assert store.read(ref.blob) == twice
        longer = scan_bytes(data)
        assert 0 < store.begin(longer.ref, longer.chunks).missing_bytes < len(data) / 2

    @pytest.mark.parametrize("size_bytes", [0, 1, 40_000, limits.PACKED_BLOB_BYTES_MAX])
    def test_a_small_blob_is_kept_as_any_other(self, tmp_path: Path, size_bytes: int) -> None:
        store, data = self.make(tmp_path), noise(size_bytes, 3)
        found = scan_bytes(data)
        partial = store.begin(found.ref, found.chunks)
        assert partial.missing_bytes == size_bytes
        if size_bytes:
            with pytest.raises(ValueError, match="missing"):
                partial.finish()
            with pytest.raises(BlobCorrupt):
                partial.write(0, data[1:] + b"!")
            assert store.partials() == (found.ref.blob,)
            store.drop_partial(found.ref.blob)
            assert store.partials() == ()
            partial = store.begin(found.ref, found.chunks)
        for index, piece in enumerate(pieces(data, found)):
            partial.write(index, piece)
        held = partial.finish()
        assert held == store.held(found.ref.blob) == partial.finish() == store.put(data)
        assert store.read(found.ref.blob) == data
        assert store.read(found.ref.blob, 10, 5) == data[10:15]
        assert store.chunk_list(found.ref.blob) == found.chunks
        assert store.verify(found.ref.blob).ref == found.ref
        assert list(store.refs()) == [found.ref]

    def test_small_blobs_are_finished_with_big_ones(self, tmp_path: Path) -> None:
        store = self.make(tmp_path / "store")
        datas = [noise(size, 4) for size in (10, 60_000, 200_000, 2_000_000)]
        begun = []
        for data in datas:
            found = scan_bytes(data)
            partial = store.begin(found.ref, found.chunks)
            for index, piece in enumerate(pieces(data, found)):
                partial.write(index, piece)
            begun.append(partial)
        results = store.finish_many(begun)
        assert [r.ref for r in results if isinstance(r, Held)] == [p.ref for p in begun]
        assert [store.read(partial.ref.blob) for partial in begun] == datas
        assert store.partials() == ()

    def test_a_wrong_chunk_is_refused_and_stays_missing(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        partial, right = store.begin(found.ref, found.chunks), pieces(BIG, found)
        for index, data in ((0, right[1]), (0, right[0][:-1]), (0, b""), (99, right[0])):
            with pytest.raises(BlobCorrupt):
                partial.write(index, data)
        flipped = bytearray(right[2])
        flipped[17] ^= 1
        with pytest.raises(BlobCorrupt):
            partial.write(2, bytes(flipped))
        assert partial.missing() == tuple(range(len(found.chunks)))
        with pytest.raises(ValueError, match="missing"):
            partial.finish()

    def test_another_blobs_chunk_list_is_refused(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        with pytest.raises(BlobCorrupt):
            store.begin(found.ref, scan_bytes(BIG[1:]).chunks)
        assert store.partials() == ()

    @pytest.mark.parametrize("size_bytes", [1_000, 1_500_000])
    def test_a_chunk_list_that_lies_is_found_out_at_the_end(
        self, tmp_path: Path, size_bytes: int
    ) -> None:
        store = self.make(tmp_path)
        other = noise(size_bytes, 5)
        chunks = ChunkList((Chunk(digest(other), len(other)),))
        liar = BlobRef(BlobId(digest(BIG)), len(other), chunks.id)
        partial = store.begin(liar, chunks)
        partial.write(0, other)
        with pytest.raises(BlobCorrupt):
            partial.finish()
        assert not store.has(liar.blob)
        assert store.partials() == ()

    def test_a_partial_can_be_resumed_without_a_peer(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        store.begin(found.ref, found.chunks).write(1, pieces(BIG, found)[1])
        assert store.partials() == (found.ref.blob,)
        partial = store.resume(found.ref)
        assert partial is not None
        assert partial.missing() == (0, *range(2, len(found.chunks)))
        assert partial.chunks == found.chunks

    def test_an_unwanted_partial_can_be_dropped(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        store.begin(found.ref, found.chunks).write(0, pieces(BIG, found)[0])
        store.drop_partial(found.ref.blob)
        store.drop_partial(found.ref.blob)
        assert store.partials() == ()
        assert store.resume(found.ref) is None
        assert len(store.begin(found.ref, found.chunks).missing()) == len(found.chunks)

    def test_nothing_is_missing_of_a_held_blob(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        held = store.put(BIG)
        partial = store.begin(found.ref, found.chunks)
        assert partial.missing() == ()
        assert partial.finish() == held

    def test_a_blob_that_came_twice_is_held_once(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        partial = store.begin(found.ref, found.chunks)
        for index, data in enumerate(pieces(BIG, found)):
            partial.write(index, data)
        held = store.put(BIG)
        assert partial.finish() == held
        assert store.partials() == ()

    @pytest.mark.parametrize("size_bytes", [0, 1_000, 70_000, 300_000])
    def test_a_blob_that_comes_as_a_whole_is_held_when_it_is_finished(
        self, tmp_path: Path, size_bytes: int
    ) -> None:
        store, data = self.make(tmp_path), noise(size_bytes)
        found = scan_bytes(data)
        one, two = (store.receive(found.ref, found.chunks, data) for _ in range(2))
        assert not store.has(found.ref.blob)
        assert one.missing_bytes == two.missing_bytes == 0
        (first,), (second,) = store.finish_many([one]), store.finish_many([two])
        assert isinstance(first, Held)
        assert first == second
        assert first.origin is Origin.RECEIVED
        assert store.read(found.ref.blob) == data
        assert not store.partials()

    def test_a_whole_that_is_wrong_is_refused_before_anything_is_kept(self, tmp_path: Path) -> None:
        store, data = self.make(tmp_path), noise(300_000)
        found, other = scan_bytes(data), scan_bytes(noise(300_000, 1))
        with pytest.raises(BlobCorrupt):
            store.receive(found.ref, found.chunks, data[:-1] + b"\0")
        with pytest.raises(BlobCorrupt):
            store.receive(found.ref, other.chunks, data)
        lying = BlobRef(ABSENT, len(data), found.ref.chunks)
        (refused,) = store.finish_many([store.receive(lying, found.chunks, data)])
        assert isinstance(refused, BlobCorrupt)
        assert not store.has(ABSENT)
        assert not store.has(found.ref.blob)
        assert not list(store.refs())

    def test_a_whole_completes_what_is_begun(self, tmp_path: Path) -> None:
        store, data = self.make(tmp_path), noise(900_000)
        found = scan_bytes(data)
        begun = store.begin(found.ref, found.chunks)
        begun.write(0, pieces(data, found)[0])
        partial = store.receive(found.ref, found.chunks, data)
        assert isinstance(store.finish_many([partial])[0], Held)
        assert store.read(found.ref.blob) == data
        assert not store.partials()

    def test_verifying_moves_the_time(self, tmp_path: Path) -> None:
        store = self.make(tmp_path)
        held = store.put(BIG)
        again = store.verify(held.ref.blob)
        assert again.verified_at_ms > held.verified_at_ms
        assert store.held(held.ref.blob) == again

    def test_a_full_disk_is_said_and_nothing_is_half_done(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path / "store"), scan_bytes(BIG)
        source = tmp_path / "a.jpg"
        source.write_bytes(BIG)
        self.leave_room(store, len(BIG) - 1)
        for ask in (
            lambda: store.put(BIG),
            lambda: store.adopt(source),
            lambda: store.begin(found.ref, found.chunks),
            lambda: store.check_room(len(BIG)),
        ):
            with pytest.raises(StoreFull):
                ask()
        assert not store.has(found.ref.blob)
        assert store.partials() == ()
        self.leave_room(store, 2 * len(BIG))
        assert store.adopt(source).ref == found.ref

    def test_room_that_partials_will_take_is_not_given_twice(self, tmp_path: Path) -> None:
        store, found = self.make(tmp_path), scan_bytes(BIG)
        self.leave_room(store, len(BIG) + 1_000)
        store.begin(found.ref, found.chunks)
        other = scan_bytes(noise(2_000, 1))
        with pytest.raises(StoreFull):
            store.begin(other.ref, other.chunks)
        store.drop_partial(found.ref.blob)
        store.begin(other.ref, other.chunks)

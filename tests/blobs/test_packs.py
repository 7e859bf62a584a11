"""Small blobs are kept many in a file, and none is lost to whatever happens to the others."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs import packs
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.ledger import Place
from photonic.blobs.packs import HEAD_BYTES, Packs, entries
from photonic.blobs.store import Origin
from photonic.errors import BlobMissing, StoreFull
from photonic.ids import digest
from photonic.world import SystemFiles, World
from tests.blobs.packing import SMALL, name, open_with, pack_files, receive
from tests.blobs.samples import noise


def test_small_blobs_are_one_file_and_bigger_ones_are_their_own(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    edge = [noise(limits.PACKED_BLOB_BYTES_MAX), noise(limits.PACKED_BLOB_BYTES_MAX + 1)]
    receive(store, edge)
    (pack,) = pack_files(tmp_path)
    assert [e.data for e in entries(pack)] == [*sorted(SMALL, key=digest), edge[0]]
    plain = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert [path.name for path in plain] == [name(edge[1]).hex()]
    assert all(store.read(name(data)) == data for data in (*SMALL, *edge))
    assert list((tmp_path / "partial").iterdir()) == []


def test_a_sidecar_that_is_adopted_is_packed_and_an_original_is_a_file(tmp_path: Path) -> None:
    store, source = FileStore.open(tmp_path / "store", World()), tmp_path / "some file"
    source.write_bytes(SMALL[0])
    store.adopt(source)
    source.write_bytes(SMALL[1])
    staged = store.stage(source)
    staged.finish()
    assert [e.data for e in entries(pack_files(tmp_path / "store")[0])] == [SMALL[0]]
    assert store.path(name(SMALL[1])).read_bytes() == SMALL[1]


def test_whoever_asks_for_a_file_gets_one(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    blob, before = name(SMALL[3]), store.held(name(SMALL[3]))
    path = store.path(blob)
    assert path.read_bytes() == SMALL[3]
    assert path.stat().st_mode & 0o777 == 0o444
    assert store.path(blob) == path
    assert store.held(blob) == before
    assert store.read(blob) == SMALL[3]
    (pack,) = pack_files(tmp_path)
    assert SMALL[3] not in pack.read_bytes()
    assert len(list(entries(pack))) == len(SMALL) - 1
    path.unlink()
    with pytest.raises(BlobMissing):
        store.read(blob)


def test_what_is_dropped_is_wiped(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    (pack,) = pack_files(tmp_path)
    for data in SMALL[::2]:
        store.discard(name(data))
        store.discard(name(data))
        assert data[:100] not in pack.read_bytes()
        assert not store.has(name(data))
    assert sorted(e.data for e in entries(pack)) == sorted(SMALL[1::2])
    assert all(store.read(name(data)) == data for data in SMALL[1::2])
    receive(store, SMALL[::2])
    assert all(store.read(name(data)) == data for data in SMALL)


def test_a_pack_has_an_end_and_the_next_one_a_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PACK_BYTES_MAX", 30_000)
    store = FileStore.open(tmp_path, World())
    for data in SMALL:
        store.put(data)
    assert len(pack_files(tmp_path)) > 3
    assert all(path.stat().st_size <= 30_000 for path in pack_files(tmp_path))
    assert all(store.read(name(data)) == data for data in SMALL)


def test_the_room_of_what_is_dropped_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PACK_BYTES_MAX", 165_000)
    store = open_with(tmp_path)
    (before,) = pack_files(tmp_path)
    for data in SMALL[:14]:
        store.discard(name(data))
    (after,) = pack_files(tmp_path)
    assert after != before, "most of it was dropped, so the rest has moved"
    assert after.stat().st_size < 0.7 * sum(map(len, SMALL))
    assert all(store.read(name(data)) == data for data in SMALL[14:])
    assert store.verify(name(SMALL[15])).ref.blob == name(SMALL[15])


def test_an_owner_gives_the_room_back_when_it_opens(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    for data in SMALL[:15]:
        store.discard(name(data))
    store.close()
    store = FileStore.open(tmp_path, World())
    assert sum(path.stat().st_size for path in pack_files(tmp_path)) < 0.6 * sum(map(len, SMALL))
    assert all(store.read(name(data)) == data for data in SMALL[15:])


def test_a_reader_follows_a_blob_that_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, real, moved = open_with(tmp_path), Packs.read, list[int]()

    def read(self: Packs, place: Place, *args: object, **options: object) -> bytes:
        if not moved:  # between the look into the ledger and the look into the pack
            moved.append(place.pack)
            store._shelf.packs.compact(place.pack)
        return real(self, place, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Packs, "read", read)
    assert store.read(name(SMALL[5])) == SMALL[5]
    (pack,) = pack_files(tmp_path)
    assert int(pack.stem, 16) != moved[0]


def test_a_process_that_writes_a_pack_keeps_it(tmp_path: Path) -> None:
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    for data in SMALL:
        carrier.put(data)
    (pack,) = pack_files(tmp_path)
    owner._shelf.packs.compact(int(pack.stem, 16))
    assert pack_files(tmp_path) == [pack]
    owner.discard(name(SMALL[0]))
    assert SMALL[0] not in pack.read_bytes(), "but whoever drops a blob wipes it"
    carrier.put(SMALL[0])
    assert owner.read(name(SMALL[0])) == SMALL[0]


def test_a_torn_end_is_cut_off_by_whoever_goes_on(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    store.close()
    (pack,) = pack_files(tmp_path)
    size = pack.stat().st_size
    with pack.open("ab") as file:
        file.write(packs._head(b"PKe1", 9_000, name(b"?")) + bytes(5_000))
    again = FileStore.open(tmp_path, World())
    assert again.put(b"the next one").ref.size_bytes == 12
    assert pack_files(tmp_path) == [pack]
    assert pack.stat().st_size == size + HEAD_BYTES + 12
    assert all(again.read(name(data)) == data for data in (*SMALL, b"the next one"))


def test_the_ledger_is_made_again_from_packs_and_files(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    store.put(noise(200_000))
    store.discard(name(SMALL[2]))
    store.path(name(SMALL[4]))
    expected = {ref: store.chunk_list(ref.blob) for ref in store.refs()}
    store.close()
    for path in tmp_path.glob("ledger*"):
        path.unlink()
    again = FileStore.open(tmp_path, World())
    attached = FileStore.attach(tmp_path, World())
    assert [again.needs_rebuild, attached.needs_rebuild] == [True, True], "every process knows"
    again.put(b"meanwhile")
    attached.put(b"by another process")
    assert len(pack_files(tmp_path)) == 3, "no pack is gone on with whose end is not known"
    again._shelf.packs.compact_all()
    assert again.rebuild() == len(expected) + 2
    assert [again.needs_rebuild, attached.needs_rebuild] == [False, False]
    for data in (b"meanwhile", b"by another process"):
        again.discard(name(data))
    assert {ref: again.chunk_list(ref.blob) for ref in again.refs()} == expected
    assert all(again.read(ref.blob) for ref in expected)
    again.close()


def test_a_rebuild_that_is_interrupted_is_known_to_the_next_run(tmp_path: Path) -> None:
    open_with(tmp_path).close()
    for path in tmp_path.glob("ledger*"):
        path.unlink()
    FileStore.open(tmp_path, World()).close()
    again = FileStore.open(tmp_path, World())
    assert again.needs_rebuild
    again.rebuild()
    assert len(list(again.refs())) == len(SMALL)
    assert not again.needs_rebuild


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=3_000), st.lists(st.sampled_from(SMALL), max_size=3), st.data())
def test_any_bytes_may_stand_in_a_pack(
    junk: bytes, datas: list[bytes], data: st.DataObject
) -> None:
    """Also the begin of an entry that says it is longer than all that follows."""
    with tempfile.TemporaryDirectory() as folder:
        lies = packs._head(b"PKe1", 60_000, bytes(32)) + packs._head(b"PKx1", 50_000, bytes(32))
        between = data.draw(st.sampled_from([junk, b"PKe1" + junk, lies[:HEAD_BYTES] + junk]))
        path = Path(folder, "a.pack")
        whole = b"".join(packs._head(b"PKe1", len(d), digest(d)) + d + between for d in datas)
        path.write_bytes(b"photonic pack 1\n" + between + whole)
        assert [e.data for e in entries(path)] == datas


def test_a_chunk_list_that_rots_in_the_ledger_is_made_again(tmp_path: Path) -> None:
    store, blob = open_with(tmp_path), name(SMALL[1])
    with store._ledger._transaction() as db:
        db.execute("UPDATE blobs SET chunks = x'00' WHERE blob = ?", (blob,))
    assert store.verify(blob).ref.blob == blob
    assert store.chunk_list(blob) == scan_bytes(SMALL[1]).chunks
    assert store.read(blob) == SMALL[1]


class FullAfter(SystemFiles):
    """A disk that has room for so many bytes of packs."""

    room_bytes = 1 << 40

    def write_at(self, path: Path, offset_bytes: int, data: bytes | memoryview) -> None:
        if path.suffix == ".pack" and len(data) > self.room_bytes:
            super().write_at(path, offset_bytes, data[: self.room_bytes])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_at(path, offset_bytes, data)


def test_a_disk_that_fills_up_in_the_middle_of_a_batch_takes_none_of_it(tmp_path: Path) -> None:
    disk = FullAfter()
    store = FileStore.open(tmp_path, World(files=disk))
    receive(store, SMALL[:5])
    disk.room_bytes = 8_000
    with pytest.raises(StoreFull):
        store.put(SMALL[19])
    receive(store, SMALL[5:10])
    assert {ref.blob for ref in store.refs()} == {name(data) for data in SMALL[:5]}
    disk.room_bytes = 1 << 40
    receive(store, SMALL)
    assert all(store.read(name(data)) == data for data in SMALL)
    (pack,) = pack_files(tmp_path)
    assert len(list(entries(pack))) == len(SMALL), "what was torn is overwritten"


@pytest.mark.parametrize("origin", [Origin.LOCAL, Origin.RECEIVED])
def test_how_a_small_blob_came_is_known(tmp_path: Path, origin: Origin) -> None:
    store = FileStore.open(tmp_path, World())
    store.put(b"x") if origin is Origin.LOCAL else receive(store, [b"x"])
    held = store.held(name(b"x"))
    assert held is not None
    assert held.origin is origin

"""What rots in a pack is found and comes again alone; the rest of the pack is served meanwhile."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.blobs import packs
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.packs import entries
from photonic.blobs.store import Soundness
from photonic.errors import BlobDamaged, BlobMissing
from photonic.ids import digest
from photonic.world import SystemFiles, World
from tests.blobs.damage import Fault, failing_reads, faults
from tests.blobs.packing import SMALL, name, open_with, pack_files, receive
from tests.blobs.samples import jpeg, noise
from tests.blobs.store_contract import pieces


class NoNewFiles(SystemFiles):
    """A disk on which there is no room for one more file."""

    is_full = False

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().write_durable(path, data, mode=mode)


@settings(deadline=None, max_examples=60)
@given(st.lists(faults("flip", "truncate", "extend"), min_size=1, max_size=3))
def test_a_damaged_pack_gives_what_is_right_in_it_and_no_byte_more(hits: list[Fault]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = open_with(root)
        (pack,) = pack_files(root)
        for fault in hits:
            if pack.stat().st_size:
                fault.happen(pack)
        content = pack.read_bytes()
        intact = [data for data in SMALL if packs._head(b"PKe1", len(data), digest(data)) + data
                  in content]  # fmt: skip
        assert sorted(e.data for e in entries(pack)) == sorted(intact)
        verdicts = {v.blob: v.soundness for v in store.verify_many([name(d) for d in SMALL])}
        sound = {blob for blob, soundness in verdicts.items() if soundness is Soundness.SOUND}
        assert sound == {name(data) for data in intact}
        assert set(verdicts.values()) <= {Soundness.SOUND, Soundness.DAMAGED}
        assert {damage.blob for damage in store.damaged()} == set(verdicts) - sound
        for data in SMALL:  # each comes again, and is repaired
            assert store.has(name(data)) == (data in intact)
        receive(store, SMALL)
        assert all(store.read(name(data)) == data for data in SMALL)
        assert store.damaged() == ()
        assert store.partials() == ()
        store.close()


def test_a_blob_in_the_place_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    store = open_with(tmp_path, [noise(500, 1), noise(500, 2)])
    first, second = sorted(map(name, (noise(500, 1), noise(500, 2))))
    ledger = store._ledger
    place = ledger.find(first)
    assert place is not None
    before = ledger.find(second)
    assert before is not None
    assert before[1] is not None
    ledger.move([(second, before[1], place[1])])
    with pytest.raises(BlobMissing):
        store.read(second)
    assert not store.has(second), "it was looked at, and is known to be damaged"
    assert store.has(first)


def test_a_lost_pack_is_lost_blobs_and_an_unmounted_disk_is_none(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    blob = name(SMALL[0])
    (pack,) = pack_files(tmp_path)
    aside = tmp_path / "elsewhere"
    pack.rename(aside)
    assert not store.has(blob)
    (verdict,) = store.verify_many([blob])
    assert verdict.soundness is Soundness.UNREADABLE
    assert "mounted" in verdict.what
    aside.rename(pack)
    assert store.read(blob) == SMALL[0]
    pack.rename(aside)
    receive(store, [b"in another pack"])
    (verdict,) = store.verify_many([blob])
    assert isinstance(verdict.error, BlobDamaged)
    receive(store, [SMALL[0]])
    assert store.read(blob) == SMALL[0]


def test_only_the_damaged_chunk_of_a_packed_picture_comes_again(tmp_path: Path) -> None:
    picture = jpeg(noise(9_000, 1), noise(30_000, 2))
    store = open_with(tmp_path, [*SMALL, picture])
    (pack,) = pack_files(tmp_path)
    content = bytearray(pack.read_bytes())
    content[bytes(content).index(picture) + 20_000] ^= 1
    pack.write_bytes(content)
    verdicts = {v.blob: v for v in store.verify_many([name(d) for d in (picture, *SMALL)])}
    assert verdicts[name(picture)].soundness is Soundness.DAMAGED
    assert all(verdicts[name(data)].error is None for data in SMALL), "the rest stays"
    (damage,) = store.damaged()
    found = scan_bytes(picture)
    assert damage.ref == found.ref, "so much is known of it that its repair can be asked for"
    aside = tmp_path / "damaged" / name(picture).hex()
    assert aside.stat().st_size == len(picture), "what it was is kept"
    assert all(store.read(name(data)) == data for data in SMALL)

    partial = store.begin(found.ref, found.chunks)
    assert partial.missing() == (1,), "its header is right"
    partial.write(1, pieces(picture, found)[1])
    assert partial.finish().ref == found.ref
    assert store.read(name(picture)) == picture
    assert store.damaged() == ()
    assert not aside.exists()
    assert store.verify(name(picture)).ref == found.ref


def test_a_full_disk_condemns_no_packed_blob_that_it_cannot_put_aside(tmp_path: Path) -> None:
    disk = NoNewFiles()
    store = FileStore.open(tmp_path, World(files=disk))
    receive(store, SMALL)
    (pack,) = pack_files(tmp_path)
    content = pack.read_bytes()
    pack.write_bytes(content.replace(SMALL[3], bytes(len(SMALL[3]))))
    disk.is_full = True
    (verdict,) = store.verify_many([name(SMALL[3])])
    assert verdict.soundness is Soundness.UNREADABLE
    disk.is_full = False
    (verdict,) = store.verify_many([name(SMALL[3])])
    assert verdict.soundness is Soundness.DAMAGED


def test_a_disk_that_gives_nothing_of_a_pack_condemns_nothing(tmp_path: Path) -> None:
    store = open_with(tmp_path)
    blob = name(SMALL[7])
    (pack,) = pack_files(tmp_path)
    with failing_reads(pack, 0, pack.stat().st_size):
        (verdict,) = store.verify_many([blob])
        assert verdict.soundness is Soundness.UNREADABLE
        assert store.has(blob)
        (verdict,) = store.verify_many([blob], gives_up=True)
        assert verdict.soundness is Soundness.DAMAGED
    assert not store.has(blob)

"""Restoring from a folder that is damaged somewhere: what is told is true, and all else comes.

The folder is a real home, made by the product's own store and catalog; no daemon runs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from photonic import archived_home, limits
from photonic.archived_home import opened
from photonic.blobs.files import FileStore
from photonic.config import Settings
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, seal
from photonic.crdt.fields import FACTS, FOLDER, NAME, ORIGINAL, RATING, TAGS, TITLE
from photonic.crdt.keys import shard_of
from photonic.errors import (
    AlreadyInitialised,
    ArchiveUnusable,
    LibraryNotEmpty,
    RestoreInterrupted,
)
from photonic.identity import Identity
from photonic.ids import BlobId, photo_subject
from photonic.journal.journal import Journal
from photonic.layout import Layout
from photonic.membership import found_library
from photonic.restoration import Restored, restore_home
from photonic.startup import initialise
from photonic.world import SeparateFiles, World

WORLD = World(files=SeparateFiles())
PHOTOS = 40
LARGE_BYTES = 80_000  # above what is packed


def original(number: int) -> bytes:
    return bytes([number]) * (LARGE_BYTES + number)


class Archive:
    """A home with photos, each with a packed preview, and what it adds up to."""

    def __init__(self, home: Path) -> None:
        self.home, layout = home, Layout(home, WORLD)
        identity = Identity.load_or_create(layout.node_key, WORLD, layout.vault)
        record = found_library(
            layout, identity, name="Harbour", role="archive", node_name="attic", world=WORLD
        )
        self.library = record.library
        store = FileStore.open(layout.blobs, WORLD)
        journal = Journal(layout.journal(record.library))
        catalog = Catalog(
            record.library, identity, journal, WORLD, layout.directory(record.library)
        )
        for number in range(PHOTOS):
            self._add(catalog, store, home, number)
        self.digest = catalog.root_digest().hex()
        self.changes = catalog.digests.change_count()
        catalog.close()
        journal.close()
        self.blobs = sorted(ref.blob for ref in store.refs())
        store.close()
        layout.directory(record.library).unlink()  # its own journal must do

    def _add(self, catalog: Catalog, store: FileStore, home: Path, number: int) -> None:
        path = home / "card.jpg"
        path.write_bytes(original(number))
        held, small = store.adopt(path), store.put(b"preview %d" % number)
        path.unlink()
        subject = photo_subject(held.ref.blob)

        def plain(ref: object) -> list[object]:
            return [getattr(ref, name) for name in ("blob", "size_bytes", "chunks")]

        first = {
            ORIGINAL: plain(held.ref),
            NAME: f"IMG_{number}.JPG",
            FOLDER: "card",
            FACTS: {"media_type": "image/jpeg"},
            "preview/256": [256, 170, plain(small.ref)],
        }
        catalog.write([Draft(subject, first)])
        catalog.hold({held.ref.blob: True})
        catalog.flush()
        catalog.write([Draft(subject, {RATING: number % 6, TITLE: f"{number}"}, {TAGS: ("sea",)})])
        catalog.flush()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return Archive(tmp_path_factory.mktemp("archive") / "home")


def restore(
    folder: Path, home: Path, tell: Callable[[str, int], None] = lambda _w, _c: None
) -> Restored:
    layout = Layout(home, WORLD)
    with opened(folder) as found, layout.lock():
        identity = Identity.load_or_create(layout.node_key, WORLD, layout.vault)
        return restore_home(found, layout, identity, WORLD, tell, role="central")


def held_in(home: Path) -> list[BlobId]:
    """Return what a home's store holds; every byte of it is read again."""
    store = FileStore.open(home / "blobs", WORLD)
    blobs = sorted(ref.blob for ref in store.refs())
    for blob in blobs:
        store.verify(blob)
    store.close()
    return blobs


def test_everything_is_restored_and_adds_up_to_the_same(archive: Archive, tmp_path: Path) -> None:
    told = restore(archive.home, tmp_path / "new")
    assert told.is_whole and told.digest == archive.digest and told.changes == archive.changes
    assert held_in(tmp_path / "new") == archive.blobs
    assert (told.photos, told.files, told.known) == (PHOTOS, 2 * PHOTOS, 0)
    again = restore(archive.home, tmp_path / "new")
    assert again.is_whole and (again.files, again.known) == (0, 2 * PHOTOS)
    keys = {(home / "keys/node").read_bytes() for home in (archive.home, tmp_path / "new")}
    assert len(keys) == 2, "the new node is somebody of its own"


def test_what_is_copied_shares_nothing_with_the_archive(archive: Archive, tmp_path: Path) -> None:
    restore(archive.home, tmp_path / "new")
    for path in (tmp_path / "new" / "blobs" / "blobs").rglob("*"):
        twin = archive.home / path.relative_to(tmp_path / "new")
        assert path.is_dir() or path.stat().st_ino != twin.stat().st_ino


def test_files_with_other_bytes_are_told_by_name_and_held_under_none(
    archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    shutil.copytree(archive.home, folder)
    files = sorted((folder / "blobs" / "blobs").rglob("?" * 64))
    damage(files[2], 0.5, b"this is not what was here")
    files[5].unlink()
    aside = folder / "blobs" / "damaged"
    aside.mkdir(exist_ok=True)
    files[7].rename(aside / files[7].name)  # the node itself had found that
    told = restore(folder, tmp_path / "new")
    assert told.lacking == {"damaged": 2, "missing": 1} and not told.is_whole
    whys = {lack.blob: lack.why for lack in told.lacks}
    assert whys == {files[2].name: "damaged", files[5].name: "missing", files[7].name: "damaged"}
    assert all(lack.name.startswith("IMG_") and lack.what == "original" for lack in told.lacks)
    assert all(lack.said_by == ("attic",) for lack in told.lacks)
    lost = {BlobId(bytes.fromhex(name)) for name in whys}
    assert set(held_in(tmp_path / "new")) == set(archive.blobs) - lost
    report = (tmp_path / "new" / "lacking.txt").read_text()
    assert all(lack.name in report for lack in told.lacks)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), flips=st.integers(1, 3))
def test_wherever_the_folder_is_damaged_nothing_is_called_whole_that_is_not(
    archive: Archive,
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    flips: int,
) -> None:
    root = tmp_path_factory.mktemp("damage")
    folder = root / "archive"
    shutil.copytree(archive.home, folder)
    kinds: list[Callable[[], list[Path]]] = [
        lambda: [folder / "libraries" / archive.library.hex() / "journal.db"],
        lambda: sorted((folder / "blobs" / "packs").glob("*.pack")),
        lambda: sorted((folder / "blobs" / "blobs").rglob("?" * 64)),
        lambda: [folder / "library.json", folder / "blobs" / "ledger.sqlite3"],
    ]
    for _ in range(flips):
        path = data.draw(st.sampled_from(data.draw(st.sampled_from(kinds))()))
        damage(path, data.draw(st.floats(0, 1)), data.draw(st.binary(min_size=1, max_size=600)))
    told = restore(folder, root / "new")
    held = held_in(root / "new")
    assert set(held) <= set(archive.blobs), "what is wrong is not held under any name"
    assert told.library == archive.library.hex()
    lost_files, is_other = set(archive.blobs) - set(held), told.digest != archive.digest
    if told.is_whole:
        assert not lost_files and not is_other
    if not is_other:
        assert sum(told.lacking.values()) == len(lost_files), "each is told, by its name"
        assert {lack.blob for lack in told.lacks} == {blob.hex() for blob in lost_files}
        report = root / "new" / "lacking.txt"
        assert report.exists() == bool(lost_files)
    shutil.rmtree(root)


def damage(path: Path, where: float, data: bytes) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(int(where * max(0, path.stat().st_size - len(data))))
        file.write(data[: path.stat().st_size])


def test_sectors_that_the_disk_does_not_give_cost_what_was_in_them(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_at, journal = archived_home._read_at, Layout(archive.home).journal(archive.library)
    inode, failed = journal.stat().st_ino, list[int]()

    def failing(handle: int, offset_bytes: int, size_bytes: int) -> bytes | None:
        bad = 5 * 4096  # the sixth page
        is_there = offset_bytes <= bad < offset_bytes + size_bytes
        if is_there and os.fstat(handle).st_ino == inode:
            failed.append(size_bytes)
            return None
        return read_at(handle, offset_bytes, size_bytes)

    monkeypatch.setattr(archived_home, "_read_at", failing)
    told = restore(archive.home, tmp_path / "new")
    assert min(failed) == 4096, "no more than a sector is given up"
    assert not told.is_whole and any("4,096 bytes are lost" in note for note in told.notes)
    assert held_in(tmp_path / "new") == archive.blobs
    assert told.changes > archive.changes / 2


def test_a_file_that_the_disk_does_not_give_is_told_and_the_rest_comes(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    shutil.copytree(archive.home, folder)
    victim = sorted((folder / "blobs" / "blobs").rglob("?" * 64))[3]
    take_over = FileStore.take_over

    def failing(store: FileStore, path: Path, blob: BlobId) -> object:
        if path == victim:
            raise OSError(5, "Input/output error")
        return take_over(store, path, blob)

    monkeypatch.setattr(FileStore, "take_over", failing)
    with pytest.raises(OSError, match="Input/output"):  # the archive gives it: it is our own disk
        restore(folder, tmp_path / "other")
    monkeypatch.setattr("photonic.restoration.is_readable", lambda _: False)
    told = restore(folder, tmp_path / "new")
    assert told.lacking == {"unreadable": 1} and told.lacks[0].blob == victim.name
    assert set(archive.blobs) - set(held_in(tmp_path / "new")) == {
        BlobId(bytes.fromhex(victim.name))
    }


def test_a_forged_change_stays_out_and_keeps_no_other_out(archive: Archive, tmp_path: Path) -> None:
    """Somebody who had the disk wrote into its journal, checksums and all."""
    folder = tmp_path / "archive"
    shutil.copytree(archive.home, folder)
    journal = Journal(Layout(folder, WORLD).journal(archive.library))
    thief = Identity.generate(WORLD)
    catalog = Catalog(archive.library, thief, journal, WORLD)
    subject = next(s for number in range(256) for s in catalog.subjects(number))
    true = catalog.changes(subject)[0].change
    mine = seal(thief, archive.library, replace(true, author=thief.node, sets={TITLE: "mine"}))
    forged = mine._replace(data=bytes([mine.data[0] ^ 1]) + mine.data[1:])  # of the signature
    catalog._write_entries([forged])
    catalog.digests.add_change(shard_of(subject), forged.id)
    catalog.flush()
    catalog.close()
    journal.close()
    told = restore(folder, tmp_path / "new")
    assert told.refused > 0 and not told.is_whole
    assert told.digest == archive.digest, "all others came"
    assert held_in(tmp_path / "new") == archive.blobs


class Stopped(Exception):
    """What a power cut is to this test."""


@pytest.mark.parametrize(("what", "count"), [("files", 1), ("files", 5), ("changes", 3)])
def test_no_node_starts_where_a_restoration_was_interrupted_until_it_was_ended(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, count: int
) -> None:
    monkeypatch.setattr(limits, "BLOBS_PER_COMMIT_MAX", 8)
    home, told = tmp_path / "new", list[str]()

    def stop(said: str, _: int) -> None:
        told.append(said)
        if told.count(what) == count:
            raise Stopped

    with pytest.raises(Stopped):
        restore(archive.home, home, stop)
    with pytest.raises(RestoreInterrupted):
        trio.run(initialise, Settings(home=home))
    ended = restore(archive.home, home)
    assert ended.is_whole and ended.digest == archive.digest
    assert ended.known >= 8 and ended.files + ended.known == 2 * PHOTOS
    assert held_in(home) == archive.blobs
    with pytest.raises(AlreadyInitialised):
        trio.run(initialise, Settings(home=home))


def test_even_the_rights_of_the_archives_key_stay_what_they_were(
    archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    shutil.copytree(archive.home, folder)
    key = folder / "keys" / "node"
    key.chmod(0o644)  # which a node that starts would mend
    with opened(folder) as found:
        assert found.identity is not None
        assert found.identity.seed == key.read_bytes()
    restore(folder, tmp_path / "new")
    assert key.stat().st_mode & 0o777 == 0o644
    key.write_bytes(b"sealed by a passphrase")
    with opened(folder) as found:
        assert found.identity is None


def test_a_home_without_its_record_is_known_by_its_journal(
    archive: Archive, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    shutil.copytree(archive.home, folder)
    for text in (None, b"{", b'{"id": "no library", "name": "", "role": ""}'):
        (folder / "library.json").unlink(missing_ok=True)
        if text is not None:
            (folder / "library.json").write_bytes(text)
        with opened(folder) as found:
            assert found.record.library == archive.library
    told = restore(folder, tmp_path / "new")
    assert told.is_whole and told.digest == archive.digest and told.name == "Harbour"


def test_a_folder_that_is_no_home_and_a_home_of_another_library_are_refused(
    archive: Archive, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveUnusable):
        restore(tmp_path, tmp_path / "new")
    other = Archive(tmp_path / "other")
    with pytest.raises(LibraryNotEmpty):
        restore(archive.home, other.home)

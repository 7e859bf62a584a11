"""Importing: every byte is kept, every photo told once, and the folder is only read."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import pytest
import trio

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.blobs.verify import hash_file
from photonic.errors import ChangeInvalid
from photonic.ids import BlobId, digest
from photonic.ingest.importer import Importer, ImportReport, find_files
from photonic.ingest.seen import Seen
from photonic.ingest.workers import Workers
from photonic.photos import NewPhoto, Sidecar
from photonic.problems import Problems
from photonic.world import SystemFiles, World
from tests.cameras import GOOD, SIDECARS, make_broken_files, make_camera_files, odd_names

BOUND_S = 120.0


class Shelf:
    """A sink in memory, which keeps what the catalog would."""

    def __init__(self) -> None:
        self.photos: dict[BlobId, NewPhoto] = {}
        self.batches: list[int] = []
        self.sidecars: dict[BlobId, list[Sidecar]] = {}
        self.refused: set[str] = set()  # names of photos whose change cannot be made

    async def known(self, photo: BlobId) -> bool:
        return photo in self.photos

    async def amend(self, photos: Sequence[tuple[BlobId, Sequence[Sidecar]]]) -> int:
        changed = 0
        for photo, sidecars in photos:
            had = self.sidecars.setdefault(photo, [])
            new = [sidecar for sidecar in sidecars if sidecar not in had]
            had += new
            changed += bool(new)
        return changed

    async def add(self, photos: Sequence[NewPhoto]) -> None:
        if self.refused & {photo.name for photo in photos}:
            raise ChangeInvalid("too long")
        for photo in photos:
            known = [photo.sidecar] if photo.sidecar else []
            self.sidecars[photo.original.blob] = [*known, *photo.other_sidecars]
        self.batches.append(len(photos))
        self.photos |= {photo.original.blob: photo for photo in photos}

    def named(self, name: str) -> NewPhoto:
        return next(photo for photo in self.photos.values() if photo.name == name)


class SmallDisk(SystemFiles):
    """The machine's files on a disk of which we say how much is free."""

    free = 1 << 40

    def free_bytes(self, path: Path) -> int:
        return self.free


class Bench:
    """An importer with what is around it."""

    def __init__(self, home: Path, *, timeout_s: float = 60.0) -> None:
        self.disk, self.sink, self.problems = SmallDisk(), Shelf(), Problems()
        self.store = FileStore.open(home, World(files=self.disk))
        self.workers = Workers(2, readable=[Path("/")], timeout_s=timeout_s)
        self.seen = Seen(None, World().clock)
        self.importer = Importer(self.store, self.workers, self.sink, self.problems)

    def remember(self) -> None:
        """Import with a memory of what was read."""
        self.importer = Importer(self.store, self.workers, self.sink, self.problems, self.seen)

    def take(self, folder: Path, files: Sequence[Path] | None = None) -> ImportReport:
        chosen = list(find_files(folder, self.problems.add)) if files is None else files
        return self.within(lambda: self.importer.take(chosen, folder))

    def within(self, work: Callable[[], Awaitable[ImportReport]]) -> ImportReport:
        async def main() -> ImportReport:
            with trio.fail_after(BOUND_S):
                async with anyio.create_task_group() as tasks:
                    await tasks.start(self.workers.run)
                    report = await work()
                    tasks.cancel_scope.cancel()
            return report

        report = trio.run(main)
        assert report.found == report.imported + report.known + len(report.failed)
        return report

    def codes(self) -> dict[str, str]:
        return {Path(problem.path).name: problem.code for problem in self.problems.list()}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "blobs")


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, digest(path.read_bytes()))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_photo_is_kept_shown_and_told_with_its_sidecar(tmp_path: Path, bench: Bench) -> None:
    folder = tmp_path / "card"
    paths = make_camera_files(folder / "DCIM/100TEST")
    before = snapshot(folder)
    report = bench.take(folder)
    assert (report.imported, report.known, report.failed) == (len(GOOD), 0, [])
    assert snapshot(folder) == before, "the folder is only read"
    assert bench.problems.list() == ()
    for path, file in zip(paths, GOOD, strict=True):
        photo = bench.sink.named(path.name)
        assert photo.folder == "DCIM/100TEST"
        assert bench.store.read(photo.original.blob) == path.read_bytes()
        assert photo.facts.media_type == file.facts["media_type"]
        assert [made.edge_px for made in photo.previews] == sorted(limits.PREVIEW_EDGES_PX)
        for made in photo.previews:
            assert bench.store.read(made.ref.blob).startswith(b"\xff\xd8\xff")
    rated = bench.sink.named("IMG_0001.jpg").sidecar
    assert rated is not None
    assert (rated.marks.rating, rated.marks.label, rated.marks.title) == (5, "green", "Best")
    assert bench.store.read(rated.ref.blob) == SIDECARS[rated.name]
    raw = bench.sink.named("IMG_0041.dng").sidecar
    assert raw is not None and raw.marks.keywords == ("Raw|Bayer",)
    assert bench.sink.named("IMG_0002.jpg").sidecar is None


def test_a_second_import_finds_everything_known(tmp_path: Path, bench: Bench) -> None:
    folder = tmp_path / "card"
    make_camera_files(folder)
    bench.take(folder)
    batches = list(bench.sink.batches)
    report = bench.take(folder)
    assert (report.imported, report.known) == (0, len(GOOD))
    assert bench.sink.batches == batches


def test_the_same_bytes_under_two_names_are_one_photo(tmp_path: Path, bench: Bench) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "sub.jpg"):
        GOOD[0].make(folder / name)
    report = bench.take(folder)
    assert (report.found, report.imported, report.known) == (3, 1, 2)
    assert len(bench.sink.photos) == 1


def test_what_is_damaged_is_kept_and_told_and_what_is_empty_is_told(
    tmp_path: Path, bench: Bench
) -> None:
    folder = tmp_path / "card"
    expected = make_broken_files(folder)
    GOOD[0].make(folder / "good.jpg")
    (folder / "notes.txt").write_text("not a photo by its name")
    report = bench.take(folder)
    assert bench.codes() == expected
    assert [Path(place).name for place, _ in report.failed] == ["empty.jpg"]
    kept = {photo.name for photo in bench.sink.photos.values()}
    # Files of the same bytes are one photo, whatever their names say.
    distinct = {digest((folder / name).read_bytes()) for name in expected if name != "empty.jpg"}
    assert len(kept) == len(distinct) + 1
    assert {"good.jpg", "torn.jpg", "text.jpg", "head.jpg"} <= kept
    for photo in bench.sink.photos.values():
        assert bench.store.read(photo.original.blob) == (folder / photo.name).read_bytes()
        assert bool(photo.previews) == (photo.name in ("good.jpg", "torn.jpg"))
    assert bench.sink.named("text.jpg").facts.media_type == "image/jpeg"


def test_a_problem_is_over_when_the_file_is_whole(tmp_path: Path, bench: Bench) -> None:
    folder = tmp_path / "card"
    make_broken_files(folder)
    bench.take(folder, [folder / "empty.jpg"])
    assert bench.codes() == {"empty.jpg": "ingest.file-empty"}
    GOOD[0].make(folder / "empty.jpg")
    bench.take(folder, [folder / "empty.jpg"])
    assert bench.codes() == {}


def test_a_reader_that_takes_too_long_costs_the_preview_and_not_the_photo(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "blobs", timeout_s=0.0)
    GOOD[0].make(tmp_path / "a.jpg")
    report = bench.take(tmp_path, [tmp_path / "a.jpg"])
    assert report.imported == 1
    assert bench.codes() == {"a.jpg": "ingest.worker-died"}
    (photo,) = bench.sink.photos.values()
    assert bench.store.read(photo.original.blob) == (tmp_path / "a.jpg").read_bytes()
    assert (photo.facts.media_type, photo.facts.width, photo.previews) == ("image/jpeg", None, ())


def test_names_of_any_bytes_survive_as_text(tmp_path: Path, bench: Bench) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    good = tmp_path / "good.jpg"
    GOOD[0].make(good)
    for number, name in enumerate(odd_names()):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.write_bytes(good.read_bytes() + bytes([number]))
    report = bench.take(folder)
    assert (report.imported, report.failed) == (len(odd_names()), [])
    assert {photo.name for photo in bench.sink.photos.values()} == {
        name.decode("utf-8", "replace") for name in odd_names()
    }


@pytest.mark.parametrize(
    "data", [b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"x" * (limits.SIDECAR_BYTES_MAX + 1)]
)
def test_a_sidecar_that_cannot_be_read_is_kept_and_told(
    tmp_path: Path, bench: Bench, data: bytes
) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    GOOD[0].make(folder / "a.jpg")
    (folder / "a.jpg.xmp").write_bytes(data)
    (folder / "a.xmp").write_bytes(SIDECARS["IMG_0001.jpg.xmp"])
    bench.take(folder)
    assert bench.codes() == {"a.jpg.xmp": "ingest.sidecar-invalid"}
    (photo,) = bench.sink.photos.values()
    assert photo.sidecar is not None and photo.sidecar.marks.rating is None
    assert bench.store.read(photo.sidecar.ref.blob) == data
    assert [other.marks.rating for other in photo.other_sidecars] == [5]


def late_sidecar(tmp_path: Path, bench: Bench) -> tuple[Path, BlobId]:
    """Import a photo, then put a sidecar beside it."""
    folder = tmp_path / "card"
    folder.mkdir()
    GOOD[0].make(folder / "late.jpg")
    bench.take(folder)
    sidecar = folder / "late.jpg.xmp"
    sidecar.write_bytes(SIDECARS["IMG_0001.jpg.xmp"])
    (photo,) = bench.sink.photos
    return sidecar, photo


def test_a_sidecar_that_comes_after_its_photo_is_taken_in_by_the_next_import(
    tmp_path: Path, bench: Bench
) -> None:
    sidecar, photo = late_sidecar(tmp_path, bench)
    report = bench.take(sidecar.parent)
    assert (report.known, report.amended) == (1, 1)
    (taken,) = bench.sink.sidecars[photo]
    assert (taken.name, taken.marks.rating) == (sidecar.name, 5)
    assert bench.store.read(taken.ref.blob) == sidecar.read_bytes()
    assert bench.take(sidecar.parent).amended == 0


def test_a_sidecar_that_comes_alone_is_taken_in_for_the_known_photo_beside_it(
    tmp_path: Path, bench: Bench
) -> None:
    sidecar, photo = late_sidecar(tmp_path, bench)
    (sidecar.parent / "stray.jpg.xmp").write_bytes(sidecar.read_bytes())
    GOOD[1].make(sidecar.parent / "new.jpg")  # perhaps not complete yet: the watch brings it
    (sidecar.parent / "new.jpg.xmp").write_bytes(sidecar.read_bytes())
    report = bench.take(sidecar.parent, sorted(sidecar.parent.glob("*.xmp")))
    assert (report.found, report.known, report.amended) == (1, 1, 1)
    assert [one.name for one in bench.sink.sidecars[photo]] == [sidecar.name]
    assert list(bench.sink.photos) == [photo]


def test_a_change_that_cannot_be_made_costs_its_own_photo_alone(
    tmp_path: Path, bench: Bench
) -> None:
    folder = tmp_path / "card"
    paths = make_camera_files(folder)
    bench.sink.refused = {paths[2].name}
    report = bench.take(folder)
    assert report.imported == len(GOOD) - 1
    assert [(path.name, error.code) for path, error in report.failed] == [
        (paths[2].name, "catalog.change-invalid")
    ]


def test_what_did_not_change_is_not_read_again(
    tmp_path: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SETTLE_S", -60.0)  # these files are new and stand still
    bench.remember()
    sidecar, _ = late_sidecar(tmp_path, bench)
    folder = sidecar.parent
    assert bench.take(folder).amended == 1
    reads: list[Path] = []

    def read(path: Path) -> BlobId:
        reads.append(path)
        return hash_file(path)

    monkeypatch.setattr("photonic.ingest.importer.hash_file", read)
    monkeypatch.setattr("photonic.ingest.companions.hash_file", read)
    report = bench.take(folder)
    assert (report.known, report.amended, reads) == (1, 0, [])
    sidecar.write_bytes(SIDECARS["IMG_0041.xmp"])
    assert bench.take(folder).amended == 1
    assert reads == [sidecar]
    bench.sink.photos.clear()  # the catalog is what counts
    assert bench.take(folder).imported == 1


def test_a_full_disk_is_told_and_the_import_goes_on_when_there_is_room(
    tmp_path: Path, bench: Bench
) -> None:
    folder = tmp_path / "card"
    make_camera_files(folder)
    bench.disk.free = limits.DISK_RESERVE_BYTES + 1
    report = bench.take(folder)
    assert {error.code for _, error in report.failed} == {"blobs.store-full"}
    assert (report.imported, len(report.failed)) == (0, len(GOOD))
    bench.disk.free = 1 << 40
    report = bench.take(folder)
    assert (report.imported, report.failed) == (len(GOOD), [])
    assert bench.problems.list() == ()


def test_a_file_that_goes_away_is_told_and_the_others_are_taken(
    tmp_path: Path, bench: Bench
) -> None:
    GOOD[0].make(tmp_path / "a.jpg")
    bench.take(tmp_path, [tmp_path / "gone.jpg", tmp_path / "a.jpg"])
    assert bench.codes() == {"gone.jpg": "ingest.file-vanished"}
    assert len(bench.sink.photos) == 1


def test_hidden_files_and_links_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".trash").mkdir()
    for name in ("a.jpg", ".hidden.jpg", ".trash/b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "round").symlink_to(tmp_path)
    assert list(find_files(tmp_path, Problems().add)) == [tmp_path / "a.jpg"]

"""Restores an archive's photos as plain files, for people and machines without photonic.

    photos/2024/2024-05-17/IMG_0001.CR3          every original, by the day it was taken
    photos/2024/2024-05-17/IMG_0001.CR3.xmp      what is known of it, or the sidecar that was kept
    photos/2024/2024-05-17/IMG_0001.xmp          what is known, where that sidecar says otherwise
    photos/undated/FOLDER/IMG_0002.CR3           without a day: where it was imported from
    trash/…                                      what lies in the trash
    catalog/                                     everything else, as `export-catalog` writes it
    lacking.txt                                  what the archive had not, or had damaged

Catalog and bytes go through the same checks as into a home (`restoration.py`), in a folder beside
these that goes when all is done; killed before, it is gone on with.
"""

from __future__ import annotations

import io
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from photonic.archived_home import ArchivedHome, packed_at
from photonic.bundle_writer import check_free
from photonic.catalog_export import Place as ExportPlace
from photonic.catalog_export import export_catalog
from photonic.crdt.catalog import Catalog
from photonic.crdt.fields import SIDECAR_PREFIX
from photonic.crdt.fold import SubjectState
from photonic.crdt.originals import blob_ref
from photonic.crdt.projection import ORIGINAL_KIND, PhotoRow
from photonic.drafts import MAIN_SIDECAR
from photonic.errors import BlobCorrupt, ExportUnwritable, SidecarInvalid
from photonic.identity import Identity
from photonic.ids import BlobId, digest
from photonic.ingest.places import shown
from photonic.ingest.sidecar import is_sidecar, read_marks
from photonic.ingest.xmp import sidecar_xml
from photonic.names import part
from photonic.photos import SIDECAR_SUFFIX, Marks
from photonic.plain_tree import PlainTree
from photonic.records import Readings, photo_marks, says_what_the_file_does
from photonic.restoration import (
    DAMAGED,
    LACKING,
    MISSING,
    UNREADABLE,
    Place,
    Restored,
    Tell,
    account,
    photos_of,
    taken_in,
)
from photonic.world import World

PHOTOS, TRASH, CATALOG, SCRATCH = "photos", "trash", "catalog", ".restoring"
_UNDATED: Final = "undated"
_DAY_CHARACTERS: Final = 10  # 2024-05-17


def restore_plainly(
    archive: ArchivedHome, folder: Path, kit: Identity | None, world: World, tell: Tell
) -> Restored:
    """Write all photos of an archive below `folder`, which is new, empty, or was begun before.

    `kit`: the authority, which opens what is sealed; else the archive's own key does, if it is
    there and may. Raises ExportUnwritable, and what `taken_in` raises.
    """
    scratch = folder / SCRATCH
    if not scratch.is_dir():
        check_free(folder)
    try:
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ExportUnwritable(f"{shown(folder)}: {error.strerror or error}") from error
    restored = Restored(archive.record.id, archive.record.name)
    place = Place(scratch / "journal.db", scratch / "directory.db", scratch)
    nobody = Identity.generate(world)
    opener = kit or archive.identity
    with (
        taken_in(archive, place, nobody, opener, world, restored, tell) as catalog,
        closing(_Gathering(archive, folder, catalog, restored)) as gathering,
    ):
        for row, state in photos_of(catalog):
            gathering.take(row, state)
            tell("files", restored.files + restored.known)
        account(archive, catalog, folder / LACKING, gathering.why_lacking, restored, tell)
        _export(catalog, folder / CATALOG, restored, nobody, world)
    shutil.rmtree(scratch)
    return restored


def _export(
    catalog: Catalog, folder: Path, restored: Restored, nobody: Identity, world: World
) -> None:
    if folder.exists():
        return  # it gets its name when it is complete
    place = ExportPlace(nobody.node, "restored", restored.name, world.clock.now_ms())
    export_catalog(folder, lambda work: work(catalog), place, lambda _done, _all: None)


class _Gathering:
    """Finds each file that is named, and gives it a name that people read."""

    def __init__(
        self, archive: ArchivedHome, folder: Path, catalog: Catalog, restored: Restored
    ) -> None:
        self._archive, self._restored = archive, restored
        names = {node: one.certificate.name for node, one in catalog.roster.members.items()}
        self._readings = Readings(catalog.display, names)
        self._tree = PlainTree(folder, folder / SCRATCH)
        self._sources = _Sources(archive, folder / SCRATCH / "sources.sqlite3")
        self._wrong: dict[BlobId, str] = {}

    def close(self) -> None:
        self._tree.close()
        self._sources.close()

    def why_lacking(self, blob: BlobId) -> str | None:
        """Return why a file is not among the plain ones; None if it is, or is a preview."""
        return self._wrong.get(blob)

    def take(self, row: PhotoRow, state: SubjectState) -> None:
        """Write a photo's originals, its sidecars, and what is known of it."""
        wanted = _wanted_path(row)
        for one in row.blobs:
            if one.kind == ORIGINAL_KIND:
                there = self._put(wanted, one.ref.blob)
                if one.ref == row.original:
                    wanted = there or wanted
        sidecars = [
            (path, blob, data)
            for path, blob in _sidecars(wanted, state)
            if (data := self._small(blob)) is not None
        ]
        for path, blob, data in sidecars:
            self._write(path, blob, data)
        marks, position = photo_marks(row, state, self._readings)
        if says_what_the_file_does(marks, position, row.facts) and not sidecars:
            return
        if any(_says(data, path.name, marks) for path, _, data in sidecars) and position is None:
            return
        data = sidecar_xml(marks, position)
        beside = wanted.with_suffix(SIDECAR_SUFFIX) if sidecars else _beside(wanted)
        self._write(beside, digest(data), data)

    def _put(self, wanted: PurePosixPath, blob: BlobId) -> PurePosixPath | None:
        """Write an original; None, and remembered, if the archive cannot give it."""
        try:
            path, is_new = self._tree.put(wanted, blob, lambda: self._sources.open(blob))
        except FileNotFoundError:
            self._wrong[blob] = MISSING
        except BlobCorrupt:
            self._wrong[blob] = DAMAGED
        except OSError:
            self._wrong[blob] = UNREADABLE
        else:
            self._count(is_new, self._tree.folder / path)
            return path
        return None

    def _small(self, blob: BlobId) -> bytes | None:
        """Return the verified bytes of a sidecar; None, and remembered, if they cannot be had."""
        try:
            with self._sources.open(blob) as file:
                data = file.read()
        except FileNotFoundError:
            self._wrong[blob] = MISSING
        except OSError:
            self._wrong[blob] = UNREADABLE
        else:
            if digest(data) == blob:
                return data
            self._wrong[blob] = DAMAGED
        return None

    def _write(self, path: PurePosixPath, blob: bytes, data: bytes) -> None:
        placed, is_new = self._tree.put(path, BlobId(blob), lambda: io.BytesIO(data))
        self._count(is_new, self._tree.folder / placed)

    def _count(self, is_new: bool, path: Path) -> None:
        if is_new:
            self._restored.files += 1
            self._restored.size_bytes += path.stat().st_size
        else:
            self._restored.known += 1


class _Sources:
    """Where in the archive a blob lies; that of small ones is looked up once and written down."""

    def __init__(self, archive: ArchivedHome, index: Path) -> None:
        self._archive = archive
        index.unlink(missing_ok=True)
        self._db = sqlite3.connect(index, isolation_level=None)
        self._db.execute("PRAGMA synchronous=OFF")  # it is made anew each time
        self._db.execute(
            "CREATE TABLE places (blob BLOB PRIMARY KEY, path TEXT, offset INTEGER, size INTEGER)"
            " WITHOUT ROWID"
        )
        self._db.execute("BEGIN")
        for row in self._found():
            self._db.execute("INSERT OR IGNORE INTO places VALUES (?, ?, ?, ?)", row)
        self._db.execute("COMMIT")

    def _found(self) -> Iterator[tuple[bytes, bytes, int | None, int]]:
        for blob, path in self._archive.files():
            yield blob, bytes(path), None, 0
        for pack in self._archive.packs():
            for entry in self._archive.packed(pack):
                yield entry.blob, bytes(pack), entry.offset_bytes, len(entry.data)

    def close(self) -> None:
        self._db.close()

    def open(self, blob: BlobId) -> BinaryIO:
        """Open a blob, of which nobody verified the bytes. Raises OSError."""
        row = self._db.execute("SELECT * FROM places WHERE blob=?", (blob,)).fetchone()
        if row is None:
            raise FileNotFoundError(2, "not in the archive", blob.hex())
        _, path, offset_bytes, size_bytes = row
        place = Path(path.decode("utf-8", "surrogateescape"))
        if offset_bytes is None:
            return place.open("rb")
        return io.BytesIO(packed_at(place, offset_bytes, size_bytes))


def _wanted_path(row: PhotoRow) -> PurePosixPath:
    root = TRASH if row.trashed else PHOTOS
    if row.taken is None:
        # Always one folder deep: a folder of one photo may be called as another photo is.
        whence = " - ".join(one for one in row.folder.split("/") if one) or "no folder"
        return PurePosixPath(root, _UNDATED, part(whence), part(row.name or "unnamed"))
    day = row.taken[:_DAY_CHARACTERS]
    return PurePosixPath(root, part(day[:4]), part(day), part(row.name or "unnamed"))


def _sidecars(wanted: PurePosixPath, state: SubjectState) -> Iterator[tuple[PurePosixPath, BlobId]]:
    """Yield the sidecars that were kept of a photo, and where darktable looks for each.

    The main one first; those that contest with it follow as darktable's duplicates do. Others have
    the names that they came with.
    """
    number = 0
    for name in sorted(state.fields, key=lambda name: (name != MAIN_SIDECAR, name)):
        if not name.startswith(SIDECAR_PREFIX):
            continue
        own = name.removeprefix(SIDECAR_PREFIX)
        for version in state.fields[name].versions:
            ref = blob_ref(version.value)
            if ref is None:
                continue
            if is_sidecar(Path(own)):
                yield wanted.with_name(part(own)), ref.blob
                continue
            yield _beside(_duplicate(wanted, number)), ref.blob
            number += 1


def _duplicate(wanted: PurePosixPath, number: int) -> PurePosixPath:
    return wanted.with_stem(f"{wanted.stem}_{number:02}") if number else wanted


def _beside(wanted: PurePosixPath) -> PurePosixPath:
    return wanted.with_name(wanted.name + SIDECAR_SUFFIX)


def _says(data: bytes, name: str, marks: Marks) -> bool:
    """Whether a sidecar says of a photo what is known of it."""
    try:
        said = read_marks(data, name)
    except SidecarInvalid:
        return False
    return _plain(said) == _plain(marks)


def _plain(marks: Marks) -> tuple[object, ...]:
    return marks.rating, marks.label, marks.title, marks.caption, tuple(sorted(marks.keywords))

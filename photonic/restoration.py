"""Restores a library from the home folder of one of its nodes, on a machine that never met it.

The folder is met as a peer is: its catalog and the new one exchange what they have by the machine
of anti-entropy, so every change passes the door again, and both add up to the same digest. Files
are copied and hashed; what is not what its name says is left where it is and told. Nothing here is
believed because it was once believed there.

The new home has an identity of its own and is no member of the library: it shows and exports
everything, and what it would write has no effect until the recovery kit makes it an admin. Killed
at any point, it goes on when it is asked for again: what is held is not copied twice, and the
record that makes the home a node's is written last. Blocking.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from photonic import limits
from photonic.archived_home import ArchivedHome, StoredFile
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.store import Partial
from photonic.blobs.verify import hash_file
from photonic.catalog_export import row_of
from photonic.crdt.catalog import Catalog
from photonic.crdt.fold import SubjectState
from photonic.crdt.keys import ROOT, SHARD_COUNT
from photonic.crdt.projection import PhotoRow
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.sync import Message, Reconciler
from photonic.errors import (
    BlobCorrupt,
    ChangeInvalid,
    FileUnsettled,
    JournalDamaged,
    LibraryNotEmpty,
    PhotonicError,
)
from photonic.identity import Identity
from photonic.ids import PHOTO, BlobId, NodeId
from photonic.journal.journal import Journal
from photonic.layout import Layout, LibraryRecord
from photonic.membership import library_name
from photonic.names import visible
from photonic.world import World

DAMAGED, UNREADABLE, MISSING = "damaged", "unreadable", "missing"
LACKING: Final = "lacking.txt"
_OPENINGS_MAX: Final = 3
_ROUNDS_MAX: Final = 8  # the second one settles what documents cannot bring; others are for luck
_BATCH_BYTES: Final = 256 * limits.MIB  # a kill costs no more than this much copying

Tell = Callable[[str, int], None]
"""Is told what is being done, and how much of it is done."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A file of a photo that the archive could not give.

    `why`: damaged (it has other bytes), unreadable (the disk does not give it), missing. `said_by`
    are the members that said to hold it: their disks and cards are where to look.
    """

    photo: str
    name: str
    folder: str
    what: str  # original, preview or sidecar
    why: str
    blob: str
    size_bytes: int
    said_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = f"; {', '.join(self.said_by)} said to have it" if self.said_by else ""
        path = f"{self.folder}/{self.name}".lstrip("/")
        return visible(f"{path}: {self.what} {self.why} ({self.blob}{said})")


@dataclass(slots=True)
class Restored:
    """What came of it. `lost_changes` is what damage in the archive's journal cost."""

    library: str
    name: str
    digest: str = ""
    changes: int = 0
    lost_changes: int = 0
    refused: int = 0  # changes that did not pass the door
    photos: int = 0
    sealed: int = 0  # photos of which something stays sealed
    files: int = 0  # copied and verified now
    size_bytes: int = 0
    known: int = 0  # verified by an earlier run that was interrupted
    lacking: dict[str, int] = field(default_factory=dict)  # why -> files
    lacks: list[Lack] = field(default_factory=list)  # the first of them
    notes: list[str] = field(default_factory=list)

    def note_lack(self, lack: Lack) -> None:
        self.lacking[lack.why] = self.lacking.get(lack.why, 0) + 1
        if len(self.lacks) < limits.RESTORE_LACKS_TOLD_MAX:
            self.lacks.append(lack)

    @property
    def is_whole(self) -> bool:
        return not (self.lacking or self.lost_changes or self.refused or self.notes)


def restore_home(
    archive: ArchivedHome,
    layout: Layout,
    identity: Identity,
    world: World,
    tell: Tell,
    *,
    role: str,
    authority: Identity | None = None,
    quota_bytes: int | None = None,
) -> Restored:
    """Make a home of what an archive has. The home must be locked, and keep no other library.

    `authority`, if it is here, says what stays sealed: nothing.

    Raises LibraryNotEmpty, StoreFull, JournalUnwritable, OSError (this machine's disk).
    """
    library, known = archive.record.library, layout.read_record()
    if known is not None and known.library != library:
        raise LibraryNotEmpty(f"this home keeps the library {known.name}")
    layout.restoring.mkdir(parents=True, exist_ok=True, mode=0o700)
    restored = Restored(library.hex(), archive.record.name)
    shelving = Shelving(layout.blobs, world, restored, quota_bytes)
    try:
        shelving.take_all(archive, tell)
        place = Place(layout.journal(library), layout.directory(library), layout.restoring)
        with taken_in(archive, place, identity, authority, world, restored, tell) as catalog:
            account(archive, catalog, layout.home / LACKING, shelving.why_lacking, restored, tell)
    finally:
        shelving.close()
    record = known or LibraryRecord(library.hex(), restored.name, role)
    layout.write_record(record, world.files)
    shutil.rmtree(layout.restoring)
    return restored


# --- the catalog ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where the restored catalog goes, and where there is room to read the archive's copy."""

    journal: Path
    directory: Path
    scratch: Path


@contextmanager
def taken_in(
    archive: ArchivedHome,
    place: Place,
    identity: Identity,
    opener: Identity | None,
    world: World,
    restored: Restored,
    tell: Tell,
) -> Iterator[Catalog]:
    """Take an archive's catalog in, durably, and yield it; `opener` opens what is sealed, if it
    may."""
    library = archive.record.library
    with (
        _copied(archive, place.scratch / "archive", world, restored) as theirs,
        closing(Journal(place.journal)) as journal,
        closing(Catalog(library, identity, journal, world, place.directory, opener)) as catalog,
    ):
        restored.refused = meet(
            catalog, theirs, lambda: tell("changes", catalog.digests.change_count())
        )
        restored.changes = catalog.digests.change_count()
        restored.digest = catalog.root_digest().hex()
        restored.name = library_name(catalog, archive.record.name)
        yield catalog


@contextmanager
def _copied(
    archive: ArchivedHome, scratch: Path, world: World, restored: Restored
) -> Iterator[Catalog]:
    """Open a copy of an archive's catalog, read through, and say what of it is damaged."""
    library, nobody = archive.record.library, Identity.generate(world)
    path = archive.copy_catalog(scratch)
    for _ in range(_OPENINGS_MAX):
        with (
            closing(Journal(path)) as journal,
            closing(Catalog(library, nobody, journal, world, scratch / "directory.db")) as catalog,
        ):
            while catalog.housekeep() or catalog.has_staged:
                catalog.flush()
            if journal.must_reopen:
                continue  # it was salvaged while it was read
            restored.lost_changes = sum(catalog.upkeep.lacking.values())
            restored.notes += [str(damage) for damage in journal.damaged]
            restored.notes += journal.notes if journal.salvage is not None else []
            yield catalog
            shutil.rmtree(scratch)
            return
    raise JournalDamaged("the archive's catalog is another one each time it is read")


def meet(ours: Catalog, theirs: Catalog, note: Callable[[], None]) -> int:
    """Have two catalogs exchange all they have, durably; return how many changes were refused.

    With one that is refused, all that came with it is: then each is tried alone.
    """
    peers = NodeId(bytes(31) + b"\1"), NodeId(bytes(31) + b"\2")
    sides = [
        (catalog, Reconciler(CatalogReplica(catalog), peer))
        for catalog, peer in zip((ours, theirs), peers, strict=True)
    ]
    for _ in range(_ROUNDS_MAX):
        mail: deque[tuple[int, Message]] = deque((1, one) for one in sides[0][1].begin())
        while mail:
            to, message = mail.popleft()
            catalog, machine = sides[to]
            mail.extend((1 - to, answer) for answer in machine.handle(message))
            if catalog.has_staged:
                catalog.flush()
            note()
        if ours.root_digest() == theirs.root_digest():
            return 0
    refused = 0
    for signed in (one for number in range(SHARD_COUNT) for one in theirs.directory.shard(number)):
        try:
            ours.adopt([signed.data], peers[0])
        except ChangeInvalid:
            refused += 1
    ours.flush()
    return refused


# --- files ---------------------------------------------------------------------------------------


class Shelving:
    """Copies an archive's files into a store of this machine, each verified."""

    def __init__(
        self, root: Path, world: World, restored: Restored, quota_bytes: int | None = None
    ) -> None:
        self._store, self._restored = FileStore.open(root, world, quota_bytes), restored
        self._wrong: dict[BlobId, str] = {}
        self._batch: list[Partial] = []

    def close(self) -> None:
        self._store.close()

    def why_lacking(self, blob: BlobId) -> str | None:
        """Return why a blob is not here; None if it is."""
        return None if self._store.has(blob) else self._wrong.get(blob, MISSING)

    def take_all(self, archive: ArchivedHome, tell: Tell) -> None:
        """Copy what is not here yet; what is wrong with the rest is remembered."""
        if self._store.needs_rebuild:
            self._store.rebuild()
        for stored in archive.files():
            if self._store.has(stored.blob):
                self._restored.known += 1
            elif (partial := self._copied(stored)) is not None:
                self._add(partial, tell)
        for pack in archive.packs():
            for entry in archive.packed(pack):
                if self._store.has(entry.blob):
                    self._restored.known += 1
                    continue
                found = scan_bytes(entry.data)
                self._add(self._store.receive(found.ref, found.chunks, entry.data), tell)
        self._finish(tell)

    def _copied(self, stored: StoredFile) -> Partial | None:
        try:
            return self._store.take_over(stored.path, stored.blob)
        except BlobCorrupt:
            self._wrong[stored.blob] = DAMAGED
        except (OSError, FileUnsettled):
            if is_readable(stored.path):
                raise  # it is this machine's disk
            self._wrong[stored.blob] = UNREADABLE
        return None

    def _add(self, partial: Partial, tell: Tell) -> None:
        self._batch.append(partial)
        size_bytes = sum(one.ref.size_bytes for one in self._batch)
        if len(self._batch) >= limits.BLOBS_PER_COMMIT_MAX or size_bytes >= _BATCH_BYTES:
            self._finish(tell)

    def _finish(self, tell: Tell) -> None:
        for result in self._store.finish_many(self._batch):
            if isinstance(result, PhotonicError):
                raise result
            self._restored.files += 1
            self._restored.size_bytes += result.ref.size_bytes
        self._batch = []
        tell("files", self._restored.files + self._restored.known)


def is_readable(path: Path) -> bool:
    """Whether a file of the archive can be read to its end."""
    try:
        hash_file(path)
    except OSError:
        return False
    return True


# --- what is lacking -----------------------------------------------------------------------------


def photos_of(catalog: Catalog) -> Iterator[tuple[PhotoRow, SubjectState]]:
    """Yield every photo that can be shown, shard by shard."""
    for number in range(ROOT):
        for subject in catalog.subjects(number):
            if subject.kind == PHOTO:
                state = catalog.state(subject)
                row = row_of(state, catalog.display)
                if row is not None:
                    yield row, state


def account(
    archive: ArchivedHome,
    catalog: Catalog,
    report: Path,
    why_lacking: Callable[[BlobId], str | None],
    restored: Restored,
    tell: Tell,
) -> None:
    """Go through all photos, and write down what is lacking of each, by its name."""
    with report.open("w", encoding="utf-8", errors="replace") as file:
        for row, _ in photos_of(catalog):
            restored.photos += 1
            restored.sealed += bool(row.sealed)
            for lack in _lacks(archive, catalog, row, why_lacking):
                restored.note_lack(lack)
                file.write(f"{lack}\n")
            if restored.photos % limits.EXPORT_SUBJECTS_AT_ONCE == 0:
                tell("photos", restored.photos)
    if not restored.lacking:
        report.unlink()
    restored.notes += archive.notes


def _lacks(
    archive: ArchivedHome,
    catalog: Catalog,
    row: PhotoRow,
    why_lacking: Callable[[BlobId], str | None],
) -> Iterator[Lack]:
    """Yield what is lacking of a photo; of one in the trash, nothing need be here."""
    for blob in row.blobs if not row.trashed else ():
        name = blob.ref.blob
        why = why_lacking(name)
        if why == MISSING and archive.damaged(name) is not None:
            why = DAMAGED  # the node itself had found that
        if why is not None:
            yield Lack(
                row.photo.hex(), row.name, row.folder, blob.kind, why, name.hex(),
                blob.ref.size_bytes, _holders(catalog, name),
            )  # fmt: skip


def _holders(catalog: Catalog, blob: BlobId) -> tuple[str, ...]:
    members = catalog.roster.members
    return tuple(members[node].certificate.name for node in sorted(catalog.holders(blob)))

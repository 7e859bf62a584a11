"""Makes the tree what the catalog and the store say, a batch of photos at a time. Blocks.

Only what the store holds complete and verified is shown. An entry is in the ledger before its file
is in the tree and until after it is gone, so a crash anywhere leaves nothing that the next look at
the same photos does not put right; and a file that is as it should be is left alone, so neither its
path nor its inode changes. What somebody wrote into a sidecar is never replaced before it was taken
in: such a file is left, and the photo is built again when it was.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.errors import PhotonicError, TreeUnwritable
from photonic.ids import BlobId, ChangeId, digest, parse_hash
from photonic.tree.disk import TreeDisk
from photonic.tree.ledger import Entry, TreeLedger
from photonic.tree.paths import Claim, key_of, settled
from photonic.tree.picture import Picture, ShownFile, sidecar_files


@dataclass(slots=True)
class Built:
    """What came of building some photos."""

    shown: int = 0  # files that appeared, or show other bytes now
    removed: int = 0
    unshown: list[tuple[BlobId, str, PhotonicError]] = field(default_factory=list)
    # Where somebody's words are, which are taken in first, and of which photo.
    waiting: dict[str, BlobId] = field(default_factory=dict)


class TreeBuilder:
    """See the module. One thread at a time."""

    def __init__(
        self,
        ledger: TreeLedger,
        disk: TreeDisk,
        store: FileStore,
        is_dropped: Callable[[Collection[BlobId]], Collection[BlobId]] = lambda _: (),
    ) -> None:
        """`is_dropped` picks the blobs that go, of which the catalog says so already."""
        self.ledger, self.disk, self._store, self._is_dropped = ledger, disk, store, is_dropped

    def build(self, photos: Collection[BlobId]) -> Built:
        """Make what is shown of some photos what it should be."""
        built, some = Built(), list(photos)
        for start in range(0, len(some), limits.TREE_BATCH_MAX):
            self._build(some[start : start + limits.TREE_BATCH_MAX], built)
        return built

    def _build(self, photos: Sequence[BlobId], built: Built) -> None:
        wanted = self._wanted(photos)
        there = {entry.path: entry for entry in self.ledger.entries(photos)}
        obsolete = [entry for path, entry in there.items() if path not in wanted]
        if obsolete:
            self._remove(obsolete, built)
        changed: dict[str, tuple[BlobId, ShownFile]] = {}
        for path, (photo, shown) in wanted.items():
            entry = there.get(path)
            is_said = entry is not None and _shows(entry, photo, shown)
            if entry is None or not is_said or not self._is_there(entry):
                changed[path] = (photo, shown)
        if changed:
            self._show(changed, built)

    # --- what there should be ----------------------------------------------------------------

    def _wanted(self, photos: Sequence[BlobId]) -> dict[str, tuple[BlobId, ShownFile]]:
        """Return the files that some photos show, by path."""
        pictures = self.ledger.pictures(photos)
        paths = self._paths(pictures)
        blobs = {blob for picture in pictures for blob in picture.blobs()}
        held = self._store.has_many(blobs) - frozenset(self._is_dropped(blobs))
        found: dict[str, tuple[BlobId, ShownFile]] = {}
        taken = set[str]()
        for picture in pictures:
            if not picture.shows or picture.original not in held:
                continue
            for path in paths.get(picture.photo, ()):
                files = [ShownFile(path, picture.original), *sidecar_files(picture, path)]
                for shown in files:
                    if shown.blob in held and key_of(shown.path) not in taken:
                        taken.add(key_of(shown.path))
                        found[shown.path] = (picture.photo, shown)
        # A duplicate's sidecar may have the name of another photo's own one, which goes first.
        others = self.ledger.entries_at(list(found))
        for path, entry in others.items():
            photo, shown = found[path]
            if entry.photo != photo and shown.sidecar is not None and entry.photo not in photos:
                del found[path]
        return found

    def _paths(self, pictures: Iterable[Picture]) -> dict[BlobId, tuple[str, ...]]:
        own = {picture.photo: picture.claimed() for picture in pictures}
        keys = {key_of(claim.path) for claims in own.values() for claim in claims}
        claims: list[Claim] = self.ledger.claims(keys)
        return {photo: paths for photo, paths in settled(claims).items() if photo in own}

    # --- what there is -----------------------------------------------------------------------

    def _is_there(self, entry: Entry) -> bool:
        """Whether the file of an entry is in the tree, as it was put there or written since."""
        there = self.disk.look(entry.path)
        if there is None or entry.inode == 0:
            return False
        if entry.sidecar is not None:
            return True  # whatever somebody wrote is theirs until it was taken in
        return there.st_ino == entry.inode and self._is_stored(entry)

    def _is_stored(self, entry: Entry) -> bool:
        """Whether what is shown is what the store has: a file that was repaired is another one."""
        try:
            return self._store.path(entry.blob).stat().st_ino == entry.inode
        except (PhotonicError, OSError):
            return False

    def is_written(self, entry: Entry) -> bool:
        """Whether a sidecar in the tree is not as it was put there."""
        there = self.disk.look(entry.path)
        if there is None or entry.inode == 0:
            return False
        now = (there.st_size, there.st_mtime_ns, there.st_ino)
        return now != (entry.size, entry.mtime_ns, entry.inode)

    def _remove(self, entries: Iterable[Entry], built: Built) -> None:
        gone = []
        for entry in entries:
            if entry.sidecar is not None and self.is_written(entry):
                built.waiting[entry.path] = entry.photo
                continue
            try:
                self.disk.remove(entry.path, entry.inode or self._left_inode(entry))
            except OSError as error:
                reason = error.strerror or str(error)
                told: PhotonicError = TreeUnwritable(entry.path, reason)
                built.unshown.append((entry.photo, entry.path, told))
                continue
            gone.append(entry.path)
        with self.ledger.batch():
            self.ledger.forget(gone)
        built.removed += len(gone)

    def _left_inode(self, entry: Entry) -> int:
        """Return the inode of a file that was being put there when a crash came; 0: there is none.

        What is not what belonged there was put there by others.
        """
        there = self.disk.look(entry.path)
        if there is None:
            return 0
        if entry.sidecar is None:
            return there.st_ino if is_link_of_ours(there) else 0
        read = self.disk.read(entry.path)
        return there.st_ino if read is not None and digest(read[0]) == entry.blob else 0

    def _show(self, changed: dict[str, tuple[BlobId, ShownFile]], built: Built) -> None:
        before = self.ledger.entries_at(list(changed))
        intended = []
        for path, (photo, shown) in list(changed.items()):
            entry = before.get(path)
            if shown.sidecar is not None and self._has_others_words(shown, entry):
                built.waiting[path] = photo
                del changed[path]
            elif entry is None:
                intended.append(Entry(path, photo, shown.blob, shown.sidecar, 0, 0, 0))
        if intended:
            with self.ledger.batch():
                self.ledger.put(intended)
        done = []
        for path, (photo, shown) in changed.items():
            try:
                status = self._put(shown, before.get(path))
            except (PhotonicError, OSError) as error:
                told = error if isinstance(error, PhotonicError) else _told(path, error)
                built.unshown.append((photo, path, told))
                continue
            size, mtime_ns, inode = status
            done.append(Entry(path, photo, shown.blob, shown.sidecar, size, mtime_ns, inode))
        with self.ledger.batch():
            self.ledger.put(done)
        built.shown += len(done)

    def _has_others_words(self, shown: ShownFile, entry: Entry | None) -> bool:
        """Whether what is at a sidecar's path was written by others, and is not what belongs there.

        Of what has no entry nobody knows who wrote it, so it is taken in first.
        """
        if self.disk.look(shown.path) is None:
            return False
        if entry is not None and entry.inode != 0 and not self.is_written(entry):
            return False
        there = self.disk.read(shown.path)
        return there is None or digest(there[0]) != shown.blob

    def _put(self, shown: ShownFile, before: Entry | None) -> tuple[int, int, int]:
        if shown.sidecar is not None:
            status = self._put_sidecar(shown, before)
        else:
            if before is not None and before.blob != shown.blob:
                self.disk.remove(shown.path, before.inode)
            status = self.disk.link(self._store.path(shown.blob), shown.path)
        return status.st_size, status.st_mtime_ns, status.st_ino

    def _put_sidecar(self, shown: ShownFile, before: Entry | None) -> os.stat_result:
        there = self.disk.read(shown.path)
        if there is not None and digest(there[0]) == shown.blob:
            return there[1]
        data = self._store.read(shown.blob)
        if before is None or before.sidecar is None:
            return self.disk.write(shown.path, data)
        kept_as = kept_name(before.photo, before.sidecar.change)
        return self.disk.write(shown.path, data, before.inode, kept_as)

    # --- after a crash, or with a new ledger -------------------------------------------------

    def clear_strays(self) -> int:
        """Take links to stored files out of the tree that no entry has; return how many.

        They are what a ledger that was lost had put there. Whatever others wrote stays, and the
        last link to a file is never removed.
        """
        count, some = 0, list[tuple[str, int]]()
        for path, file in self.disk.walk():
            status = file.stat(follow_symlinks=False)
            if is_link_of_ours(status):
                some.append((path, status.st_ino))
            if len(some) == limits.TREE_BATCH_MAX:
                count += self._clear(some)
                some = []
        return count + self._clear(some)

    def _clear(self, some: Sequence[tuple[str, int]]) -> int:
        known = self.ledger.entries_at([path for path, _ in some])
        strays = [(path, inode) for path, inode in some if path not in known]
        for path, inode in strays:
            self.disk.remove(path, inode)
        return len(strays)


def is_link_of_ours(status: os.stat_result) -> bool:
    """Whether a file looks as a link to a stored one does, and is not the last one."""
    return stat.S_IMODE(status.st_mode) in (0o444, 0o400) and status.st_nlink > 1


def kept_name(photo: BlobId, change: ChangeId) -> str:
    """Return what a sidecar is kept as that is replaced; `parse_kept_name` reads it."""
    return f"{photo.hex()}-{change.hex()}"


def parse_kept_name(name: str) -> tuple[BlobId, ChangeId] | None:
    photo, _, change = name.partition("-")
    try:
        return BlobId(parse_hash(photo)), ChangeId(parse_hash(change))
    except ValueError:
        return None


def _shows(entry: Entry, photo: BlobId, shown: ShownFile) -> bool:
    return (entry.photo, entry.blob, entry.sidecar) == (photo, shown.blob, shown.sidecar)


def _told(path: str, error: OSError) -> PhotonicError:
    return TreeUnwritable(path, error.strerror or str(error))

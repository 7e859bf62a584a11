"""Sidecars in folders: which of them lie beside which photo, and what they say, stored.

A photo's sidecars come with it, after it, or change later: whoever writes them does so when a
person has judged the picture. So they are looked at whenever either file turns up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio

from photonic import limits
from photonic.blobs.store import BlobStore
from photonic.blobs.verify import hash_file
from photonic.errors import PhotonicError, SidecarInvalid
from photonic.ids import BlobId
from photonic.ingest.places import explained, shown, shown_name
from photonic.ingest.seen import Seen, Sight, sight
from photonic.ingest.sidecar import beside, bonds, is_sidecar, photo_bonds, read_marks
from photonic.photos import Marks, Sidecar, media_type
from photonic.problems import Problems


@dataclass(slots=True)
class Taken:
    """The sidecars of one photo, the one that speaks for it first."""

    sidecars: list[Sidecar] = field(default_factory=list)
    sights: list[tuple[Sight, BlobId]] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)  # told among the problems


class FolderSidecars:
    """The sidecars that lie in some folders, found by name in no time. Reads nothing but names."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """List the folders. Blocking. One that went away has no sidecars."""
        self._found: dict[tuple[Path, str], list[Path]] = defaultdict(list)
        for folder in folders:
            for path in _listed(folder):
                # A link may lead to a key of this node, and what is taken in peers get.
                if is_sidecar(path) and path.is_file() and not path.is_symlink():
                    for bond in bonds(path):
                        self._found[folder, bond].append(path)

    def beside(self, photo: Path) -> Sequence[Path]:
        """Return the sidecars of a photo in one of the folders, best first."""
        near: dict[Path, None] = {}
        for bond in photo_bonds(photo):
            near.update(dict.fromkeys(self._found.get((photo.parent, bond), ())))
        return beside(photo, near)


def photos_of(sidecars: Iterable[Path], but: frozenset[Path]) -> list[Path]:
    """Return the photos beside which these sidecars lie, sorted, those in `but` left out. Blocks.

    Links and hidden files are no photos.
    """
    wanted: Mapping[Path, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for sidecar in sidecars:
        for bond in bonds(sidecar):
            wanted[sidecar.parent][bond].append(sidecar)
    return sorted(
        path
        for folder, by_bond in wanted.items()
        for path in _listed(folder)
        if path not in but
        and media_type(path.name) is not None
        and not path.name.startswith(".")
        and any(beside(path, by_bond.get(bond, ())) for bond in photo_bonds(path))
        and path.is_file()
        and not path.is_symlink()
    )


class Companions:
    """Takes sidecars into the store."""

    def __init__(self, store: BlobStore, problems: Problems, seen: Seen | None) -> None:
        self._store, self._problems, self._seen = store, problems, seen

    def take_news(self, paths: Sequence[Path], photo: BlobId) -> Taken:
        """Do `take`, but take nothing if none of the files changed since it was taken in."""
        if self._seen is not None and all(self._is_seen(path, photo) for path in paths):
            return Taken()
        return self.take(paths, photo)

    def _is_seen(self, path: Path, photo: BlobId) -> bool:
        assert self._seen is not None
        try:
            return self._seen.blob(sight(path, photo)) is not None
        except OSError:
            return False  # `take` tells why

    def take(self, paths: Sequence[Path], photo: BlobId) -> Taken:
        """Store the sidecars of a photo, those too that cannot be read as such.

        Blocking, in a worker thread of trio. Raises StoreFull, FileUnsettled.
        """
        taken = Taken()
        for path in paths:
            name = shown_name(path)
            try:
                before = sight(path, photo)
                known = self._store.held(hash_file(path))  # most are, and no copy is made of them
                held = known or self._store.adopt(path)
            except OSError as error:
                self._tell(explained(error, path), path)
                taken.unread.append(path)
                continue
            try:
                with self._store.reader(held.ref.blob) as file:
                    marks = read_marks(file.read(limits.SIDECAR_BYTES_MAX + 1), name)
            except SidecarInvalid as error:
                self._tell(error, path)
                marks = Marks()
            else:
                trio.from_thread.run_sync(self._problems.clear, shown(path))
            taken.sidecars.append(Sidecar(name, held.ref, marks))
            taken.sights.append((before, held.ref.blob))
        return taken

    def _tell(self, error: PhotonicError, path: Path) -> None:
        """Note a problem from a worker thread: the list belongs to the event loop."""
        trio.from_thread.run_sync(self._problems.add, error, shown(path))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # it went away, or is told by whoever looks through it

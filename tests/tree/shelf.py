"""A tree with a real store and a real disk, and a catalog that is a dict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from photonic.blobs.files import FileStore
from photonic.crdt.fields import SIDECAR_PREFIX
from photonic.ids import BlobId, ChangeId, digest
from photonic.photos import SIDECAR_SUFFIX
from photonic.tree.builder import Built, TreeBuilder
from photonic.tree.disk import TreeDisk, Writers
from photonic.tree.ledger import TreeLedger
from photonic.tree.picture import Picture, SidecarVersion
from photonic.world import World

Listing = dict[str, tuple[int, bytes]]
WRITERS = Writers(65_534, 65_534)


def change_of(text: str) -> ChangeId:
    return ChangeId(digest(text.encode()))


class TreeShelf:
    """One node's store, ledger and tree below a folder."""

    def __init__(self, folder: Path, writers: Writers | None = None) -> None:
        self.folder, self.world, self.writers = folder, World(), writers
        self.store = FileStore.open(folder / "blobs", self.world)
        self.pictures: dict[BlobId, Picture] = {}
        self.root = folder / "tree"
        self.open()

    def open(self) -> None:
        """Begin anew, as a process does."""
        self.ledger = TreeLedger(self.folder / "tree.db")
        self.disk = TreeDisk(self.root, lambda: self.world.entropy.token(8).hex(), self.writers)
        self.disk.prepare(self.folder / "blobs")
        self.builder = TreeBuilder(self.ledger, self.disk, self.store)

    def close(self) -> None:
        self.ledger.close()

    def add(
        self, data: bytes, *paths: str, at: int = 1, sidecars: Iterable[tuple[str, bytes]] = ()
    ) -> BlobId:
        """Store a photo that lies at some paths, with versions of sidecars by field."""
        photo = self.store.put(data).ref.blob
        claims = tuple((path, at + n, change_of(f"{path}{n}")) for n, path in enumerate(paths))
        versions = []
        for number, (name, text) in enumerate(sidecars):
            blob = self.store.put(text).ref.blob
            change = change_of(f"{name}{number}")
            versions.append(SidecarVersion(SIDECAR_PREFIX + name, blob, change, number))
        self.pictures[photo] = Picture(photo, photo, True, claims, tuple(versions))
        return photo

    def build(self, *photos: BlobId) -> Built:
        """Learn what the dict says of some photos, or of all, and build what that moves."""
        some = photos or tuple(self.pictures)
        with self.ledger.batch():
            moved = self.ledger.learn([self.pictures[p] for p in some if p in self.pictures],
                                      [p for p in some if p not in self.pictures])  # fmt: skip
        return self.builder.build(moved)

    def listing(self, inode: Callable[[int], int] = lambda one: one) -> Listing:
        """Return every file of the tree with its inode and bytes."""
        return {
            path: (inode(entry.stat().st_ino), Path(entry.path).read_bytes())
            for path, entry in self.disk.walk()
        }

    def shown(self) -> dict[str, bytes]:
        """Return the bytes of every file in the tree."""
        return {path: data for path, (_, data) in self.listing().items()}


def is_sidecar(path: str) -> bool:
    return path.endswith(SIDECAR_SUFFIX)

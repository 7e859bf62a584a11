"""The photos of the tests' LocalNode: a catalog and an index in memory, originals in a folder.

Everything that lists, finds and edits photos is the product's own. What is not: no journal on a
disk, no peers, no worker processes; files stay where they are instead of in a store.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from photonic.albums import Albums
from photonic.blobs.store import Held, Origin
from photonic.crdt.commits import Committed
from photonic.crdt.index import PhotoIndex
from photonic.crdt.matching import MatchQuery
from photonic.crdt.query import PhotoQuery
from photonic.drafts import introduction
from photonic.edits import Edits
from photonic.errors import BlobMissing, FolderUnknown, PhotoUnreadable
from photonic.events import EventLog, SubjectsChanged
from photonic.finder import Finder
from photonic.gallery import Gallery
from photonic.grace import Grace
from photonic.histories import Histories
from photonic.ids import (
    HASH_BYTES,
    BlobId,
    NodeId,
    album_subject,
    digest,
    photo_subject,
)
from photonic.ingest.examination import Examined
from photonic.ingest.pixels import pixels_of
from photonic.limits import PREVIEW_EDGES_PX
from photonic.photos import BlobRef, NewPhoto, PhotoFacts, Rendition, media_type
from photonic.placement.rules import Floor
from photonic.placements import Placements, known_in, member_of
from photonic.policies import Policies
from photonic.projector import Projector
from photonic.trash import Trash
from photonic.world import World
from tests.memory_library import HERE, NAMES, MemoryLibrary


class Originals:
    """Files by the hash of what they were when they were taken in."""

    def __init__(self) -> None:
        self.paths: dict[BlobId, Path] = {}

    def has(self, blob: BlobId) -> bool:
        return blob in self.paths

    def held(self, blob: BlobId) -> Held | None:
        ref = BlobRef(blob, 0, bytes(32))
        return Held(ref, 1_700_000_000_000, Origin.LOCAL) if self.has(blob) else None

    def path(self, blob: BlobId) -> Path:
        if blob not in self.paths:
            raise BlobMissing(blob)
        return self.paths[blob]

    def read(self, blob: BlobId) -> bytes:
        return self.path(blob).read_bytes()


class Examiner:
    """Makes previews in this process; of JPEGs only, which the tests made themselves."""

    async def examine(
        self, path: Path, name: str | None = None, blob: BlobId | None = None
    ) -> Examined:
        if media_type(name or path.name) != "image/jpeg":
            raise PhotoUnreadable(name or path.name)
        made = []
        for edge_px in PREVIEW_EDGES_PX:
            picture = Image.open(path)
            picture.thumbnail((edge_px, edge_px))
            data = io.BytesIO()
            picture.save(data, "JPEG")
            made.append(Rendition(edge_px, *picture.size, data.getvalue()))
        return Examined(PhotoFacts(media_type="image/jpeg"), tuple(made))


class MemoryPhotos:
    """A library's photos, and the services that answer for them."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        world = world or World()
        self.folder, self.events = folder, EventLog()
        self.originals = Originals()
        self.index = PhotoIndex(None)
        self.query = PhotoQuery(self.index.engine)
        self.catalog_thread = MemoryLibrary(world)
        self._projector = Projector(
            self.catalog_thread.catalog,
            self.catalog_thread.journal,
            self.index,
            HERE,
            lambda blobs: [blob for blob in blobs if self.originals.has(blob)],
            world.clock,
        )
        self.catalog_thread.on_commit = self._note_committed
        self.finder = Finder(self.query, world.clock)
        self.edits = Edits(self.catalog_thread, self.finder, world.entropy)
        self.history = Histories(self.catalog_thread, self.query, self.edits, name_of)
        self.albums = Albums(self.catalog_thread, self.query, self.finder, world.entropy)
        self.policies = Policies(self.catalog_thread)
        self.placements = Placements(
            self.catalog_thread, self.query, MatchQuery(self.index.engine), world.clock,
            member_of(HERE, "central", NAMES[HERE]), Floor(),
        )  # fmt: skip
        self.placements.know(known_in(self.catalog_thread.catalog))
        self.trash = Trash(
            self.catalog_thread,
            self.query,
            self.edits,
            HERE,
            world.clock,
            name_of,
            self._purge,
            Grace(30, world, None),
        )
        self.gallery = Gallery(
            self.catalog_thread, self.query, self.finder, self.originals, Examiner(), name_of, HERE
        )

    def _note_committed(self, committed: Committed) -> None:
        """Do what `Keeper` and `Library` do with what became durable."""
        self._projector.follow(committed)
        while self._projector.step() is not None:
            pass
        if committed.subjects:
            origins = set(committed.subjects.values())
            origin = origins.pop() if len(origins) == 1 else None
            self.events.announce(
                SubjectsChanged(tuple(committed.subjects), tuple(committed.changes), origin)
            )

    # --- what a test does to it --------------------------------------------------------------

    def take(self, name: str, color: tuple[int, int, int], *, taken: str = "2024-05-17") -> str:
        """Make a photo of one colour, take it in, and return its id."""
        path = self.folder / name
        picture = io.BytesIO()
        Image.new("RGB", (640, 480), color).save(picture, "JPEG")
        path.write_bytes(picture.getvalue())
        return self.take_in(path, taken=taken)

    def take_in(
        self,
        path: Path,
        *,
        taken: str = "2024-05-17",
        size: tuple[int, int] | None = None,
        camera: str = "Camera A",
    ) -> str:
        """Take in the file at `path` under the type that its name stands for."""
        data = path.read_bytes()
        photo, kind = BlobId(digest(data)), media_type(path.name) or "application/octet-stream"
        if photo not in self.originals.paths:
            self.originals.paths[photo] = path
            if kind == "image/jpeg":
                size = Image.open(io.BytesIO(data)).size
            facts = PhotoFacts(
                media_type=kind,
                width=size[0] if size else None,
                height=size[1] if size else None,
                taken=f"{taken}T12:00:00" if len(taken) == len("2024-05-17") else taken,
                camera_model=camera,
                pixels=pixels_of(path),
            )
            new = NewPhoto(
                original=BlobRef(photo, len(data), bytes(32)),
                name=path.name,
                folder="",
                facts=facts,
            )
            self.catalog_thread.write(introduction(new, 1_700_000_000_000))
        return photo.hex()

    def write_apart(self, subject_id: str, name: str, value: object) -> str:
        """Let another node have written a field of a photo or an album, not knowing our version.

        Returns the id of its change.
        """
        key = bytes.fromhex(subject_id)
        is_photo = len(key) == HASH_BYTES
        subject = photo_subject(BlobId(key)) if is_photo else album_subject(key)
        return self.catalog_thread.write_apart(subject, {name: value}).id.hex()

    async def _purge(self, photo: BlobId) -> int:
        """Lose the bytes of what is past its grace; return how many. The folder keeps its file."""
        if not self.originals.has(photo):
            return 0
        size_bytes = len(self.originals.read(photo))
        self.drop(photo.hex())
        return size_bytes

    def drop(self, photo: str) -> None:
        """Lose the original's bytes, as a node that never fetched them."""
        blob = BlobId(bytes.fromhex(photo))
        del self.originals.paths[blob]
        self.index.mark_held([blob], is_held=False)


def name_of(node: NodeId) -> str | None:
    return NAMES.get(node)


def photo_files(folder: Path) -> list[Path]:
    """Return the photos below a folder. Raises FolderUnknown."""
    if not folder.is_dir():
        raise FolderUnknown(f"there is no folder {folder}")
    return [path for path in sorted(folder.rglob("*")) if media_type(path.name)]

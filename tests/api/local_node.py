"""A LocalNode that lives in memory: real photos on a real disk, real edits, real conflicts.

It keeps the promises of `photonic.views.LocalNode` without a catalog, peers or a journal, so that
the HTTP face can be tested on its own. Times go on by one second at each change.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import count
from pathlib import Path
from typing import TypeVar

import segno
from PIL import Image
from prometheus_client import CollectorRegistry, Gauge

from photonic.errors import (
    BlobMissing,
    CodeInvalid,
    CodeRefused,
    EditInvalid,
    FolderUnknown,
    PhotoUnknown,
    QueryInvalid,
)
from photonic.events import EventLog, ImportProgress, SubjectsChanged
from photonic.ids import BlobId, NodeId, digest, peer_id, photo_subject
from photonic.photos import IMAGE_TYPES, RAW_TYPES, media_type
from photonic.views import (
    ConflictPage,
    ConflictView,
    DoctorView,
    FieldView,
    HolderView,
    HoldingsView,
    ImportView,
    InvitationView,
    LibraryView,
    NodeView,
    OriginalFile,
    PeerView,
    PhotoDetail,
    PhotoFilter,
    PhotoPage,
    PhotoSummary,
    PreviewImage,
    StatusView,
    VersionView,
)

Item = TypeVar("Item")

HERE, THERE = NodeId(digest(b"here")), NodeId(digest(b"there"))
NAMES = {HERE: "studio", THERE: "field"}
FIELDS = ("rating", "label", "title", "caption")


@dataclass
class Photo:
    path: Path
    original: BlobId
    media_type: str
    taken: str
    camera: str
    size_bytes: int
    width: int
    height: int
    held: bool = True
    tags: set[str] = field(default_factory=set)
    versions: dict[str, list[VersionView]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.original.hex()

    def shown(self, name: str) -> object:
        """The value to show: that of the latest version."""
        versions = self.versions.get(name, [])
        return max(versions, key=lambda version: version.at).value if versions else None

    def contested(self) -> list[str]:
        return [
            name
            for name, versions in self.versions.items()
            if len({repr(version.value) for version in versions}) > 1
        ]


class MemoryNode:
    """One node with its photos in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._photos: dict[str, Photo] = {}
        self._imports: dict[str, ImportView] = {}
        self._codes: set[str] = set()
        self._clock = count(1)
        self._events = EventLog()
        self._metrics = CollectorRegistry()
        gauge = Gauge("photonic_photos", "Photos in the catalog.", registry=self._metrics)
        gauge.set_function(lambda: len(self._photos))
        self.library = LibraryView(id="5f" * 16, name="Harbour")
        self.state = "monitoring"
        self.is_stopping = False

    @property
    def events(self) -> EventLog:
        return self._events

    @property
    def metrics(self) -> CollectorRegistry:
        return self._metrics

    # --- what a test does to it -----------------------------------------------------------

    def take(self, name: str, color: tuple[int, int, int], *, taken: str = "2024-05-17") -> str:
        """Make a photo of one colour, take it in, and return its id."""
        path = self._folder / name
        picture = io.BytesIO()
        Image.new("RGB", (640, 480), color).save(picture, "JPEG")
        path.write_bytes(picture.getvalue())
        return self.take_in(path, taken=taken)

    def take_in(
        self, path: Path, *, taken: str = "2024-05-17", size: tuple[int, int] = (0, 0)
    ) -> str:
        """Take in the file at `path` under the type that its name stands for."""
        data = path.read_bytes()
        original = BlobId(digest(data))
        kind = media_type(path.name) or "application/octet-stream"
        if original.hex() not in self._photos:
            width, height = size
            if kind == "image/jpeg":
                width, height = Image.open(io.BytesIO(data)).size
            self._photos[original.hex()] = Photo(
                path, original, kind, taken, "Camera A", len(data), width, height
            )
            self._events.announce(SubjectsChanged((photo_subject(original),)))
        return original.hex()

    def write_apart(self, photo: str, name: str, value: object) -> VersionView:
        """Let another node have written a field without knowing our version of it."""
        one = self._find(photo)
        version = self._version(value, THERE)
        one.versions.setdefault(name, []).append(version)
        self._events.announce(SubjectsChanged((photo_subject(one.original),), origin=THERE))
        return version

    def drop(self, photo: str) -> None:
        """Lose the original's bytes, as a node that never fetched them."""
        self._find(photo).held = False

    # --- LocalNode --------------------------------------------------------------------------

    async def status(self) -> StatusView:
        held = [photo for photo in self._photos.values() if photo.held]
        return StatusView(
            node=NodeView(peer_id(HERE), NAMES[HERE], "central", self.state, "home"),
            library=self.library,
            photos=len(self._photos),
            conflicts=sum(len(photo.contested()) for photo in self._photos.values()),
            peers=1,
            holdings=HoldingsView(
                len(self._photos), len(held), sum(photo.size_bytes for photo in held)
            ),
            problems=[],
            transfers=[],
            imports=await self.imports(),
            listen=[f"/ip4/127.0.0.1/tcp/4310/p2p/{peer_id(HERE)}"],
            http="http://127.0.0.1:8640",
            version="0.1.0",
            wants={"originals": "all"},
        )

    async def photos(self, filters: PhotoFilter, limit: int, cursor: str | None) -> PhotoPage:
        found = [photo for photo in self._newest_first() if self._matches(photo, filters)]
        page, following = _page(found, lambda photo: (photo.taken, photo.id), limit, cursor)
        return PhotoPage([self._summary(photo) for photo in page], following)

    async def photo(self, photo: str) -> PhotoDetail:
        return self._detail(self._find(photo))

    async def edit(
        self,
        photo: str,
        sets: Mapping[str, object],
        *,
        add_tags: Sequence[str] = (),
        remove_tags: Sequence[str] = (),
    ) -> PhotoDetail:
        one = self._find(photo)
        for name, value in sets.items():
            if name not in FIELDS:
                raise EditInvalid(f"there is no field {name}")
            one.versions[name] = [self._version(value, HERE)]
        one.tags = (one.tags | set(add_tags)) - set(remove_tags)
        self._events.announce(SubjectsChanged((photo_subject(one.original),)))
        return self._detail(one)

    async def resolve(
        self, photo: str, field: str, *, change: str | None = None, value: object = None
    ) -> PhotoDetail:
        versions = self._find(photo).versions.get(field, [])
        if change is not None:
            chosen = [version.value for version in versions if version.change == change]
            if not chosen:
                raise EditInvalid(f"{field} has no version {change}")
            value = chosen[0]
        return await self.edit(photo, {field: value})

    async def conflicts(self, limit: int, cursor: str | None) -> ConflictPage:
        found = [(one, name) for one in self._newest_first() for name in one.contested()]
        page, following = _page(
            found, lambda item: (item[0].taken, item[0].id, item[1]), limit, cursor
        )
        return ConflictPage(
            [ConflictView(self._summary(one), name, one.versions[name]) for one, name in page],
            following,
        )

    async def peers(self) -> list[PeerView]:
        return [
            PeerView(
                id=peer_id(THERE),
                name=NAMES[THERE],
                host="leia",
                role="mobile",
                state="monitoring",
                mode="roaming",
                addresses=["/ip4/127.0.0.1/tcp/4311"],
                link="stream",
                latency_ms=1.5,
                capacity_bytes=None,
                free_bytes=None,
                capabilities=[],
                last_seen=self._now(),
            )
        ]

    async def original(self, photo: str) -> OriginalFile:
        one = self._find(photo)
        if not one.held:
            raise BlobMissing(one.original)
        return OriginalFile(one.path, one.media_type, one.path.name, one.size_bytes, one.id)

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        one = self._find(photo)
        if one.media_type != "image/jpeg" or not one.held:
            raise BlobMissing(one.original)
        picture = Image.open(one.path)
        picture.thumbnail((edge_px, edge_px))
        data = io.BytesIO()
        picture.save(data, "JPEG")
        return PreviewImage(data.getvalue(), digest(data.getvalue()).hex())

    async def invite(self, role: str, ttl_s: int, scopes: Sequence[str] | None) -> InvitationView:
        code = f"photonic1-{role}-{base64.b32encode(os.urandom(10)).decode().lower()}"
        self._codes.add(code)
        svg = io.BytesIO()
        segno.make(code).save(svg, kind="svg", xmldecl=False)
        return InvitationView(code, self._now(later_s=ttl_s), svg.getvalue().decode())

    async def join(self, code: str) -> LibraryView:
        if not code.startswith("photonic1-"):
            raise CodeInvalid("that is no invitation code")
        if code not in self._codes:
            raise CodeRefused("the code was used, or never given out")
        self._codes.remove(code)
        return self.library

    async def start_import(self, folder: str) -> ImportView:
        before, found = len(self._photos), _photo_files(Path(folder))
        for path in found:
            self.take_in(path)
        imported = len(self._photos) - before
        view = ImportView(folder, len(found), imported, len(found) - imported, 0, True)
        self._imports[folder] = view
        self._events.announce(
            ImportProgress(folder, view.found, view.imported, view.known, 0, True)
        )
        return view

    async def imports(self) -> list[ImportView]:
        return list(self._imports.values())

    async def doctor(self) -> list[DoctorView]:
        is_writable = os.access(self._folder, os.W_OK)
        return [
            DoctorView("folder", is_writable, str(self._folder), "" if is_writable else "chmod")
        ]

    async def stop(self) -> None:
        self.is_stopping = True

    # --- inside -----------------------------------------------------------------------------

    def _find(self, photo: str) -> Photo:
        if photo not in self._photos:
            raise PhotoUnknown(photo)
        return self._photos[photo]

    def _newest_first(self) -> list[Photo]:
        return sorted(self._photos.values(), key=lambda one: (one.taken, one.id), reverse=True)

    def _matches(self, photo: Photo, filters: PhotoFilter) -> bool:
        rating, kind = photo.shown("rating"), photo.media_type
        kinds = {"raw": RAW_TYPES.values(), "image": IMAGE_TYPES.values()}
        wants = [
            filters.q.lower() in photo.path.name.lower(),
            filters.rating_min is None
            or (isinstance(rating, int) and rating >= filters.rating_min),
            filters.camera in (None, photo.camera),
            filters.lens is None,
            filters.taken_from is None or photo.taken >= filters.taken_from,
            filters.taken_to is None or photo.taken[: len(filters.taken_to)] <= filters.taken_to,
            filters.media is None
            or (kind in kinds[filters.media] if filters.media in kinds else kind[:5] == "video"),
            not filters.conflicts_only or bool(photo.contested()),
            filters.held in (None, photo.held),
            filters.tag is None or filters.tag in photo.tags,
        ]
        return all(wants)

    def _summary(self, photo: Photo) -> PhotoSummary:
        rating, label, title = (photo.shown(name) for name in ("rating", "label", "title"))
        assert isinstance(rating, int | None)
        return PhotoSummary(
            id=photo.id,
            name=photo.path.name,
            taken=photo.taken,
            rating=rating,
            media_type=photo.media_type,
            bytes=photo.size_bytes,
            width=photo.width or None,
            height=photo.height or None,
            held=photo.held,
            conflicts=photo.contested(),
            label=str(label) if label else None,
            title=str(title) if title else None,
        )

    def _detail(self, photo: Photo) -> PhotoDetail:
        summary = self._summary(photo)
        contested = set(summary.conflicts)
        return PhotoDetail(
            **{part.name: getattr(summary, part.name) for part in fields(PhotoSummary)},
            fields={
                name: FieldView(photo.shown(name), name in contested, list(versions))
                for name, versions in photo.versions.items()
            },
            holders=[HolderView(peer_id(HERE), NAMES[HERE], photo.held)],
            facts={"camera_model": photo.camera},
            tags=sorted(photo.tags),
        )

    def _version(self, value: object, author: NodeId) -> VersionView:
        at = self._now()
        change = digest(f"{at} {value!r}".encode()).hex()
        return VersionView(change, value, peer_id(author), NAMES[author], at)

    def _now(self, later_s: int = 0) -> str:
        second = next(self._clock) + later_s
        days, rest = divmod(second, 86_400)
        return f"2024-06-{days + 1:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def _photo_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FolderUnknown(f"there is no folder {folder}")
    return [path for path in sorted(folder.rglob("*")) if media_type(path.name)]


def _page(
    items: list[Item], key: Callable[[Item], tuple[str, ...]], limit: int, cursor: str | None
) -> tuple[list[Item], str | None]:
    """Cut the page behind `cursor` out of `items`, sorted by `key`, newest first."""
    if cursor is not None:
        try:
            behind = tuple(base64.urlsafe_b64decode(cursor.encode("ascii")).decode().split("|"))
        except ValueError as error:
            raise QueryInvalid(f"no page begins at {cursor}") from error
        items = [item for item in items if key(item) < behind]
    page = items[:limit]
    if len(items) <= limit:
        return page, None
    return page, base64.urlsafe_b64encode("|".join(key(page[-1])).encode()).decode()

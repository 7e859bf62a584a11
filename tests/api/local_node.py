"""A LocalNode that lives in memory: real photos on a real disk, real edits, real conflicts.

It keeps the promises of `photonic.views.LocalNode` without peers, a journal on disk or workers, so
that the HTTP face can be tested on its own; what it says of photos is the product's own work.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import segno
from prometheus_client import CollectorRegistry, Gauge

from photonic.audit_log import AuditLog
from photonic.blobs.files import FileStore
from photonic.blobs.memory import MemoryStore
from photonic.buffer import Buffer
from photonic.config import Settings
from photonic.crdt.rights import Roster
from photonic.edits import Chosen, Said
from photonic.entrance import Entrance, Holder
from photonic.errors import (
    CodeInvalid,
    CodeRefused,
    ExportUnwritable,
    FolderUnknown,
    PeerUnreachable,
)
from photonic.events import CatalogTaskProgress, ImportProgress
from photonic.evictions import Evictions
from photonic.exports import Exports
from photonic.identity import Identity
from photonic.ids import BlobId, NodeId, peer_id
from photonic.key_custody import KeyCustody
from photonic.layout import Layout
from photonic.limiter import Limiter
from photonic.moving import Moving
from photonic.nfs.exporter import Export, ExporterState, User
from photonic.p2p.attestations import Promises
from photonic.p2p.rates import Bandwidth
from photonic.p2p.throttle import Throttle
from photonic.pauses import Pauses
from photonic.problems import Problems
from photonic.redundancy import Place, RedundancyView, redundancy
from photonic.roles.presets import ROLES
from photonic.roles.retention import SameFloor
from photonic.safety import Safety
from photonic.scrubber import Scrubber
from photonic.tokens import TokenBook
from photonic.verifications import Verifications
from photonic.verify_views import VerificationView
from photonic.views import (
    CatalogTaskView,
    ConflictPage,
    DoctorView,
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
    PreviewImage,
    ProblemView,
    StatusView,
)
from photonic.whereabouts import Here, Whereabouts
from photonic.world import SystemClock, SystemEntropy, SystemFiles, World
from tests.api.memory_members import MemoryMembers
from tests.api.memory_photos import MemoryPhotos, photo_files
from tests.memory_library import HERE, LIBRARY_ID, NAMES, THERE

__all__ = ["HERE", "NAMES", "THERE", "MemoryNode"]


class ServedVerifications(Verifications):
    """Does what is asked for at once: no task of this node would."""

    async def start(self, chosen: Chosen | None) -> VerificationView:
        view = await super().start(chosen)
        await self.scrubber.obey()
        return view


NOW = datetime(2024, 6, 1, tzinfo=UTC)


class MemoryExporter:
    """An exporter that does what it is told at once. Implements `nfs.exporter.Exporter`."""

    def __init__(self, folder: Path) -> None:
        self.export = Export(folder, (), User(65_534, 65_534))
        self.state = ExporterState("ganesha", "serving", "127.0.0.1:2049/photos")

    async def run(self) -> None:
        await anyio.sleep_forever()

    async def apply(self, export: Export) -> None:
        self.export = export


class MemoryNode(MemoryPhotos):
    """One node with its photos in `folder`."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        super().__init__(folder, world)
        self._imports: dict[str, ImportView] = {}
        self._codes: set[str] = set()
        self._tasks: dict[tuple[str, str], CatalogTaskView] = {}
        self.metrics = CollectorRegistry()
        gauge = Gauge("photonic_photos", "Photos in the catalog.", registry=self.metrics)
        gauge.set_function(lambda: len(self.originals.paths))
        self.store = MemoryStore(World())
        scrubber = Scrubber(
            self.store, World(), Problems(), self.events.announce, self._withdraw, lambda: 0,
            folder / "scrub-paused",
        )  # fmt: skip
        self.verifications = ServedVerifications(
            scrubber, self.store, self.query, self.finder, SystemEntropy(), self.events.announce
        )
        self.audit = AuditLog(folder / "audit", Identity(bytes(32)), World(), Problems())
        self.limiter = Limiter(
            Throttle(SystemClock()), folder / "limits.json", Bandwidth(), SystemFiles(),
            lambda: {THERE: NAMES[THERE]}, self.events.announce, lambda _: None,
        )  # fmt: skip
        self.paused: list[tuple[bool, frozenset[NodeId]]] = []  # as it was applied
        pauses = Pauses(
            folder / "pauses.json", SystemFiles(), self.finder, lambda: {THERE: NAMES[THERE]},
            self.events.announce, lambda library, peers: self.paused.append((library, peers)),
        )  # fmt: skip
        safety = Safety(
            self.query, SystemClock(), 2, lambda: (HERE, THERE), HERE, lambda: 0, lambda _: 0,
            lambda: pauses.paused.library, self.events.announce,
        )  # fmt: skip
        self.moving = Moving(lambda: None, pauses, safety)
        here = Here(
            lambda: pauses.paused.library, pauses.left_alone, lambda: pauses.paused.peers,
            lambda: False, lambda: None,
        )  # fmt: skip
        self.whereabouts = Whereabouts(
            self.placements, self.query, self.gallery.photo, lambda: self.seen, NAMES.get, HERE,
            here,
        )  # fmt: skip
        self.seen: list[PeerView] = []
        self.buffer = self._make_buffer(folder)
        self.tokens = TokenBook(folder / "tokens.json", World())
        self.entrance = Entrance(self.tokens, World(), self.events.announce)
        self.here = Holder()  # the local user
        self.custody = KeyCustody(
            self.catalog_thread, self.index, HERE, World(), self.events.announce, NAMES.get,
            Layout(folder),
            LIBRARY_ID,
        )  # fmt: skip
        self.library = LibraryView(id=LIBRARY_ID.hex(), name="Harbour")
        self.state = "monitoring"
        self.exporter = MemoryExporter(folder)
        self.exports = Exports(
            Settings(home=folder), "central", folder / "exports.json", World(),
            self.events.announce, None, self.exporter,
        )  # fmt: skip
        self.members = MemoryMembers(HERE, {HERE: NAMES[HERE], THERE: NAMES[THERE]})
        self.is_stopping = False

    def take_in(self, path: Path, **facts: Any) -> str:
        """Take in a file, and keep it in a store, too, that can be verified."""
        photo = super().take_in(path, **facts)
        self.store.put(path.read_bytes())
        return photo

    async def _withdraw(self, blobs: Sequence[BlobId]) -> None:
        self.index.mark_held(blobs, is_held=False)

    def _make_buffer(self, folder: Path) -> Buffer:
        """A store beside the photos, of which nothing ever goes: nobody is connected."""
        settings = Settings(home=folder)
        store = FileStore.open(folder / "buffer", World())

        async def ask(*_: object) -> Promises:
            raise PeerUnreachable("this node has no peers")

        evictions = Evictions(
            LIBRARY_ID, HERE, self.query, store, self.catalog_thread, self.index, SameFloor(2),
            Roster, frozenset, ask, World(), self.events.announce,
        )  # fmt: skip
        return Buffer(
            settings, ROLES["mobile"], store, evictions, lambda: 0, NAMES.get, Problems(), World(),
            self.events.announce,
        )  # fmt: skip

    # --- LocalNode --------------------------------------------------------------------------

    async def status(self) -> StatusView:
        totals = self.query.totals(("original",))
        return StatusView(
            node=NodeView(peer_id(HERE), NAMES[HERE], "central", self.state, "home"),
            library=self.library,
            photos=totals.photos,
            conflicts=totals.contested,
            peers=1,
            holdings=HoldingsView(totals.wanted, totals.held, totals.held_bytes),
            problems=[],
            transfers=[],
            imports=await self.imports(),
            listen=[f"/ip4/127.0.0.1/tcp/4310/p2p/{peer_id(HERE)}"],
            http="http://127.0.0.1:8640",
            version="0.1.0",
            wants={"originals": "all"},
            catalog={"indexing": {"left": 0, "of": 0}, "syncing": {}},
            scrub=await self.verifications.scrubber.view(),
            limits=self.limiter.view(),
            safety=self.moving.safety.view(),
            buffer=await self.buffer.view(),
            pauses=await self.moving.pauses.views(),
            exports=self.exports.view(),
        )

    async def photos(self, filters: PhotoFilter, limit: int, cursor: str | None) -> PhotoPage:
        return await self.gallery.page(filters, limit, cursor)

    async def photo(self, photo: str) -> PhotoDetail:
        return await self.gallery.photo(photo)

    async def edit(self, photo: str, said: Said) -> PhotoDetail:
        return await self.gallery.edit(photo, said)

    async def resolve(
        self, photo: str, field: str, *, change: str | None = None, value: object = None
    ) -> PhotoDetail:
        return await self.gallery.resolve(photo, field, change=change, value=value)

    async def conflicts(self, limit: int, cursor: str | None) -> ConflictPage:
        return await self.gallery.conflicts(limit, cursor)

    async def original(self, photo: str) -> OriginalFile:
        return await self.gallery.original(photo)

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        return await self.gallery.preview(photo, edge_px)

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
                link="relayed",
                latency_ms=1.5,
                capacity_bytes=None,
                free_bytes=None,
                capabilities=[],
                last_seen=_iso(NOW),
                via="attic",
                address="/p2p/ID/p2p-circuit",
                why_not_better="direct: 203.0.113.7:4310 refused; punching: NAT changes ports",
            )
        ]

    async def redundancy(self) -> RedundancyView:
        members = {
            HERE: Place(NAMES[HERE], "central", is_connected=True),
            THERE: Place(NAMES[THERE], "mobile", is_connected=False),
        }
        scrub = await self.verifications.scrubber.view()
        return redundancy(
            self.query.copy_sets(), members, HERE, wants_all=True, min_copies=2,
            oldest=scrub.oldest, overdue=scrub.overdue,
        )  # fmt: skip

    async def invite(
        self, role: str, ttl_s: int, scopes: Sequence[str] | None, life_s: int | None = None
    ) -> InvitationView:
        code = f"photonic1-{role}-{base64.b32encode(os.urandom(10)).decode().lower()}"
        self._codes.add(code)
        svg = io.BytesIO()
        segno.make(code).save(svg, kind="svg", xmldecl=False)
        expires = _iso(NOW + timedelta(seconds=ttl_s))
        return InvitationView(code, expires, svg.getvalue().decode())

    async def join(self, code: str) -> LibraryView:
        if not code.startswith("photonic1-"):
            raise CodeInvalid("that is no invitation code")
        if code not in self._codes:
            raise CodeRefused("the code was used, or never given out")
        self._codes.remove(code)
        return self.library

    async def start_import(self, folder: str) -> ImportView:
        before, found = len(self.originals.paths), photo_files(Path(folder))
        for path in found:
            self.take_in(path)
        imported = len(self.originals.paths) - before
        view = ImportView(folder, len(found), imported, len(found) - imported, 0, True)
        self._imports[folder] = view
        self.events.announce(ImportProgress(folder, view.found, view.imported, view.known, 0, True))
        return view

    async def imports(self) -> list[ImportView]:
        return list(self._imports.values())

    async def doctor(self) -> list[DoctorView]:
        is_writable = os.access(self.folder, os.W_OK)
        return [DoctorView("folder", is_writable, str(self.folder), "" if is_writable else "chmod")]

    async def stop(self) -> None:
        self.is_stopping = True

    async def start_catalog_export(self, folder: str) -> CatalogTaskView:
        if _is_folder(folder):
            raise ExportUnwritable(f"there is something in {folder} already")
        return self._task("export", folder, {"photos": len(self.originals.paths)})

    async def start_catalog_import(self, folder: str, *, merge: bool) -> CatalogTaskView:
        if not _is_folder(folder):
            raise FolderUnknown(f"{folder} is no folder on this machine")
        problem = None if merge else ProblemView("export.other-library", "it is", "Merge them.")
        return self._task("import", folder, {"fresh": 2, "known": 1}, problem)

    async def catalog_tasks(self) -> list[CatalogTaskView]:
        return list(self._tasks.values())

    def _task(
        self, task: str, folder: str, counts: dict[str, int], problem: ProblemView | None = None
    ) -> CatalogTaskView:
        """Begin a task that is done as soon as somebody looks."""
        ended = CatalogTaskView(task, folder, 3, 3, counts, True, problem)
        self._tasks[task, folder] = ended
        self.events.announce(CatalogTaskProgress(task, folder, 3, 3, True))
        return CatalogTaskView(task, folder, 0, None, {}, False)


def _is_folder(folder: str) -> bool:
    return Path(folder).is_dir()


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")

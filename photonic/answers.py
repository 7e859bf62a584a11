"""What a node answers to its page, its REST API and its command line: each question to its part.

`node.Node` has the parts; here is only who knows what. Implements most of `views.LocalNode`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from photonic.admission import Admissions
from photonic.buffer import Buffer
from photonic.catalog_tasks import CatalogTasks
from photonic.checks import check_readers
from photonic.edits import Said
from photonic.entrance import Entrance
from photonic.errors import PhotoUnknown
from photonic.exports import Exports
from photonic.gallery import Gallery
from photonic.ids import BlobId, parse_hash
from photonic.intake import Intake
from photonic.library import Library
from photonic.limiter import Limiter
from photonic.moving import Moving
from photonic.observatory import Observatory
from photonic.p2p.transfers import Transfers
from photonic.p2p.transport import ReachingTransport
from photonic.parts import Readers
from photonic.redundancy import RedundancyView
from photonic.views import (
    CatalogTaskView,
    ConflictPage,
    DoctorView,
    ImportView,
    InvitationView,
    OriginalFile,
    PeerView,
    PhotoDetail,
    PhotoFilter,
    PhotoPage,
    PreviewImage,
    StatusView,
)


class Answers:
    """The questions that need no more than one part of a node."""

    gallery: Gallery
    observatory: Observatory
    admissions: Admissions
    intake: Intake
    workers: Readers
    tasks: CatalogTasks
    limiter: Limiter
    moving: Moving
    entrance: Entrance
    buffer: Buffer
    library: Library
    transport: ReachingTransport
    transfers: Transfers
    exports: Exports

    async def status(self) -> StatusView:
        return dataclasses.replace(
            await self.observatory.status(),
            limits=self.limiter.view(),
            safety=self.moving.safety.view(),
            pauses=await self.moving.pauses.views(),
            buffer=await self.buffer.view(),
            https=self.entrance.url,
            fingerprint=self.entrance.fingerprint,
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

    async def peers(self) -> list[PeerView]:
        return self.observatory.peers()

    async def redundancy(self) -> RedundancyView:
        return await self.observatory.redundancy()

    async def original(self, photo: str) -> OriginalFile:
        try:
            name = BlobId(parse_hash(photo))
        except ValueError:
            raise PhotoUnknown(photo) from None
        return await self.library.opened.read(
            name,
            partial(self.gallery.original, photo),
            self.transport.connected,
            self._fetch_first,
        )

    def _fetch_first(self) -> None:
        self.transfers.begin_anew()

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        return await self.gallery.preview(photo, edge_px)

    async def invite(
        self, role: str, ttl_s: int, scopes: Sequence[str] | None, life_s: int | None = None
    ) -> InvitationView:
        return await self.admissions.invite(role, ttl_s, scopes, life_s)

    async def start_import(self, folder: str) -> ImportView:
        return await self.intake.start(Path(folder))

    async def imports(self) -> list[ImportView]:
        return self.intake.views()

    async def doctor(self) -> list[DoctorView]:
        readers = check_readers(self.workers.walls, self.workers.missing_walls)
        return [*await self.observatory.doctor(), readers]

    async def start_catalog_export(self, folder: str) -> CatalogTaskView:
        return await self.tasks.start_export(Path(folder))

    async def start_catalog_import(self, folder: str, *, merge: bool) -> CatalogTaskView:
        return await self.tasks.start_import(Path(folder), merges=merge)

    async def catalog_tasks(self) -> list[CatalogTaskView]:
        return self.tasks.views()

"""Photos as people see them: pages, one photo with its versions, single edits and decisions.

Lists come from the index; one photo comes from the catalog itself, so that what an edit returns is
what is true. Nothing of this knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import trio

from photonic.blobs.store import Held
from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import EDITABLE
from photonic.crdt.fold import SubjectState
from photonic.crdt.projection import ORIGINAL_KIND, project
from photonic.crdt.query import PhotoQuery
from photonic.edits import Said
from photonic.errors import BlobMissing, EditInvalid, PhotonicError, PhotoUnknown
from photonic.finder import Finder
from photonic.ids import BlobId, NodeId, parse_hash, photo_subject
from photonic.ingest.examination import Examiner
from photonic.photo_views import (
    ConflictPage,
    ConflictView,
    OriginalFile,
    PhotoDetail,
    PhotoFilter,
    PhotoPage,
    PreviewImage,
)
from photonic.showing import NameOf, Shown, detail, summary, versions


class Originals(Protocol):
    """What is asked of the store. Blocking."""

    def held(self, blob: BlobId) -> Held | None: ...

    def path(self, blob: BlobId) -> Path:
        """Raises BlobMissing."""
        ...

    def read(self, blob: BlobId) -> bytes:
        """Raises BlobMissing."""
        ...


class Gallery:
    """What of a library's photos is shown and said."""

    def __init__(
        self,
        thread: CatalogThread,
        query: PhotoQuery,
        finder: Finder,
        store: Originals,
        workers: Examiner,
        name_of: NameOf,
        me: NodeId,
    ) -> None:
        """`name_of` says what a node is called now; None for one that was never a member."""
        self._me = me
        self._thread, self._query, self._finder = thread, query, finder
        self._store, self._workers, self._name_of = store, workers, name_of

    async def page(self, wanted: PhotoFilter, limit: int, cursor: str | None) -> PhotoPage:
        """Raises QueryInvalid."""
        page = await self._finder.page(wanted, limit, cursor)
        return PhotoPage([summary(item) for item in page.items], page.next)

    async def photo(self, photo: str) -> PhotoDetail:
        """Raises PhotoUnknown."""
        return await self._change(photo, lambda catalog, state: None)

    async def edit(self, photo: str, said: Said) -> PhotoDetail:
        """Write one change and return the photo as it then is. Raises EditInvalid, NotAllowed."""
        said.check()

        def write(catalog: Catalog, state: SubjectState) -> None:
            catalog.write([Draft(state.subject, said.sets, said.adds, said.removes)])

        return await self._change(photo, write)

    async def resolve(
        self, photo: str, field: str, *, change: str | None, value: object
    ) -> PhotoDetail:
        """Settle a field by a change that has seen every version there is here.

        Raises EditInvalid if `change` is no version of the field, or the field takes no `value`.
        """
        if change is None and field not in EDITABLE:
            raise EditInvalid(f"{field} is settled by naming one of its versions, not by a value")

        def write(catalog: Catalog, state: SubjectState) -> None:
            chosen = value if change is None else _version(state, field, change)
            catalog.write([Draft(state.subject, {field: chosen})])

        return await self._change(photo, write)

    async def _change(
        self, photo: str, work: Callable[[Catalog, SubjectState], None]
    ) -> PhotoDetail:
        """Do `work` on a photo that is known, and return the photo as it is when it is durable."""
        subject = photo_subject(_photo_id(photo))

        def run(catalog: Catalog) -> Shown:
            before = catalog.state(subject)
            if project(before, catalog.display) is None:
                raise PhotoUnknown(photo)
            work(catalog, before)
            state = catalog.state(subject)
            row = project(state, catalog.display)
            if row is None:
                raise PhotoUnknown(photo)
            members = [n for n, m in catalog.roster.members.items() if m.ends is None]
            return Shown(state, row, catalog.display, members, catalog.holders(row.original.blob))

        shown = await self._thread.call(run)
        held = await trio.to_thread.run_sync(self._store.held, shown.row.original.blob)
        listed = await trio.to_thread.run_sync(self._query.photo, shown.row.photo)
        twins = await trio.to_thread.run_sync(self._query.same_pixels, shown.row.photo)
        return detail(
            shown,
            self._name_of,
            self._me,
            held,
            removal_held=listed is not None and listed.row.removal_held,
            same_pixels_as=twins,
        )

    async def conflicts(self, limit: int, cursor: str | None) -> ConflictPage:
        """Return the contested fields of the newest contested photos; `limit` counts photos."""
        page = await self._finder.page(PhotoFilter(conflicts_only=True), limit, cursor)

        def states(catalog: Catalog) -> list[SubjectState]:
            subjects = [photo_subject(BlobId(item.row.photo)) for item in page.items]
            return [catalog.state(subject) for subject in subjects]

        found = await self._thread.call(states)
        return ConflictPage(
            [
                ConflictView(summary(item), name, versions(state.fields[name], self._name_of))
                for item, state in zip(page.items, found, strict=True)
                for name in state.contested()
            ],
            page.next,
        )

    async def original(self, photo: str) -> OriginalFile:
        """Raises PhotoUnknown, BlobMissing."""
        name = _photo_id(photo)
        listed = await trio.to_thread.run_sync(self._query.photo, name)
        if listed is None:
            raise PhotoUnknown(photo)
        blobs = await trio.to_thread.run_sync(self._query.blobs, name)
        blob = next(BlobId(row.blob) for row in blobs if row.kind == ORIGINAL_KIND)
        path = await trio.to_thread.run_sync(self._store.path, blob)
        return OriginalFile(
            path, listed.row.media_type, listed.row.name, listed.row.size_bytes, blob.hex()
        )

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        """Return a stored preview, or one made from the original now. Raises BlobMissing."""
        name = _photo_id(photo)
        row = await self._thread.call(
            lambda catalog: project(catalog.state(photo_subject(name)), catalog.display)
        )
        if row is None:
            raise PhotoUnknown(photo)
        stored = row.preview(edge_px)
        if stored is not None:
            try:
                data = await trio.to_thread.run_sync(self._store.read, stored.ref.blob)
            except BlobMissing:
                pass  # it has not come yet; the original may have
            else:
                return PreviewImage(data, stored.ref.blob.hex())
        return await self._render(row.original.blob, row.name, edge_px)

    async def _render(self, original: BlobId, name: str, edge_px: int) -> PreviewImage:
        path = await trio.to_thread.run_sync(self._store.path, original)
        try:
            examined = await self._workers.examine(path, name, original)
        except PhotonicError as error:
            raise BlobMissing(original) from error
        fitting = [made for made in examined.renditions if made.edge_px == edge_px]
        if not fitting:
            raise BlobMissing(original)
        return PreviewImage(fitting[0].data, f"{original.hex()}-{edge_px}")


def _photo_id(photo: str) -> BlobId:
    try:
        return BlobId(parse_hash(photo))
    except ValueError:
        raise PhotoUnknown(photo) from None


def _version(state: SubjectState, field: str, change: str) -> Any:
    versions_of = state.fields[field].versions if field in state.fields else ()
    for version in versions_of:
        if version.change.hex() == change:
            return version.value
    raise EditInvalid(f"{change} is no version of {field}; it may have been settled meanwhile")

"""Photos as people see them: pages, one photo with its versions, edits and decisions.

Lists come from the index; one photo comes from the catalog itself, so that what an edit returns is
what is true. Values become views here; nothing of this knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import trio

from photonic.blobs.files import FileStore
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import EDITABLE, GPS, TAGS, Merge, merge_of
from photonic.crdt.fold import Field, SubjectState
from photonic.crdt.policy import displayed
from photonic.crdt.projection import ORIGINAL_KIND, PhotoRow, project, shown_value
from photonic.crdt.query import Filter, Listed
from photonic.crdt.roster import Roster
from photonic.errors import BlobMissing, EditInvalid, PhotonicError, PhotoUnknown
from photonic.ids import PHOTO, BlobId, NodeId, parse_hash, peer_id, photo_subject
from photonic.ingest.workers import Workers
from photonic.library import Library
from photonic.views import (
    ConflictPage,
    ConflictView,
    FieldView,
    HolderView,
    OriginalFile,
    PhotoDetail,
    PhotoFilter,
    PhotoPage,
    PhotoSummary,
    PreviewImage,
    VersionView,
)


class Gallery:
    """What of a library's photos is shown and said."""

    def __init__(
        self,
        library: Library,
        store: FileStore,
        workers: Workers,
        name_of: Callable[[NodeId], str | None],
    ) -> None:
        """`name_of` says what a node is called now; None for one that was never a member."""
        self._library, self._store, self._workers = library, store, workers
        self._name_of = name_of

    async def page(self, wanted: PhotoFilter, limit: int, cursor: str | None) -> PhotoPage:
        page = await trio.to_thread.run_sync(
            self._library.query.page, _filter(wanted), limit, cursor
        )
        return PhotoPage([_listed(item) for item in page.items], page.next)

    async def photo(self, photo: str) -> PhotoDetail:
        """Raises PhotoUnknown."""
        return await self._change(photo, lambda catalog, state: None)

    async def edit(
        self,
        photo: str,
        sets: Mapping[str, object],
        *,
        add_tags: Sequence[str],
        remove_tags: Sequence[str],
    ) -> PhotoDetail:
        """Write one change and return the photo as it then is. Raises EditInvalid, NotAllowed."""
        unknown = sorted(set(sets) - set(EDITABLE))
        if unknown:
            raise EditInvalid(f"nobody can set {', '.join(unknown)}; {', '.join(EDITABLE)} can be")
        adds = {TAGS: tuple(add_tags)} if add_tags else {}
        removes = {TAGS: tuple(remove_tags)} if remove_tags else {}
        if not (sets or adds or removes):
            raise EditInvalid("the edit says nothing")

        def write(catalog: Catalog, state: SubjectState) -> None:
            catalog.write([Draft(state.subject, dict(sets), adds, removes)])

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

        def run(catalog: Catalog) -> tuple[SubjectState, PhotoRow, frozenset[NodeId], Roster]:
            before = catalog.state(subject)
            if project(before) is None:
                raise PhotoUnknown(photo)
            work(catalog, before)
            state = catalog.state(subject)
            row = project(state)
            if row is None:
                raise PhotoUnknown(photo)
            return state, row, catalog.holders(row.original.blob), catalog.roster

        state, row, holders, roster = await self._library.keeper.call(run)
        is_held = await trio.to_thread.run_sync(self._store.has, row.original.blob)
        return self._detail(state, row, holders, list(roster.members), is_held)

    async def conflicts(self, limit: int, cursor: str | None) -> ConflictPage:
        """Return the contested fields of the newest contested photos; `limit` counts photos."""
        wanted = Filter(conflicts_only=True)
        page = await trio.to_thread.run_sync(self._library.query.page, wanted, limit, cursor)

        def states(catalog: Catalog) -> list[SubjectState]:
            subjects = [photo_subject(BlobId(item.row.photo)) for item in page.items]
            return [catalog.state(subject) for subject in subjects]

        found = await self._library.keeper.call(states)
        return ConflictPage(
            [
                ConflictView(_listed(item), name, self._versions(state.fields[name]))
                for item, state in zip(page.items, found, strict=True)
                for name in state.contested()
            ],
            page.next,
        )

    async def original(self, photo: str) -> OriginalFile:
        """Raises PhotoUnknown, BlobMissing."""
        name = _photo_id(photo)
        listed = await trio.to_thread.run_sync(self._library.query.photo, name)
        if listed is None:
            raise PhotoUnknown(photo)
        blobs = await trio.to_thread.run_sync(self._library.query.blobs, name)
        blob = next(BlobId(row.blob) for row in blobs if row.kind == ORIGINAL_KIND)
        path = await trio.to_thread.run_sync(self._store.path, blob)
        return OriginalFile(
            path, listed.row.media_type, listed.row.name, listed.row.size_bytes, blob.hex()
        )

    async def preview(self, photo: str, edge_px: int) -> PreviewImage:
        """Return a stored preview, or one made from the original now. Raises BlobMissing."""
        name = _photo_id(photo)
        row = await self._library.keeper.call(
            lambda catalog: project(catalog.state(photo_subject(name)))
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
            examined = await self._workers.examine(path, name)
        except PhotonicError as error:
            raise BlobMissing(original) from error
        fitting = [made for made in examined.renditions if made.edge_px == edge_px]
        if not fitting:
            raise BlobMissing(original)
        return PreviewImage(fitting[0].data, f"{original.hex()}-{edge_px}")

    # --- views -------------------------------------------------------------------------------

    def _detail(
        self,
        state: SubjectState,
        row: PhotoRow,
        holders: frozenset[NodeId],
        members: Sequence[NodeId],
        is_held: bool,
    ) -> PhotoDetail:
        names = dict.fromkeys((*EDITABLE, *(name for name in state.fields if _is_shown(name))))
        return PhotoDetail(
            id=row.photo.hex(),
            name=row.name,
            taken=row.taken,
            rating=row.rating if isinstance(row.rating, int) else None,
            media_type=row.facts.media_type,
            bytes=row.original.size_bytes,
            width=row.facts.width,
            height=row.facts.height,
            held=is_held,
            conflicts=list(row.conflicts),
            label=row.label,
            title=row.title,
            fields={name: self._field(state, row, name) for name in names},
            holders=[
                HolderView(peer_id(node), self._name_of(node), node in holders)
                for node in sorted(members)
            ],
            facts=msgspec.to_builtins(row.facts),
            tags=list(row.tags),
        )

    def _field(self, state: SubjectState, row: PhotoRow, name: str) -> FieldView:
        field = state.fields.get(name)
        if field is None:
            embedded = getattr(row.facts, "position" if name == GPS else name, None)
            return FieldView(_plain(shown_value(state, name, embedded)), False, [])
        shown = displayed(name, field)
        return FieldView(
            _plain(shown.value) if shown else None, field.is_contested, self._versions(field)
        )

    def _versions(self, field: Field) -> list[VersionView]:
        return [
            VersionView(
                change=version.change.hex(),
                value=_plain(version.value),
                author=peer_id(version.author),
                author_name=self._name_of(version.author),
                at=iso_utc(stamp_ms(version.at)),
            )
            for version in field.versions
        ]


def _photo_id(photo: str) -> BlobId:
    try:
        return BlobId(parse_hash(photo))
    except ValueError:
        raise PhotoUnknown(photo) from None


def _filter(wanted: PhotoFilter) -> Filter:
    return Filter(
        text=wanted.q,
        rating_min=wanted.rating_min,
        camera=wanted.camera,
        lens=wanted.lens,
        taken_from=wanted.taken_from,
        taken_to=wanted.taken_to,
        media=wanted.media,
        tag=wanted.tag,
        held=wanted.held,
        conflicts_only=wanted.conflicts_only,
    )


def _listed(item: Listed) -> PhotoSummary:
    row = item.row
    return PhotoSummary(
        id=row.photo.hex(),
        name=row.name,
        taken=row.taken,
        rating=row.rating,
        media_type=row.media_type,
        bytes=row.size_bytes,
        width=row.width,
        height=row.height,
        held=item.is_held,
        conflicts=row.conflicts.split(),
        label=row.label,
        title=row.title,
    )


def _is_shown(name: str) -> bool:
    return merge_of(PHOTO, name) is Merge.CONTESTED


def _version(state: SubjectState, field: str, change: str) -> Any:
    versions = state.fields[field].versions if field in state.fields else ()
    for version in versions:
        if version.change.hex() == change:
            return version.value
    raise EditInvalid(f"{change} is no version of {field}; it may have been settled meanwhile")


def _plain(value: Any) -> Any:
    """Make a value fit for JSON: bytes as hex digits, structs as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return msgspec.to_builtins(value)


def iso_utc(moment_ms: int) -> str:
    """Return a moment as ISO 8601 with milliseconds, in UTC."""
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

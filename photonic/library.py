"""One library on this node: what comes in from ingest and transfers, and what it still wants.

Here the catalog, its index and the blob store meet. The order of words is always the same: bytes
are durable in the store, then the catalog says so, then others hear of it. A crash between two of
them is made good at the next start (`reconcile`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import msgspec
import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic.blobs.files import FileStore
from photonic.crdt.catalog import Catalog, Committed
from photonic.crdt.changes import Draft
from photonic.crdt.fields import (
    CAPTION,
    FACTS,
    FOLDER,
    IMPORTED,
    LABEL,
    NAME,
    ORIGINAL,
    PREVIEW_PREFIX,
    RATING,
    SIDECAR_PREFIX,
    TAGS,
    TITLE,
)
from photonic.crdt.index import blob_ref
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.events import Event, HoldingsChanged, SubjectsChanged
from photonic.identity import Identity
from photonic.ids import BlobId, NodeId, photo_subject
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.p2p.planner import Want
from photonic.photos import BlobRef, NewPhoto
from photonic.roles.role import Role
from photonic.world import World

MAIN_SIDECAR = SIDECAR_PREFIX + "xmp"


class Library:
    """Implements `ingest.importer.PhotoSink` and `p2p.transfers.Wants`."""

    def __init__(
        self,
        layout: Layout,
        record: LibraryRecord,
        identity: Identity,
        role: Role,
        store: FileStore,
        world: World,
        announce: Callable[[Event], object],
        on_commit: Callable[[Committed], None],
    ) -> None:
        """`on_commit` hears of every durable batch, after the events."""
        self.record, self.identity, self.role, self.store = record, identity, role, store
        self._world, self._announce, self._on_commit = world, announce, on_commit
        self.keeper = Keeper(
            layout, record.library, identity, world, store.has, self._note_committed
        )
        self.query = PhotoQuery(self.keeper.index.engine)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Keep the library until cancelled."""
        if self.store.needs_rebuild:  # its ledger was lost; the files say what they are
            await trio.to_thread.run_sync(self.store.rebuild)
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.keeper.run)
            await self.reconcile()
            task_status.started()

    def _note_committed(self, committed: Committed) -> None:
        if committed.subjects:
            origins = set(committed.subjects.values())
            origin = origins.pop() if len(origins) == 1 else None
            self._announce(
                SubjectsChanged(tuple(committed.subjects), tuple(committed.changes), origin)
            )
        if committed.blobs:
            self._announce(HoldingsChanged(tuple(photo_subject(b) for b in committed.blobs)))
        self._on_commit(committed)

    async def reconcile(self) -> None:
        """Make index and holdings agree with what the store has: after a crash, or a restore."""
        index = self.keeper.index
        stored = await trio.to_thread.run_sync(lambda: {ref.blob for ref in self.store.refs()})

        def work(catalog: Catalog) -> None:
            needed = index.blobs()
            believed = index.held_blobs()
            lost = believed - stored
            index.mark_held(lost, is_held=False)
            index.mark_held((needed & stored) - believed)
            claimed = index.claimed_by(self.identity.node)
            held = index.originals() & stored
            said = dict.fromkeys(held - claimed, True) | dict.fromkeys(claimed - stored, False)
            catalog.hold({BlobId(blob): is_held for blob, is_held in said.items()})

        await self.keeper.call(work)

    # --- PhotoSink ---------------------------------------------------------------------------

    async def known(self, photo: BlobId) -> bool:
        """Whether the photo is in the catalog and its original in this store."""
        if not await trio.to_thread.run_sync(self.store.has, photo):
            return False
        return await trio.to_thread.run_sync(self.query.photo, photo) is not None

    async def add(self, photos: Sequence[NewPhoto]) -> None:
        """Write a change for each photo that the catalog lacks, and hold them all. Durable."""
        now_ms = self._world.clock.now_ms()

        def work(catalog: Catalog) -> None:
            fresh = [
                photo
                for photo in {photo.original.blob: photo for photo in photos}.values()
                if ORIGINAL not in catalog.state(photo_subject(photo.original.blob)).fields
            ]
            catalog.write([_draft(photo, now_ms) for photo in fresh])
            catalog.hold({photo.original.blob: True for photo in photos})
            self.keeper.index.mark_held(
                ref.blob for photo in photos for ref in (photo.original, *_previews(photo))
            )

        await self.keeper.call(work)

    # --- Wants -------------------------------------------------------------------------------

    async def wanted(self, limit: int, reachable: frozenset[NodeId]) -> Sequence[Want]:
        """Return what the role wants, is not here, and someone reachable may have; best first."""
        missing = await trio.to_thread.run_sync(
            self.query.missing, self.role.wanted_kinds, reachable, limit
        )
        return [
            Want(
                ref=blob_ref(item.row),
                name=item.name,
                priority=(position,),
                holders=item.holders if item.row.kind == ORIGINAL_KIND else reachable,
            )
            for position, item in enumerate(missing)
        ]

    async def arrived(self, refs: Sequence[BlobRef]) -> None:
        """Say, durably, that this node holds what has just been stored."""

        def work(catalog: Catalog) -> None:
            originals = self.keeper.index.mark_held([ref.blob for ref in refs])
            catalog.hold(dict.fromkeys(originals, True))

        await self.keeper.call(work)


def _draft(photo: NewPhoto, now_ms: int) -> Draft:
    sets: dict[str, object] = {
        ORIGINAL: msgspec.to_builtins(photo.original, builtin_types=(bytes,)),
        NAME: photo.name,
        FOLDER: photo.folder,
        FACTS: msgspec.to_builtins(photo.facts),
        IMPORTED: now_ms,
    }
    for preview in photo.previews:
        ref = msgspec.to_builtins(preview.ref, builtin_types=(bytes,))
        sets[f"{PREVIEW_PREFIX}{preview.edge_px}"] = [preview.width, preview.height, ref]
    keywords: tuple[str, ...] = ()
    if photo.sidecar is not None:
        marks = photo.sidecar.marks
        sets[MAIN_SIDECAR] = msgspec.to_builtins(photo.sidecar.ref, builtin_types=(bytes,))
        said = {RATING: marks.rating, LABEL: marks.label}
        said |= {TITLE: marks.title, CAPTION: marks.caption}
        sets |= {name: value for name, value in said.items() if value is not None}
        keywords = marks.keywords
    for other in photo.other_sidecars:
        field = f"{SIDECAR_PREFIX}{other.name}"
        sets[field] = msgspec.to_builtins(other.ref, builtin_types=(bytes,))
    return Draft(photo_subject(photo.original.blob), sets, {TAGS: keywords} if keywords else {})


def _previews(photo: NewPhoto) -> list[BlobRef]:
    return [preview.ref for preview in photo.previews]

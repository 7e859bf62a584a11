"""One library on this node: what comes in from ingest and transfers, and what it still wants.

Here the catalog, its index and the blob store meet. The order of words is always the same: bytes
are durable in the store, then the catalog says so, then others hear of it. A crash between two of
them is made good at the next start (`reconcile`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.crdt.catalog import Catalog, Committed
from photonic.crdt.fields import ORIGINAL
from photonic.crdt.index import blob_ref
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.drafts import amendment, introduction
from photonic.errors import PhotonicError
from photonic.events import Event, HoldingsChanged, SubjectsChanged
from photonic.identity import Identity
from photonic.ids import BlobId, NodeId, photo_subject
from photonic.ingest.sidecar import read_marks
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.p2p.planner import Want
from photonic.photos import BlobRef, Marks, NewPhoto, Sidecar
from photonic.roles.role import Role
from photonic.world import World


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
        """Write a change for each photo that the catalog lacks, and hold them all. Durable.

        Of one that the catalog has, without its original being here, the sidecars may be new.
        """
        now_ms = self._world.clock.now_ms()

        def work(catalog: Catalog) -> None:
            fresh, known = list[NewPhoto](), list[NewPhoto]()
            for photo in {photo.original.blob: photo for photo in photos}.values():
                state = catalog.state(photo_subject(photo.original.blob))
                (known if ORIGINAL in state.fields else fresh).append(photo)
            catalog.write([introduction(photo, now_ms) for photo in fresh])
            for photo in known:
                self._amend(catalog, photo.original.blob, _sidecars(photo))
            catalog.hold({photo.original.blob: True for photo in photos})
            self.keeper.index.mark_held(
                ref.blob for photo in photos for ref in (photo.original, *_previews(photo))
            )

        await self.keeper.call(work)

    async def amend(self, photos: Sequence[tuple[BlobId, Sequence[Sidecar]]]) -> int:
        """Write a change for each known photo of which a sidecar says something new. Durable."""

        def work(catalog: Catalog) -> int:
            return sum([self._amend(catalog, photo, sidecars) for photo, sidecars in photos])

        return await self.keeper.call(work)

    def _amend(self, catalog: Catalog, photo: BlobId, sidecars: Sequence[Sidecar]) -> bool:
        self.keeper.index.mark_held(sidecar.ref.blob for sidecar in sidecars)
        state = catalog.state(photo_subject(photo))
        draft = amendment(state, sidecars, self._read_marks)
        if draft is not None:
            catalog.write([draft])
        return draft is not None

    def _read_marks(self, sidecar: BlobId) -> Marks | None:
        """Return what a stored sidecar says, None if it is not here or no sidecar."""
        try:
            with self.store.reader(sidecar) as file:
                return read_marks(file.read(limits.SIDECAR_BYTES_MAX + 1), sidecar.hex())
        except (PhotonicError, OSError):
            return None

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


def _previews(photo: NewPhoto) -> list[BlobRef]:
    return [preview.ref for preview in photo.previews]


def _sidecars(photo: NewPhoto) -> list[Sidecar]:
    return [*([photo.sidecar] if photo.sidecar else []), *photo.other_sidecars]

"""One library on this node: what comes in from ingest and transfers, and what it still wants.

Here the catalog, its index and the blob store meet. The order of words is always the same: bytes
are durable in the store, then the catalog says so, then others hear of it. A crash between two of
them is made good at the next start (`reconcile`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import anyio
import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.crdt.catalog import Catalog
from photonic.crdt.commits import Committed
from photonic.crdt.fields import ORIGINAL, TRASHED
from photonic.crdt.fold import SubjectState
from photonic.crdt.originals import is_own
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.crdt.rows import BlobTable
from photonic.crdt.wants import MissingPart
from photonic.drafts import amendment, introduction
from photonic.errors import BlobMissing, PhotonicError
from photonic.events import Event, HoldingsChanged, IndexCaughtUp, SubjectsChanged
from photonic.identity import Identity
from photonic.ids import BlobId, NodeId, photo_subject
from photonic.ingest.sidecar import read_marks
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.opened import Opened
from photonic.p2p.planner import Want, WantPage, WantsAsked
from photonic.photos import BlobRef, Marks, NewPhoto, Sidecar
from photonic.repairs import Repairs, first
from photonic.roles.role import Role
from photonic.search.criteria import ALL, NOTHING, Tree
from photonic.wishes import read_page
from photonic.world import World

_COMPARED_AT_ONCE = 250  # blobs
_COMPARING_PAUSE_FACTOR = 3  # times what comparing some took, while the node serves
_COMPARED_AT_START_MAX = 20_000  # photos; a larger library is compared while the node serves
_KEY_BYTES = 8  # of a blob's id, by which the index is in order


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
            layout,
            record.library,
            identity,
            world,
            store.has_many,
            self._note_committed,
            Identity.load(layout.authority_key(record.library), layout.vault),
        )
        self.query = PhotoQuery(self.keeper.index.engine)
        self.holds_originals: Callable[[], bool] = lambda: False  # on a metered link they wait
        self._repairs = Repairs(store, self.query, identity.node)
        self.opened = Opened(self.query, identity.node, world.clock)
        self.taken_bytes = 0  # of originals that were imported here; only grows
        # Which photos somebody paused: nothing of them is wanted. May block.
        self.left_alone: Callable[[], Tree | None] = lambda: None
        # Which photos' originals are wanted, by role and rules. May block.
        self.originals: Callable[[], Tree] = lambda: ALL if role.wants_originals else NOTHING
        # Which of some blobs the rules want here by name: a pin calls back what was let go.
        self.kept_here: Callable[[Collection[BlobId]], frozenset[BlobId]] = lambda _: frozenset()
        # What this node let go and others lack by now (`Recalls.wants`). May block.
        self.recalled: Callable[[int, frozenset[NodeId]], list[Want]] = lambda *_: []
        # Whether a photo that this node let go is on too few others by now. May block.
        self.lacks_elsewhere: Callable[[BlobId], bool] = lambda _: False
        self.arriving: set[BlobId] = set()  # just stored, and about to be said
        # Hears of what came from peers, sidecars among it, once the catalog says so.
        self.on_arrived: Callable[[Sequence[BlobId]], object] = lambda _: None

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Keep the library until cancelled."""
        if self.store.needs_rebuild:  # its ledger was lost; the files say what they are
            await trio.to_thread.run_sync(self.store.rebuild)
        async with anyio.create_task_group() as tasks:
            await tasks.start(self.keeper.run)
            if (
                await trio.to_thread.run_sync(self.keeper.index.photo_count)
                > _COMPARED_AT_START_MAX
            ):
                tasks.start_soon(self.reconcile, True)
            else:
                await self.reconcile()
            task_status.started()

    def _note_committed(self, committed: Committed) -> None:
        if committed.subjects:
            origins = set(committed.subjects.values())
            origin = origins.pop() if len(origins) == 1 else None
            self._announce(
                SubjectsChanged(tuple(committed.subjects), tuple(committed.changes), origin)
            )
        if committed.index_caught_up:
            self._announce(IndexCaughtUp())
        if committed.blobs:
            self._announce(HoldingsChanged(tuple(map(photo_subject, sorted(committed.blobs)))))
        self._on_commit(committed)

    async def reconcile(self, gently: bool = False) -> None:
        """Make index and holdings agree with what the store has: after a crash, or a restore.

        Page by page, in bounded memory; what comes or goes meanwhile is said by whoever does it.
        `gently`: most of the time is left for what somebody waits for.
        """
        index, behind = self.keeper.index, b""
        began_s = trio.current_time()
        while rows := await trio.to_thread.run_sync(index.held_after, behind, _COMPARED_AT_ONCE):
            blobs = [BlobId(blob) for blob, _, _ in rows]
            behind = blobs[-1][:_KEY_BYTES]
            await self.keeper.call(partial(self._compare, rows))
            if gently:
                await trio.sleep(_COMPARING_PAUSE_FACTOR * (trio.current_time() - began_s))
                began_s = trio.current_time()

    def _compare(self, rows: Sequence[tuple[bytes, str, bool]], catalog: Catalog) -> None:
        index, me = self.keeper.index, self.identity.node
        stored = self.store.has_many([BlobId(blob) for blob, _, _ in rows])
        index.mark_held([blob for blob, _, held in rows if held and blob not in stored], False)
        index.mark_held([blob for blob, _, held in rows if not held and blob in stored])
        originals = [BlobId(blob) for blob, kind, _ in rows if kind == ORIGINAL_KIND]
        said = {blob: catalog.directory.holding(blob, me) or False for blob in originals}
        catalog.hold(
            {blob: blob in stored for blob, is_said in said.items() if is_said != (blob in stored)}
        )

    # --- PhotoSink ---------------------------------------------------------------------------

    async def known(self, photo: BlobId) -> bool:
        """Whether the photo is in the catalog, and its original is here, away, or in the trash.

        A file that lies in a watched folder must not bring back what somebody threw away, nor what
        this node has just evicted, for others hold it. If they lost it, it is as good as new.
        """
        listed = await trio.to_thread.run_sync(self.query.photo, photo)
        if listed is not None and listed.row.trashed:
            return True
        if listed is None:
            return False
        if await trio.to_thread.run_sync(self.store.has, photo):
            return True
        if not await trio.to_thread.run_sync(self.store.promises.away, [photo]):
            return False
        return not await trio.to_thread.run_sync(self.lacks_elsewhere, photo)

    async def add(self, photos: Sequence[NewPhoto]) -> None:
        """Write a change for each photo that the catalog lacks, and hold them all. Durable.

        Of one that the catalog has, without its original being here, the sidecars may be new.
        """
        now_ms = self._world.clock.now_ms()

        def work(catalog: Catalog) -> None:
            self._require_stored([photo.original.blob for photo in photos])
            fresh, known = list[NewPhoto](), list[NewPhoto]()
            for photo in {photo.original.blob: photo for photo in photos}.values():
                state = catalog.state(photo_subject(photo.original.blob))
                (known if _is_introduced(state) else fresh).append(photo)
            catalog.write([introduction(photo, now_ms) for photo in fresh])
            for photo in known:
                self._amend(catalog, photo.original.blob, _sidecars(photo))
            catalog.hold({photo.original.blob: True for photo in photos})
            self.keeper.index.mark_held(
                ref.blob for photo in photos for ref in (photo.original, *_previews(photo))
            )
            self._call_back([photo.original.blob for photo in photos])

        await self.keeper.call(work)
        self.taken_bytes += sum(photo.original.size_bytes for photo in photos)

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

    def _call_back(self, blobs: Sequence[BlobId]) -> None:
        """What went is here again, and kept as any other."""
        if back := self.store.promises.away(blobs):
            self.store.promises.call_back(back)

    def is_in_trash(self, catalog: Catalog, photo: BlobId) -> bool:
        """Whether everybody who said anything of it wants a photo in the trash."""
        field = catalog.state(photo_subject(photo)).fields.get(TRASHED)
        return field is not None and all(version.value is True for version in field.versions)

    def _require_stored(self, blobs: Sequence[BlobId]) -> None:
        """Raise BlobMissing for what left the store (the trash) since its bytes were seen there."""
        there = self.store.has_many(blobs)
        for blob in blobs:
            if blob not in there:
                raise BlobMissing(blob)

    async def drop(self, photo: BlobId) -> int:
        """Drop the blobs of a photo in the trash that no other one names; return their bytes.

        The catalog is asked once more, for somebody may have taken the photo out; and it says that
        the original is dropped before it is, so that nobody relies on it.
        """
        rows = await trio.to_thread.run_sync(self.query.blobs, photo)
        mine = [row for row in rows if row.held and not self.query.is_shared(BlobId(row.blob))]
        names = [BlobId(row.blob) for row in mine]
        free = await trio.to_thread.run_sync(self.store.promises.leave, names)
        try:
            if len(free) < len(names):
                return 0  # others rely on it for a while; it goes another day
            return await self._drop(photo, mine)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self.store.promises.stay, free)

    async def _drop(self, photo: BlobId, mine: Sequence[BlobTable]) -> int:
        names = [BlobId(row.blob) for row in mine]
        originals = [BlobId(row.blob) for row in mine if row.kind == ORIGINAL_KIND]

        def say(catalog: Catalog) -> bool:
            if not names or not self.is_in_trash(catalog, photo):
                return False
            catalog.hold(dict.fromkeys(originals, False))
            self.keeper.index.mark_held(names, is_held=False)
            return True

        def go(catalog: Catalog) -> int:
            """Unlink on the catalog's thread, where nobody can take the photo back meanwhile."""
            if not self.is_in_trash(catalog, photo):
                return 0
            if any(catalog.directory.holding(blob, self.identity.node) for blob in originals):
                return 0
            for name in names:
                self.store.discard(name)
            return sum(row.size_bytes for row in mine)

        return await self.keeper.call(go) if await self.keeper.call(say) else 0

    def _read_marks(self, sidecar: BlobId) -> Marks | None:
        """Return what a stored sidecar says, None if it is not here or no sidecar."""
        try:
            with self.store.reader(sidecar) as file:
                return read_marks(file.read(limits.SIDECAR_BYTES_MAX + 1), sidecar.hex())
        except (PhotonicError, OSError):
            return None

    # --- Wants -------------------------------------------------------------------------------

    async def wanted(self, asked: WantsAsked) -> WantPage:
        """Return what role and rules want, is not here, and someone reachable may have, in order.

        Nothing of photos that somebody paused.
        """
        return await trio.to_thread.run_sync(self._wanted, asked)

    def _wanted(self, asked: WantsAsked) -> WantPage:
        originals = self.originals()
        kinds = tuple(kind for kind in self.role.wanted_kinds if kind != ORIGINAL_KIND)
        kinds += (ORIGINAL_KIND,) if originals != NOTHING else ()
        if self.holds_originals():  # they would only be in the way of what may come
            kinds = tuple(kind for kind in kinds if kind != ORIGINAL_KIND)
        left_alone = self.left_alone()

        def read(some: Sequence[str], limit: int, end: int | None) -> MissingPart:
            part = self.query.missing_part(
                some, kinds, asked.reachable, limit, end, left_alone, originals
            )
            away = self._away([BlobId(one.row.blob) for one in part.items])
            return MissingPart([one for one in part.items if one.row.blob not in away], part.end)

        page = read_page(read, kinds, asked)
        if asked.begin[0] >= 0:
            return page
        urgent = self._repairs.wants(asked.limit, asked.reachable)
        if not self.holds_originals():
            urgent += self.recalled(asked.limit, asked.reachable)
        urgent = [*self.opened.wants(asked.reachable), *urgent]
        both = first(urgent, page.wants, len(urgent) + len(page.wants))
        return WantPage(tuple(both), page.following)

    def _away(self, blobs: Sequence[BlobId]) -> frozenset[BlobId]:
        """Return what this node let go, unless it is to be here by now."""
        away = self.store.promises.away(blobs)
        return away - self.kept_here(away) if away else away

    async def withdraw(self, blobs: Sequence[BlobId]) -> None:
        """Say, durably, that this node does not hold what was found damaged or lost."""

        def work(catalog: Catalog) -> None:
            there = self.store.has_many(blobs)  # repaired meanwhile
            gone = [blob for blob in blobs if blob not in there]
            self.keeper.index.mark_held(gone, is_held=False)
            catalog.hold(
                {b: False for b in gone if catalog.directory.holding(b, self.identity.node)}
            )

        await self.keeper.call(work)

    async def arrived(self, refs: Sequence[BlobRef]) -> None:
        """Say, durably, that this node holds what has just been stored."""

        def work(catalog: Catalog) -> None:
            self._require_stored([ref.blob for ref in refs])
            originals = self.keeper.index.mark_held([ref.blob for ref in refs])
            catalog.hold(dict.fromkeys(originals, True))
            self._call_back(originals)

        blobs = {ref.blob for ref in refs}
        self.arriving |= blobs
        try:
            await self.keeper.call(work)
        finally:
            self.arriving -= blobs
        self.opened.note_arrived(blobs)
        self.on_arrived(list(blobs))


def _previews(photo: NewPhoto) -> list[BlobRef]:
    return [preview.ref for preview in photo.previews]


def _sidecars(photo: NewPhoto) -> list[Sidecar]:
    return [*([photo.sidecar] if photo.sidecar else []), *photo.other_sidecars]


def _is_introduced(state: SubjectState) -> bool:
    """Whether somebody named the photo's own blob; another one beside it is no matter."""
    entry = state.fields.get(ORIGINAL)
    versions = entry.versions if entry is not None else ()
    return any(is_own(state.subject, version.value) for version in versions)

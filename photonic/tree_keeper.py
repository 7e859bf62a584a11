"""Keeps the exported tree: follows catalog and store, and takes in what is written there.

One task does all of it, so what somebody wrote and what is built never meet. It learns of what
happened from events, and what it did not hear of (this process did not run, an event of the disk
was lost) it finds: at the start by the digests of shards, and by a look through the tree then and
from time to time. Nothing here is the only place of anything: see `tree.ledger`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.crdt.keys import ROOT, SHARD_COUNT
from photonic.errors import PhotonicError, TreeUnwritable
from photonic.events import BlobChecked, Event, HoldingsChanged, IndexCaughtUp, SubjectsChanged
from photonic.ids import PHOTO, BlobId
from photonic.ingest.watch import changes_below
from photonic.problems import Problems
from photonic.tree.builder import Built, TreeBuilder
from photonic.tree.disk import TreeDisk, Writers
from photonic.tree.ledger import TreeLedger
from photonic.tree.paths import Naming, decide, key_of, wanted_path
from photonic.tree.writing import is_sidecar
from photonic.tree_catalog import Read, TreeCatalog
from photonic.tree_words import TreeWords
from photonic.world import World

T = TypeVar("T")
log = logging.getLogger(__name__)
_READ_AT_ONCE = 100  # photos, on the catalog's thread
_TOLD_MAX = 20  # files that could not be shown, as problems
_GATHERED_MS = 100


@dataclass(frozen=True, slots=True)
class TreePlace:
    """What the tree is made by."""

    root: Path
    ledger: Path
    store: Path
    template: str
    writers: Writers | None = None


@dataclass(slots=True)
class TreeProgress:
    """How the tree stands."""

    state: str = "starting"  # starting, building, ready, failed
    originals: int = 0
    sidecars: int = 0
    left: int = 0  # photos or parts of the library that are to be looked at
    taken_in: int = 0  # sidecars that were written there, since the start
    built: int = 0  # files that came, went or changed, since the start


class TreeKeeper:
    """See the module."""

    def __init__(
        self,
        place: TreePlace,
        catalog: TreeCatalog,
        store: FileStore,
        world: World,
        problems: Problems,
        note_change: Callable[[], object],
    ) -> None:
        """`note_change` hears when `progress` is another one."""
        self._note_change = note_change
        self.place, self._catalog, self._store = place, catalog, store
        self._world, self._problems = world, problems
        self.progress = TreeProgress()
        self._dirty: set[BlobId] = set()  # photos that may be otherwise than the tree shows them
        self._blobs: set[BlobId] = set()  # the same of blobs
        self._noted: dict[str, float] = {}  # sidecars that were written, and when that was seen
        self._unshown: dict[str, BlobId] = {}  # files that could not be shown, and their photos
        self._must_scan = self._must_compare = True
        self._woken = trio.Event()
        self._threads = trio.CapacityLimiter(1)

    # --- what others tell --------------------------------------------------------------------

    def hear(self, event: Event) -> None:
        """Take note of what may change the tree."""
        match event:
            case SubjectsChanged(subjects) | HoldingsChanged(subjects):
                photos = {BlobId(one.key) for one in subjects if one.kind == PHOTO}
                self._dirty |= photos
                if isinstance(event, HoldingsChanged):
                    self._blobs |= photos
            case BlobChecked(blob):
                self._blobs.add(BlobId(blob))
            case IndexCaughtUp():
                self._must_compare = True
            case _:
                return
        self._woken.set()

    def note_stored(self, blobs: Iterable[BlobId]) -> None:
        """Take note of what the store has now: sidecars among it."""
        self._blobs.update(blobs)
        self._woken.set()

    def _note_paths(self, paths: set[str]) -> None:
        root = str(self.place.root)
        for path in paths:
            inside = path.removeprefix(root).lstrip("/")
            if path.startswith(root) and is_sidecar(inside) and not inside.startswith("."):
                if len(self._noted) >= limits.TREE_NOTED_MAX:
                    self._must_scan = True
                    break
                self._noted[inside] = trio.current_time()
        self._woken.set()

    # --- the service -------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the tree until cancelled. Raises TreeElsewhere, TreeUnwritable."""
        self.progress.state = "starting"
        try:
            await self._run()
        except PhotonicError:
            self._show("failed")
            raise

    async def _run(self) -> None:
        place = self.place
        disk = TreeDisk(place.root, lambda: self._world.entropy.token(8).hex(), place.writers)
        await self._thread(disk.prepare, place.store)
        ledger = await self._thread(TreeLedger, place.ledger)
        try:
            builder = TreeBuilder(ledger, disk, self._store)
            words = TreeWords(
                self._catalog, self._store, builder, self._world.clock, self._problems,
                self._thread,
            )  # fmt: skip
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    changes_below, place.root, _GATHERED_MS, self._note_paths, self._problems
                )
                await self._keep(builder, words)
        finally:
            with trio.CancelScope(shield=True):
                await self._thread(ledger.close)

    async def _keep(self, builder: TreeBuilder, words: TreeWords) -> None:
        self._must_scan = self._must_compare = True
        is_first = True
        scan_at_s = 0.0
        while True:
            if self._must_compare:
                self._must_compare = False
                await self._compare(builder)
            if is_first:
                is_first = False
                await self._heal(builder)
            await self._follow(builder)
            if self._must_scan or trio.current_time() >= scan_at_s:
                self._must_scan = False
                scan_at_s = trio.current_time() + limits.TREE_SCAN_S
                self._try_again()
                self._noted |= dict.fromkeys(await self._thread(words.look_through), 0.0)
            self._dirty |= await self._take_in(words)
            await self._show_counts(builder)
            await self._wait(scan_at_s, has_kept=words.has_kept)

    async def _wait(self, scan_at_s: float, *, has_kept: bool) -> None:
        """Wait until there is something to do, and a little longer for what comes with it."""
        if not (self._dirty or self._blobs or self._must_compare or self._must_scan):
            until_s = scan_at_s
            if self._noted:
                until_s = min(self._noted.values()) + limits.TREE_SETTLE_S
            if has_kept:
                until_s = min(until_s, trio.current_time() + limits.TREE_DISPLACED_S)
            with trio.move_on_at(until_s):
                await self._woken.wait()
        self._woken = trio.Event()
        if self._dirty or self._blobs:
            await trio.sleep(limits.TREE_LOOK_S)

    # --- what the catalog says ---------------------------------------------------------------

    async def _compare(self, builder: TreeBuilder) -> None:
        """Look at every photo of each shard that is otherwise than when it was looked at."""
        known = await self._thread(builder.ledger.digests)
        for number in range(SHARD_COUNT):
            if number == ROOT:
                continue
            self._show("building", left=SHARD_COUNT - number)
            found = await self._catalog.shard(number, known.get(number))
            if found is None:
                continue
            digest, photos = found
            for start in range(0, len(photos), limits.TREE_BATCH_MAX):
                unnamed = await self._read_into(
                    builder, photos[start : start + limits.TREE_BATCH_MAX]
                )
                # Whoever decides on a path knows every claim first: they are named afterwards.
                self._dirty |= {naming.photo for naming in unnamed}
            await self._thread(builder.ledger.note_digest, number, digest)

    async def _heal(self, builder: TreeBuilder) -> None:
        """Make every file what it should be, after whatever happened while nobody looked."""
        behind = b""
        while photos := await self._thread(
            builder.ledger.photos_after, behind, limits.TREE_BATCH_MAX
        ):
            behind = photos[-1]
            self._note_built(await self._thread(builder.build, photos))
        strays = await self._thread(builder.clear_strays)
        if strays:
            log.warning("the tree had %d links that nobody knew of", strays)

    async def _follow(self, builder: TreeBuilder) -> None:
        """Build what was told of, until nothing is left."""
        while self._dirty or self._blobs:
            blobs, self._blobs = list(self._blobs), set()
            if blobs:
                self._dirty |= await self._thread(builder.ledger.photos_of, blobs)
            some = sorted(self._dirty)[: limits.TREE_BATCH_MAX]
            self._dirty -= set(some)
            self._show("building" if len(self._dirty) > limits.TREE_BATCH_MAX else "ready",
                       left=len(self._dirty))  # fmt: skip
            try:
                await self._name(builder, await self._read_into(builder, some))
            except BaseException:
                self._dirty |= set(some)
                raise

    async def _read_into(self, builder: TreeBuilder, photos: Sequence[BlobId]) -> list[Naming]:
        reads = [
            await self._catalog.read(photos[start : start + _READ_AT_ONCE])
            for start in range(0, len(photos), _READ_AT_ONCE)
        ]
        self._note_built(await self._thread(_learn, builder, reads))
        return [naming for read in reads for naming in read.unnamed]

    async def _name(self, builder: TreeBuilder, unnamed: Sequence[Naming]) -> None:
        """Decide where photos lie that are here and of which nobody said so yet."""
        if not unnamed:
            return
        paths = await self._thread(self._decide, builder.ledger, unnamed)
        some = list(paths.items())
        try:
            for start in range(0, len(some), _READ_AT_ONCE):
                await self._catalog.claim(dict(some[start : start + _READ_AT_ONCE]))
        except PhotonicError as error:  # this node may not write; others may
            self._problems.add(error, str(self.place.root))
            return
        # The ledger has these claims before anybody decides on another path.
        self._dirty -= set(paths)
        await self._read_into(builder, list(paths))

    def _decide(self, ledger: TreeLedger, unnamed: Sequence[Naming]) -> dict[BlobId, str]:
        held = self._store.has_many([naming.photo for naming in unnamed])
        found: dict[BlobId, str] = {}
        taken: set[str] = set()
        for naming in sorted(unnamed, key=lambda one: (one.moment, one.name, one.photo)):
            if naming.photo not in held:
                continue

            def is_taken(key: str, photo: BlobId = naming.photo) -> bool:
                return key in taken or ledger.is_claimed(key, photo)

            path = decide(wanted_path(self.place.template, naming), naming.photo, is_taken)
            taken.add(key_of(path))
            found[naming.photo] = path
        return found

    # --- what was written there --------------------------------------------------------------

    async def _take_in(self, words: TreeWords) -> set[BlobId]:
        """Take in what stood still; return the photos that may be built now."""
        latest_s = trio.current_time() - limits.TREE_SETTLE_S
        due = [path for path, noted_s in self._noted.items() if noted_s <= latest_s]
        for path in due:
            del self._noted[path]
        taken = await words.take_in(due)
        again_s = trio.current_time()
        for path, wait_s in taken.unsettled.items():
            self._noted.setdefault(path, again_s + wait_s - limits.TREE_SETTLE_S)
        self.progress.taken_in += taken.count
        return taken.photos

    # --- what is told ------------------------------------------------------------------------

    def _note_built(self, built: Built) -> None:
        self.progress.built += built.shown + built.removed
        for photo, path, error in built.unshown:
            if len(self._unshown) < _TOLD_MAX:
                self._problems.add(error, path)
            if len(self._unshown) < limits.TREE_NOTED_MAX:
                self._unshown[path] = photo
        for path in built.waiting:  # perhaps no event told of it
            self._noted.setdefault(path, 0.0)

    def _try_again(self) -> None:
        """Build what could not be shown once more: what was in the way may be gone."""
        self._dirty |= set(self._unshown.values())
        for path in self._unshown:
            self._problems.clear(path)
        self._unshown = {}

    def _show(self, state: str, left: int = 0) -> None:
        self.progress.state, self.progress.left = state, left
        self._note_change()

    async def _show_counts(self, builder: TreeBuilder) -> None:
        counts = await self._thread(builder.ledger.counts)
        self.progress.originals, self.progress.sidecars = counts
        self._show("ready")

    async def _thread(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return await trio.to_thread.run_sync(partial(work, *arguments), limiter=self._threads)
        except OSError as error:
            reason = error.strerror or str(error)
            raise TreeUnwritable(str(self.place.root), reason) from error


def _learn(builder: TreeBuilder, reads: Sequence[Read]) -> Built:
    with builder.ledger.batch():
        pictures = (picture for read in reads for picture in read.pictures)
        moved = builder.ledger.learn(pictures, [photo for read in reads for photo in read.gone])
    return builder.build(moved)

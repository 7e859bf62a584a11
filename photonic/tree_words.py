"""Takes in what somebody wrote in the tree: sidecars become versions in the catalog.

A file is taken in when it stood still and is XMP to its end; what is half written is looked at
again, later and later. First its bytes are in the store, then the catalog says so, then the ledger:
a crash between two of them repeats what has no effect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.errors import PhotonicError, SidecarInvalid
from photonic.ids import BlobId, digest
from photonic.ingest.listing import state_of
from photonic.ingest.places import shown
from photonic.ingest.sidecar import read_marks
from photonic.photos import Marks
from photonic.problems import Problems
from photonic.tree.builder import TreeBuilder
from photonic.tree.ledger import Entry
from photonic.tree.picture import IMPORTED, WRITTEN, SidecarVersion
from photonic.tree.writing import (
    KeptFile,
    WrittenFile,
    find_kept,
    find_written,
    is_as_put,
    is_sidecar,
)
from photonic.tree_catalog import Said, TreeCatalog
from photonic.world import Clock

Thread = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class Taken:
    """What came of taking in some files."""

    count: int = 0
    photos: set[BlobId] = field(default_factory=set)  # may be built now
    unsettled: dict[str, float] = field(default_factory=dict)  # to be looked at in so many seconds


class TreeWords:
    """See the module."""

    def __init__(
        self,
        catalog: TreeCatalog,
        store: FileStore,
        builder: TreeBuilder,
        clock: Clock,
        problems: Problems,
        thread: Thread,
    ) -> None:
        """`thread` runs what blocks."""
        self._catalog, self._store, self._builder = catalog, store, builder
        self._clock, self._problems, self._thread = clock, problems, thread
        self._tries: dict[str, tuple[float, int]] = {}  # since when, how often, of what is none yet
        self.has_kept = False  # files that were replaced, and that somebody may write into still

    def look_through(self) -> list[str]:
        """Return the sidecars in the tree that are not as they were put there. Blocks."""
        disk, ledger = self._builder.disk, self._builder.ledger
        paths = (path for path, _ in disk.walk() if is_sidecar(path))
        return [one.path for one in find_written(ledger, disk, paths)]

    async def take_in(self, paths: Sequence[str]) -> Taken:
        """Take in those of some sidecars that somebody wrote, and what replaced ones have."""
        taken = Taken()
        disk, ledger = self._builder.disk, self._builder.ledger
        for written in await self._thread(lambda: list(find_written(ledger, disk, paths))):
            try:
                await self._take_one(written, taken)
            except PhotonicError as error:
                self._tell(written.path, error, taken)
        await self._take_kept(taken)
        return taken

    async def _take_one(self, written: WrittenFile, taken: Taken) -> None:
        if await self._thread(self._is_moving, written):
            taken.unsettled[written.path] = limits.TREE_RETRY_MIN_S
            return
        photo, entry = written.photo, written.entry
        if entry is not None and is_as_put(written):
            await self._thread(self._note, written, entry.sidecar)
            taken.photos.add(photo)
            return
        marks = read_marks(written.data, shown(self._builder.disk.root / written.path))
        base = entry.sidecar if entry is not None and entry.inode != 0 else None
        version = None
        if base is None:  # who wrote it? perhaps this node did, before its ledger was lost
            blob = digest(written.data)
            said = await self._catalog.sidecars(photo)
            version = next((one for one in reversed(said) if one.blob == blob), None)
        if version is None:
            name = written.path.rpartition("/")[2]
            speaks = written.number == 0
            version = await self._say(
                photo, written.number, name, written.data, base, marks, speaks
            )
            taken.count += version is not None
        await self._thread(self._note, written, version)
        taken.photos.add(photo)
        self._tries.pop(written.path, None)
        self._problems.clear(shown(self._builder.disk.root / written.path))

    async def _say(
        self,
        photo: BlobId,
        number: int,
        name: str,
        data: bytes,
        base: SidecarVersion | None,
        marks: Marks,
        speaks: bool,
    ) -> SidecarVersion | None:
        held = await self._thread(self._store.put, data)
        said = Said(photo, number, name, held.ref, base, marks if speaks else None)
        return await self._catalog.say(said, self._read_marks)

    def _is_moving(self, written: WrittenFile) -> bool:
        """Whether somebody wrote a file a moment ago, or since it was read.

        Who has it open for writing says nothing: Ganesha keeps files open for a long time.
        """
        state = state_of(self._builder.disk.root / written.path)
        age_s = self._clock.now_ms() / 1_000 - written.status.st_mtime_ns / 1e9
        is_fresh = 0 <= age_s < limits.TREE_SETTLE_S
        is_same = state is not None and (
            state == (written.status.st_size, written.status.st_mtime_ns)
        )
        return is_fresh or not is_same

    def _note(self, written: WrittenFile, version: SidecarVersion | None) -> None:
        """Enter a file as what it is now. One of a photo that is gone is nobody's."""
        ledger, status = self._builder.ledger, written.status
        with ledger.batch():
            if version is None:
                ledger.forget([written.path])
                return
            ledger.put(
                [
                    Entry(
                        written.path, written.photo, version.blob, version,
                        status.st_size, status.st_mtime_ns, status.st_ino,
                    )
                ]
            )  # fmt: skip

    def _tell(self, path: str, error: PhotonicError, taken: Taken) -> None:
        since_s, count = self._tries.get(path, (trio.current_time(), 0))
        if len(self._tries) < limits.TREE_NOTED_MAX:
            self._tries[path] = (since_s, count + 1)
        age_s = trio.current_time() - since_s
        if not isinstance(error, SidecarInvalid) or age_s > limits.TREE_INVALID_TOLD_S:
            self._problems.add(error, shown(self._builder.disk.root / path))
        wait_s = limits.TREE_RETRY_MIN_S * 2 ** min(count, 10)
        taken.unsettled[path] = min(wait_s, limits.TREE_RETRY_MAX_S)

    # --- what was replaced while somebody had it open ----------------------------------------

    async def _take_kept(self, taken: Taken) -> None:
        disk = self._builder.disk
        before_ns = int((self._clock.now_ms() - limits.TREE_DISPLACED_S * 1_000) * 1_000_000)
        for kept in await self._thread(find_kept, disk, before_ns):
            try:
                await self._take_one_kept(kept, taken)
            except SidecarInvalid as error:  # torn when it was replaced: there is no more of it
                self._problems.add(error, shown(kept.file))
            except PhotonicError as error:
                self._problems.add(error, shown(kept.file))
                continue
            await self._thread(lambda file=kept.file: file.unlink(missing_ok=True))
        self.has_kept = await self._thread(lambda: any(True for _ in disk.displaced()))

    async def _take_one_kept(self, kept: KeptFile, taken: Taken) -> None:
        said = await self._catalog.sidecars(kept.photo)
        blob = digest(kept.data)
        base = next((one for one in said if one.change == kept.change), None)
        if any(one.blob == blob for one in said):
            return
        marks = read_marks(kept.data, shown(kept.file))
        speaks = base is None or base.field in (WRITTEN, IMPORTED)
        await self._say(kept.photo, 0, kept.file.name, kept.data, base, marks, speaks)
        taken.count += 1
        taken.photos.add(kept.photo)

    def _read_marks(self, blob: BlobId) -> Marks | None:
        """Return what a stored sidecar says, None if it is not here or no sidecar."""
        try:
            return read_marks(self._store.read(blob, 0, limits.SIDECAR_BYTES_MAX + 1), blob.hex())
        except (PhotonicError, OSError):
            return None

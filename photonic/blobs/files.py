"""A blob store on a file system: one plain, read-only file per blob, small ones packed together.

The folders and the order of steps are `shelf.py`'s; here is what `store.BlobStore` promises on
top of them. Several processes may use a folder at one time: one owns it (`open`), the others
`attach`. What is held is only ever asked from the ledger and the disk, for another process may
have changed it; a blob that is on its way in belongs to the process that began it.
What others were promised to find here is not discarded (`promises.py`). Not here: object storage,
and what may be evicted.
"""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from photonic import limits
from photonic.blobs.aside import Aside
from photonic.blobs.checkup import Checkup
from photonic.blobs.chunks import ChunkList, scan, scan_bytes
from photonic.blobs.incoming import Incoming
from photonic.blobs.partial import FilePartial
from photonic.blobs.promises import PromiseBook
from photonic.blobs.quota import Quota
from photonic.blobs.shelf import Shelf
from photonic.blobs.store import Backlog, Damage, Held, Origin, Partial, Verdict
from photonic.blobs.verify import Pace, at_once
from photonic.errors import (
    BlobCorrupt,
    BlobMissing,
    FileUnsettled,
    PhotonicError,
)
from photonic.ids import BlobId
from photonic.photos import BlobRef
from photonic.world import Abilities, World

log = logging.getLogger(__name__)


class FileStore:
    """Blobs below one folder. Make it with `open` or `attach`."""

    def __init__(self, shelf: Shelf, world: World, promises: PromiseBook | None = None) -> None:
        """`promises` are the owner's: without them nothing can be discarded."""
        self._promises = promises
        self._shelf, self._world, self._ledger = shelf, world, shelf.ledger
        self._aside = Aside(shelf, world)
        self._incoming = Incoming(shelf, self._aside, world, self.chunk_list, self.reader)
        self._checkup = Checkup(shelf, self._aside, world, self._incoming.mend)
        self._lock = threading.Lock()
        self._lists: dict[BlobId, ChunkList] = {}  # of what is being served, most likely

    @classmethod
    def open(cls, root: Path, world: World, quota_bytes: int | None = None) -> FileStore:
        """Open the store below `root`, made if it is missing, and settle what a crash left.

        Check `needs_rebuild` afterwards: the ledger was lost, and blobs are not held until
        `rebuild` has read them again.
        """
        shelf = Shelf(root, world, quota_bytes=quota_bytes)
        try:
            aside = Aside(shelf, world)
            if shelf.claims.use_alone():
                aside.finish_interrupted()
                shelf.settle()
                aside.release_repaired()
            else:
                log.warning("%s is in use; what an earlier run left is settled later", root)
            shelf.claims.use()
            promises = PromiseBook(root / "promises.db", world.clock)
        except BaseException:
            shelf.close()
            raise
        return cls(shelf, world, promises)

    @classmethod
    def attach(cls, root: Path, world: World, quota_bytes: int | None = None) -> FileStore:
        """Open a store that another process owns: what a crash left is the owner's to settle.

        Raises LedgerDamaged, and StoreBusy while the owner is at that.
        """
        shelf = Shelf(root, world, owns=False, quota_bytes=quota_bytes)
        try:
            shelf.claims.use()
        except BaseException:
            shelf.close()
            raise
        return cls(shelf, world)

    @property
    def needs_rebuild(self) -> bool:
        return self._shelf.needs_rebuild

    @property
    def quota(self) -> Quota:
        """How much of the disk this store may use."""
        return self._shelf.quota

    @cached_property
    def abilities(self) -> Abilities:
        """What the file system of this store can do, tried once. Blocks."""
        return self._world.files.abilities(self._shelf.root / "partial")

    def rebuild(self, progress: Callable[[int], None] = lambda _count: None) -> int:
        """Make the ledger again from the files; return how many blobs are held then.

        Reads every byte that is not entered already; `progress` is told how many are, from time
        to time, on the same thread. Safe while the store is used.
        """
        return self._shelf.rebuild(progress)

    def close(self) -> None:
        """Close the ledger, and let other processes go on with what is open; may be repeated."""
        if self._promises is not None:
            self._promises.close()
        self._shelf.close()

    @property
    def promises(self) -> PromiseBook:
        """What this store keeps because others rely on it, and what may leave; the owner's."""
        assert self._promises is not None, "only the owner of a store promises, and discards"
        return self._promises

    # --- what is held ------------------------------------------------------------------------

    def held(self, blob: BlobId) -> Held | None:
        found = self._shelf.find(blob)
        return None if found is None else found[0]

    def has(self, blob: BlobId) -> bool:
        return self.held(blob) is not None

    def has_many(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those of `blobs` that are held: one question for many."""
        entered = self._ledger.held_among(list(blobs))
        packs = {pack for pack in entered.values() if pack is not None}
        there = {pack for pack in packs if self._shelf.packs.has(pack)}

        def is_there(blob: BlobId, pack: int | None) -> bool:
            seen = pack in there if pack is not None else self._shelf.final(blob).exists()
            return seen or self.has(blob)  # it may have been moved meanwhile

        return frozenset(blob for blob, pack in entered.items() if is_there(blob, pack))

    def discard(self, blob: BlobId) -> None:
        """Drop a blob for good; absent is fine. Whoever calls has told others that it goes.

        Raises BlobPromised: others rely on it.
        """
        with self.promises.leaving(blob):
            self._discard(blob)

    def _discard(self, blob: BlobId) -> None:
        found = self._ledger.find(blob)
        if found is None or found[1] is None:
            self._ledger.retract(blob)  # a crash leaves no stray file, and none that seems lost
        self._world.files.remove(self._shelf.final(blob))
        if not self._shelf.packs.drop(blob):
            self._ledger.forget(blob)
        self.drop_partial(blob)
        self._world.files.remove(self._shelf.aside(blob))

    def size(self, blob: BlobId) -> int:
        return self._known(blob).ref.size_bytes

    def path(self, blob: BlobId) -> Path:
        """Return the read-only file of a held blob, which gets one if it was packed.

        Raises BlobMissing; for a packed one StoreFull, too.
        """
        with self._finding_out(blob):
            self._shelf.unpack(blob)
        return self._shelf.final(blob)

    def reader(self, blob: BlobId) -> BinaryIO:
        path = self._shelf.final(blob)
        with suppress(FileNotFoundError):  # mostly it has a file: to ask first costs as much again
            return path.open("rb")
        with self._finding_out(blob):
            data = self._shelf.read_packed(blob)
            return path.open("rb") if data is None else io.BytesIO(data)

    @contextmanager
    def _finding_out(self, blob: BlobId) -> Iterator[None]:
        """Look at a blob that is not where it should be, and say that it is missing."""
        try:
            yield
        except (FileNotFoundError, BlobCorrupt):
            self.verify_many([blob])  # somebody removed it behind our back: it is to be fetched
            raise BlobMissing(blob) from None

    def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        with self.reader(blob) as file:
            file.seek(offset_bytes)
            return file.read(-1 if size_bytes is None else size_bytes)

    def chunk_list(self, blob: BlobId) -> ChunkList:
        with self._lock:
            listed = self._lists.get(blob)
        if listed is not None:  # a long one is not read again for each of its chunks
            held = self._ledger.held(blob)
            if held is not None and held.ref.chunks == listed.id:
                return listed
        entry = self._ledger.entry(blob)
        if entry is None:
            raise BlobMissing(blob)
        with self._lock:
            self._lists[blob] = entry[1]
            while len(self._lists) > limits.CHUNK_LISTS_CACHED_MAX:
                del self._lists[next(iter(self._lists))]
        return entry[1]

    def refs(self, *, after: BlobId | None = None) -> Iterator[BlobRef]:
        return self._ledger.refs(after)

    def verify(self, blob: BlobId) -> Held:
        (verdict,) = self.verify_many([blob])
        if verdict.error is not None:
            raise verdict.error
        assert verdict.held is not None
        return verdict.held

    def verify_many(
        self, blobs: Sequence[BlobId], pace: Pace = at_once, *, gives_up: bool = False
    ) -> list[Verdict]:
        return self._checkup.verify(blobs, pace, gives_up=gives_up)

    def oldest(self, limit: int, now_ms: int) -> list[Held]:
        return self._ledger.oldest(limit, now_ms)

    def overdue(self, before_ms: int) -> Backlog:
        return Backlog(*self._ledger.overdue(before_ms))

    def damaged(self) -> tuple[Damage, ...]:
        return self._aside.damages()

    def _known(self, blob: BlobId) -> Held:
        held = self.held(blob)
        if held is None:
            raise BlobMissing(blob)
        return held

    # --- the ways in -------------------------------------------------------------------------

    def check_room(self, size_bytes: int) -> None:
        self._incoming.check_room(size_bytes)

    def put(self, data: bytes) -> Held:
        found = scan_bytes(data)
        held = self.held(found.ref.blob)
        if held is not None:
            return held
        self.check_room(len(data))
        if found.ref.size_bytes <= limits.PACKED_BLOB_BYTES_MAX:
            return self._incoming.small(found, Origin.LOCAL, data).finish()
        partial = self._incoming.file(found, self._shelf.copy_path(), Origin.LOCAL, is_staged=True)
        try:
            with self._shelf.naming_full(len(data)):
                self._world.files.write_at(partial.path, 0, data)
            partial.vouch(found.ref.blob)
            return partial.finish()
        except (PhotonicError, OSError):
            self._world.files.remove(partial.path)
            raise

    def adopt(self, path: Path) -> Held:
        before = path.stat()
        if before.st_size <= limits.PACKED_BLOB_BYTES_MAX:
            data = path.read_bytes()
            _check_settled(path, before, len(data))
            return self.put(data)
        partial = self._stage(path)
        try:
            return partial.finish()
        except (PhotonicError, OSError):
            self._world.files.remove(partial.path)
            raise

    def stage(self, path: Path) -> Partial:
        return self._stage(path)

    def take_over(self, path: Path, blob: BlobId) -> Partial:
        """Stage a copy of a file of another store, which calls it `blob`; it is verified.

        Raises BlobCorrupt if it is something else, and what `stage` raises.
        """
        partial = self._stage(path)
        if partial.ref.blob != blob:
            self._world.files.remove(partial.path)
            raise BlobCorrupt(blob, f"(in {path})")
        return partial

    def _stage(self, path: Path) -> FilePartial:
        before = path.stat()
        copy = self._shelf.copy_path()
        try:
            with (
                self._incoming.room_for(before.st_size),
                self._shelf.naming_full(before.st_size),
            ):
                self._world.files.copy(path, copy)
            found = scan(copy)
            _check_settled(path, before, found.ref.size_bytes)
        except Exception:
            self._world.files.remove(copy)
            raise
        partial = self._incoming.file(found, copy, Origin.LOCAL, is_staged=True)
        partial.vouch(found.ref.blob)
        return partial

    def begin(self, ref: BlobRef, chunks: ChunkList) -> Partial:
        return self._incoming.begin(ref, chunks)

    def receive(self, ref: BlobRef, chunks: ChunkList, data: bytes) -> Partial:
        return self._incoming.receive(ref, chunks, data)

    def resume(self, ref: BlobRef) -> Partial | None:
        return self._incoming.resume(ref)

    def finish_many(self, partials: Sequence[Partial]) -> list[Held | PhotonicError]:
        return self._incoming.finish_many(partials)

    def partials(self) -> tuple[BlobId, ...]:
        return self._incoming.partials()

    def drop_partial(self, blob: BlobId) -> None:
        self._incoming.drop(blob)


def _check_settled(path: Path, before: os.stat_result, size_bytes: int) -> None:
    """Raise FileUnsettled unless a file is what it was before so many bytes of it were copied."""
    after = path.stat()
    same = (before.st_size, before.st_mtime_ns, before.st_ino, before.st_size)
    if same != (after.st_size, after.st_mtime_ns, after.st_ino, size_bytes):
        raise FileUnsettled(f"{path} changed while it was copied")

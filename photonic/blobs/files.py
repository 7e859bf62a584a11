"""A blob store on a file system: one plain, read-only file per blob, below one folder.

The folders and the order of steps are `shelf.py`'s; here is what `store.BlobStore` promises on
top of them. Not here: packing of small blobs, object storage, eviction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from photonic import limits
from photonic.blobs.aside import Aside
from photonic.blobs.checkup import Checkup
from photonic.blobs.chunks import ChunkList, Scan, scan, scan_bytes
from photonic.blobs.partial import FilePartial
from photonic.blobs.shelf import Shelf
from photonic.blobs.store import Backlog, Damage, Held, Origin, Partial, Verdict
from photonic.blobs.verify import Pace, at_once, check_list
from photonic.errors import (
    BlobCorrupt,
    BlobMissing,
    FileUnsettled,
    FrameInvalid,
    PhotonicError,
    StoreFull,
)
from photonic.ids import BlobId
from photonic.photos import BlobRef
from photonic.world import World


class FileStore:
    """Blobs below one folder, which belongs to one process. Make it with `open`."""

    def __init__(self, shelf: Shelf, world: World) -> None:
        self._shelf, self._world, self._ledger = shelf, world, shelf.ledger
        self._aside = Aside(shelf, world)
        self._checkup = Checkup(shelf, self._aside, world, self.begin)
        self._lock = threading.Lock()
        self._open: dict[BlobId, FilePartial] = {}
        self._recent: dict[BlobId, tuple[Held, ChunkList]] = {}  # being served, most likely

    @classmethod
    def open(cls, root: Path, world: World) -> FileStore:
        """Open the store below `root`, made if it is missing, and settle what a crash left.

        Check `needs_rebuild` afterwards: the ledger was lost, and blobs are not held until
        `rebuild` has read them again.
        """
        shelf = Shelf(root, world)
        aside = Aside(shelf, world)
        aside.finish_interrupted()
        shelf.settle()
        aside.release_repaired()
        return cls(shelf, world)

    @classmethod
    def attach(cls, root: Path, world: World) -> FileStore:
        """Open a store that another process owns: what a crash left is the owner's to settle."""
        return cls(Shelf(root, world), world)

    @property
    def needs_rebuild(self) -> bool:
        return self._shelf.needs_rebuild

    def rebuild(self, progress: Callable[[int], None] = lambda _count: None) -> int:
        """Make the ledger again from the files; return how many blobs are held then.

        Reads every byte that is not entered already; `progress` is told how many are, from time
        to time, on the same thread. Safe while the store is used.
        """
        return self._shelf.rebuild(progress)

    def close(self) -> None:
        """Close the ledger; may be repeated."""
        self._ledger.close()

    # --- what is held ------------------------------------------------------------------------

    def held(self, blob: BlobId) -> Held | None:
        with self._lock:
            recent = self._recent.get(blob)
        if recent is not None and self._shelf.final(blob).exists():
            return recent[0]
        # Most questions are about blobs that are not here, and a look at the file system is
        # cheaper than one into the ledger, at which threads queue up.
        return self._ledger.held(blob) if self._shelf.final(blob).exists() else None

    def has(self, blob: BlobId) -> bool:
        return self.held(blob) is not None

    def has_many(self, blobs: Collection[BlobId]) -> frozenset[BlobId]:
        """Return those of `blobs` that are held: one question for many."""
        entered = self._ledger.held_among(list(blobs))
        return frozenset(blob for blob in entered if self._shelf.final(blob).exists())

    def discard(self, blob: BlobId) -> None:
        """Drop a blob for good; absent is fine. Whoever calls has told others that it goes."""
        self._world.files.remove(self._shelf.final(blob))  # first: a crash leaves no stray bytes
        self._forget(blob)
        self.drop_partial(blob)
        self._world.files.remove(self._shelf.aside(blob))

    def size(self, blob: BlobId) -> int:
        return self._known(blob).ref.size_bytes

    def path(self, blob: BlobId) -> Path:
        """Return the read-only file of a held blob. Raises BlobMissing."""
        self._known(blob)
        return self._shelf.final(blob)

    def reader(self, blob: BlobId) -> BinaryIO:
        path = self.path(blob)
        try:
            return path.open("rb")
        except FileNotFoundError:
            self.verify_many([blob])  # somebody removed it behind our back: it is to be fetched
            raise BlobMissing(blob) from None

    def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        with self.reader(blob) as file:
            file.seek(offset_bytes)
            return file.read(-1 if size_bytes is None else size_bytes)

    def chunk_list(self, blob: BlobId) -> ChunkList:
        with self._lock:
            recent = self._recent.get(blob)
        if recent is not None:
            return recent[1]
        entry = self._ledger.entry(blob)
        if entry is None:
            raise BlobMissing(blob)
        with self._lock:
            self._recent[blob] = entry
            while len(self._recent) > limits.CHUNK_LISTS_CACHED_MAX:
                del self._recent[next(iter(self._recent))]
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
        try:
            return self._checkup.verify(blobs, pace, gives_up=gives_up)
        finally:
            with self._lock:
                for blob in blobs:
                    self._recent.pop(blob, None)

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

    def _forget(self, blob: BlobId) -> None:
        with self._lock:
            self._recent.pop(blob, None)
        self._ledger.forget(blob)

    # --- the ways in -------------------------------------------------------------------------

    def check_room(self, size_bytes: int) -> None:
        with self._lock:
            promised_bytes = sum(partial.missing_bytes for partial in self._open.values())
        self._shelf.check_room(size_bytes + promised_bytes)

    def put(self, data: bytes) -> Held:
        found = scan_bytes(data)
        held = self.held(found.ref.blob)
        if held is not None:
            return held
        self.check_room(len(data))
        partial = self._partial(found, self._shelf.copy_path(), Origin.LOCAL)
        try:
            with self._shelf.naming_full(len(data)):
                self._world.files.write_at(partial.path, 0, data)
            partial.vouch(found.ref.blob)
            return partial.finish()
        except StoreFull:
            self._world.files.remove(partial.path)
            raise

    def adopt(self, path: Path) -> Held:
        partial = self._stage(path)
        try:
            return partial.finish()
        except StoreFull:
            self._world.files.remove(partial.path)
            raise

    def stage(self, path: Path) -> Partial:
        return self._stage(path)

    def _stage(self, path: Path) -> FilePartial:
        before = path.stat()
        self.check_room(before.st_size)
        copy = self._shelf.copy_path()
        try:
            with self._shelf.naming_full(before.st_size):
                self._world.files.copy(path, copy)
            found = scan(copy)
            after = path.stat()
            same = (before.st_size, before.st_mtime_ns, before.st_ino)
            if same != (after.st_size, after.st_mtime_ns, after.st_ino):
                raise FileUnsettled(f"{path} changed while it was copied")
        except Exception:
            self._world.files.remove(copy)
            raise
        partial = self._partial(found, copy, Origin.LOCAL)
        partial.vouch(found.ref.blob)
        return partial

    def begin(self, ref: BlobRef, chunks: ChunkList) -> Partial:
        check_list(ref, chunks)
        with self._lock:
            if ref.blob in self._open:
                return self._open[ref.blob]
        partial = self._partial(Scan(ref, chunks), self._shelf.incoming(ref.blob), Origin.RECEIVED)
        if self.has(ref.blob):
            partial.vouch(ref.blob)
            return partial
        partial.reopen()
        self._aside.salvage(partial)
        self.check_room(partial.missing_bytes)
        if not chunks.chunks:
            self._world.files.write_at(partial.path, 0, b"")  # nothing else would make the file
        if ref.size_bytes > limits.SMALL_BLOB_BYTES:
            with self._shelf.naming_full(len(chunks.encoded)):
                path = self._shelf.incoming_list(ref.blob)
                self._world.files.write_durable(path, chunks.encoded)
        with self._lock:
            return self._open.setdefault(ref.blob, partial)

    def resume(self, ref: BlobRef) -> Partial | None:
        path = self._shelf.incoming(ref.blob)
        try:
            listed = self._shelf.incoming_list(ref.blob)
            # A small blob has a list only where some of its chunks were found damaged.
            if ref.size_bytes > limits.SMALL_BLOB_BYTES or listed.exists():
                chunks = ChunkList.decode(listed.read_bytes())
            elif path.stat().st_size == ref.size_bytes:
                chunks = scan(path).chunks
            else:
                return None
            return self.begin(ref, chunks)
        except (FileNotFoundError, FrameInvalid, BlobCorrupt):
            return None  # no list, or not the one that is wanted: it is asked for again

    def finish_many(self, partials: Sequence[Partial]) -> list[Held | PhotonicError]:
        unique: dict[BlobId, FilePartial] = {}
        for partial in partials:
            assert isinstance(partial, FilePartial), "a partial of another store"
            if partial is not unique.setdefault(partial.ref.blob, partial):
                self._world.files.remove(partial.path)  # the same bytes, staged twice
        results: dict[BlobId, Held | PhotonicError] = {}
        ordered = [unique[blob] for blob in sorted(unique)]
        for start in range(0, len(ordered), limits.BLOBS_PER_COMMIT_MAX):
            results |= self._finish_batch(ordered[start : start + limits.BLOBS_PER_COMMIT_MAX])
        return [results[partial.ref.blob] for partial in partials]

    def _finish_batch(self, batch: Sequence[FilePartial]) -> dict[BlobId, Held | PhotonicError]:
        results: dict[BlobId, Held | PhotonicError] = {}
        ready: dict[Origin, list[FilePartial]] = {}
        with ExitStack() as claims:
            for partial in batch:  # always in the order of the ids, so that no two wait in a ring
                claims.enter_context(partial.finishing)
                held = self.held(partial.ref.blob)
                try:
                    if held is None:
                        partial.check_whole()
                        ready.setdefault(partial.origin, []).append(partial)
                        continue
                    results[partial.ref.blob] = held
                except BlobCorrupt as error:
                    results[partial.ref.blob] = error
                self._discard(partial)
            for alike in ready.values():
                try:
                    done = self._shelf.commit(alike)
                except StoreFull as error:
                    results |= dict.fromkeys((partial.ref.blob for partial in alike), error)
                    continue
                results |= {held.ref.blob: held for held in done}
                for partial in alike:
                    self._discard(partial)
        return results

    # --- partials ----------------------------------------------------------------------------

    def partials(self) -> tuple[BlobId, ...]:
        return self._shelf.partials()

    def drop_partial(self, blob: BlobId) -> None:
        with self._lock:
            self._open.pop(blob, None)
        self._world.files.remove(self._shelf.incoming(blob))
        self._world.files.remove(self._shelf.incoming_list(blob))

    def _discard(self, partial: FilePartial) -> None:
        """Remove what is left of a partial that ended, under either of its names."""
        self._world.files.remove(partial.path)
        if partial.origin is Origin.RECEIVED:
            self.drop_partial(partial.ref.blob)

    def _partial(self, found: Scan, path: Path, origin: Origin) -> FilePartial:
        def finish(partial: FilePartial) -> Held:
            (result,) = self.finish_many([partial])
            if isinstance(result, PhotonicError):
                raise result
            return result

        shelf, files = self._shelf, self._world.files
        return FilePartial(found.ref, found.chunks, path, origin, files, shelf, finish)

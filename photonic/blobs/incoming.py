"""What is on its way into a file store, from the first chunk to the held blob.

Small blobs grow in memory and are packed when they are complete; others grow as files, each
claimed by the process that began it, so that no other one gives it its final name. What is here
already is not fetched: chunks that an earlier run had stored, that are right in a damaged file,
and that another held blob shares.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from photonic import limits
from photonic.blobs.aside import Aside
from photonic.blobs.chunks import ChunkList, Scan, scan
from photonic.blobs.packs import ENTRY_BYTES_MORE
from photonic.blobs.partial import FilePartial
from photonic.blobs.reuse import fill
from photonic.blobs.shelf import Shelf
from photonic.blobs.small import SmallPartial
from photonic.blobs.store import Held, Origin, Partial
from photonic.blobs.verify import check_chunk, check_list
from photonic.errors import (
    BlobCorrupt,
    BlobDamaged,
    BlobMissing,
    FrameInvalid,
    PhotonicError,
    StoreBusy,
    StoreFull,
)
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.world import World

AnyPartial = FilePartial | SmallPartial


class Incoming:
    """The partials of one store, which says what its methods promise (`store.BlobStore`)."""

    def __init__(
        self,
        shelf: Shelf,
        aside: Aside,
        world: World,
        chunk_list: Callable[[BlobId], ChunkList],
        reader: Callable[[BlobId], BinaryIO],
    ) -> None:
        """`chunk_list` and `reader` give what the store holds already."""
        self._shelf, self._aside, self._world = shelf, aside, world
        self._chunk_list, self._reader = chunk_list, reader
        self._lock = threading.Lock()
        self._open: dict[BlobId, AnyPartial] = {}
        self._reserved_bytes = 0  # for what is being copied
        self._beginning: set[BlobId] = set()  # a thread is filling it, and nobody else may touch it
        self._has_begun = threading.Condition(self._lock)

    def check_room(self, size_bytes: int) -> None:
        with self._lock:
            partials = self._open.values()
            promised_bytes = sum(part.missing_bytes + ENTRY_BYTES_MORE for part in partials)
            promised_bytes += self._reserved_bytes
        self._shelf.check_room(size_bytes, promised_bytes)

    @contextmanager
    def room_for(self, size_bytes: int) -> Iterator[None]:
        """Keep room for a file while it is copied. Raises StoreFull.

        Promised before it is checked: of two that do not both fit, neither may look alone.
        """
        with self._lock:
            self._reserved_bytes += size_bytes
        try:
            self.check_room(0)
            yield
            self._shelf.quota.note(size_bytes)
        finally:
            with self._lock:
                self._reserved_bytes -= size_bytes

    def begin(self, ref: BlobRef, chunks: ChunkList) -> Partial:
        check_list(ref, chunks)
        found, is_small = Scan(ref, chunks), ref.size_bytes <= limits.PACKED_BLOB_BYTES_MAX
        if is_small and (held := self._held_small(found)) is not None:
            return held
        with self._alone_at(ref.blob) as opened:
            if opened is None:
                return self._begin_small(found) if is_small else self._begin_file(found)
            if opened.ref == ref:
                return opened
            raise StoreBusy(f"{ref.blob.hex()} is on its way in, cut in another way")

    @contextmanager
    def _alone_at(self, blob: BlobId) -> Iterator[AnyPartial | None]:
        """Wait until no other thread begins this blob, and keep them waiting; yields what is open.

        Else one would fill the file of another, or remove it, after that one has looked at it.
        """
        with self._lock:
            self._has_begun.wait_for(lambda: blob not in self._beginning)
            self._beginning.add(blob)
            opened = self._open.get(blob)
        try:
            yield opened
        finally:
            with self._lock:
                self._beginning.discard(blob)
                self._has_begun.notify_all()

    def _begin_file(self, found: Scan) -> FilePartial:
        ref = found.ref
        if not self._shelf.claims.take(ref.blob):
            raise StoreBusy(f"another process is at {ref.blob.hex()}")
        is_kept = False
        try:
            partial = self.file(found, self._shelf.incoming(ref.blob))
            is_there = self._shelf.final(ref.blob).exists()
            if is_there and (self._held_of(ref) is not None or self._shelf.take_up(found)):
                # If it is dropped before this one is finished, the file is not this one's.
                partial.vouch(ref.blob)
                partial.drop()
                return partial
            self._fill(partial)
            with self._lock:
                self._open[ref.blob] = partial
            is_kept = True
            return partial
        finally:
            if not is_kept:
                self._shelf.claims.release(ref.blob)

    def _fill(self, partial: FilePartial) -> None:
        """Put what is here already into a partial that was just begun. Raises StoreFull."""
        ref, chunks = partial.ref, partial.chunks
        partial.reopen()
        self._aside.salvage(partial)
        self.check_room(partial.missing_bytes)
        if ref.size_bytes <= limits.SMALL_BLOB_BYTES:
            return  # whoever has the list of a small one has its bytes, too
        path = self._shelf.incoming_list(ref.blob)
        if not path.exists() or path.read_bytes() != chunks.encoded:
            with self._shelf.naming_full(len(chunks.encoded)):
                self._world.files.write_durable(path, chunks.encoded)
        if partial.missing_bytes:
            fill(partial, self._shelf.ledger.kin(chunks), self._chunk_list, self._reader)

    def _held_small(self, found: Scan) -> SmallPartial | None:
        if self._shelf.find(found.ref.blob) is not None:
            with suppress(BlobMissing), self._reader(found.ref.blob) as file:
                return self.small(found, Origin.RECEIVED, file.read())
        return None

    def _begin_small(self, found: Scan) -> SmallPartial:
        self.check_room(found.ref.size_bytes)
        begun = self.small(found, Origin.RECEIVED)
        if begun.is_repair:
            self._aside.salvage(begun)
        with self._lock:
            self._open[found.ref.blob] = begun
        return begun

    def receive(self, ref: BlobRef, chunks: ChunkList, data: bytes) -> Partial:
        """Stage a blob that came as a whole in a file of its own, which nobody goes on with."""
        check_list(ref, chunks)
        is_begun = self._shelf.incoming(ref.blob).exists()
        if ref.size_bytes <= limits.PACKED_BLOB_BYTES_MAX or is_begun:
            partial = self.begin(ref, chunks)
            for index in partial.missing():
                partial.write(index, data[chunks.offsets[index] : chunks.offsets[index + 1]])
            return partial
        view = memoryview(data)
        for index in range(len(chunks)):
            check_chunk(ref, chunks, index, view[chunks.offsets[index] : chunks.offsets[index + 1]])
        self.check_room(len(data))
        staged = self.file(Scan(ref, chunks), self._shelf.copy_path(), is_staged=True)
        try:
            with self._shelf.naming_full(len(data)):
                self._world.files.write_at(staged.path, 0, data)
        except (PhotonicError, OSError):
            self._world.files.remove(staged.path)
            raise
        # Of a single chunk the hash that was just checked is that of the whole.
        is_single = len(chunks) == 1
        staged.vouch(BlobId(chunks.chunks[0].hash if is_single else digest(data)))
        return staged

    def mend(self, ref: BlobRef, chunks: ChunkList) -> Partial:
        """Begin a partial that is finished at once, or left to whoever will fetch what it lacks."""
        with self._lock:
            is_open = ref.blob in self._open
        partial = self.begin(ref, chunks)
        if partial.missing_bytes and not is_open:
            self._let_go(ref.blob)
        return partial

    def resume(self, ref: BlobRef) -> Partial | None:
        with self._lock:
            opened = self._open.get(ref.blob)
        if opened is not None and opened.ref == ref:
            return opened
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
        unique: dict[BlobId, AnyPartial] = {}
        again: list[AnyPartial] = []  # the same bytes, which came in two ways
        for one in partials:
            assert isinstance(one, AnyPartial), "a partial of another store"
            if one is not unique.setdefault(one.ref.blob, one):
                again.append(one)
        results: dict[BlobId, Held | PhotonicError] = {}
        ordered = [unique[blob] for blob in sorted(unique)]
        for start in range(0, len(ordered), limits.BLOBS_PER_COMMIT_MAX):
            results |= self._finish_batch(ordered[start : start + limits.BLOBS_PER_COMMIT_MAX])
        for one in again:
            is_staged = isinstance(one, FilePartial) and one.is_staged
            if is_staged or isinstance(results[one.ref.blob], Held):
                self._discard(one)
        return [results[one.ref.blob] for one in partials]

    def _finish_batch(self, batch: Sequence[AnyPartial]) -> dict[BlobId, Held | PhotonicError]:
        results: dict[BlobId, Held | PhotonicError] = {}
        plain: dict[Origin, list[FilePartial]] = {}
        small: dict[Origin, list[tuple[SmallPartial, bytes]]] = {}
        with ExitStack() as claims:
            for one in batch:  # always in the order of the ids, so that no two wait in a ring
                claims.enter_context(one.finishing)
                held = self._held_of(one.ref)
                try:
                    if held is not None:
                        results[one.ref.blob] = held
                    elif isinstance(one, SmallPartial):
                        whole = one.whole()
                        small.setdefault(one.origin, []).append((one, whole))
                        continue
                    else:
                        one.check_whole()
                        plain.setdefault(one.origin, []).append(one)
                        continue
                except BlobDamaged as error:
                    results[one.ref.blob] = error  # what is right of it is still there
                    self._let_go(one.ref.blob, one)
                    if one.origin is Origin.LOCAL and isinstance(one, FilePartial):
                        self._world.files.remove(one.path)
                    continue
                except BlobMissing as error:
                    results[one.ref.blob] = error  # it was dropped: its file is another's now
                    continue
                except BlobCorrupt as error:
                    results[one.ref.blob] = error
                self._discard(one)
            for alike in plain.values():
                results |= self._commit(alike, partial(self._shelf.commit, alike))
            for pairs in small.values():
                alike_small = [one for one, _ in pairs]
                results |= self._commit(alike_small, partial(self._shelf.commit_small, pairs))
        return results

    def _commit(
        self, alike: Sequence[AnyPartial], commit: Callable[[], list[Held]]
    ) -> dict[BlobId, Held | PhotonicError]:
        try:
            done = commit()
        except (PhotonicError, OSError) as error:
            for one in alike:
                if isinstance(one, FilePartial):
                    self._failed(one)
            if not isinstance(error, StoreFull):
                raise
            return dict.fromkeys((one.ref.blob for one in alike), error)
        for one in alike:
            self._discard(one)
        return {held.ref.blob: held for held in done}

    def _failed(self, one: FilePartial) -> None:
        """Let a partial that did not become held be finished once more, if it still can be."""
        if one.is_staged:
            self._discard(one)  # nobody goes on with it, and the disk may be full: it comes again
        elif one.path.exists():
            one.doubt()
        else:  # it has its final name: whoever begins it looks whether that is all it needs
            self._let_go(one.ref.blob, one)

    # --- partials ----------------------------------------------------------------------------

    def partials(self) -> tuple[BlobId, ...]:
        with self._lock:
            small = {blob for blob, one in self._open.items() if isinstance(one, SmallPartial)}
        return tuple(sorted(small.union(self._shelf.partials())))

    def drop(self, blob: BlobId) -> None:
        """Forget a partial and free its room; absent is fine, and one of another process stays."""
        with self._alone_at(blob) as opened:
            if opened is None:
                self._remove_partial(blob, is_alone=True)
            else:
                with opened.finishing:
                    self._discard(opened)

    def _discard(self, one: AnyPartial) -> None:
        """Remove what is left of a partial that ended."""
        one.drop()
        if isinstance(one, FilePartial) and one.is_staged:
            self._world.files.remove(one.path)
            return
        if one.origin is Origin.RECEIVED and (isinstance(one, FilePartial) or one.is_repair):
            self._remove_partial(one.ref.blob, one)
        self._let_go(one.ref.blob, one)

    def _remove_partial(
        self, blob: BlobId, one: AnyPartial | None = None, *, is_alone: bool = False
    ) -> None:
        """Remove the files of a partial, unless there is another than this one at work."""
        if self._shelf.claims.take(blob):
            with self._lock:
                opened = self._open.get(blob)
                is_nobodys = opened is None and (is_alone or blob not in self._beginning)
                if is_nobodys or (opened is not None and opened is one):
                    self._world.files.remove(self._shelf.incoming_note(blob))
                    self._world.files.remove(self._shelf.incoming(blob))
                    self._world.files.remove(self._shelf.incoming_list(blob))
            self._shelf.claims.release(blob)

    def _let_go(self, blob: BlobId, one: AnyPartial | None = None) -> None:
        """Let others have a partial; what is of it stays on the disk. None: whichever is open."""
        with self._lock:
            opened = self._open.get(blob)
            if opened is None or opened is not (one or opened):
                return
            del self._open[blob]
        opened.drop()
        if isinstance(opened, FilePartial):
            self._shelf.claims.release(blob)

    def file(
        self,
        found: Scan,
        path: Path,
        origin: Origin = Origin.RECEIVED,
        *,
        is_staged: bool = False,
    ) -> FilePartial:
        """Make a partial; a staged one is a file that no other process knows of."""
        shelf, files = self._shelf, self._world.files
        note = None if is_staged else shelf.incoming_note(found.ref.blob)
        return FilePartial(
            found.ref, found.chunks, path, origin, files, shelf, self._finish_one, note
        )

    def small(self, found: Scan, origin: Origin, data: bytes = b"") -> SmallPartial:
        partial = SmallPartial(found.ref, found.chunks, origin, self._shelf, self._finish_one)
        left = (self._shelf.aside(found.ref.blob), self._shelf.incoming_list(found.ref.blob))
        partial.is_repair = any(path.exists() for path in left)
        partial.fill(data)
        return partial

    def _finish_one(self, one: AnyPartial) -> Held:
        (result,) = self.finish_many([one])
        if isinstance(result, PhotonicError):
            raise result
        return result

    def _held_of(self, ref: BlobRef) -> Held | None:
        """Return what is known of a held blob, fast where most are not: bigger ones are files."""
        is_bigger = ref.size_bytes > limits.PACKED_BLOB_BYTES_MAX
        if is_bigger and not self._shelf.final(ref.blob).exists():
            return None
        found = self._shelf.find(ref.blob)
        return None if found is None else found[0]

"""A blob store in memory: for the simulator, for tests, and for a node that only passes on.

Keeps every promise of `store.BlobStore` but durability: it forgets when the process ends. Partials
outlive the loss of every reference to them, as files would.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from photonic import limits
from photonic.blobs.chunks import ChunkList, scan_bytes
from photonic.blobs.store import (
    Backlog,
    Damage,
    Held,
    Origin,
    Partial,
    Soundness,
    Verdict,
)
from photonic.blobs.verify import Pace, at_once, check_chunk, check_list
from photonic.errors import BlobCorrupt, BlobMissing, FileUnsettled, PhotonicError, StoreFull
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.world import World


class MemoryPartial:
    """A blob on its way in, as verified chunks."""

    def __init__(self, store: MemoryStore, ref: BlobRef, chunks: ChunkList, origin: Origin) -> None:
        self.ref, self.chunks, self.origin = ref, chunks, origin
        self.pieces: dict[int, bytes] = {}
        self.stored_bytes = 0
        self._store = store

    @property
    def missing_bytes(self) -> int:
        return sum(self.chunks.chunks[index].size_bytes for index in self.missing())

    def missing(self) -> tuple[int, ...]:
        if self._store.has(self.ref.blob):
            return ()
        return tuple(index for index in range(len(self.chunks)) if index not in self.pieces)

    def write(self, index: int, data: bytes | memoryview) -> None:
        check_chunk(self.ref, self.chunks, index, data)
        if index not in self.pieces:
            self._store.check_space(len(data))
            self.pieces[index] = bytes(data)
            self.stored_bytes += len(data)

    def finish(self) -> Held:
        (result,) = self._store.finish_many([self])
        if isinstance(result, PhotonicError):
            raise result
        return result


class MemoryStore:
    """Blobs in a dictionary, up to `capacity_bytes` of them, partials included."""

    def __init__(self, world: World, capacity_bytes: int = 1 << 40) -> None:
        self.capacity_bytes = capacity_bytes
        self._world = world
        self._lock = threading.RLock()
        self._blobs: dict[BlobId, tuple[Held, ChunkList, bytes]] = {}
        self._partials: dict[BlobId, MemoryPartial] = {}
        self._damaged: dict[BlobId, Damage] = {}
        self._places: dict[bytes, tuple[BlobId, int]] = {}  # of chunks: a blob that has it, where
        self._held_bytes = 0

    def held(self, blob: BlobId) -> Held | None:
        found = self._blobs.get(blob)
        return None if found is None else found[0]

    def has(self, blob: BlobId) -> bool:
        return blob in self._blobs

    def size(self, blob: BlobId) -> int:
        return self._known(blob)[0].ref.size_bytes

    def reader(self, blob: BlobId) -> BinaryIO:
        return io.BytesIO(self._known(blob)[2])

    def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        data = self._known(blob)[2]
        end = len(data) if size_bytes is None else offset_bytes + size_bytes
        return data[offset_bytes:end]

    def chunk_list(self, blob: BlobId) -> ChunkList:
        return self._known(blob)[1]

    def refs(self, *, after: BlobId | None = None) -> Iterator[BlobRef]:
        for blob in sorted(self._blobs):
            if blob > (after or b""):
                yield self._blobs[blob][0].ref

    def verify(self, blob: BlobId) -> Held:
        (verdict,) = self.verify_many([blob])
        if verdict.error is not None:
            raise verdict.error
        assert verdict.held is not None
        return verdict.held

    def verify_many(
        self,
        blobs: Sequence[BlobId],
        pace: Pace = at_once,
        *,
        gives_up: bool = False,  # noqa: ARG002 - memory gives everything
    ) -> list[Verdict]:
        return [self._verify(blob, pace) for blob in blobs]

    def _verify(self, blob: BlobId, pace: Pace) -> Verdict:
        if blob not in self._blobs:
            return Verdict(blob, Soundness.ABSENT)
        held, chunks, data = self._blobs[blob]
        pace(len(data))
        if digest(data) == blob:
            held = Held(held.ref, self._world.clock.now_ms(), held.origin)
            self._blobs[blob] = (held, chunks, data)
            return Verdict(blob, Soundness.SOUND, held)
        with self._lock:
            del self._blobs[blob]
            self._held_bytes -= held.ref.size_bytes
            self._damaged[blob] = Damage(blob, held.ref)
            partial = MemoryPartial(self, held.ref, chunks, Origin.RECEIVED)
            self._partials[blob] = partial
        for index, (start, end) in enumerate(pairwise(chunks.offsets)):
            with suppress(BlobCorrupt, StoreFull):
                partial.write(index, data[start:end])
        if partial.missing():
            what = f"{len(partial.missing())} of {len(chunks)} chunks are wrong"
            return Verdict(blob, Soundness.DAMAGED, what=what)
        return Verdict(blob, Soundness.MENDED, partial.finish(), "it was too long")

    def oldest(self, limit: int, now_ms: int) -> list[Held]:
        held = [entry[0] for entry in self._blobs.values()]
        return sorted(held, key=lambda h: (h.verified_at_ms <= now_ms, h.verified_at_ms))[:limit]

    def overdue(self, before_ms: int) -> Backlog:
        held = [entry[0] for entry in self._blobs.values()]
        late = [one.ref.size_bytes for one in held if one.verified_at_ms < before_ms]
        return Backlog(len(late), sum(late))

    def damaged(self) -> tuple[Damage, ...]:
        return tuple(self._damaged[blob] for blob in sorted(self._damaged))

    def check_room(self, size_bytes: int) -> None:
        with self._lock:
            partials = self._partials.values()
            promised_bytes = sum(p.ref.size_bytes - p.stored_bytes for p in partials)
        self.check_space(size_bytes + promised_bytes)

    def check_space(self, size_bytes: int) -> None:
        """Raise StoreFull unless this much fits beside the bytes that are here now."""
        with self._lock:
            used_bytes = self._held_bytes + sum(p.stored_bytes for p in self._partials.values())
        if used_bytes + size_bytes > self.capacity_bytes:
            raise StoreFull("memory", size_bytes, max(0, self.capacity_bytes - used_bytes))

    def put(self, data: bytes) -> Held:
        return self._stage(data).finish()

    def adopt(self, path: Path) -> Held:
        return self.stage(path).finish()

    def stage(self, path: Path) -> Partial:
        before = path.stat()
        self.check_room(before.st_size)
        data = path.read_bytes()
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise FileUnsettled(f"{path} changed while it was copied")
        return self._stage(data)

    def _stage(self, data: bytes) -> MemoryPartial:
        found = scan_bytes(data)
        partial = MemoryPartial(self, found.ref, found.chunks, Origin.LOCAL)
        if not self.has(found.ref.blob):
            self.check_room(len(data))
            for index, chunk in enumerate(found.chunks.chunks):
                start = found.chunks.offsets[index]
                partial.pieces[index] = data[start : start + chunk.size_bytes]
        return partial

    def begin(self, ref: BlobRef, chunks: ChunkList) -> Partial:
        check_list(ref, chunks)
        with self._lock:
            if ref.blob in self._partials:
                return self._partials[ref.blob]
            partial = MemoryPartial(self, ref, chunks, Origin.RECEIVED)
            if not self.has(ref.blob):
                self.check_room(ref.size_bytes)
                self._partials[ref.blob] = partial
                if ref.size_bytes > limits.SMALL_BLOB_BYTES:
                    self._reuse(partial)
            return partial

    def receive(self, ref: BlobRef, chunks: ChunkList, data: bytes) -> Partial:
        partial = self.begin(ref, chunks)
        for index in partial.missing():
            partial.write(index, data[chunks.offsets[index] : chunks.offsets[index + 1]])
        return partial

    def _reuse(self, partial: MemoryPartial) -> None:
        """Take over the chunks that another blob has, as files.FileStore does."""
        for index, chunk in enumerate(partial.chunks.chunks):
            blob, start = self._places.get(chunk.hash, (None, 0))
            if blob is not None and blob in self._blobs:
                with suppress(BlobCorrupt, StoreFull):
                    partial.write(index, self._blobs[blob][2][start : start + chunk.size_bytes])

    def resume(self, ref: BlobRef) -> Partial | None:
        partial = self._partials.get(ref.blob)
        return partial if partial is not None and partial.ref == ref else None

    def finish_many(self, partials: Sequence[Partial]) -> list[Held | PhotonicError]:
        results: list[Held | PhotonicError] = []
        for partial in partials:
            assert isinstance(partial, MemoryPartial), "a partial of another store"
            try:
                results.append(self._finish(partial))
            except PhotonicError as error:
                results.append(error)
        return results

    def _finish(self, partial: MemoryPartial) -> Held:
        ref = partial.ref
        with self._lock:
            held = self.held(ref.blob)
            if held is not None:
                self._partials.pop(ref.blob, None)
                return held
            if missing := partial.missing():
                raise ValueError(f"{len(missing)} chunks of the blob are missing")
            data = b"".join(partial.pieces[index] for index in range(len(partial.chunks)))
            if self._partials.pop(ref.blob, None) is None:
                self.check_room(len(data))
            if digest(data) != ref.blob:
                raise BlobCorrupt(ref.blob, "(the whole, though every chunk is right)")
            held = Held(ref, self._world.clock.now_ms(), partial.origin)
            self._blobs[ref.blob] = (held, partial.chunks, data)
            self._held_bytes += ref.size_bytes
            for start, chunk in zip(partial.chunks.offsets, partial.chunks.chunks, strict=False):
                self._places[chunk.hash] = (ref.blob, start)
            self._damaged.pop(ref.blob, None)
            return held

    def partials(self) -> tuple[BlobId, ...]:
        return tuple(sorted(self._partials))

    def drop_partial(self, blob: BlobId) -> None:
        with self._lock:
            self._partials.pop(blob, None)

    def _known(self, blob: BlobId) -> tuple[Held, ChunkList, bytes]:
        if blob not in self._blobs:
            raise BlobMissing(blob)
        return self._blobs[blob]

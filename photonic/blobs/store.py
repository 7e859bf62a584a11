"""What a blob store does, as protocols. Bytes come in through verification or not at all.

Every method blocks (disk, hashing) and is meant for worker threads; all of them may be called
from several threads at once and repeated safely. Blobs are immutable, so reading needs no lock.
`files.FileStore` keeps one plain file per blob, `memory.MemoryStore` keeps them in memory; both
pass `tests/blobs/store_contract.py`. Not here: who may read, and what is worth keeping.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from photonic.blobs.chunks import ChunkList
from photonic.errors import PhotonicError
from photonic.ids import BlobId
from photonic.photos import BlobRef


class Origin(enum.Enum):
    """How a blob came to be held."""

    LOCAL = "local"  # adopted from a file of this machine, or put
    RECEIVED = "received"  # chunk by chunk, from peers
    FOUND = "found"  # under its final name, when the ledger was made again


@dataclass(frozen=True, slots=True)
class Held:
    """A blob that is durably stored, and when all of its bytes were last verified."""

    ref: BlobRef
    verified_at_ms: int
    origin: Origin


class Partial(Protocol):
    """A blob on its way in. Several threads may write different chunks at one time."""

    @property
    def ref(self) -> BlobRef: ...

    @property
    def chunks(self) -> ChunkList: ...

    def missing(self) -> tuple[int, ...]:
        """Return the indices of the chunks that are not stored yet, ascending."""
        ...

    def write(self, index: int, data: bytes | memoryview) -> None:
        """Verify `data` against the chunk list and store it; a repeat is fine.

        Raises BlobCorrupt (nothing was stored) and StoreFull. Survives the death of the process
        at once, a loss of power only after `finish`; reopening verifies what is there either way.
        """
        ...

    def finish(self) -> Held:
        """Verify the whole blob, make it durable and hold it; a repeat is fine.

        Raises ValueError while chunks are missing, StoreFull, and BlobCorrupt if all chunks are
        right but the blob is not: then the chunk list lies, and the partial is dropped.
        """
        ...


class BlobStore(Protocol):
    """Immutable bytes by BLAKE3."""

    def held(self, blob: BlobId) -> Held | None:
        """Return what is known of a held blob; None if it is not held."""
        ...

    def has(self, blob: BlobId) -> bool:
        """Tell whether the blob is held: verified, durable, under its final name."""
        ...

    def size(self, blob: BlobId) -> int:
        """Return the size in bytes. Raises BlobMissing."""
        ...

    def reader(self, blob: BlobId) -> BinaryIO:
        """Open the blob as a seekable file; the caller closes it. Raises BlobMissing."""
        ...

    def read(self, blob: BlobId, offset_bytes: int = 0, size_bytes: int | None = None) -> bytes:
        """Return a range, shorter where the blob ends. Raises BlobMissing."""
        ...

    def chunk_list(self, blob: BlobId) -> ChunkList:
        """Return the chunk list of a held blob. Raises BlobMissing."""
        ...

    def refs(self, *, after: BlobId | None = None) -> Iterator[BlobRef]:
        """Yield the held blobs in the order of their ids, those behind `after` only."""
        ...

    def put(self, data: bytes) -> Held:
        """Hold small bytes that were made here. Raises StoreFull."""
        ...

    def adopt(self, path: Path) -> Held:
        """Copy a local file and hold the copy; the file itself is left alone.

        Shares the file's blocks where the file system can. What is named is what was copied.
        Raises OSError if the file cannot be read, FileUnsettled if it changed meanwhile,
        StoreFull, BlobTooLarge.
        """
        ...

    def stage(self, path: Path) -> Partial:
        """Do the copying and hashing of `adopt`, but leave the rest to `finish_many`."""
        ...

    def begin(self, ref: BlobRef, chunks: ChunkList) -> Partial:
        """Return the partial of this blob, the same one while it is open.

        Chunks that an earlier run had stored are verified again and kept. If the blob is held,
        nothing is missing. Raises BlobCorrupt if `chunks` is not the list that `ref` names, and
        StoreFull if the disk has no room for what is missing.
        """
        ...

    def resume(self, ref: BlobRef) -> Partial | None:
        """Return the partial that an earlier run left, needing no peer; None if there is none."""
        ...

    def finish_many(self, partials: Sequence[Partial]) -> list[Held | PhotonicError]:
        """Do `finish` for each, sharing the waits for the disk; failures are in the result."""
        ...

    def partials(self) -> tuple[BlobId, ...]:
        """Return the blobs that are partly here, whether anybody still wants them or not."""
        ...

    def drop_partial(self, blob: BlobId) -> None:
        """Forget a partial and free its room; absent is fine."""
        ...

    def verify(self, blob: BlobId) -> Held:
        """Read a held blob again from the first byte to the last.

        Raises BlobMissing, and BlobCorrupt after it was put aside: it is not held any more then.
        """
        ...

    def check_room(self, size_bytes: int) -> None:
        """Raise StoreFull unless this many bytes more may be stored."""
        ...


class PlainFiles(Protocol):
    """A store whose blobs are files that others may read (HTTP ranges, the exported tree)."""

    def path(self, blob: BlobId) -> Path:
        """Return the read-only file of a held blob. Raises BlobMissing."""
        ...

"""What a blob store does, as protocols. Bytes come in through verification or not at all.

Every method blocks (disk, hashing) and is meant for worker threads; all of them may be called
from several threads at once and repeated safely. Blobs are immutable, so reading needs no lock.
`files.FileStore` keeps plain files and packs, `memory.MemoryStore` keeps all in memory; both
pass `tests/blobs/store_contract.py`. Not here: who may read, and what is worth keeping.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from photonic.blobs.chunks import ChunkList
from photonic.blobs.verify import Pace, at_once
from photonic.errors import BlobDamaged, BlobMissing, BlobUnreadable, PhotonicError
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


class Soundness(enum.Enum):
    """What reading a held blob again found."""

    SOUND = "sound"
    MENDED = "mended"  # it was damaged, and all that is right was here
    DAMAGED = "damaged"  # put aside; not held any more until what is wrong has come again
    LOST = "lost"  # there is no file; not held any more
    UNREADABLE = "unreadable"  # the disk gives an error: held still, for nothing is known
    ABSENT = "absent"  # it was not held


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of verifying one blob. `held` is None where it is not held any more."""

    blob: BlobId
    soundness: Soundness
    held: Held | None = None
    what: str = ""  # what was wrong, in words

    @property
    def error(self) -> PhotonicError | None:
        """What is wrong with the blob now, if anything is."""
        match self.soundness:
            case Soundness.DAMAGED | Soundness.LOST:
                return BlobDamaged(self.blob, self.what)
            case Soundness.UNREADABLE:
                return BlobUnreadable(self.blob, self.what)
            case Soundness.ABSENT:
                return BlobMissing(self.blob)
        return None


@dataclass(frozen=True, slots=True)
class Damage:
    """A blob that is to be repaired; `ref` is None if nobody here knows how it was cut."""

    blob: BlobId
    ref: BlobRef | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much was last verified before some time."""

    blobs: int
    size_bytes: int


class Partial(Protocol):
    """A blob on its way in. Several threads may write different chunks at one time."""

    @property
    def ref(self) -> BlobRef: ...

    @property
    def chunks(self) -> ChunkList: ...

    @property
    def missing_bytes(self) -> int:
        """How much of it is not stored yet; 0: it can be finished."""
        ...

    def missing(self) -> tuple[int, ...]:
        """Return the indices of the chunks that are not stored yet, ascending."""
        ...

    def write(self, index: int, data: bytes | memoryview) -> None:
        """Verify `data` against the chunk list and store it; a repeat is fine.

        Raises BlobCorrupt (nothing was stored) and StoreFull. Survives the death of the process
        at once (but not in a blob so small that it is packed), a loss of power only after
        `finish`; reopening verifies what is there either way.
        """
        ...

    def finish(self) -> Held:
        """Verify the whole blob, make it durable and hold it; a repeat is fine.

        Raises ValueError while chunks are missing, StoreFull, and BlobCorrupt if all chunks are
        right but the blob is not: then the chunk list lies, and the partial is dropped. Raises
        BlobMissing after `drop_partial`.
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

        Chunks that an earlier run had stored are verified again and kept; those of a bigger blob
        (`limits.SMALL_BLOB_BYTES`) that another held one has are copied from it, verified: none of
        these are missing. If the blob is held, nothing is. Raises BlobCorrupt if `chunks` is not
        the list that `ref` names, StoreFull if the disk has no room for what is missing, and
        StoreBusy while another process has the partial.
        """
        ...

    def receive(self, ref: BlobRef, chunks: ChunkList, data: bytes) -> Partial:
        """Verify a blob that came as a whole; return a partial of it that lacks nothing.

        It is to be given to `finish_many`, and is gone if that fails. Raises as `begin` and
        `Partial.write` do.
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

        Raises BlobMissing; BlobDamaged after it was put aside (it is not held any more then, and
        what is right of it is a partial); BlobUnreadable, which changes nothing.
        """
        ...

    def check_room(self, size_bytes: int) -> None:
        """Raise StoreFull unless this many bytes more may be stored."""
        ...


class Verifiable(Protocol):
    """A store that can be asked, blob by blob, whether it still holds what it held."""

    def verify_many(
        self, blobs: Sequence[BlobId], pace: Pace = at_once, *, gives_up: bool = False
    ) -> list[Verdict]:
        """Do `verify` for each in turn, sharing the writes; whatever is wrong is in the result.

        `pace` is told of bytes before they are read, and waits; what it raises ends this early,
        and what was verified by then counts. `gives_up`: what the disk does not give is damaged.
        """
        ...

    def oldest(self, limit: int, now_ms: int) -> list[Held]:
        """Return held blobs, those first that were verified the longest time ago.

        Before these come any that were verified later than now: a clock was wrong, so nothing is
        known of when it was.
        """
        ...

    def overdue(self, before_ms: int) -> Backlog:
        """Count what was last verified before a time."""
        ...

    def damaged(self) -> tuple[Damage, ...]:
        """Return what was found damaged or lost and is not repaired, by whichever process."""
        ...


class PlainFiles(Protocol):
    """A store whose blobs are files that others may read (HTTP ranges, the exported tree)."""

    def path(self, blob: BlobId) -> Path:
        """Return the read-only file of a held blob. Raises BlobMissing.

        One that is packed with others gets a file of its own, which may raise StoreFull: whoever
        needs only the bytes of a sidecar or preview asks for these.
        """
        ...

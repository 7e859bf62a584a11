"""The folders of a blob store, and the order of steps that makes final names trustworthy.

    ROOT/blobs/ab/cd/<64 hex digits>   held blobs, mode 0444
    ROOT/partial/<64 hex digits>       on its way in; beside it `.list`, its chunk list
    ROOT/partial/<token>.copy          a local file being adopted; worthless after a crash
    ROOT/damaged/<64 hex digits>       what failed a later verification: kept, not held
    ROOT/ledger.sqlite3                what is held; made again by `rebuild`

The order: bytes verified, intent in the ledger, fsync of the file, rename, fsync of the folder,
entry in the ledger. So a final name never holds unverified bytes, and a crash at any point leaves
a partial or an intent, which `settle` heals. A small blob (one frame) has no `.list`, for its
bytes alone tell whether it is complete.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from photonic import limits
from photonic.blobs.chunks import Scan, scan
from photonic.blobs.ledger import Ledger
from photonic.blobs.partial import FilePartial
from photonic.blobs.store import Held, Origin
from photonic.blobs.verify import hash_file
from photonic.errors import LedgerDamaged, StoreFull
from photonic.ids import BlobId
from photonic.world import World

LEDGER = "ledger.sqlite3"
_HEX = re.compile(r"[0-9a-f]{64}")
_TOKEN_BYTES = 16


def final_path(root: Path, blob: BlobId) -> Path:
    """Return where a held blob lies."""
    name = blob.hex()
    return root / "blobs" / name[:2] / name[2:4] / name


class Shelf:
    """Where blobs lie. One process owns it; its methods block and may be called from threads."""

    def __init__(self, root: Path, world: World) -> None:
        """Take over `root`, made if it is missing. A ledger that cannot be read is put aside."""
        self.root, self._world = root, world
        for name in ("blobs", "partial", "damaged"):
            (root / name).mkdir(parents=True, exist_ok=True)
        path = root / LEDGER
        is_new = not path.exists()
        try:
            self.ledger = Ledger(path)
        except LedgerDamaged:
            aside = f"ledger.damaged-{world.clock.now_ms()}"
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    (root / f"{path.name}{suffix}").replace(root / f"{aside}{suffix}")
            self.ledger, is_new = Ledger(path), True
        self.needs_rebuild = is_new and any(True for _ in world.files.walk(root / "blobs"))

    # --- names -------------------------------------------------------------------------------

    def final(self, blob: BlobId) -> Path:
        return final_path(self.root, blob)

    def incoming(self, blob: BlobId) -> Path:
        return self.root / "partial" / blob.hex()

    def incoming_list(self, blob: BlobId) -> Path:
        return self.root / "partial" / f"{blob.hex()}.list"

    def aside(self, blob: BlobId) -> Path:
        return self.root / "damaged" / blob.hex()

    def copy_path(self) -> Path:
        """Return a new name for a local file that is being adopted."""
        return self.root / "partial" / f"{self._world.entropy.token(_TOKEN_BYTES).hex()}.copy"

    def partials(self) -> tuple[BlobId, ...]:
        """Return the blobs that are partly here."""
        names = {path.name[:64] for path in (self.root / "partial").iterdir()}
        return tuple(BlobId(bytes.fromhex(n)) for n in sorted(names) if _HEX.fullmatch(n))

    # --- room --------------------------------------------------------------------------------

    def check_room(self, size_bytes: int) -> None:
        """Raise StoreFull if writing this much would touch the reserve of the disk."""
        free_bytes = self._world.files.free_bytes(self.root) - limits.DISK_RESERVE_BYTES
        if size_bytes > free_bytes:
            raise StoreFull(str(self.root), size_bytes, max(0, free_bytes))

    @contextmanager
    def naming_full(self, size_bytes: int) -> Iterator[None]:
        """Turn the disk's "no space left" and "over quota" into StoreFull."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise StoreFull(str(self.root), size_bytes, 0) from error

    # --- the safe order ----------------------------------------------------------------------

    def commit(self, batch: Sequence[FilePartial]) -> list[Held]:
        """Give complete, verified partials of one origin their final names and hold them."""
        scans = [Scan(partial.ref, partial.chunks) for partial in batch]
        origin = batch[0].origin
        pairs = [(partial.path, self.final(partial.ref.blob)) for partial in batch]
        with self.naming_full(sum(partial.ref.size_bytes for partial in batch)):
            self.ledger.intend(scans, origin)
            self._world.files.publish_many(pairs, mode=0o444)
        now_ms = self._world.clock.now_ms()
        self.ledger.record(scans, origin, now_ms)
        for partial in batch:  # what was damaged is repaired
            self._world.files.remove(self.aside(partial.ref.blob))
        return [Held(partial.ref, now_ms, origin) for partial in batch]

    def settle(self) -> None:
        """Finish or undo what a crash interrupted; run it before anything else."""
        for found, origin in self.ledger.intended():
            path = self.final(found.ref.blob)
            if not path.exists():
                self.ledger.forget(found.ref.blob)
            elif hash_file(path) == found.ref.blob:
                self.ledger.record([found], origin, self._world.clock.now_ms())
            else:
                self.put_aside(path, found.ref.blob)
        for path in (self.root / "partial").iterdir():
            name = path.name[:64]
            is_held = _HEX.fullmatch(name) and self.ledger.held(BlobId(bytes.fromhex(name)))
            if is_held or path.suffix in (".copy", ".tmp"):
                self._world.files.remove(path)

    def put_aside(self, path: Path, blob: BlobId) -> Path:
        """Take a file that is not what its name says out of the held ones; return where it is."""
        aside = self.aside(blob)
        self.ledger.forget(blob)
        self._world.files.publish(path, aside, mode=0o400)
        return aside

    def rebuild(self, progress: Callable[[int], None]) -> int:
        """Enter every file with a final name whose bytes are right; return how many there are.

        Reads everything. May be interrupted and run again; what is entered already is not read.
        """
        count, found = 0, list[Scan]()
        for path in self._world.files.walk(self.root / "blobs"):
            if not _HEX.fullmatch(path.name):
                continue
            blob = BlobId(bytes.fromhex(path.name))
            if self.ledger.held(blob) is None:
                seen = scan(path)
                if seen.ref.blob != blob:
                    self.put_aside(path, blob)
                    continue
                found.append(seen)
            count += 1
            if len(found) == limits.BLOBS_PER_COMMIT_MAX:
                self._enter(found)
                found = []
                progress(count)
        self._enter(found)
        progress(count)
        self.needs_rebuild = False
        return count

    def _enter(self, found: Sequence[Scan]) -> None:
        if found:
            self.ledger.record(found, Origin.FOUND, self._world.clock.now_ms())

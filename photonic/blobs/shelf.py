"""The folders of a blob store, and the order of steps that makes final names trustworthy.

    ROOT/blobs/ab/<64 hex digits>      held blobs, mode 0444
    ROOT/partial/<64 hex digits>       on its way in; beside it `.list`, its chunk list,
                                       and `.have`, what is there of it (notes.py)
    ROOT/partial/<token>.copy          a file that nobody goes on with after a crash: a local one
                                       that is adopted, or one that came as a whole
    ROOT/packs/<16 hex digits>.pack    small held blobs, many in one file (packs.py)
    ROOT/damaged/<64 hex digits>       what failed a later verification: kept, not held
    ROOT/ledger.sqlite3                what is held; made again by `rebuild`
    ROOT/ledger.incomplete             there until that is done
    ROOT/blobs.flat                    there once no blob lies deeper, as an older photonic had it
    ROOT/claims                        locked by the processes that use the store (claims.py)

The order: bytes verified, intent in the ledger, fsync of the file, rename, fsync of the folder,
entry in the ledger. So a final name never holds unverified bytes, and a crash at any point leaves
a partial or an intent, which `settle` heals. A small blob (one frame) has no `.list`, for its
bytes alone tell whether it is complete; one that is to be packed has no partial file, either.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from photonic import limits
from photonic.blobs.chunks import Scan, scan, scan_bytes
from photonic.blobs.claims import Claims
from photonic.blobs.ledger import Ledger, Place
from photonic.blobs.packs import Packs, entries
from photonic.blobs.partial import FilePartial
from photonic.blobs.quota import Quota
from photonic.blobs.small import SmallPartial
from photonic.blobs.store import Held, Origin
from photonic.blobs.verify import forget_cached, hash_file
from photonic.errors import BlobCorrupt, BlobMissing, LedgerDamaged, StoreFull
from photonic.ids import BlobId, digest
from photonic.world import World

LEDGER, PACKS = "ledger.sqlite3", "packs"
_HEX = re.compile(r"[0-9a-f]{64}")
_TOKEN_BYTES = 16
_LOOKS_MAX = 3  # for a packed blob that is somewhere else each time


def final_path(root: Path, blob: BlobId) -> Path:
    """Return where a held blob lies."""
    name = blob.hex()
    return root.joinpath("blobs", name[:2], name)


class Shelf:
    """Where blobs lie. Its methods block and may be called from threads."""

    def __init__(
        self, root: Path, world: World, *, owns: bool = True, quota_bytes: int | None = None
    ) -> None:
        """Use `root`. Whoever owns it makes it if it is missing, and puts a ledger aside that
        cannot be read; anybody else gets LedgerDamaged."""
        self.root, self._world = root, world
        self._asides = root / "damaged"
        for name in ("blobs", "partial", PACKS, "damaged"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self.claims = Claims(root / "claims")
        self._incomplete, self._flat = root / "ledger.incomplete", root / "blobs.flat"
        path = root / LEDGER
        if owns and not path.exists() and self._has_blobs():
            world.files.write_durable(self._incomplete, b"")
        try:
            self.ledger = Ledger(path)
        except LedgerDamaged:
            if not owns:
                raise
            world.files.write_durable(self._incomplete, b"")
            aside = f"ledger.damaged-{world.clock.now_ms()}"
            for suffix in ("", "-wal", "-shm"):
                with suppress(FileNotFoundError):
                    (root / f"{path.name}{suffix}").replace(root / f"{aside}{suffix}")
            self.ledger = Ledger(path)
        self.packs = Packs(
            root / PACKS, self.ledger, self.claims, world, lambda: not self.needs_rebuild
        )

        self.quota = Quota(root, quota_bytes, self.ledger, world.clock)

    def close(self) -> None:
        """Let other processes have what this one claimed; may be repeated."""
        self.ledger.close()
        self.claims.close()

    @property
    def needs_rebuild(self) -> bool:
        """Whether the ledger may lack blobs that are here. The same for every process."""
        return self._incomplete.exists()

    def _has_blobs(self) -> bool:
        folders = (self.root / "blobs", self.root / "packs")
        return any(True for folder in folders for _ in self._world.files.walk(folder))

    # --- names -------------------------------------------------------------------------------

    def final(self, blob: BlobId) -> Path:
        return final_path(self.root, blob)

    def incoming(self, blob: BlobId) -> Path:
        return self.root / "partial" / blob.hex()

    def incoming_list(self, blob: BlobId) -> Path:
        return self.root / "partial" / f"{blob.hex()}.list"

    def incoming_note(self, blob: BlobId) -> Path:
        return self.root / "partial" / f"{blob.hex()}.have"

    def aside(self, blob: BlobId) -> Path:
        return self._asides / blob.hex()

    def copy_path(self) -> Path:
        """Return a new name for a local file that is being adopted."""
        return self.root / "partial" / f"{self._world.entropy.token(_TOKEN_BYTES).hex()}.copy"

    def partials(self) -> tuple[BlobId, ...]:
        """Return the blobs that are partly here."""
        names = {path.name[:64] for path in (self.root / "partial").iterdir()}
        return tuple(BlobId(bytes.fromhex(n)) for n in sorted(names) if _HEX.fullmatch(n))

    # --- what is held ------------------------------------------------------------------------

    def find(self, blob: BlobId) -> tuple[Held, Place | None] | None:
        """Return what is known of a held blob, and where it is packed if it is.

        None also for one that is entered and whose file somebody removed.
        """
        place: Place | None = None
        for _ in range(_LOOKS_MAX):
            found = self.ledger.find(blob)
            if found is None:
                return None
            now = found[1]
            if now is None:
                return found if self.final(blob).exists() else None
            if self.packs.has(now.pack):
                return found
            if now == place:
                return None
            place = now  # its pack may have been compacted since
        return None

    def read_packed(self, blob: BlobId) -> bytes | None:
        """Return a packed blob; None if it has a file of its own.

        Raises BlobMissing, and BlobCorrupt if it is entered and not where it should be.
        """
        for _ in range(_LOOKS_MAX):
            found = self.find(blob)
            if found is None:
                raise BlobMissing(blob)
            held, place = found
            if place is None:
                return None
            with suppress(BlobCorrupt, FileNotFoundError):  # it was moved meanwhile
                return self.packs.read(place, blob, held.ref.size_bytes)
        raise BlobCorrupt(blob, "(in its pack)")

    def unpack(self, blob: BlobId) -> None:
        """Give a packed blob a file of its own; one that has it is fine.

        Raises BlobMissing, BlobCorrupt, StoreFull.
        """
        data = self.read_packed(blob)
        if data is None:
            return
        if digest(data) != blob:
            raise BlobCorrupt(blob, "(in its pack)")
        self.check_room(len(data))
        copy = self.copy_path()
        try:
            with self.naming_full(len(data)):
                self._world.files.write_at(copy, 0, data)
                self._world.files.publish_many([(copy, self.final(blob))], mode=0o444)
        except BaseException:
            self._world.files.remove(copy)
            raise
        self.packs.drop(blob, has_file=True)

    # --- room --------------------------------------------------------------------------------

    def check_room(self, size_bytes: int, promised_bytes: int = 0) -> None:
        """Raise StoreFull if writing this much, beside what others were promised, would touch the
        reserve of the disk or go beyond the quota."""
        free_bytes = self._world.files.free_bytes(self.root) - limits.DISK_RESERVE_BYTES
        if size_bytes + promised_bytes > free_bytes:
            raise StoreFull(str(self.root), size_bytes + promised_bytes, max(0, free_bytes))
        self.quota.check(size_bytes, promised_bytes)

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
        if any(self._asides.iterdir()):
            for partial in batch:  # what was damaged is repaired
                self._world.files.remove(self.aside(partial.ref.blob))
        return [Held(partial.ref, now_ms, origin) for partial in batch]

    def commit_small(self, batch: Sequence[tuple[SmallPartial, bytes]]) -> list[Held]:
        """Pack complete, verified blobs of one origin and hold them."""
        scans = [(Scan(partial.ref, partial.chunks), data) for partial, data in batch]
        origin, now_ms = batch[0][0].origin, self._world.clock.now_ms()
        with self.naming_full(sum(len(data) for _, data in batch)):
            self.packs.hold(scans, origin, now_ms)
        for partial, _ in batch:
            if partial.is_repair:
                self._world.files.remove(self.aside(partial.ref.blob))
        return [Held(partial.ref, now_ms, origin) for partial, _ in batch]

    def settle(self) -> None:
        """Finish or undo what a crash interrupted; run it before anything else, and alone."""
        self.ledger.sync()
        self._bring_up()
        for blob in self.ledger.retracted():
            self._world.files.remove(self.final(blob))
            self.ledger.forget(blob)
        for found, origin in self.ledger.intended():
            if self.final(found.ref.blob).exists():
                self.take_up(found, origin)
            else:
                self.strike_out(found.ref.blob)
        for path in (self.root / "partial").iterdir():
            name = path.name[:64]
            is_held = _HEX.fullmatch(name) and self.ledger.held(BlobId(bytes.fromhex(name)))
            if is_held or path.suffix in (".copy", ".tmp"):
                self._world.files.remove(path)
        for path in (self.root / "packs").glob(".*.tmp"):
            self._world.files.remove(path)
        self.packs.compact_all()

    def _bring_up(self) -> None:
        """Give files that an older photonic kept one folder deeper (blobs/ab/cd) their places."""
        if self._flat.exists():
            return
        for folder in sorted((self.root / "blobs").glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            names = [path for path in folder.iterdir() if _HEX.fullmatch(path.name)]
            pairs = [(path, self.final(BlobId(bytes.fromhex(path.name)))) for path in names]
            if pairs:
                self._world.files.publish_many(pairs, mode=0o444)
            with suppress(OSError):  # something else is in it
                folder.rmdir()
        self._world.files.write_durable(self._flat, b"")

    def take_up(self, found: Scan, origin: Origin = Origin.RECEIVED) -> bool:
        """Hold what has its final name and is not entered as held, unless its bytes are wrong.

        Whoever gave it the name may have died before that was durable.
        """
        path = self.final(found.ref.blob)
        forget_cached(path)
        if hash_file(path) != found.ref.blob:
            self.put_aside(path, found.ref.blob)
            return False
        for part in (path, path.parent, self.root / "blobs"):
            self._world.files.sync(part)
        self.ledger.record([found], origin, self._world.clock.now_ms())
        return True

    def put_aside(self, path: Path, blob: BlobId) -> Path:
        """Take a file that is not what its name says out of the held ones; return where it is."""
        aside = self.aside(blob)
        self._world.files.publish(path, aside, mode=0o400)
        self.ledger.forget(blob)
        return aside

    def strike_out(self, blob: BlobId) -> None:
        """Forget a blob whose file is not under its final name any more.

        Whoever moved it may have been killed before that was durable: without the entry, nobody
        would look at what a power failure brings back under that name.
        """
        for folder in (self.final(blob).parent, self._asides):
            if folder.exists():
                self._world.files.sync(folder)
        self.ledger.forget(blob)

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
        for pack in self.packs.numbers():
            count += self._enter_pack(pack)
            progress(count)
        progress(count)
        self._world.files.remove(self._incomplete)
        return count

    def _enter(self, found: Sequence[Scan], places: Mapping[BlobId, Place] | None = None) -> None:
        if found:
            self.ledger.record(found, Origin.FOUND, self._world.clock.now_ms(), places)

    def _enter_pack(self, pack: int) -> int:
        """Enter what a pack holds and is not entered; return how many blobs are held in it."""
        new: dict[BlobId, tuple[Scan, Place]] = {}
        for blob, offset_bytes, data in entries(self.packs.path(pack)):
            if self.ledger.held(blob) is None:
                new[blob] = (scan_bytes(data), Place(pack, offset_bytes))
        self._enter(
            [found for found, _ in new.values()], {blob: place for blob, (_, place) in new.items()}
        )
        return len(self.ledger.packed_in(pack))

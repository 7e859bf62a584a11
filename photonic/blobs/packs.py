"""Small blobs, many in one file: a pack, which only grows at its end.

    ROOT/packs/<16 hex digits>.pack

    file   = "photonic pack 1\\n", entry ...
    entry  = "PKe1" (or "PKx1": dropped), size u32, BLAKE3 of the bytes, CRC-32 of these 40, bytes
             all numbers big-endian

The order: entries written behind one another, fsync, entered in the ledger. So what the ledger
names is whole, and what a crash left behind the last entry that it names is cut off by whoever
goes on with that pack. An entry says what it is and proves it, so `entries` finds all of them
without a ledger, behind a damaged one, too. A pack is written by the process that claims it; any
may read. Dropped entries are wiped at once; when a pack is mostly wiped, `compact` moves the rest.

Not here: which blobs are small, and that they are verified before they come here.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from photonic import limits
from photonic.blobs.chunks import Scan
from photonic.blobs.claims import Claims
from photonic.blobs.ledger import Ledger, Place
from photonic.blobs.store import Origin
from photonic.errors import BlobCorrupt, StoreBusy
from photonic.ids import BlobId, digest
from photonic.world import World

_BEGIN = b"photonic pack 1\n"
_LIVE, _DROPPED = b"PKe1", b"PKx1"
_FIELDS, _SUM = struct.Struct(">4sI32s"), struct.Struct(">I")
HEAD_BYTES = _FIELDS.size + _SUM.size
ENTRY_BYTES_MORE = HEAD_BYTES + len(_BEGIN)  # what a blob takes here beside its bytes, at most
_NAME_BYTES = 8
_HEX = re.compile(r"[0-9a-f]{16}")


class Entry(NamedTuple):
    """One blob in a pack: where its entry begins, and its verified bytes."""

    blob: BlobId
    offset_bytes: int
    data: bytes


def pack_path(folder: Path, pack: int) -> Path:
    """Return the file of a pack."""
    return folder / f"{pack:016x}.pack"


def _head(kind: bytes, size_bytes: int, blob: bytes) -> bytes:
    fields = _FIELDS.pack(kind, size_bytes, blob)
    return fields + _SUM.pack(zlib.crc32(fields))


def _parse_head(head: bytes) -> tuple[bytes, int, bytes] | None:
    """Return kind, size and blob; None for what is no head."""
    if len(head) < HEAD_BYTES or head[:4] not in (_LIVE, _DROPPED):
        return None
    fields = head[: _FIELDS.size]
    if head[_FIELDS.size : HEAD_BYTES] != _SUM.pack(zlib.crc32(fields)):
        return None
    kind, size_bytes, blob = _FIELDS.unpack(fields)
    return (kind, size_bytes, blob) if size_bytes <= limits.PACKED_BLOB_BYTES_MAX else None


def entries(path: Path) -> Iterator[Entry]:
    """Yield the live entries of a pack whose bytes are what they say, in order; needs no ledger.

    What is damaged or torn is passed over. Holds the pack in memory. Raises OSError.
    """
    return entries_in(path.read_bytes())


def entries_in(data: bytes) -> Iterator[Entry]:
    """Yield the live entries among the bytes of a pack, as `entries` does."""
    at = len(_BEGIN)
    while at + HEAD_BYTES <= len(data):
        parsed = _parse_head(data[at : at + HEAD_BYTES])
        if parsed is None:
            at = min(_next(data, kind, at + 1) for kind in (_LIVE, _DROPPED))
            continue
        kind, size_bytes, blob = parsed
        body = data[at + HEAD_BYTES : at + HEAD_BYTES + size_bytes]
        is_whole = len(body) == size_bytes
        if kind == _LIVE and is_whole and digest(body) == blob:
            yield Entry(BlobId(blob), at, body)
        # A live entry that is wrong may be a torn one, with others written over its end.
        is_right = is_whole and (kind == _DROPPED or digest(body) == blob)
        at += HEAD_BYTES + (size_bytes if is_right else 0)


def _next(data: bytes, kind: bytes, start: int) -> int:
    found = data.find(kind, start)
    return len(data) if found < 0 else found


class Packs:
    """The packs of one store. Its methods block and may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        claims: Claims,
        world: World,
        is_known: Callable[[], bool],
    ) -> None:
        """Use the packs below `folder`, which is there.

        `is_known` tells whether the ledger names all that they hold: it does not while it is made
        again, and then no byte of them may go.
        """
        self._folder, self._ledger, self._claims = folder, ledger, claims
        self._world, self._files, self._is_known = world, world.files, is_known
        self._lock = threading.RLock()
        self._growing: Place | None = None  # the pack that this process writes, and its end
        self._leaving: int | None = None  # a pack that is being emptied
        self._dropped_bytes: dict[int, int] = {}

    def path(self, pack: int) -> Path:
        return pack_path(self._folder, pack)

    def numbers(self) -> list[int]:
        """Return all packs, ascending."""
        names = (path.stem for path in self._folder.glob("*.pack"))
        return sorted(int(name, 16) for name in names if _HEX.fullmatch(name))

    # --- writing -----------------------------------------------------------------------------

    def hold(self, blobs: Sequence[tuple[Scan, bytes]], origin: Origin, now_ms: int) -> None:
        """Put verified blobs behind one another, durably, and enter them as held.

        At most a batch (`limits.BLOBS_PER_COMMIT_MAX`). Raises OSError, and what the ledger does;
        then none of them is held.
        """
        # Under one lock: whoever moves what a pack holds must see all of it in the ledger.
        with self._lock:
            places = self._append([(scan.ref.blob, data) for scan, data in blobs])
            scans = [scan for scan, _ in blobs]
            entered = {scan.ref.blob: place for scan, place in zip(scans, places, strict=True)}
            self._ledger.record(scans, origin, now_ms, entered)

    def _append(self, blobs: Sequence[tuple[BlobId, bytes]]) -> list[Place]:
        whole = b"".join(_head(_LIVE, len(data), blob) + data for blob, data in blobs)
        pack, end = self._room_for(len(whole))
        path = self.path(pack)
        try:
            self._files.write_at(path, end, whole)
            self._files.sync(path)
        except BaseException:
            self._leave()  # whoever goes on with it cuts off what came of this
            raise
        self._growing = Place(pack, end + len(whole))
        places: list[Place] = []
        for _, data in blobs:
            places.append(Place(pack, end))
            end += HEAD_BYTES + len(data)
        return places

    def _room_for(self, size_bytes: int) -> Place:
        growing = self._growing
        if growing is not None and growing.offset_bytes + size_bytes > limits.PACK_BYTES_MAX:
            self._leave()
        self._growing = self._growing or self._go_on_with_one(size_bytes) or self._begin()
        return self._growing

    def _leave(self) -> None:
        """Write no more into the pack that grows."""
        growing, self._growing = self._growing, None
        if growing is not None:
            self._claims.release(_claim(growing.pack))

    def _begin(self) -> Place:
        name = self._world.entropy.token(_NAME_BYTES)
        pack = int.from_bytes(name, "big") >> 1  # SQLite's numbers have a sign
        if not self._claims.take(_claim(pack)):
            raise StoreBusy("another process begins the same pack")
        try:
            if self.path(pack).exists():
                raise StoreBusy("there is a pack of this name already")
            self._files.write_durable(self.path(pack), _BEGIN)
        except BaseException:
            self._claims.release(_claim(pack))
            raise
        return Place(pack, len(_BEGIN))

    def _go_on_with_one(self, size_bytes: int) -> Place | None:
        """Claim a pack that nobody writes and that has room; cut off what nobody was promised."""
        if not self._is_known():
            return None
        for pack in self.numbers():
            is_full = self.path(pack).stat().st_size + size_bytes > limits.PACK_BYTES_MAX
            if is_full or pack == self._leaving or not self._claims.take(_claim(pack)):
                continue
            with self._changing(pack) as is_ours:
                held = self._ledger.packed_in(pack) if is_ours else []
                end = max((at + HEAD_BYTES + size for _, at, size in held), default=0)
                if 0 < end <= self.path(pack).stat().st_size:
                    self._files.cut(self.path(pack), end)
                    return Place(pack, end)
            self._claims.release(_claim(pack))  # empty or damaged: `compact` sees to it
        return None

    @contextmanager
    def _changing(self, pack: int) -> Iterator[bool]:
        """Keep other processes from changing what a pack holds; yields False if one does."""
        name = _claim(pack, b"change")
        is_ours = self._claims.take(name)
        try:
            yield is_ours
        finally:
            if is_ours:
                self._claims.release(name)

    def drop(self, blob: BlobId, *, has_file: bool = False) -> bool:
        """Strike a packed blob out of the ledger and wipe it; False if it is not packed.

        `has_file`: it has a file of its own now, and is held further on.
        """
        with self._lock:
            found = self._ledger.find(blob)
            if found is None or found[1] is None:
                return False
            held, place = found[0], found[1]
            with self._changing(place.pack) as is_ours:
                if has_file:
                    self._ledger.move([(blob, place, None)])
                else:
                    self._ledger.forget(blob)
                if is_ours:  # else it is wiped when its pack is compacted
                    self._wipe(place, blob, held.ref.size_bytes)
            dropped_bytes = self._dropped_bytes.get(place.pack, 0)
            if dropped_bytes > limits.PACK_BYTES_MAX * limits.PACK_DROPPED_SHARE:
                self.compact(place.pack)
            return True

    def _wipe(self, place: Place, blob: BlobId, size_bytes: int) -> None:
        try:
            self.read(place, blob, size_bytes)
        except (BlobCorrupt, OSError):
            return  # it is not there
        wiped = _head(_DROPPED, size_bytes, bytes(32)) + bytes(size_bytes)
        self._files.write_at(self.path(place.pack), place.offset_bytes, wiped)
        dropped_bytes = self._dropped_bytes.get(place.pack, 0)
        self._dropped_bytes[place.pack] = dropped_bytes + len(wiped)

    # --- reading -----------------------------------------------------------------------------

    def has(self, pack: int) -> bool:
        return self.path(pack).exists()

    def read(
        self, place: Place, blob: BlobId, size_bytes: int, *, from_disk: bool = False
    ) -> bytes:
        """Return the bytes of an entry, which the caller judges; their place is right.

        `from_disk`: not what memory has of it. Raises BlobCorrupt if there is another entry or
        none, OSError if there is no such pack or the disk does not give it.
        """
        handle = os.open(self.path(place.pack), os.O_RDONLY | os.O_CLOEXEC)
        whole_bytes = HEAD_BYTES + size_bytes
        try:
            if from_disk:
                with suppress(OSError, AttributeError):
                    os.posix_fadvise(
                        handle, place.offset_bytes, whole_bytes, os.POSIX_FADV_DONTNEED
                    )
            data = os.pread(handle, whole_bytes, place.offset_bytes)
        finally:
            os.close(handle)
        if _parse_head(data[:HEAD_BYTES]) != (_LIVE, size_bytes, blob) or len(data) != whole_bytes:
            raise BlobCorrupt(blob, f"(in pack {place.pack:016x} at {place.offset_bytes:,})")
        return data[HEAD_BYTES:]

    # --- room --------------------------------------------------------------------------------

    def compact_all(self) -> None:
        """Give back the room of packs that are mostly dropped. Raises OSError."""
        held = self._ledger.packs()
        for pack in self.numbers():
            count, size_bytes = held.get(pack, (0, 0))
            used_bytes = len(_BEGIN) + count * HEAD_BYTES + size_bytes
            if used_bytes <= self.path(pack).stat().st_size * (1 - limits.PACK_DROPPED_SHARE):
                self.compact(pack)

    def compact(self, pack: int) -> None:
        """Move what a pack still holds to another one, and remove it, unless somebody writes it.

        What is damaged in it is not moved, and keeps the pack. Raises OSError.
        """
        with self._lock:
            if not self._is_known() or not self._claims.take(_claim(pack)):
                return
            if self._growing is not None and self._growing.pack == pack:
                self._leave()
            self._leaving = pack
            try:
                with self._changing(pack) as is_ours:
                    if is_ours and self._move_all(pack):
                        self._files.remove(self.path(pack))
            finally:
                self._leaving = None
                self._dropped_bytes.pop(pack, None)
                self._claims.release(_claim(pack))

    def _move_all(self, pack: int) -> bool:
        """Write anew what a pack holds; False if some of it is damaged, and stays."""
        some: list[tuple[BlobId, Place, bytes]] = []
        for blob, offset_bytes, size_bytes in self._ledger.packed_in(pack):
            place = Place(pack, offset_bytes)
            with suppress(BlobCorrupt):
                data = self.read(place, blob, size_bytes)
                if digest(data) == blob:
                    some.append((blob, place, data))
            if len(some) == limits.BLOBS_PER_COMMIT_MAX:
                self._move(some)
                some = []
        self._move(some)
        return not self._ledger.packed_in(pack)

    def _move(self, some: Sequence[tuple[BlobId, Place, bytes]]) -> None:
        if some:
            places = self._append([(blob, data) for blob, _, data in some])
            pairs = zip(some, places, strict=True)
            self._ledger.move([(blob, before, to) for (blob, before, _), to in pairs])


def _claim(pack: int, what: bytes = b"write") -> bytes:
    return digest(what + pack.to_bytes(_NAME_BYTES, "big"))

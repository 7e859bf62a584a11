"""What two processes do to one store, step by step, while a `crashes.FailingDisk` is under it.

Two stores in one process stand for the daemon and its carrier: locks belong to an open file, so
neither has the other's claims. The story knows what they were told, and what must be true then.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.store import Held
from photonic.blobs.view import StoreView
from photonic.errors import BlobMissing, PhotonicError, StoreBusy
from photonic.ids import BlobId, digest
from photonic.world import World
from tests.blobs.crashes import Crash, FailingDisk, wrap_ledger
from tests.blobs.damage import Fault
from tests.blobs.samples import SeededEntropy, jpeg, noise
from tests.blobs.store_contract import pieces

PIXELS = noise(700_000, 1)
DATA = (
    jpeg(noise(9_000, 2), PIXELS),
    jpeg(noise(12_000, 3), PIXELS),  # the same picture with other metadata
    noise(150_000, 4),
    noise(40_000, 5),
    noise(30_000, 6),
    noise(1_000, 7),
)
FOUND = tuple(scan_bytes(data) for data in DATA)
BLOBS = tuple(found.ref.blob for found in FOUND)


class Act(enum.Enum):
    """What a process does with one blob."""

    PUT = "put"
    ADOPT = "adopt"
    RECEIVE_SOME = "receive some"
    RECEIVE = "receive"
    DROP = "drop"
    DISCARD = "discard"
    VERIFY = "verify"
    ROT = "rot and verify"
    UNPACK = "unpack"
    COMPACT = "compact"


class Stop(enum.Enum):
    """How a life ends."""

    OWNER = "the daemon is killed"
    CARRIER = "its carrier is killed"
    BOTH = "both are killed"
    POWER = "the power fails"


@dataclass(frozen=True)
class Deed:
    act: Act
    blob: int
    by_owner: bool


@dataclass(frozen=True)
class Life:
    """Deeds, and after how many steps of the disk they end, and how."""

    deeds: tuple[Deed, ...]
    steps: int
    stop: Stop


class Story:
    """One store through several lives."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, seed: int) -> None:
        for name, value in (
            ("PARTIAL_NOTE_BYTES", 200_000),
            ("SMALL_BLOB_BYTES", 200_000),
            ("PACK_BYTES_MAX", 100_000),
            ("STORE_SETTLE_WAIT_S", 0.06),
        ):
            patch.setattr(limits, name, value)
        self.root, self.sources = folder / "store", folder
        for blob, data in zip(BLOBS, DATA, strict=True):
            (folder / blob.hex()).write_bytes(data)
        self.disk = FailingDisk(patch, self.root, 1 << 30)
        wrap_ledger(patch, self.disk)
        self.random, self.lives = random.Random(seed), 0
        self.promised: set[BlobId] = set()  # somebody was told that they are held
        self.rotten: set[BlobId] = set()  # their files may be wrong
        self.ever_rotten: set[BlobId] = set()
        self.stored: dict[BlobId, set[int]] = {}  # chunks of partials that a kill leaves there
        self.owner, self.carrier = self._open(), self._attach()
        for number in (0, 2, 3, 4):
            self._told(self.owner.put(DATA[number]))

    def _open(self) -> FileStore:
        self.lives += 1
        return FileStore.open(self.root, World(entropy=SeededEntropy(self.lives)))

    def _attach(self) -> FileStore:
        self.lives += 1
        return FileStore.attach(self.root, World(entropy=SeededEntropy(self.lives)))

    def close(self) -> None:
        self.owner.close()
        self.carrier.close()

    # --- lives -------------------------------------------------------------------------------

    def live(self, life: Life) -> None:
        """Do what happens in a life, stop it, begin the next one, and check what is there."""
        self.disk.revive(life.steps)
        stop = life.stop
        for deed in life.deeds:
            try:
                self._do(deed)
            except Crash:
                if stop in (Stop.OWNER, Stop.CARRIER):  # it is the one that was at it
                    stop = Stop.OWNER if deed.by_owner else Stop.CARRIER
                break
        self.disk.is_dead = True
        self._stop(stop)
        self.check()

    def _stop(self, stop: Stop) -> None:
        if stop is not Stop.OWNER:
            self.carrier.close()
        if stop is not Stop.CARRIER:
            self.owner.close()
        self.disk.revive(1 << 30)
        if stop is Stop.POWER:
            self.disk.lose_power(lambda: self.random.random() < 0.5)
            self.stored = {}
        self.check_final_names()
        if stop is not Stop.CARRIER:
            self.owner = self._open()
        if stop is not Stop.OWNER:
            self.carrier = self._attach()

    def _do(self, deed: Deed) -> None:
        store, data = self.owner if deed.by_owner else self.carrier, DATA[deed.blob]
        blob, found = BLOBS[deed.blob], FOUND[deed.blob]
        try:
            match deed.act:
                case Act.PUT:
                    self._told(store.put(data))
                case Act.ADOPT:
                    self._told(store.adopt(self.sources / blob.hex()))
                case Act.RECEIVE_SOME:
                    self._receive(store, deed.blob, len(found.chunks) - 1)
                case Act.RECEIVE:
                    self._receive(store, deed.blob, len(found.chunks))
                case Act.DROP:
                    self.stored.pop(blob, None)
                    store.drop_partial(blob)
                case Act.DISCARD:
                    self.promised.discard(blob)
                    self.stored.pop(blob, None)
                    self.owner.discard(blob)  # nobody else knows what others rely on
                case Act.VERIFY:
                    store.verify_many([blob])
                case Act.ROT:
                    self._rot(blob)
                    store.verify_many([blob])
                    self.rotten.discard(blob)
                case _:
                    self._tidy(store, deed)
        except (StoreBusy, BlobMissing):
            pass  # another process is at it, or it is not held

    def _tidy(self, store: FileStore, deed: Deed) -> None:
        if deed.act is Act.UNPACK:
            store.path(BLOBS[deed.blob])
        else:
            for pack in store._shelf.packs.numbers():
                store._shelf.packs.compact(pack)

    def _told(self, held: Held) -> None:
        self.promised.add(held.ref.blob)
        self.stored.pop(held.ref.blob, None)

    def _receive(self, store: FileStore, number: int, up_to: int) -> None:
        """Receive the first chunks of a blob that are not here; all of them: finish it."""
        found, blob = FOUND[number], BLOBS[number]
        partial = store.resume(found.ref) or store.begin(found.ref, found.chunks)
        assert not self.stored.get(blob, set()).intersection(partial.missing()), (
            "what was stored is fetched again"
        )
        for index in partial.missing():
            if index < up_to:
                partial.write(index, pieces(DATA[number], found)[index])
                if len(DATA[number]) > limits.PACKED_BLOB_BYTES_MAX:
                    self.stored.setdefault(blob, set()).add(index)
        if up_to == len(found.chunks):
            # Before the last step: from the rename on there is no partial to go on with.
            self.stored.pop(blob, None)
            self._told(partial.finish())

    def _rot(self, blob: BlobId) -> None:
        found = self.owner._ledger.find(blob)
        if found is None:
            return
        self.promised.discard(blob)
        self.rotten.add(blob)
        self.ever_rotten.add(blob)
        held, place = found
        if place is None:
            Fault("flip", self.random.random()).happen(self.owner._shelf.final(blob))
            return
        pack = self.owner._shelf.packs.path(place.pack)
        content = bytearray(pack.read_bytes())
        content[place.offset_bytes + 44 + self.random.randrange(held.ref.size_bytes)] ^= 1
        pack.write_bytes(content)
        self.disk.settled(pack)

    # --- what is true whatever happened ------------------------------------------------------

    def check_final_names(self) -> None:
        for path in (self.root / "blobs").rglob("*"):
            if path.is_file() and bytes.fromhex(path.name) not in self.rotten:
                assert digest(path.read_bytes()).hex() == path.name, "unverified bytes are named"

    def check(self) -> None:
        """Everything that was told is there, and nothing that is there is wrong."""
        for store in (self.owner, self.carrier):
            store.verify_many(sorted(self.rotten))
        self.rotten.clear()
        self.check_final_names()
        view = StoreView(self.root)
        held = view.has_many(BLOBS)
        view.close()
        assert self.promised <= held, "what was told as held is gone"
        for store in (self.owner, self.carrier):
            assert store.has_many(BLOBS) == held == {b for b in BLOBS if store.has(b)}
            assert all(store.read(blob) == DATA[BLOBS.index(blob)] for blob in held)
        verdicts = self.owner.verify_many([ref.blob for ref in self.owner.refs()])
        assert [verdict for verdict in verdicts if verdict.error] == []
        assert {damage.blob for damage in self.owner.damaged()} <= self.ever_rotten
        self.promised |= held  # whoever asks now is told so

    def end(self) -> None:
        """Let everything come, and the ledger be lost: all of it is there again."""
        self._stop(Stop.BOTH)
        for number, found in enumerate(FOUND):
            self._receive(self.carrier, number, len(found.chunks))
        self.check()
        assert self.promised == set(BLOBS)
        assert self.owner.damaged() == ()
        assert self.owner.partials() == ()
        self.close()
        for path in self.root.glob("ledger*"):
            path.unlink()
        self.owner, self.carrier = self._open(), self._attach()
        assert self.owner.needs_rebuild
        assert self.carrier.rebuild() == len(BLOBS)
        self.check()


def tell(folder: Path, lives: list[Life], seed: int) -> None:
    """Tell a story from its begin to its end. Raises PhotonicError, AssertionError."""
    with pytest.MonkeyPatch.context() as patch:
        story = Story(folder, patch, seed)
        try:
            for life in lives:
                story.live(life)
            story.end()
        except PhotonicError as error:
            raise AssertionError(f"nothing that may happen: {error}") from error
        finally:
            story.disk.revive(1 << 30)
            story.close()

"""Verifies stored blobs again, and takes those that are damaged out of the held ones.

A damaged chunk is looked at twice before its blob is condemned, for what a cable or the memory
garbled once is right the second time. What the disk does not give (EIO) is another matter: it says
nothing about the bytes, so the blob stays held and whoever asks tries again later. A disk that is
not mounted is no loss of blobs, either.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from photonic.blobs.aside import Aside
from photonic.blobs.chunks import ChunkList, scan, scan_bytes
from photonic.blobs.shelf import Shelf
from photonic.blobs.store import Held, Partial, Soundness, Verdict
from photonic.blobs.verify import Inspection, Pace, at_once, check_list, inspect
from photonic.errors import BlobCorrupt, PhotonicError
from photonic.ids import BlobId, digest
from photonic.photos import BlobRef
from photonic.world import World

log = logging.getLogger(__name__)

_LOOKS_MAX = 3  # at a file that is another one each time


class Checkup:
    """Verifies for one store. Its methods block and may be called from threads."""

    def __init__(
        self,
        shelf: Shelf,
        aside: Aside,
        world: World,
        begin: Callable[[BlobRef, ChunkList], Partial],
    ) -> None:
        """`begin` is the store's own: the way in for what can be mended here."""
        self._shelf, self._aside, self._begin = shelf, aside, begin
        self._clock, self._ledger = world.clock, shelf.ledger

    def verify(
        self, blobs: Sequence[BlobId], pace: Pace = at_once, *, gives_up: bool = False
    ) -> list[Verdict]:
        """Do what `store.Verifiable.verify_many` says."""
        verdicts: list[Verdict] = []
        sound: list[tuple[BlobId, int]] = []
        try:
            for blob in blobs:
                verdict = self._verify(blob, pace, gives_up=gives_up)
                verdicts.append(verdict)
                if verdict.soundness is Soundness.SOUND and verdict.held is not None:
                    sound.append((blob, verdict.held.verified_at_ms))
        finally:
            if sound:
                self._ledger.touch(sound)
        return verdicts

    def _verify(self, blob: BlobId, pace: Pace, *, gives_up: bool) -> Verdict:
        entry = self._ledger.find(blob)
        if entry is None:
            return Verdict(blob, Soundness.ABSENT)
        held, place = entry
        if place is not None:
            return self._verify_packed(held, pace, gives_up=gives_up)
        chunks = self._chunks(held)
        if chunks is None:
            return self._verify_unlisted(held, pace)
        path = self._shelf.final(blob)
        try:
            found = self._look(path, blob, chunks, pace)
            if found is None:
                return self._lost(held, chunks)
            if found.is_sound:
                return Verdict(blob, Soundness.SOUND, self._now(held))
            if found.unread and not gives_up:
                return Verdict(blob, Soundness.UNREADABLE, held, found.reason)
            return self._condemn(held, chunks, found)
        except OSError as error:
            return Verdict(blob, Soundness.UNREADABLE, held, error.strerror or str(error))

    def _verify_packed(self, held: Held, pace: Pace, *, gives_up: bool) -> Verdict:
        """Verify a blob that is in one file with others, which do not suffer for it."""
        blob, packs, what, data = held.ref.blob, self._shelf.packs, "", b""
        for _ in range(_LOOKS_MAX):  # it may be moved meanwhile
            entry = self._ledger.find(blob)
            if entry is None or entry[1] is None:
                return self._verify(blob, pace, gives_up=gives_up)
            pace(held.ref.size_bytes)
            try:
                data = packs.read(entry[1], blob, held.ref.size_bytes, from_disk=True)
                if digest(data) == blob:
                    if self._chunks(held) is None:
                        found = scan_bytes(data)
                        self._ledger.record(
                            [found], held.origin, held.verified_at_ms, {blob: entry[1]}
                        )
                    return Verdict(blob, Soundness.SOUND, self._now(held))
                what = "its bytes in a pack are wrong"
            except BlobCorrupt as error:
                what = error.message
            except FileNotFoundError:
                if not packs.numbers():
                    reason = f"{packs.path(entry[1].pack).parent} is empty: is it mounted?"
                    return Verdict(blob, Soundness.UNREADABLE, held, reason)
                what = "the pack that it was in is gone"
            except OSError as error:
                what = error.strerror or str(error)
                if not gives_up:
                    return Verdict(blob, Soundness.UNREADABLE, held, what)
        try:
            self._aside.put(blob, self._chunks(held), data)
        except OSError as error:
            return Verdict(blob, Soundness.UNREADABLE, held, error.strerror or str(error))
        return Verdict(blob, Soundness.DAMAGED, what=what)

    def _look(self, path: Path, blob: BlobId, chunks: ChunkList, pace: Pace) -> Inspection | None:
        """Inspect a file until two looks agree; None if there is none. Raises OSError.

        They do not where the disk or the memory garbled something once, and where another process
        repaired the blob meanwhile: then the name belongs to another file.
        """
        found: Inspection | None = None
        for _ in range(_LOOKS_MAX):
            try:
                found = inspect(path, blob, chunks, pace)
                if found.is_sound or not found.damaged:
                    return found
                again = inspect(path, blob, chunks, pace, only=found.damaged)
            except FileNotFoundError:
                return None
            if (again.file_id, again.damaged) == (found.file_id, found.damaged):
                return found
            log.warning("%s: read twice, and the bytes were not the same; read again", path)
        return found

    def _chunks(self, held: Held) -> ChunkList | None:
        """Return the list that the ledger has of a blob; None if it is not the one it names."""
        try:
            entry = self._ledger.entry(held.ref.blob)
            if entry is None:
                return None
            check_list(held.ref, entry[1])
        except PhotonicError:
            return None
        return entry[1]

    def _verify_unlisted(self, held: Held, pace: Pace) -> Verdict:
        """Verify a blob whose chunk list rotted in the ledger: the bytes say how they are cut."""
        blob, path = held.ref.blob, self._shelf.final(held.ref.blob)
        try:
            pace(held.ref.size_bytes)
            found = scan(path)
        except FileNotFoundError:
            return self._lost(held, None)
        except (OSError, PhotonicError) as error:
            return Verdict(blob, Soundness.UNREADABLE, held, str(error))
        if found.ref.blob == blob:
            self._ledger.record([found], held.origin, self._clock.now_ms())
            return Verdict(blob, Soundness.SOUND, self._ledger.held(blob))
        aside = self._aside.put(blob, None)
        return Verdict(blob, Soundness.DAMAGED, what=f"what is left of it is {aside}")

    def _lost(self, held: Held, chunks: ChunkList | None) -> Verdict:
        blob, folder = held.ref.blob, self._shelf.root / "blobs"
        try:
            with os.scandir(folder) as entries:
                is_there = any(True for _ in entries)
        except OSError:
            is_there = False
        if not is_there:
            return Verdict(blob, Soundness.UNREADABLE, held, f"{folder} is empty: is it mounted?")
        if self._ledger.held(blob) is None:
            return Verdict(blob, Soundness.ABSENT)  # dropped while it was looked at
        self._aside.put(blob, chunks)
        return Verdict(blob, Soundness.LOST, what=f"its file {self._shelf.final(blob)} is gone")

    def _condemn(self, held: Held, chunks: ChunkList, found: Inspection) -> Verdict:
        """Put a damaged blob aside; make it whole at once if all that is right is there."""
        blob, wrong = held.ref.blob, len(found.damaged) + len(found.unread)
        listed = wrong or found.excess_bytes  # else every chunk is right, and the whole is not
        aside = self._aside.put(blob, chunks if listed else None)
        if listed and not wrong:
            what = f"it had {found.excess_bytes:,} bytes too many"
            try:
                partial = self._begin(held.ref, chunks)
                if not partial.missing_bytes:
                    return Verdict(blob, Soundness.MENDED, partial.finish(), what)
            except (PhotonicError, OSError) as error:
                log.warning("%s could not be mended at once: %s", blob.hex(), error)
        else:
            what = f"{wrong:,} of {len(chunks):,} chunks are wrong"
        return Verdict(blob, Soundness.DAMAGED, what=f"{what}; what is left of it is {aside}")

    def _now(self, held: Held) -> Held:
        return Held(held.ref, self._clock.now_ms(), held.origin)

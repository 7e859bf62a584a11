"""Where damaged blobs lie until they are repaired, and how what is right of them is kept.

    ROOT/damaged/<64 hex digits>        what the file was, or the bytes that were in a pack; empty
                                        if nothing was left
    ROOT/partial/<64 hex digits>.list   its chunk list, from which the repair begins

The order: list written, file moved out of the held ones, entry struck out. Whoever begins the
partial takes over the chunks that are right, so only the others are fetched; when the blob is held
again, what lies here goes. All of it is on the disk, so it does not matter which process found the
damage, which one repairs it, and where a crash comes between.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from photonic.blobs.chunks import ChunkList
from photonic.blobs.shelf import Shelf
from photonic.blobs.store import Damage, Partial
from photonic.blobs.verify import read_chunk
from photonic.errors import FrameInvalid
from photonic.ids import BlobId
from photonic.photos import BlobRef
from photonic.world import World

_HEX = re.compile(r"[0-9a-f]{64}")


class Aside:
    """The damaged blobs of one store. Its methods block and may be called from threads."""

    def __init__(self, shelf: Shelf, world: World) -> None:
        self._shelf, self._files = shelf, world.files

    def blobs(self) -> tuple[BlobId, ...]:
        """Return what lies here, repaired or not."""
        names = sorted(path.name for path in (self._shelf.root / "damaged").iterdir())
        return tuple(BlobId(bytes.fromhex(name)) for name in names if _HEX.fullmatch(name))

    def damages(self) -> tuple[Damage, ...]:
        """Return what is not held again yet."""
        return tuple(Damage(blob, self._ref(blob)) for blob in self.blobs() if not self._held(blob))

    def put(self, blob: BlobId, chunks: ChunkList | None, packed: bytes = b"") -> Path:
        """Take a damaged or lost blob out of the held ones; return where what is left of it is.

        `packed`: what is left of one that has no file of its own. Raises OSError if the disk takes
        no changes: then nothing changed.
        """
        final, aside = self._shelf.final(blob), self._shelf.aside(blob)
        if chunks is not None:
            # Without the list, on a full disk, the blob is fetched as a whole: it is no loss.
            with suppress(OSError):
                self._files.write_durable(self._shelf.incoming_list(blob), chunks.encoded)
        try:
            self._files.publish(final, aside, mode=0o400)
        except FileNotFoundError:
            if not aside.exists():
                self._keep(aside, packed)
            self._shelf.strike_out(blob)
        else:
            self._shelf.ledger.forget(blob)
        return aside

    def _keep(self, aside: Path, packed: bytes) -> None:
        if packed:
            with suppress(OSError):  # without them, on a full disk, the blob is fetched as a whole
                self._files.write_durable(aside, packed, mode=0o400)
                return
        self._files.write_durable(aside, b"", mode=0o400)

    def salvage(self, partial: Partial) -> None:
        """Give a partial the chunks that are right in what lies here. Raises StoreFull."""
        aside = self._shelf.aside(partial.ref.blob)
        if not aside.exists():
            return
        for index in partial.missing():
            data = read_chunk(aside, partial.chunks, index)
            if data is not None:
                partial.write(index, data)

    def finish_interrupted(self) -> None:
        """Strike out what a crash left entered although its file was moved here already."""
        for path in (self._shelf.root / "damaged").glob(".*.tmp"):
            self._files.remove(path)
        for blob in self.blobs():
            if self._shelf.find(blob) is None:
                self._shelf.strike_out(blob)

    def release_repaired(self) -> None:
        """Remove what is held again: a crash may come between the two."""
        for blob in self.blobs():
            if self._held(blob):
                self._files.remove(self._shelf.aside(blob))

    def _held(self, blob: BlobId) -> bool:
        return self._shelf.find(blob) is not None

    def _ref(self, blob: BlobId) -> BlobRef | None:
        try:
            chunks = ChunkList.decode(self._shelf.incoming_list(blob).read_bytes())
        except (OSError, FrameInvalid):
            return None
        return BlobRef(blob, chunks.size_bytes, chunks.id)

"""Photos that are the same picture, whatever their metadata says."""

from __future__ import annotations

import string

from photonic import limits
from photonic.crdt.lexicon import Read
from photonic.crdt.tables import IN_TRASH
from photonic.ids import BlobId
from photonic.photos import PhotoFacts

_HEX = frozenset(string.hexdigits.lower())
_KEY_BYTES = 8


def pixels_key(facts: PhotoFacts) -> bytes | None:
    """Return what the index finds a photo's picture by; None if its identity is not known.

    A peer may have written anything there; what is no identity is none.
    """
    said = facts.pixels
    if said is None or len(said) != limits.PIXELS_CHARS or not _HEX.issuperset(said):
        return None
    return bytes.fromhex(said)[:_KEY_BYTES]


def same_pixels(read: Read, photo: BlobId) -> list[BlobId]:
    """Return other photos with the picture of this one that are not in the trash, some of them."""
    rows = read(
        "SELECT other.photo FROM photo mine JOIN file a ON a.n = mine.n"
        " JOIN file b ON b.pixels = a.pixels JOIN photo other ON other.n = b.n"
        " WHERE substr(mine.photo, 1, 8) = ? AND mine.photo = ? AND other.n != mine.n"
        " AND other.trashed != ? ORDER BY other.n DESC LIMIT ?",
        (photo[:8], photo, IN_TRASH, limits.SAME_PIXELS_SHOWN_MAX),
    )
    return [BlobId(other) for (other,) in rows]

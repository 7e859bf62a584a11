"""How the index keeps where a photo was taken: sealed on the disk, as a photo's row has it. Pure.

The key is derived from the node's own one, for an index is this node's alone: the library's keys
may come and go without a row being written anew. What does not open belongs to another node's
index, or to one that was changed, and is made anew from the catalog.
"""

from __future__ import annotations

import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from photonic.identity import Identity
from photonic.ids import LibraryId

PLACE_KEY_BYTES: Final = 64
_PLACE = struct.Struct(">dd")
_PURPOSE: Final = b"photonic index 1\0"


class PlaceUnreadable(Exception):
    """The index has a place that was not sealed with this key for this photo."""


def place_key(identity: Identity, library: LibraryId) -> bytes:
    """Return the key of a node's index of a library."""
    return identity.derived(_PURPOSE + library, PLACE_KEY_BYTES)


class PlaceSeal:
    """Seals and opens degrees, with the photo as associated data."""

    def __init__(self, key: bytes | None = None) -> None:
        """Without a key one is made up: what it seals nobody opens after a restart."""
        self.key = key or AESSIV.generate_key(8 * PLACE_KEY_BYTES)
        self._cipher = AESSIV(self.key)

    def seal(self, photo: bytes, latitude: float, longitude: float) -> bytes:
        """Return a place sealed for a photo, 32 bytes; of equal ones the same."""
        return self._cipher.encrypt(_PLACE.pack(latitude, longitude), [photo])

    def open(self, photo: bytes, sealed: bytes) -> tuple[float, float]:
        """Return latitude and longitude. Raises PlaceUnreadable."""
        try:
            plain = self._cipher.decrypt(sealed, [photo])
            latitude, longitude = _PLACE.unpack(plain)
            return latitude, longitude
        except (InvalidTag, ValueError, struct.error) as error:
            raise PlaceUnreadable(f"the place of {photo.hex()} does not open") from error

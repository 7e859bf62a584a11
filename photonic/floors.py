"""What must be elsewhere before a copy may go, by the library's rules of placement.

The rules say how many copies a photo has and where; an eviction leaves as many without this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from photonic.ids import BlobId
from photonic.placement.rules import Rank
from photonic.placements import Placements
from photonic.roles.retention import Floor


class RuledFloors:
    """Implements `retention.Floors`. Blocks."""

    def __init__(self, placements: Placements) -> None:
        self._placements = placements

    def of(self, photos: Sequence[BlobId]) -> Mapping[BlobId, Floor]:
        """Return the floor of each photo; what the rules never let go stays, whoever holds it."""
        return {
            photo: Floor(need.copies, dict(need.on), int(need.rank), need.rank is Rank.NEVER)
            for photo, need in self._placements.needs(photos).items()
        }

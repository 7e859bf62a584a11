"""What this node wants again because its own copy was damaged, whatever its role wants of others.

A node that keeps only what it took in itself does not want originals; one of its own that rotted it
does. Repairs come before everything else: each is a photo with one copy less than somebody counted.
"""

from __future__ import annotations

from collections.abc import Sequence

from photonic import limits
from photonic.blobs.store import Verifiable
from photonic.crdt.query import PhotoQuery
from photonic.ids import NodeId
from photonic.p2p.planner import Want

_FIRST = -1


class Repairs:
    """Asks the store what is damaged. Its methods block."""

    def __init__(self, store: Verifiable, query: PhotoQuery, me: NodeId) -> None:
        self._store, self._query, self._me = store, query, me

    def wants(self, limit: int, reachable: frozenset[NodeId]) -> list[Want]:
        """Return what is to be repaired and may be had from one of `reachable`."""
        wants: list[Want] = []
        for damage in self._store.damaged()[: min(limit, limits.PAGE_ITEMS_MAX)]:
            if damage.ref is None:
                continue  # the catalog knows how it was cut, and wants it as it wants any other
            # Of previews and sidecars nobody says who holds them: then everybody is asked.
            holders = self._query.holders(damage.blob) - {self._me} or reachable
            if holders & reachable:
                listed = self._query.photo(damage.blob)
                name = listed.row.name if listed else damage.blob.hex()[: limits.SHORT_ID_DIGITS]
                wants.append(Want(damage.ref, name, (_FIRST, len(wants)), holders))
        return wants


def first(repairs: Sequence[Want], others: Sequence[Want], limit: int) -> list[Want]:
    """Return repairs before other wants, each blob once."""
    blobs = {want.ref.blob for want in repairs}
    return [*repairs, *(want for want in others if want.ref.blob not in blobs)][:limit]

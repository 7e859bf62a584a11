"""Updates that came already: where three nodes are connected, each edit arrives twice.

To judge an update again would load the document, for only that can tell that it brings nothing.
"""

from __future__ import annotations

from collections import OrderedDict

from photonic import limits
from photonic.ids import digest


class Echoes:
    """The last updates that were taken in, by their hashes. Bounded."""

    def __init__(self) -> None:
        self._heard: OrderedDict[bytes, None] = OrderedDict()

    def is_known(self, shard: int, document: int, update: bytes) -> bool:
        """Whether this very update was taken in lately."""
        return _name(shard, document, update) in self._heard

    def note(self, shard: int, document: int, update: bytes) -> None:
        self._heard[_name(shard, document, update)] = None
        if len(self._heard) > limits.UPDATES_REMEMBERED_MAX:
            self._heard.popitem(last=False)

    def clear(self) -> None:
        """Forget all of them: something that was taken in did not become durable."""
        self._heard.clear()


def _name(shard: int, document: int, update: bytes) -> bytes:
    return digest(shard.to_bytes(2, "big") + document.to_bytes(1, "big") + update)

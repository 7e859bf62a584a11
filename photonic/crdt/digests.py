"""What each document adds up to: what two replicas compare before anything else.

A document's digest is the sum, modulo 2^256, of the hashes of its entries: it follows each
insertion at constant cost, does not depend on order, needs no document in memory, and shows a
difference that equal state vectors would hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from photonic.crdt.keys import DROPPED, HELD, SHARD_COUNT, Holding, holding_key
from photonic.ids import BlobId, ChangeId, NodeId, digest
from photonic.journal.journal import CHANGES, HOLDINGS, ShardDigest

_MODULUS = 1 << 256
_NOTHING = ShardDigest(bytes(32), bytes(32), 0)


class Digests:
    """The digests of one library's documents on one node."""

    def __init__(self, known: Mapping[int, ShardDigest]) -> None:
        self._known = dict(known)
        self._root: bytes | None = None  # until something changes

    def reset(self, known: Mapping[int, ShardDigest]) -> None:
        """Go back to what the journal says."""
        self._known, self._root = dict(known), None

    def of(self, number: int) -> ShardDigest:
        return self._known.get(number, _NOTHING)

    def some(self, numbers: Iterable[int]) -> dict[int, ShardDigest]:
        return {number: self.of(number) for number in numbers}

    def add_change(self, number: int, name: ChangeId) -> None:
        """Take in a change that was not there."""
        known = self.of(number)
        total = _sum(known.changes, int.from_bytes(name, "big"))
        self._root = None
        self._known[number] = known._replace(changes=total, change_count=known.change_count + 1)

    def set_holdings(self, number: int, some: Iterable[tuple[Holding, bool | None]]) -> None:
        """Take in what nodes say now of blobs, each with what it said before (None: nothing)."""
        known, difference = self.of(number), 0
        for (blob, node, is_held), before in some:
            key = holding_key(blob, node)
            difference += _weight(key, is_held)
            if before is not None:
                difference -= _weight(key, before)
        self._root = None
        self._known[number] = known._replace(holdings=_sum(known.holdings, difference))

    def count(
        self,
        number: int,
        changes: Iterable[ChangeId],
        holdings: Iterable[tuple[BlobId, NodeId, bool]],
    ) -> None:
        """Count a shard anew."""
        names = {int.from_bytes(name, "big") for name in changes}
        weights = (_weight(holding_key(blob, node), held) for blob, node, held in holdings)
        self._root = None
        self._known[number] = ShardDigest(
            _sum(bytes(32), sum(names)), _sum(bytes(32), sum(weights)), len(names)
        )

    def change_count(self) -> int:
        """Return how many changes the library has here."""
        return sum(known.change_count for known in self._known.values())

    def documents(self) -> dict[tuple[int, int], bytes]:
        """Return the digest of each document."""
        return {
            (number, document): self.of(number).of(document)
            for number in range(SHARD_COUNT)
            for document in (CHANGES, HOLDINGS)
        }

    def root(self) -> bytes:
        """Return what all of them add up to, 32 bytes."""
        if self._root is None:
            self._root = digest(b"".join(self.documents().values()))
        return self._root


def _sum(known: bytes, more: int) -> bytes:
    return ((int.from_bytes(known, "big") + more) % _MODULUS).to_bytes(32, "big")


def _weight(key: str, is_held: bool) -> int:
    value = HELD if is_held else DROPPED
    return int.from_bytes(digest(key.encode() + b"\0" + value), "big")

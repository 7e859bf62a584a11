"""The door: what every node judges alike of a foreign update, whatever it knows of the roster.

Pure. An update passes whole or not at all; what fails is UpdateRefused or ChangeInvalid. Whether
an author was *allowed* to say what it said is asked later, in `fold`: were it asked here, nodes
that learn of a revocation in a different order would refuse each other's documents for ever.
"""

from __future__ import annotations

from photonic.crdt.changes import SignedChange, admit
from photonic.crdt.document import Delta
from photonic.crdt.shards import change_key, is_holding, shard_of
from photonic.errors import ChangeInvalid, UpdateRefused
from photonic.ids import LibraryId


def admit_changes(
    library: LibraryId, shard: int, delta: Delta, *, deletes: bool
) -> list[SignedChange]:
    """Judge what an update did to a `changes` document; return the changes that it added.

    `deletes`: whether the document has deletions now. What one update puts in and deletes again
    shows in no event, and would leave a change that others have invisible here. Nobody deletes and
    nobody overwrites, so nothing honest has either.
    """
    if delta.removed or delta.overwritten or deletes:
        raise UpdateRefused("the update removes or overwrites what is there for ever")
    return [_admit_entry(library, shard, key, data) for key, data in sorted(delta.added.items())]


def _admit_entry(library: LibraryId, shard: int, key: str, data: bytes) -> SignedChange:
    signed = admit(library, data)
    if change_key(signed.id) != key:
        raise ChangeInvalid("a change stands under a name that is not its own")
    if shard_of(signed.change.subject) != shard:
        raise ChangeInvalid("a change stands in a shard that is not its own")
    return signed


def admit_holdings(delta: Delta) -> dict[str, bytes]:
    """Judge what an update did to a `holdings` document; return the entries that it wrote."""
    entries = {**delta.added, **delta.overwritten}
    if delta.removed:
        raise UpdateRefused("the update removes a holding instead of saying `dropped`")
    for key, value in entries.items():
        if not is_holding(key, value):
            raise UpdateRefused("a holding names no blob and node, or is neither yes nor no")
    return entries

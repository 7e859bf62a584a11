"""Holdings told plainly, where two documents were exchanged whole and still differ.

A member can forge blocks under the client id of another, so that a document believes to have what
it has not: no exchange of documents ever brings it. Then each side says outside of any document
what it knows, and the other takes in what it has never heard of, and what the peer says *of
itself*. Of two words that others say about a third node neither is better: that one settles it when
it comes, and until then a holding is a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from photonic import limits
from photonic.crdt.keys import Holding, holding_key, shard_of_key
from photonic.ids import HASH_BYTES, BlobId, NodeId

_ENTRY_BYTES = 2 * HASH_BYTES + 1
_PER_MESSAGE = limits.UPDATE_PART_BYTES_MAX // _ENTRY_BYTES


class AskHoldings(msgspec.Struct, tag="ask-holdings", frozen=True):
    """Say plainly what you know of a shard's holdings, from `after` (blob and node) on."""

    shard: int
    after: bytes = b""


class PlainHoldings(msgspec.Struct, tag="holdings", frozen=True):
    """Holdings in order: blob, node, and 1 or 0, 65 bytes each; `more`: others are behind them."""

    shard: int
    packed: bytes
    more: bool = False


def tell(asked: AskHoldings, known: Iterable[Holding]) -> PlainHoldings:
    """Return the next piece of what is known of a shard."""
    rest = sorted(h for h in known if h.blob + h.node > asked.after)
    packed = b"".join(h.blob + h.node + bytes([h.is_held]) for h in rest[:_PER_MESSAGE])
    return PlainHoldings(asked.shard, packed, len(rest) > _PER_MESSAGE)


def heard(told: PlainHoldings) -> list[Holding]:
    """Read what was told. Whatever is no holding of this shard, and a torn end, is left out."""
    whole = len(told.packed) - len(told.packed) % _ENTRY_BYTES
    found: list[Holding] = []
    for start in range(0, min(whole, _PER_MESSAGE * _ENTRY_BYTES), _ENTRY_BYTES):
        entry = told.packed[start : start + _ENTRY_BYTES]
        blob, node = BlobId(entry[:HASH_BYTES]), NodeId(entry[HASH_BYTES:-1])
        if entry[-1] in (0, 1) and shard_of_key(blob) == told.shard:
            found.append(Holding(blob, node, entry[-1] == 1))
    return found


def goes_on(told: PlainHoldings, some: Sequence[Holding]) -> list[AskHoldings]:
    """Return what asks for the rest."""
    last = some[-1] if some else None
    return [AskHoldings(told.shard, last.blob + last.node)] if told.more and last else []


def to_believe(
    some: Sequence[Holding], known: Sequence[bool | None], peer: bytes
) -> dict[str, bool]:
    """Return which entries to write, given what is known here of each."""
    return {
        holding_key(one.blob, one.node): one.is_held
        for one, said in zip(some, known, strict=True)
        if said is None or (one.node == peer and said != one.is_held)
    }

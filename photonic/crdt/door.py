"""The door: what every node judges alike of foreign bytes, whatever it knows of the roster.

Pure, and asked before a document sees any of them: the bytes that it lets through are put together
from blocks that were judged. An update passes whole or not at all; what fails is UpdateRefused or
ChangeInvalid. Whether an author was *allowed* to say what it said is asked later, in `fold`: were
it asked here, nodes that learn of a revocation in a different order would refuse each other's
documents for ever.

What the door cannot see is a member that forges GC blocks under the client id of another, so that
documents take what that one wrote for known. Anti-entropy finds the difference and sends the
changes plainly (`admit_plain`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from photonic import limits
from photonic.crdt.changes import SignedChange, inspect, signed_bytes
from photonic.crdt.document import Delta
from photonic.crdt.keys import (
    DROPPED,
    HELD,
    change_key,
    is_holding,
    parse_holding_key,
    shard_of,
    shard_of_key,
)
from photonic.crdt.updates import Block, Kind, Update, UpdateInvalid, is_out_of_bounds, parse
from photonic.errors import ChangeInvalid, UpdateRefused
from photonic.identity import SIGNATURE_BYTES, Claim, are_signed
from photonic.ids import LibraryId, NodeId


@dataclass(frozen=True, slots=True)
class Admission:
    """What the door lets through of an update of a `changes` document."""

    update: bytes  # to apply and to journal
    fresh: tuple[SignedChange, ...]  # not known before, each once, in the order of the update


def admit_changes(
    library: LibraryId, shard: int, update: bytes, known: Callable[[str], bytes | None]
) -> Admission:
    """Judge an update of a `changes` document. Raises UpdateRefused, ChangeInvalid.

    `known` gives what is here under a key: an entry that is there, byte for byte, is not judged
    again. One with the same id and another valid signature of its author is as good.
    """
    parsed = _parse(update)
    fresh: dict[str, SignedChange] = {}
    judged: dict[tuple[str, bytes], SignedChange] = {}
    for block in parsed.blocks():
        entry = _entry(block)
        if entry is None or entry in judged:
            continue
        key, data = entry
        here = known(key)
        if here == data:
            continue
        judged[entry] = signed = _in_place(library, shard, key, data)
        if here is None:
            fresh.setdefault(key, signed)
    _require_signatures(library, list(judged.values()))
    return Admission(parsed.without_deletes(), tuple(fresh.values()))


def _entry(block: Block) -> tuple[str, bytes] | None:
    """Return key and value of a block of a `changes` document; None if it holds no entry."""
    if block.kind is Kind.DELETED:
        raise UpdateRefused("the update hides an entry: a deleted block stands under a key")
    if block.kind is not Kind.ITEM:
        return None
    if block.key is None or block.value is None:
        raise UpdateRefused("the update overwrites what is there for ever")
    return block.key, block.value


def _in_place(library: LibraryId, shard: int, key: str, data: bytes) -> SignedChange:
    signed = inspect(library, data)
    if change_key(signed.id) != key:
        raise ChangeInvalid("a change stands under a name that is not its own")
    if shard_of(signed.change.subject) != shard:
        raise ChangeInvalid("a change stands in a shard that is not its own")
    return signed


def admit_plain(library: LibraryId, changes: Sequence[bytes]) -> list[SignedChange]:
    """Judge changes that came outside of any document: all or none. Raises ChangeInvalid."""
    admitted = [inspect(library, data) for data in changes]
    _require_signatures(library, admitted)
    return admitted


def _require_signatures(library: LibraryId, some: Sequence[SignedChange]) -> None:
    claims = [
        Claim(
            NodeId(signed.change.author),
            signed.data[:SIGNATURE_BYTES],
            signed_bytes(library, signed.data),
        )
        for signed in some
    ]
    if not all(are_signed(claims)):
        raise ChangeInvalid("the signature is not that of the author")


def admit_holdings(shard: int, update: bytes) -> bytes:
    """Judge an update of a `holdings` document; return the bytes to apply. Raises UpdateRefused.

    What an overwriting block says, and of which entry, shows only when it is applied: ask
    `judge_holdings` then.
    """
    parsed = _parse(update)
    for block in parsed.blocks():
        if block.key is not None and not _stands_in(shard, block.key):
            raise UpdateRefused("a holding names no blob of this shard and a node")
        if block.value is not None and block.value not in (HELD, DROPPED):
            raise UpdateRefused("a holding is neither yes nor no")
    return parsed.without_deletes()


def judge_holdings(shard: int, delta: Delta) -> dict[str, bytes]:
    """Judge what an admitted update did to a `holdings` document; return the entries it wrote.

    Raises UpdateRefused; the document must then be loaded again.
    """
    if delta.removed:
        raise UpdateRefused("the update removes a holding instead of saying `dropped`")
    entries = {**delta.added, **delta.overwritten}
    for key, value in entries.items():
        if not (is_holding(key, value) and _stands_in(shard, key)):
            raise UpdateRefused("a holding names no blob of this shard and a node")
    return entries


def _stands_in(shard: int, key: str) -> bool:
    try:
        blob, _ = parse_holding_key(key)
    except ValueError:
        return False
    return shard_of_key(blob) == shard


def _parse(update: bytes) -> Update:
    try:
        parsed = parse(update)
    except UpdateInvalid as reason:
        raise UpdateRefused(f"not an update of ours: {reason}") from None
    if len(parsed.sections) > limits.CLIENTS_PER_UPDATE_MAX:
        raise UpdateRefused(f"an update by {len(parsed.sections):,} clients at once")
    if is_out_of_bounds(parsed):
        raise UpdateRefused("a client wrote more than one ever does")
    twins = Counter(block.key for block in parsed.blocks() if block.key is not None)
    if twins and max(twins.values()) > limits.TWINS_PER_UPDATE_MAX:
        raise UpdateRefused("an entry comes more often than there can be nodes that wrote it")
    return parsed

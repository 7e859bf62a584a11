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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from photonic import limits
from photonic.crdt.changes import SignedChange, inspect, signed_bytes
from photonic.crdt.document import Delta
from photonic.crdt.keys import (
    DROPPED,
    HELD,
    Holding,
    change_key,
    parse_holding,
    parse_holding_key,
    shard_of,
    shard_of_key,
)
from photonic.crdt.updates import Block, Kind, Update, UpdateInvalid, is_out_of_bounds, parse
from photonic.errors import ChangeInvalid, UpdateRefused
from photonic.identity import SIGNATURE_BYTES, Claim, are_signed
from photonic.ids import LibraryId, NodeId

_NO_HOLDING = "a holding names no blob of this shard and a node, with yes or no"


@dataclass(frozen=True, slots=True)
class Admission:
    """What the door lets through of an update of a `changes` document."""

    parsed: Update  # to apply and to journal; without deletes
    fresh: tuple[SignedChange, ...]  # not known before, each once, in the order of the update

    @property
    def update(self) -> bytes:
        return self.parsed.data


def admit_changes(
    library: LibraryId,
    shard: int,
    update: bytes,
    known: Callable[[Collection[str]], Mapping[str, bytes]],
) -> Admission:
    """Judge an update of a `changes` document. Raises UpdateRefused, ChangeInvalid.

    `known` gives what is here under some keys: an entry that is there, byte for byte, is not judged
    again. One with the same id and another valid signature of its author is as good.
    """
    parsed = _parse(update)
    entries = dict.fromkeys(filter(None, map(_entry, parsed.blocks())))
    here = known({key for key, _ in entries})
    fresh: dict[str, SignedChange] = {}
    judged: list[SignedChange] = []
    for key, data in entries:
        there = here.get(key)
        if there == data:
            continue
        signed = _in_place(library, shard, key, data)
        judged.append(signed)
        if there is None:
            fresh.setdefault(key, signed)
    _require_signatures(library, judged)
    return Admission(_without_deletes(parsed), tuple(fresh.values()))


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


@dataclass(frozen=True, slots=True)
class HoldingsAdmission:
    """What the door lets through of an update of a `holdings` document."""

    parsed: Update  # to apply and to journal; without deletes
    # What it says where it does nothing but add entries, each under one key; None where it
    # overwrites something, has twins, or leaves places empty: then only the document can tell.
    added: tuple[Holding, ...] | None

    @property
    def update(self) -> bytes:
        return self.parsed.data


def admit_holdings(shard: int, update: bytes) -> HoldingsAdmission:
    """Judge an update of a `holdings` document. Raises UpdateRefused.

    What an overwriting block says, and of which entry, shows only when it is applied: ask
    `judge_holdings` then.
    """
    parsed = _parse(update)
    added: dict[str, Holding] = {}
    blocks = 0
    for block in parsed.blocks():
        blocks += 1
        if block.key is None or block.value is None:
            _judge_part(shard, block)
            continue
        added[block.key] = _holding(shard, block.key, block.value)
    is_plain = len(added) == blocks
    return HoldingsAdmission(_without_deletes(parsed), tuple(added.values()) if is_plain else None)


def _judge_part(shard: int, block: Block) -> None:
    """Judge a block that is no whole entry by what it has of one."""
    if block.key is not None:
        try:
            blob, _ = parse_holding_key(block.key)
        except ValueError as error:
            raise UpdateRefused(_NO_HOLDING) from error
        if shard_of_key(blob) != shard:
            raise UpdateRefused(_NO_HOLDING)
    if block.value is not None and block.value not in (HELD, DROPPED):
        raise UpdateRefused(_NO_HOLDING)


def judge_holdings(shard: int, delta: Delta) -> list[Holding]:
    """Judge what an admitted update did to a `holdings` document; return the entries it wrote.

    Raises UpdateRefused; the document must then be loaded again.
    """
    if delta.removed:
        raise UpdateRefused("the update removes a holding instead of saying `dropped`")
    entries = {**delta.added, **delta.overwritten}
    return [_holding(shard, key, value) for key, value in entries.items()]


def _holding(shard: int, key: str, value: bytes) -> Holding:
    try:
        holding = parse_holding(key, value)
    except ValueError as error:
        raise UpdateRefused(_NO_HOLDING) from error
    if shard_of_key(holding.blob) != shard:
        raise UpdateRefused(_NO_HOLDING)
    return holding


def _without_deletes(parsed: Update) -> Update:
    return replace(parsed, data=parsed.without_deletes())


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

"""Document updates (Yjs, format v1) read by ourselves, before the documents' library sees a byte.

An update is well-formed here only if it is spelt in the one shortest way (see `blocks.py` for what
a block may be) and ends where it ends; all else is `UpdateInvalid`. Blocks are kept as the bytes
that they were, so what is put together again from them holds nothing that was not judged. Pure,
never recurses, allocates no more than a fixed multiple of the bytes that it is given.

    update   := count section* deletes
    section  := count client clock block*     blocks follow one another without a gap
    deletes  := count (client count (clock length)*)*

Where two nodes write one entry under one key, each has an ITEM ("twins"); one of them stays and the
other is DELETED as soon as both are in one document. So what a document deletes follows from its
blocks alone: the set of deletes at the end says nothing new, and is never sent or taken in. An
attacker's would hide what an honest node sends later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from photonic import limits
from photonic.crdt.blocks import (
    CLIENT_END,
    DELETED,
    GC,
    ITEM,
    SKIP,
    Block,
    Kind,
    UpdateInvalid,
    number,
    piece_of,
    read_block,
    read_number,
    read_section_head,
    skip_deletes,
)

__all__ = [
    "Block", "Kind", "Section", "Update", "UpdateInvalid", "first_part",
    "for_peers", "is_out_of_bounds", "parse", "reachable", "read_vector", "within_bounds",
    "without_deletes",
]  # fmt: skip

NO_DELETES = b"\0"
_ITEM, _VALUE = b"\x28\x01\x01c", b"\x01\x74"  # see blocks.py
_HEADER_BYTES_MAX = 5 + 8 + 5  # of a section


class Section(NamedTuple):
    """The blocks of one client, each beginning where the one before it ends."""

    client: int
    clock: int
    blocks: Sequence[Block]

    @property
    def end(self) -> int:
        """The clock of what this client writes next."""
        return self.blocks[-1].clock + self.blocks[-1].length


@dataclass(frozen=True, slots=True)
class Update:
    """A well-formed update."""

    data: bytes
    sections: tuple[Section, ...]
    deletes_at: int  # where in `data` the set of deletes begins

    def blocks(self) -> Iterator[Block]:
        for section in self.sections:
            yield from section.blocks

    def entries(self) -> Iterator[tuple[str, bytes]]:
        """Yield key and value of each entry that is not deleted and overwrites nothing.

        A key comes twice where the update has two twins.
        """
        for section in self.sections:
            for block in section.blocks:
                if block.key is not None and block.value is not None:
                    yield block.key, block.value

    @property
    def is_plain(self) -> bool:
        """Whether it only adds entries, and leaves no place empty."""
        return all(block.kind is ITEM and block.origin is None for block in self.blocks())

    def has(self, kind: Kind) -> bool:
        return any(block.kind is kind for block in self.blocks())

    def without_deletes(self) -> bytes:
        """Return the update with the set of deletes emptied."""
        return self.data[: self.deletes_at] + NO_DELETES


def of_entries(client: int, clock: int, entries: Mapping[str, bytes]) -> bytes:
    """Return the update by which `client`, which wrote `clock` blocks before, adds entries.

    Their keys must be new to the document: an entry that stands there is not overwritten by it.
    """
    pieces = [number(1), number(len(entries)), number(client), number(clock)]
    for key, value in entries.items():
        name = key.encode()
        pieces += (_ITEM, number(len(name)), name, _VALUE, number(len(value)), value)
    return b"".join((*pieces, NO_DELETES))


def parse(update: bytes) -> Update:
    """Read an update. Raises UpdateInvalid."""
    sections: list[Section] = []
    clients: set[int] = set()
    try:
        count, at = read_number(update, 0)
        for _ in range(count):
            client, clock, length, at = read_section_head(update, at)
            if client in clients:
                raise UpdateInvalid("a client comes twice")
            clients.add(client)
            blocks: list[Block] = []
            end = clock
            for _ in range(length):
                block = read_block(update, at, client, end)
                blocks.append(block)
                at, end = block.end, end + block.length
            sections.append(Section(client, clock, blocks))
        end_of_deletes = skip_deletes(update, at)
    except IndexError:
        raise UpdateInvalid("it ends in the middle") from None
    if end_of_deletes != len(update):
        raise UpdateInvalid("something follows its end")
    return Update(update, tuple(sections), at)


def without_deletes(update: bytes) -> bytes:
    """Return an update of our own without its set of deletes. Raises UpdateInvalid."""
    if update.endswith(NO_DELETES):  # a set that is not empty ends in a length, never in a zero
        return update
    return parse(update).without_deletes()


def for_peers(update: bytes) -> bytes:
    """Return an update of a `changes` document as peers may have it. Raises UpdateInvalid.

    `update` comes straight from the library, its set of deletes included. A DELETED block becomes
    GC, which keeps the place in the order and names no key. A DELETED block under a key could not
    be told from an attacker's: where it came first, an honest entry that comes later under this key
    would be taken for its twin, lose to it, and never be seen. Nothing is lost by it: beside each
    honest DELETED block stands the twin that it lost to.
    """
    if update.endswith(NO_DELETES):  # the library names whatever is deleted in the set
        return update
    parsed = parse(update)
    pieces = [number(len(parsed.sections))]
    for section in parsed.sections:
        count, body = _bury(update, section.blocks)
        pieces += (number(count), number(section.client), number(section.clock), body)
    return b"".join((*pieces, NO_DELETES))


def is_out_of_bounds(update: Update) -> bool:
    """Whether a client goes further than limits.DOCUMENT_CLOCK_MAX, which no door lets through."""
    return any(section.end > limits.DOCUMENT_CLOCK_MAX for section in update.sections)


def within_bounds(update: bytes) -> bytes:
    """Return an update of our own without what is out of bounds. Raises UpdateInvalid."""
    sections = parse(update).sections
    counts = [
        sum(block.clock + block.length <= limits.DOCUMENT_CLOCK_MAX for block in section.blocks)
        for section in sections
    ]
    return _join(update, _prefixes(sections, counts))


def _bury(update: bytes, blocks: Iterable[Block]) -> tuple[int, bytes]:
    """Return a section's blocks with GC for each DELETED one, and how many blocks they are."""
    pieces: list[bytes] = []
    buried = 0
    for block in blocks:
        if block.kind is DELETED or block.kind is GC:
            buried += block.length
            continue
        if buried:
            pieces.append(b"\0" + number(buried))
            buried = 0
        pieces.append(update[block.start : block.end])
    if buried:
        pieces.append(b"\0" + number(buried))
    return len(pieces), b"".join(pieces)


def read_vector(vector: bytes) -> dict[int, int]:
    """Return how many places a document has of each client. Raises UpdateInvalid."""
    reach: dict[int, int] = {}
    try:
        count, at = read_number(vector, 0)
        for _ in range(count):
            client, at = read_number(vector, at)
            reach[client], at = read_number(vector, at)
    except IndexError:
        raise UpdateInvalid("a vector ends in the middle") from None
    return reach


# --- parts -----------------------------------------------------------------------------------


def first_part(update: bytes, bytes_max: int) -> tuple[bytes, bool]:
    """Return a first part of an update of our own, and whether it is all. Raises UpdateInvalid.

    The part has whole blocks, at least one, and about `bytes_max` bytes at most. Each of its blocks
    can be taken in at once by whoever lacks exactly this update, as long as there are such blocks:
    so the vector of the receiver moves on, and it gets the rest by asking again with the new one.
    The set of deletes is left out.
    """
    if len(update) <= bytes_max:
        return without_deletes(update), True
    head = _leading_part(update, bytes_max)
    if head is not None:
        return head, False
    parsed = parse(update)
    reach = {section.client: section.clock for section in parsed.sections}
    counts, left = _plan(parsed.sections, reach, CLIENT_END, bytes_max)
    counts = _plan_rest(parsed.sections, counts, left)
    is_all = counts == [len(section.blocks) for section in parsed.sections]
    return _join(update, _prefixes(parsed.sections, counts)), is_all


def _leading_part(update: bytes, bytes_max: int) -> bytes | None:
    """Return the update's beginning, if it needs nothing that comes later; None otherwise.

    Reads no further than it takes: a long document is sent by reading each block about once.
    """
    part: list[Section] = []
    reach: dict[int, int] = {}
    size_bytes = 0
    try:
        count, at = read_number(update, 0)
        for _ in range(count):
            client, clock, length, at = read_section_head(update, at)
            blocks: list[Block] = []
            part.append(Section(client, clock, blocks))
            size_bytes += _HEADER_BYTES_MAX
            reach[client] = clock
            for _ in range(length):
                block = read_block(update, at, client, reach[client])
                origin = block.origin
                if block.kind is SKIP or (origin and reach.get(origin[0], 0) <= origin[1]):
                    return None
                size_bytes += block.end - block.start
                if size_bytes > bytes_max and (len(part) > 1 or blocks):
                    return _join(update, [section for section in part if section.blocks])
                blocks.append(block)
                at, reach[client] = block.end, block.clock + block.length
    except IndexError:
        raise UpdateInvalid("it ends in the middle") from None
    return None


def reachable(parsed: Update, reach: dict[int, int]) -> tuple[bytes, bool]:
    """Return what a document lacks of an update and can take in at once, and if nothing was left.

    `reach` is what the document has of each client (see `read_vector`); it moves on with what is
    returned. What is left out stands behind a gap, or overwrites what is not there, and is better
    asked for again later. For the library is not to be trusted with gaps (what it does is in
    tests/crdt/test_updates.py): of what waits for its origin some is lost when the gap closes, a
    block that spans a gap and what is behind it corrupts the document, and what waits for ever
    does so in memory without a bound.
    """
    if parsed.is_plain and all(reach.get(s.client, 0) == s.clock for s in parsed.sections):
        reach.update((section.client, section.end) for section in parsed.sections)
        return parsed.without_deletes(), True
    update, before = parsed.data, dict(reach)
    room = len(update) + _HEADER_BYTES_MAX * len(parsed.sections)
    counts, _ = _plan(parsed.sections, reach, 0, room)
    pieces: list[bytes] = []
    sections = 0
    for section in _prefixes(parsed.sections, counts):
        there = before.get(section.client, 0)
        fresh = [block for block in section.blocks if block.clock + block.length > there]
        if fresh:
            first, end = fresh[0], fresh[0].clock + fresh[0].length
            start = max(there, first.clock)
            pieces += (number(len(fresh)), number(section.client), number(start))
            pieces.append(piece_of(update, first, start, end))
            pieces.append(update[first.end : fresh[-1].end])
            sections += 1
    is_all = counts == [len(section.blocks) for section in parsed.sections]
    return b"".join((number(sections), *pieces, NO_DELETES)), is_all


def _prefixes(sections: Sequence[Section], counts: Sequence[int]) -> list[Section]:
    return [
        Section(section.client, section.clock, section.blocks[:count])
        for section, count in zip(sections, counts, strict=True)
        if count
    ]


def _plan(
    sections: Sequence[Section], reach: dict[int, int], elsewhere: int, left: int
) -> tuple[list[int], int]:
    """Return how many of its first blocks each section gives to a part, and the room that is left.

    `reach` is what the receiver has of each client, and moves on with the part; `elsewhere` what it
    has of those that are not in it. A block is given if it is the next of its client and what it
    overwrites is there or was given before.
    """
    counts = [0] * len(sections)
    # client -> those whose next block overwrites a block of it: the clock of that, and the section
    waiting: dict[int, list[tuple[int, int]]] = {}
    ready = deque(range(len(sections)))
    while ready:
        position = ready.popleft()
        client, _, blocks = sections[position]
        before = counts[position]
        while counts[position] < len(blocks):
            block = blocks[counts[position]]
            origin, end = block.origin, block.clock + block.length
            there = reach.get(client, elsewhere)
            if block.clock > there or (block.kind is SKIP and end > there):
                break  # a gap
            if origin is not None and reach.get(origin[0], elsewhere) <= origin[1]:
                heappush(waiting.setdefault(origin[0], []), (origin[1], position))
                break
            left -= _cost(block, counts[position])
            if left < 0 and any(counts):
                return counts, left
            counts[position] += 1
            reach[client] = max(there, end)
        others = waiting.get(client)
        while others and counts[position] > before and others[0][0] < reach[client]:
            ready.append(heappop(others)[1])
    for position, (_, _, blocks) in enumerate(sections):
        while counts[position] and blocks[counts[position] - 1].kind is SKIP:
            counts[position] -= 1
    return counts, left


def _plan_rest(sections: Sequence[Section], counts: list[int], left: int) -> list[int]:
    """Add what nobody can take in yet, for want of what is in no section."""
    for position, (_, _, blocks) in enumerate(sections):
        for count in range(counts[position], len(blocks)):
            left -= _cost(blocks[count], count)
            if left < 0 and any(counts):
                return counts
            if blocks[count].kind is not SKIP:
                counts[position] = count + 1
    return counts


def _cost(block: Block, count: int) -> int:
    return block.end - block.start + (0 if count else _HEADER_BYTES_MAX)


def _join(update: bytes, sections: Sequence[Section]) -> bytes:
    """Put whole blocks of an update together again, without its deletes."""
    pieces = [number(len(sections))]
    for client, clock, blocks in sections:
        pieces += (number(len(blocks)), number(client), number(clock))
        pieces.append(update[blocks[0].start : blocks[-1].end])
    return b"".join((*pieces, NO_DELETES))

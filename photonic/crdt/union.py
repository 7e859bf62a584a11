"""Several updates of one document as one, for the journal. Pure.

The documents' library has a function for this. It was measured to panic where blocks overlap that
were forged, and to put GC in the place of an entry; and what it loses is lost in the journal. Here
an ITEM is stronger than a DELETED block in its place (what is deleted follows from the others, see
`updates.py`), a DELETED one stronger than GC, and of two ITEMs in one place the one in the earlier
update: the other is told, so that it can be written again elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from photonic.crdt.blocks import DELETED, ITEM, SKIP, Block, number, piece_of
from photonic.crdt.updates import NO_DELETES, Update


class _Span(NamedTuple):
    """Places of one client, from `start` to before `end`, that a block or a piece of one takes."""

    start: int
    end: int
    block: Block
    data: bytes  # the update that it is of


def union(updates: Sequence[Update]) -> tuple[bytes, dict[str, bytes]]:
    """Return one update with the blocks of all, and the entries for which it has no place.

    Of the latter there are none where entries are overwritten (`holdings`): what stands nowhere
    may have been overwritten, and nothing there is to be lost for ever.
    """
    blocks: dict[int, list[_Span]] = {}
    for update in updates:
        for block in update.blocks():
            if block.kind is not SKIP:
                span = _Span(block.clock, block.clock + block.length, block, update.data)
                blocks.setdefault(block.client, []).append(span)
    pieces = [number(len(blocks))]
    there: set[str | None] = set()
    for client in sorted(blocks, reverse=True):
        spans = _in_order(blocks[client])
        there |= {span.block.key for span in spans if span.block.kind is ITEM}
        body = list(_encoded(spans))
        pieces += (number(len(body)), number(client), number(spans[0].start), *body)
    return b"".join((*pieces, NO_DELETES)), _displaced(updates, there)


def _displaced(updates: Iterable[Update], there: set[str | None]) -> dict[str, bytes]:
    displaced: dict[str, bytes] = {}
    for update in updates:
        if any(block.origin is not None for block in update.blocks()):
            return {}
        displaced.update((key, value) for key, value in update.entries() if key not in there)
    return displaced


def _in_order(spans: Iterable[_Span]) -> list[_Span]:
    """Return a client's spans in the order of their places, none over another."""
    items: dict[int, _Span] = {}
    deleted: list[_Span] = []
    buried: list[_Span] = []
    for span in spans:
        if span.block.kind is ITEM:
            items.setdefault(span.start, span)
        else:
            (deleted if span.block.kind is DELETED else buried).append(span)
    found = [items[start] for start in sorted(items)]
    for weaker in (deleted, buried):
        if weaker:
            found = list(_over(found, _apart(sorted(weaker, key=_extent))))
    return found


def _extent(span: _Span) -> tuple[int, int]:
    return span.start, -span.end


def _apart(spans: Iterable[_Span]) -> Iterator[_Span]:
    """Yield sorted spans without what an earlier one takes."""
    end = 0
    for span in spans:
        if span.end > end:
            yield span._replace(start=max(span.start, end))
            end = span.end


def _over(strong: Sequence[_Span], weak: Iterable[_Span]) -> Iterator[_Span]:
    """Yield `strong`, and of `weak` the pieces that are in none of them; all are sorted."""
    position = 0
    for span in weak:
        start = span.start
        while start < span.end:
            while position < len(strong) and strong[position].end <= start:
                yield strong[position]
                position += 1
            stop = strong[position].start if position < len(strong) else span.end
            if start < stop:
                yield span._replace(start=start, end=min(stop, span.end))
                start = min(stop, span.end)
            else:
                start = strong[position].end
    yield from strong[position:]


def _encoded(spans: Iterable[_Span]) -> Iterator[bytes]:
    """Yield blocks, one behind the other, with SKIP where there is none."""
    end: int | None = None
    for span in spans:
        if end is not None and span.start > end:
            yield b"\x0a" + number(span.start - end)
        end = span.end
        yield piece_of(span.data, span.block, span.start, span.end)

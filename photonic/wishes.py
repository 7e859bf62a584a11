"""What this node wants, in the order in which it makes the most photos safe soonest. Pure.

Shoot by shoot, the newest first; in a shoot the best rated photos first; of a photo its sidecar and
previews, which are small, and then the original. On a slow link all previews come before anything
else, so that there is something to see. A shoot is what a person said, or else the photos without
a gap of some hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from photonic import limits
from photonic.crdt.index import blob_ref
from photonic.crdt.projection import ORIGINAL_KIND, PREVIEW_KIND, SIDECAR_KIND
from photonic.crdt.timeline import place_gap
from photonic.crdt.wants import Missing, MissingPart
from photonic.ids import NodeId
from photonic.p2p.planner import Position, Want, WantPage, WantsAsked

_OF_A_PHOTO = {SIDECAR_KIND: 0, PREVIEW_KIND: 1, ORIGINAL_KIND: 2}
_GAP = place_gap(limits.SHOOT_GAP_S)
_FIRST = -(1 << 63)  # no place is as late


def classes(kinds: Sequence[str], *, previews_first: bool) -> list[list[str]]:
    """Return the kinds that are wanted: each list of them is read to its end before the next."""
    if not previews_first or PREVIEW_KIND not in kinds or len(kinds) == 1:
        return [list(kinds)]
    return [[PREVIEW_KIND], [kind for kind in kinds if kind != PREVIEW_KIND]]


def read_page(
    read: Callable[[Sequence[str], int, int | None], MissingPart],
    kinds: Sequence[str],
    asked: WantsAsked,
) -> WantPage:
    """Return what is wanted from a position on; `read` gives a part of what is missing of kinds.

    Reading page after page, each from where the one before ended, gives everything once.
    """
    ordered = classes(kinds, previews_first=asked.previews_first)
    number, end = end_of(asked.begin)
    found: list[Want] = []
    while number < len(ordered) and len(found) < asked.limit:
        part = read(ordered[number], asked.limit - len(found), end)
        found += wants_of(part.items, number, asked.reachable)
        end = part.end
        if end is not None:
            return WantPage(tuple(found), position_of(number, end))
        number += 1
    is_all = number >= len(ordered)
    return WantPage(tuple(found), None if is_all else position_of(number, end))


def position_of(number: int, end: int | None) -> Position:
    """Return where the photos before a place begin in the list of a class; None: all of them."""
    return (number, _FIRST if end is None else 1 - end)


def end_of(position: Position) -> tuple[int, int | None]:
    """Return the class that a position is in, and the place before which its photos are."""
    number, at = max(position, (0, _FIRST))
    return number, None if at == _FIRST else 1 - at


def wants_of(missing: Sequence[Missing], number: int, anybody: frozenset[NodeId]) -> Iterator[Want]:
    """Yield the wants of a part of a class, newest photo first as they come.

    `anybody` may have what nobody says to hold: previews and sidecars.
    """
    newest = before = None
    said: str | None = None
    for one in missing:
        if newest is None or before is None or before - one.place > _GAP or one.shoot != said:
            newest = one.place
        before, said = one.place, one.shoot
        is_original = one.row.kind == ORIGINAL_KIND
        yield Want(
            ref=blob_ref(one.row),
            name=one.name,
            priority=(
                number, -newest, -(one.rating or 0), -one.place,
                _OF_A_PHOTO.get(one.row.kind, 1), one.row.edge_px,
            ),
            holders=one.holders if is_original else anybody,
            position=(number, -one.place),
            kind=one.row.kind,
        )  # fmt: skip

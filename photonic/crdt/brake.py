"""The deletion brake: a burst of removals is held where it arrives until somebody confirms it.

A mistaken script, a stolen laptop or a bad sync of another program removes many photos at once;
a person seldom does. So a node that hears of a burst goes on showing the photos, and says so. All
nodes judge alike, from the removals and confirmations in the catalog alone; the node where the
photos were removed shows what its person did.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from photonic import limits
from photonic.ids import BlobId


@dataclass(frozen=True, slots=True)
class Removal:
    """One photo that one author put into the trash, by a change that still stands."""

    photo: BlobId
    at_ms: int


def limit_for(photos: int) -> int:
    """Return how many of `photos` may be removed within an hour without anybody asking."""
    share = photos * limits.BRAKE_PERCENT // 100
    return min(limits.BRAKE_PHOTOS_MAX, max(limits.BRAKE_PHOTOS_MIN, share))


def reach() -> int:
    """Return how many removals before and behind one that came or went may be judged otherwise.

    A window with more than BRAKE_PHOTOS_MAX is a burst whatever the library has. So a window of
    which one removal more or less makes a burst, or none, has at most this many; and a removal with
    as many others beside it within the hour is of a burst, wherever one stops reading behind them.
    """
    return limits.BRAKE_PHOTOS_MAX + 1


def photos_that_matter() -> int:
    """Return how many photos a library has of which the limit grows no more."""
    return limits.BRAKE_PHOTOS_MAX * 100 // limits.BRAKE_PERCENT


def bursts(moments: Iterable[int], photos_before: Callable[[int], int]) -> list[tuple[int, int]]:
    """Return the spans of time (first and last moment, both within) that are bursts of removals.

    `moments`: when one author removed each photo, in order. Every removal in a window of an hour
    with more than `limit_for` is part of a burst. What the library had at the beginning of the
    window decides (`photos_before` a moment), so that a library that grows later releases nothing.
    """
    found: list[tuple[int, int]] = []
    window: deque[int] = deque()
    most = (-1, 0)  # the window's begin, and how many may be removed in it
    for at_ms in moments:
        window.append(at_ms)
        while at_ms - window[0] >= limits.BRAKE_WINDOW_MS:
            window.popleft()
        count = len(window)
        if count <= limits.BRAKE_PHOTOS_MIN:
            continue
        if count <= limits.BRAKE_PHOTOS_MAX:
            if most[0] != window[0]:
                most = (window[0], limit_for(photos_before(window[0])))
            if count <= most[1]:
                continue
        if found and window[0] <= found[-1][1]:
            found[-1] = (found[-1][0], at_ms)
        else:
            found.append((window[0], at_ms))
    return found


def held(
    removals: Iterable[Removal], confirmed_ms: int, photos_before: Callable[[int], int]
) -> frozenset[BlobId]:
    """Return the photos of one author's removals that nobody may hide yet: those of bursts.

    `confirmed_ms`: the moment up to which somebody said that the author's removals are meant.
    """
    ordered = sorted(removals, key=lambda removal: removal.at_ms)
    spans = bursts((removal.at_ms for removal in ordered), photos_before)
    begins = [first for first, _ in spans]

    def is_in_a_burst(at_ms: int) -> bool:
        position = bisect_right(begins, at_ms) - 1
        return position >= 0 and at_ms <= spans[position][1]

    return frozenset(
        one.photo for one in ordered if one.at_ms > confirmed_ms and is_in_a_burst(one.at_ms)
    )

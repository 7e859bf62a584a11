"""What is too much to be drawn one by one: messages by parts of the time, cuts by gaps of lanes.

Pure: a story in, sums out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from simulations.story import CATALOG, OTHER, PHOTOS, Sent, Span, Story, spans


class Bundle(msgspec.Struct, frozen=True):
    """What went one way in one part of the time, of one sort."""

    source: str
    target: str
    carries: str
    bin: int
    size_bytes: int
    count: int


def bundles(sent: Iterable[Sent], until_s: float, bins: int) -> list[Bundle]:
    """Return thousands of messages as what went in each of `bins` equal parts of the time."""
    sums = defaultdict[tuple[str, str, str, int], list[int]](lambda: [0, 0])
    for one in sent:
        number = min(bins - 1, int(one.at_s / until_s * bins)) if until_s > 0 else 0
        total = sums[one.source, one.target, one.carries, number]
        total[0] += one.size_bytes
        total[1] += 1
    return [Bundle(*key, *total) for key, total in sums.items()]


def gaps(story: Story) -> list[list[Span]]:
    """Return by gap between two neighbouring lanes when something does not cross it.

    `what` begins with the share of the ways across it that are cut, in percent: 100 is a partition.
    """
    order = {lane.name: number for number, lane in enumerate(story.lanes)}
    found = []
    for gap in range(len(story.lanes) - 1):
        crossing = [
            cut
            for cut in story.cuts
            if cut.source in order
            and cut.target in order
            and min(order[cut.source], order[cut.target]) <= gap
            < max(order[cut.source], order[cut.target])
        ]  # fmt: skip
        ways = 2 * (gap + 1) * (len(story.lanes) - gap - 1)
        moments = sorted({m for c in crossing for m in (c.span.begin_s, c.span.end_s)})
        states = list[tuple[float, str | None]]()
        for moment in moments:
            now = [c for c in crossing if c.span.begin_s <= moment < c.span.end_s]
            words = ", ".join(sorted({f"{c.source} to {c.target} ({c.span.what})" for c in now}))
            states.append((moment, f"{100 * len(now) // ways} {words}" if now else None))
        found.append(spans(states, story.until_s))
    return found


def running_totals(sent: Iterable[Sent], until_s: float, bins: int) -> dict[str, list[int]]:
    """Return by sort how much had been sent at the end of each part of the time."""
    totals = {sort: [0] * bins for sort in (PHOTOS, CATALOG, OTHER)}
    for one in bundles(sent, until_s, bins):
        totals[one.carries][one.bin] += one.size_bytes
    for row in totals.values():
        for number in range(1, bins):
            row[number] += row[number - 1]
    return totals

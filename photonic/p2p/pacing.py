"""How fast it goes, and what follows: windows, batches, slow links, and when something is done.

Pure, or told the time: monotonic seconds. Rates are bytes per second.

What is asked of a peer follows bandwidth x delay: the window covers two round trips and a little,
so that neither the wire nor the peer's disk waits; a question is small enough to be answered soon.
Words that people read do not flicker: a link becomes slow below one rate and fast above a higher
one, and an estimate is only told while something moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from photonic import limits
from photonic.p2p.standing import Score


class Meter:
    """The rate of what passes, over about the last `span_s`."""

    __slots__ = ("_began_s", "_level", "_noted_s", "span_s")

    def __init__(self, now_s: float, span_s: float = limits.RATE_SPAN_S) -> None:
        self.span_s = span_s
        self._level = 0.0  # bytes, each counting less the longer ago it came
        self._began_s = self._noted_s = now_s

    def add(self, size_bytes: int, now_s: float) -> None:
        """Count bytes that came just now."""
        self._level = self._faded(now_s) + size_bytes
        self._noted_s = now_s

    def rate(self, now_s: float) -> float:
        """Return the rate: right from the beginning for what comes evenly, 0 when nothing does."""
        age_s = now_s - self._began_s
        weight_s = self.span_s * -math.expm1(-max(age_s, 1e-3) / self.span_s)
        # Less than a tenth of a span tells little: what came at once is no rate.
        rate = self._faded(now_s) / max(weight_s, 0.1 * self.span_s)
        return rate if rate >= 1.0 else 0.0

    def _faded(self, now_s: float) -> float:
        return self._level * math.exp(-(now_s - self._noted_s) / self.span_s)


def window_bytes(score: Score, latency_s: float, most_bytes: int, peers: int) -> int:
    """Return how much to have asked over one stream and not yet on disk.

    At most `most_bytes`, and no more than leaves every one of the `peers` its share of what may be
    asked over all: who holds what nobody else does must not wait for those who hold everything.
    """
    share = limits.FETCH_BYTES_IN_FLIGHT_MAX // max(1, peers)
    most_bytes = max(limits.WINDOW_BYTES_MIN, min(most_bytes, share))
    if not score.is_measured:
        return min(most_bytes, limits.FETCH_WINDOW_BYTES)
    covered_s = 2 * latency_s + limits.WINDOW_SLACK_S
    return min(most_bytes, max(limits.WINDOW_BYTES_MIN, int(score.rate_bytes_s * covered_s)))


def way_s(ping_s: float, measured: Iterable[float | None]) -> float:
    """Return how far a peer is, for how many lanes it is worth: 0 until one of them is open.

    A ping of a process that is busy takes long. What the kernel `measured` on open lanes does not
    (0.0 where it does not know; None where a lane is not open yet).
    """
    known = [one for one in measured if one is not None]
    return min(ping_s, *filter(None, known), math.inf) if known else 0.0


def batch_bytes(score: Score, latency_s: float) -> int:
    """Return how much to ask in one question: what comes in two round trips, or in half a second.

    A single chunk may be more.
    """
    covered_s = max(2 * latency_s, limits.BATCH_S)
    return max(1, min(limits.REQUEST_BYTES_MAX, int(score.rate_bytes_s * covered_s)))


@dataclass(frozen=True, slots=True)
class LinkPace:
    """Whether what comes in comes slowly: then previews go before originals."""

    is_slow: bool = False
    since_s: float | None = None  # busy without a break since then; None: idle

    def judged(self, rate_bytes_s: float, is_busy: bool, now_s: float) -> LinkPace:
        """Return the pace after a look at what came.

        Only a link that was asked for more all the time is judged: one without work is not slow.
        """
        if not is_busy:
            return replace(self, since_s=None)
        if self.since_s is None:
            return replace(self, since_s=now_s)
        if now_s - self.since_s < limits.LINK_JUDGED_S:
            return self
        line = limits.LINK_FAST_BYTES_S if self.is_slow else limits.LINK_SLOW_BYTES_S
        is_slow = rate_bytes_s < line
        if is_slow == self.is_slow:
            return self
        return LinkPace(is_slow, now_s)  # and not judged again at once


def eta_s(left_bytes: int, rate_bytes_s: float) -> float | None:
    """Return when so much is here at this rate; None where that would be a guess."""
    if left_bytes <= 0:
        return 0.0
    if rate_bytes_s <= 0 or left_bytes / rate_bytes_s > limits.ETA_S_MAX:
        return None
    return left_bytes / rate_bytes_s


@dataclass(frozen=True, slots=True)
class Outlook:
    """When everything will be done, as people are told: calm, and honest about not knowing.

    `done_s` is the moment that was told, None while nothing moves.
    """

    done_s: float | None = None
    moving_since_s: float | None = None
    moved_s: float | None = None  # when something moved last

    def looked(self, left_bytes: int, rate_bytes_s: float, now_s: float) -> Outlook:
        """Return the outlook after a look at what is left and how fast it goes."""
        if left_bytes <= 0:
            return Outlook(now_s, None, None)
        if rate_bytes_s > 0:
            since_s = now_s if self.moving_since_s is None else self.moving_since_s
            moving = Outlook(self.done_s, since_s, now_s)
            wait_s = eta_s(left_bytes, rate_bytes_s)
            if now_s - since_s < limits.OUTLOOK_SURE_S:
                return replace(moving, done_s=None)
            if wait_s is None:
                return replace(moving, done_s=None)
            return replace(moving, done_s=_calm(self.done_s, now_s + wait_s, now_s))
        if self.moved_s is None or now_s - self.moved_s >= limits.OUTLOOK_PATIENCE_S:
            return Outlook()
        return self  # a pause for breath

    def eta_s(self, now_s: float) -> float | None:
        """Return how long it still takes; None: nobody can say."""
        return None if self.done_s is None else max(0.0, self.done_s - now_s)


def _calm(told_s: float | None, new_s: float, now_s: float) -> float:
    """Return the moment to tell: the one that was told, unless it is clearly wrong by now."""
    if told_s is None or told_s <= now_s:
        return new_s
    is_near = abs(new_s - told_s) <= limits.OUTLOOK_CHANGE * max(new_s - now_s, told_s - now_s)
    return told_s if is_near else new_s

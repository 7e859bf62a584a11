"""How long something has been in the trash, by a wall clock that may be wrong.

A dead battery or a bad time server makes the wall clock leap; believed, it would end every grace at
once. So at each look the time since the last one is counted, but no more than the process ran
between them, and at its first look no more than a day; a clock that goes back counts nothing. What
was counted stands in a file beside the catalog. Without the file counting begins anew: like a
machine that was off, that only delays.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from itertools import zip_longest
from pathlib import Path

import msgspec

from photonic import limits
from photonic.world import World

log = logging.getLogger(__name__)

DAY_MS = 24 * 3600 * 1000
# A clock that is steered runs a little faster or slower than the other one. No leap.
_STEERED_MS = 60_000
# The trash is looked at once a day while the node runs, so a removal is noted this near to a look.
_BETWEEN_LOOKS_MS = 2 * DAY_MS


class Span(msgspec.Struct, frozen=True):
    """A stretch of wall time in which the clock went evenly, and what was counted before it."""

    begin_ms: int
    end_ms: int
    counted_ms: int

    @property
    def counted_at_end_ms(self) -> int:
        return self.counted_ms + self.end_ms - self.begin_ms


def looked(spans: tuple[Span, ...], now_ms: int, ran_ms: int | None) -> tuple[Span, ...]:
    """Return what is counted when the wall clock says `now_ms`.

    `ran_ms`: how long this process has run since the last look; None at its first.
    """
    if not spans:
        return (Span(now_ms, now_ms, 0),)
    last = spans[-1]
    step_ms, most_ms = now_ms - last.end_ms, DAY_MS if ran_ms is None else ran_ms
    if 0 <= step_ms <= most_ms + _STEERED_MS:
        return (*spans[:-1], Span(last.begin_ms, now_ms, last.counted_ms))
    counted_ms = last.counted_at_end_ms + min(max(step_ms, 0), most_ms)
    return (*spans, Span(now_ms, now_ms, counted_ms))


def counted_at(spans: tuple[Span, ...], at_ms: int) -> int:
    """Return what had been counted when the wall clock said `at_ms`.

    The most that it may have been, where the clock said so twice, or leapt soon afterwards or
    shortly before.
    """
    found: int | None = None
    for span, following in zip_longest(spans, spans[1:]):
        is_behind = 0 < at_ms - span.end_ms <= _BETWEEN_LOOKS_MS
        if span.begin_ms <= at_ms <= span.end_ms or (following is None and is_behind):
            found = span.counted_ms + at_ms - span.begin_ms
        if following is not None:
            is_before = 0 < following.begin_ms - at_ms <= _BETWEEN_LOOKS_MS
            found = following.counted_ms if is_behind or is_before else found
    return _counted_elsewhere(spans, at_ms) if found is None else found


def _counted_elsewhere(spans: tuple[Span, ...], at_ms: int) -> int:
    """Return what is counted for a moment that this node's clock did not show at any look.

    Another node said it, by its own clock, or it was before anything was counted.
    """
    last = spans[-1]
    if at_ms > last.end_ms:
        return last.counted_at_end_ms + at_ms - last.end_ms
    return min(span.counted_ms for span in spans if span.begin_ms > at_ms)


def needed(spans: tuple[Span, ...], grace_ms: int) -> tuple[Span, ...]:
    """Return the spans without those of which each moment is past its grace."""
    over_ms = spans[-1].counted_at_end_ms - grace_ms
    begins = [span.counted_ms for span in spans]
    first = max(0, bisect_right(begins, over_ms) - 1, len(spans) - limits.GRACE_SPANS_MAX)
    return spans[first:]


class Grace:
    """Counts the grace of one library's trash on one node. Thread-safe; `advance` blocks."""

    def __init__(self, days: int, world: World, path: Path | None) -> None:
        """`path`: where to remember what was counted; None: nowhere."""
        self._grace_ms, self._world, self._path = days * DAY_MS, world, path
        self._lock = threading.Lock()
        self._spans: tuple[Span, ...] | None = None  # not read yet
        self._looked_s: float | None = None

    def advance(self) -> None:
        """Look at the clocks, and remember what that comes to, durably."""
        with self._lock:
            before, spans = self._read(), self._now()
            if before:
                self._tell(before[-1], spans[-1])
            self._spans = needed(spans, self._grace_ms)
            self._looked_s = self._world.clock.monotonic_s()
            if self._path is None:
                return
            try:
                self._world.files.write_durable(self._path, msgspec.json.encode(self._spans))
            except OSError as error:
                # The next start counts from what was remembered before, and so less.
                log.warning("%s cannot be written: %s", self._path, error)

    def is_over(self, since_ms: int) -> bool:
        """Whether the grace of what went into the trash at a moment is over, as of `advance`."""
        with self._lock:
            spans = self._read()
        return bool(spans) and self._left_ms(spans, since_ms) <= 0

    def ends_ms(self, since_ms: int) -> int:
        """Return when it will be over by the wall clock, if that goes evenly from now on."""
        with self._lock:
            spans = self._now()
        return spans[-1].end_ms + self._left_ms(spans, since_ms)

    def _left_ms(self, spans: tuple[Span, ...], since_ms: int) -> int:
        passed_ms = spans[-1].counted_at_end_ms - counted_at(spans, since_ms)
        return self._grace_ms - passed_ms

    def _now(self) -> tuple[Span, ...]:
        clock = self._world.clock
        ran_ms = None
        if self._looked_s is not None:
            ran_ms = round((clock.monotonic_s() - self._looked_s) * 1000)
        return looked(self._read(), clock.now_ms(), ran_ms)

    def _read(self) -> tuple[Span, ...]:
        if self._spans is None:
            self._spans = self._remembered()
        return self._spans

    def _remembered(self) -> tuple[Span, ...]:
        if self._path is None:
            return ()
        try:
            spans = msgspec.json.decode(self._path.read_bytes(), type=tuple[Span, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s cannot be read, the trash counts its days anew: %s", self._path, error)
            return ()
        return spans

    def _tell(self, before: Span, now: Span) -> None:
        step_ms = now.end_ms - before.end_ms
        counted_ms = now.counted_at_end_ms - before.counted_at_end_ms
        if step_ms < 0:
            log.warning("the clock went back by %s; the trash waits", _told(-step_ms))
        elif step_ms != counted_ms:
            # A machine that was off for some days is nothing to worry about.
            is_off = self._looked_s is None and step_ms <= self._grace_ms
            log.log(
                logging.INFO if is_off else logging.WARNING,
                "the clock says that %s passed since the trash was looked at; %s of it count",
                _told(step_ms),
                _told(counted_ms),
            )


def _told(span_ms: int) -> str:
    return f"{span_ms / DAY_MS:,.1f} days"

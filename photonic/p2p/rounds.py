"""When to look at which part of all that is wanted: in rounds, from the most urgent to the last.

Only so much is in view at a time. News (a new photo, a peer) is a reason to look at the beginning
of the list, where it mostly is; when much of what is in view has come, or was refused by everybody,
the round goes on where it stopped, so that everything has its turn. After a round that brought
nothing the next one waits, ever longer, until there are news. Pure: times are monotonic seconds.
"""

from __future__ import annotations

import math

from photonic import limits
from photonic.p2p.planner import BEGINNING, Position


class Rounds:
    """See the module."""

    def __init__(self) -> None:
        self._has_news = self._is_due = True  # at the beginning; anywhere in the list
        self._next: Position | None = None  # where the round goes on; None: it is over
        self._was_beginning = False  # looked at last
        self._pause_s = 0.0  # between two rounds
        self._took_s = 0.0  # the last look
        self._ended_s = self._looked_s = self._free_s = -math.inf
        self._came = 0

    def news(self) -> None:
        """There may be a new want, peer or holder."""
        self._has_news = self._is_due = True
        self._pause_s = 0.0

    def anew(self) -> None:
        """All is to be looked at from the beginning, and at once: somebody wants it otherwise, or
        others can be asked."""
        self.news()
        self._next, self._free_s = None, -math.inf

    def came(self) -> None:
        """Something that was wanted came."""
        self._came += 1

    @property
    def has_news(self) -> bool:
        return self._has_news

    def due(self, now_s: float, in_view: int) -> Position | None:
        """Return from where on to look now; None: not now. `in_view`: wants that are at work."""
        if now_s < self._free_s:
            return None
        is_low = in_view <= limits.WANTS_MAX - limits.WANTS_AT_ONCE
        goes_on = is_low and self._next is not None
        is_news = self._has_news or now_s - self._looked_s >= limits.WANTS_REFRESH_S
        if is_news and not (goes_on and self._was_beginning):  # else news would stop the round
            return BEGINNING
        if goes_on:
            return self._next
        pause_s = limits.WANTS_ROUND_MIN_S if self._is_due else self._pause_s
        is_over = self._next is None and now_s - self._ended_s >= pause_s
        return BEGINNING if is_over and is_low else None

    def begin(self, position: Position) -> None:
        """A look from this position begins; news from now on are news again."""
        self._was_beginning = position == BEGINNING
        if self._was_beginning:
            self._has_news = False

    def looked(
        self,
        position: Position,
        following: Position | None,
        now_s: float,
        took_s: float,
        *,
        was_fruitful: bool = True,
    ) -> None:
        """The wants from `position` to before `following` are known now; None: to the end.

        `was_fruitful`: there is something to do among them.
        """
        goes_on = position != BEGINNING
        # While a large catalog arrives, to ask each time what is new would cost more than it.
        factor = 1 if goes_on and was_fruitful else limits.WANTS_PAUSE_FACTOR
        least_s = 0.0 if goes_on else limits.WANTS_REFRESH_MIN_S
        # One that was slow once, at the start for instance, must not hold up who waits for files.
        usual_s, self._took_s = min(took_s, self._took_s), took_s
        self._free_s = now_s + max(least_s, factor * usual_s)
        if not goes_on:
            self._looked_s = now_s
            if following is None:
                self._end_round(now_s)
            elif self._next is not None:  # the round goes on where it was, or behind what was seen
                self._next = max(self._next, following)
            elif self._is_due or now_s - self._ended_s >= self._pause_s:
                self._is_due, self._next = False, following
        elif following is None:
            self._end_round(now_s)
        else:
            self._next = following

    def missed(self, position: Position) -> None:
        """Wants from here on left the view again, for there was no room."""
        self._next = position if self._next is None else min(self._next, position)

    def failed(self, now_s: float, wait_s: float) -> None:
        """The list could not be had: look again in a while."""
        self._has_news = self._is_due = True
        self._free_s = now_s + wait_s

    def _end_round(self, now_s: float) -> None:
        was_useful, self._came = self._came > 0 or self._is_due, 0
        self._next, self._ended_s = None, now_s
        longer_s = max(limits.WANTS_ROUND_MIN_S, 2 * self._pause_s)
        least_s = limits.WANTS_ROUND_MIN_S
        self._pause_s = least_s if was_useful else min(limits.WANTS_ROUND_MAX_S, longer_s)
        self._is_due = self._has_news

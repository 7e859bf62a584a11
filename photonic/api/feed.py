"""Who listens to the node's events, each through a bounded queue of its own.

A listener that is too slow for its queue is cut, never waited for: it comes back with the last id
that it saw, and gets what it missed or a `Gap`. Ids carry the run they belong to, so that an id
from before a restart is a gap and not a wrong place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress

import trio

from photonic import limits
from photonic.errors import TooManyListeners
from photonic.events import Event, EventLog

_NEVER = 1 << 62  # the number of no event: whoever saw it has missed everything


class Feed:
    """The listeners to one event log. `run` names this run of the node."""

    def __init__(self, events: EventLog, run: str) -> None:
        self._events = events
        self._run = run
        self._listeners: set[Subscription] = set()
        self._is_closed = False

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def event_id(self, number: int) -> str:
        """Return the id under which clients know event `number`."""
        return f"{self._run}.{number}"

    def subscribe(self, seen: str | None) -> Subscription:
        """Begin to listen after the event `seen`, or from now on. Raises TooManyListeners."""
        if len(self._listeners) >= limits.EVENT_SUBSCRIBERS_MAX:
            raise TooManyListeners(f"{len(self._listeners)} clients listen already")
        subscription = Subscription(self, self._events, self._number(seen))
        if self._is_closed:
            subscription.end()
        self._listeners.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> bool:
        """Drop a listener; tell whether it was one."""
        known = subscription in self._listeners
        self._listeners.discard(subscription)
        return known

    def close(self) -> None:
        """End every stream, and each that begins later, so that the server can stop."""
        self._is_closed = True
        for subscription in tuple(self._listeners):
            subscription.end()

    def _number(self, seen: str | None) -> int:
        """Return the number of the event that a client saw last; one of no event is a gap."""
        if not seen:
            return self._events.last_id
        run, _, digits = seen.rpartition(".")
        if run in ("", self._run) and digits.isascii() and digits.isdecimal() and len(digits) < 19:
            return int(digits)
        return _NEVER


class Subscription:
    """One listener. Made on the trio thread; events may be announced on any thread."""

    def __init__(self, feed: Feed, events: EventLog, seen: int) -> None:
        self._feed = feed
        self._token = trio.lowlevel.current_trio_token()
        self._queue: deque[tuple[int, Event]] = deque()
        self._news = trio.Event()
        self._is_over = False
        self.was_too_slow = False
        self.scope = trio.CancelScope()  # around the sending; cancelled when it is too slow
        # Listen first and look back second, so that nothing falls between.
        self._unlisten = events.listen(self._hear)
        self._missed = events.since(seen)
        self.start = seen if seen <= events.last_id else events.last_id

    def _hear(self, number: int, event: Event) -> None:
        if self._is_over:
            return
        if len(self._queue) >= limits.EVENT_QUEUE_MAX:
            self._is_over = self.was_too_slow = True
            self._queue.clear()
        else:
            self._queue.append((number, event))
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._wake, idempotent=True)

    def _wake(self) -> None:
        self._news.set()
        if self.was_too_slow:
            self.scope.cancel()

    def end(self) -> None:
        """Let the stream end after what it is sending now."""
        self._is_over = True
        self._news.set()

    def close(self) -> None:
        """Stop listening; may be repeated."""
        if self._feed.forget(self):
            self._unlisten()

    async def events(self) -> AsyncGenerator[tuple[int, Event], None]:
        """Yield what was missed, then what happens, in order and each once, until the end."""
        last = self.start
        for number, event in self._missed:
            last = number
            yield number, event
        self._missed = []
        while not self._is_over:
            while self._queue and not self._is_over:
                number, event = self._queue.popleft()
                if number > last:
                    last = number
                    yield number, event
            if not self._is_over:
                await self._news.wait()
                self._news = trio.Event()

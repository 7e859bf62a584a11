"""What waits to be said to one peer. Putting something in never waits, so a reader never does.

Two readers that wait for each other's outboxes would stop each other for ever. So a full outbox
drops: pushes soon, answers late. Whatever is dropped, the next round of anti-entropy makes good.
"""

from __future__ import annotations

from collections import deque

import trio

from photonic import limits
from photonic.crdt.retelling import PlainHoldings
from photonic.crdt.sync import Ids, PlainChanges, Update
from photonic.p2p.messages import Message


class Outbox:
    """Messages for one peer: answers, then what this node says, then what it passes on.

    So nobody who floods it delays what is said here. For one event loop.
    """

    def __init__(self) -> None:
        self._answers: deque[Message] = deque()
        self._own: deque[Message] = deque()
        self._passed_on: deque[Message] = deque()
        self._has_some = trio.Event()
        self._bytes = 0
        self._has_dropped = trio.Event()

    @property
    def is_full(self) -> bool:
        """Whether an answer would be dropped, whatever it is."""
        is_long = self._bytes + limits.UPDATE_PART_BYTES_MAX > limits.OUTBOX_BYTES_MAX
        return is_long or len(self._answers) >= limits.OUTBOX_ANSWERS_MAX

    @property
    def waiting(self) -> tuple[int, int]:
        """How many pushes wait, in the longer queue of theirs, and how many answers."""
        return max(len(self._own), len(self._passed_on)), len(self._answers)

    def answer(self, message: Message) -> None:
        """Put in what the peer waits for."""
        size_bytes = _size(message)
        if self.is_full or self._bytes + size_bytes > limits.OUTBOX_BYTES_MAX:
            self.note_dropped()
            return
        self._bytes += size_bytes
        self._answers.append(message)
        self._has_some.set()

    def push(self, message: Message, *, is_own: bool = True) -> None:
        """Put in what the peer does not know of yet; `is_own`: it was said on this node."""
        pushes = self._own if is_own else self._passed_on
        if len(pushes) >= limits.OUTBOX_PUSHES_MAX:
            self.note_dropped()
            return
        pushes.append(message)
        self._has_some.set()

    def note_dropped(self) -> None:
        """Something for the peer is not said: a round of anti-entropy is due."""
        self._has_dropped.set()

    async def wait_dropped(self) -> None:
        """Wait until something was dropped since the last call: then a round is due."""
        await self._has_dropped.wait()
        self._has_dropped = trio.Event()

    async def next(self) -> Message:
        """Take out the next message, waiting for one. For one task at a time."""
        while not (self._answers or self._own or self._passed_on):
            self._has_some = trio.Event()
            await self._has_some.wait()
        if not self._answers:
            return (self._own or self._passed_on).popleft()
        message = self._answers.popleft()
        self._bytes -= _size(message)
        return message

    def clear(self) -> None:
        """Forget everything: the stream it was for is gone."""
        self._answers.clear()
        self._own.clear()
        self._passed_on.clear()
        self._bytes = 0


def _size(message: Message) -> int:
    match message:
        case Update(data=data):
            return len(data)
        case Ids(packed=packed) | PlainHoldings(packed=packed):
            return len(packed)
        case PlainChanges(changes=changes):
            return sum(map(len, changes))
    return 0

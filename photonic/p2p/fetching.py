"""One outgoing blob stream: sends questions, reads answers, has them stored, reports outcomes.

Three tasks: one sends, one reads and lets the machine judge, one has worker threads verify and
write. The reader never waits for the disk: libp2p resets a stream whose reader pauses, and what
may be waiting is bounded by what was asked (`limits.FETCH_WINDOW_BYTES` and one piece more).
Fails with StreamBroken (ended, torn, stalled, given up), FrameInvalid and BlobCorrupt (the peer's
fault); what was not answered then is in `unanswered`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread

from photonic import limits, wire
from photonic.blobs.store import BlobStore
from photonic.errors import BlobCorrupt, PhotonicError, StoreBroken, StreamBroken
from photonic.ids import NodeId
from photonic.p2p.blob_messages import Answer
from photonic.p2p.exchange import (
    Answered,
    Arriving,
    Asker,
    Effect,
    ListCame,
    Refused,
    Wanted,
    WholeCame,
    WholeWanted,
    cost_bytes,
)
from photonic.p2p.rates import Direction
from photonic.p2p.throttle import Throttle
from photonic.p2p.transport import Stream
from photonic.photos import BlobRef


@dataclass(frozen=True, slots=True)
class Began:
    """A chunk list came, and the store has a partial for it."""

    ref: BlobRef
    partial: Arriving


@dataclass(frozen=True, slots=True)
class Stored:
    """Some chunks are verified and written."""

    ref: BlobRef
    indices: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A small blob came as a whole, and is landed soon by the carrier that has it."""

    wanted: WholeWanted
    partial: Arriving


@dataclass(frozen=True, slots=True)
class Unstored:
    """This node could not store what came: its own problem, not the peer's."""

    ref: BlobRef
    problem: PhotonicError


Outcome = Began | Stored | Arrived | Unstored | Refused | Answered


class FetchStream:
    """A stream to one peer and what it is asked. Made before the stream is open."""

    def __init__(
        self,
        node: NodeId,
        store: BlobStore,
        threads: anyio.CapacityLimiter,
        report: Callable[[FetchStream, Sequence[Outcome], float], None],
        stall_s: float,
        throttle: Throttle,
    ) -> None:
        self.node = node
        self.bytes_in = 0
        self.round_trip_s: float | None = None
        self.in_flight_bytes = 0  # asked, and not yet on disk
        self.questions: deque[tuple[Wanted, float]] = deque()  # with the time, oldest first
        self._store, self._threads, self._report, self.stall_s = store, threads, report, stall_s
        self._asker = Asker()
        self._to_ask: deque[Wanted] = deque()
        self._came: list[Effect] = []
        self._has_questions = anyio.Event()
        self._has_effects = anyio.Event()
        self._moved_s = anyio.current_time()
        self._throttle = throttle
        self._is_held_back = False  # the next question waits for a limit of this node
        self._scope = anyio.CancelScope()
        self._error: PhotonicError | None = None
        self._settled_s = self._moved_s
        self._busy_since = (self._moved_s, 0)
        self.is_leaving = False

    def ask(self, wanted: Wanted) -> None:
        """Take a question to send; never waits."""
        now_s = anyio.current_time()
        if not self._to_ask and not self._asker.unanswered():
            self._moved_s = now_s
        if not self.questions:
            self._busy_since = (now_s, self.bytes_in)
        self.questions.append((wanted, now_s))
        self.in_flight_bytes += cost_bytes(wanted)
        self._to_ask.append(wanted)
        self._has_questions.set()

    @property
    def unanswered(self) -> tuple[Wanted, ...]:
        return tuple(wanted for wanted, _ in self.questions)

    @property
    def rate_bytes_s(self) -> float:
        """Return what came per second since the stream was last idle."""
        since_s, before_bytes = self._busy_since
        return (self.bytes_in - before_bytes) / max(anyio.current_time() - since_s, 1e-3)

    def give_up(self, error: PhotonicError) -> None:
        """End the stream: `run` raises the first error that was given."""
        self._error = self._error or error
        self._scope.cancel()

    def leave(self) -> None:
        """End when what was asked is answered."""
        self.is_leaving = True
        if not self.questions:
            self._scope.cancel()

    async def run(self, stream: Stream) -> None:
        """Drive `stream` until it ends, fails, or was idle for a while. Closes it."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for step in (self._send, self._read, self._keep):
                        tasks.start_soon(self._guarded, step, stream)
        finally:
            with anyio.CancelScope(shield=True):
                await stream.close()
                if not isinstance(self._error, BlobCorrupt):
                    await self._store_what_came()  # else it would have to come again
        if self._error is not None:
            raise self._error

    async def _guarded(self, step: Callable[[Stream], Awaitable[None]], stream: Stream) -> None:
        """Run one of the tasks; its end is the end of all of them."""
        try:
            await step(stream)
            self._scope.cancel()
        except PhotonicError as error:
            self.give_up(error)

    async def _send(self, stream: Stream) -> None:
        while True:
            await self._has_questions.wait()
            self._has_questions = anyio.Event()
            while self._to_ask and self._asker.can_ask:
                frames: list[bytes] = []
                while self._to_ask and self._asker.can_ask:
                    if not await self._may_ask(self._to_ask[0], has_more=bool(frames)):
                        break
                    frames.append(wire.frame(wire.encode(self._asker.ask(self._to_ask.popleft()))))
                await stream.send(b"".join(frames))

    async def _may_ask(self, wanted: Wanted, *, has_more: bool) -> bool:
        """Wait until the answer to a question may come; False if what is ready should go first.

        The limit is on asking: a reader that pauses would have its stream reset, see above.
        """
        if self._throttle.rate(Direction.IN, self.node) is None:
            return True
        if has_more:
            return False
        self._is_held_back = True
        try:
            await self._throttle.take(self.node, Direction.IN, cost_bytes(wanted))
        finally:
            self._is_held_back = False
        if not self._asker.unanswered():
            self._moved_s = anyio.current_time()  # the peer owed nothing meanwhile
        return True

    def _is_owed(self) -> bool:
        """Whether the peer, and not a limit of this node, is what is waited for."""
        is_unasked = bool(self._to_ask) and not self._is_held_back
        return is_unasked or bool(self._asker.unanswered())

    async def _read(self, stream: Stream) -> None:
        reader = wire.FrameReader()
        while True:
            data: bytes | None = None
            moved_s = self._moved_s
            is_owed = self._is_owed()
            deadline_s = moved_s + (self.stall_s if is_owed else limits.STREAM_IDLE_S)
            with anyio.CancelScope(deadline=deadline_s):
                data = await stream.receive(limits.READ_BYTES)
            if data is None:
                is_owed = is_owed and self._is_owed()
                if is_owed and self._moved_s == moved_s:
                    raise StreamBroken(f"a peer owed an answer and was silent {self.stall_s:g} s")
                if not self.questions:
                    return
                if not is_owed:
                    self._moved_s = anyio.current_time()  # our own disk is slow: no fault of theirs
                continue
            if not data:
                raise StreamBroken("a peer ended a blob stream")
            self._moved_s = anyio.current_time()
            self.bytes_in += len(data)
            for body in reader.feed(data):
                answer: Answer = wire.decode(body, Answer)  # type: ignore[arg-type]
                self._came.extend(self._asker.handle(answer))
            if self._came:
                self._has_effects.set()
            if self._to_ask:
                self._has_questions.set()

    async def _keep(self, _stream: Stream) -> None:
        """Store what came, in batches; wait for the disk here and nowhere else."""
        while True:
            await self._has_effects.wait()
            self._has_effects = anyio.Event()
            with anyio.CancelScope(shield=True):  # what is written must be counted as written
                await self._store_what_came()
            if self._error is not None:
                return

    async def _store_what_came(self) -> None:
        while self._came and not isinstance(self._error, BlobCorrupt):
            batch, self._came = self._came, []
            outcomes, error = await anyio.to_thread.run_sync(
                store_effects, self._store, batch, limiter=self._threads
            )
            self._settle(outcomes)
            if error is not None:
                self.give_up(error)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take answered questions off the account, then report."""
        now_s = anyio.current_time()
        begun_s = max(self._settled_s, self.questions[0][1]) if self.questions else now_s
        for outcome in outcomes:
            if isinstance(outcome, Answered | Refused):
                wanted, _ = self.questions.popleft()
                assert wanted is outcome.wanted, "answers come in the order of the questions"
                self.in_flight_bytes -= cost_bytes(wanted)
        self._settled_s = now_s
        self._report(self, outcomes, now_s - begun_s)
        if self.is_leaving:
            self.leave()


def store_effects(
    store: BlobStore, effects: Sequence[Effect]
) -> tuple[list[Outcome], PhotonicError | None]:
    """Store what came, in a worker thread; stop at the first bytes that are wrong.

    Returns what was done, and the error for which the peer is to blame, if there was one. A full
    or broken disk is an outcome, for the stream is well.
    """
    outcomes: list[Outcome] = []
    for effect in effects:
        if isinstance(effect, Answered | Refused):
            outcomes.append(effect)
            continue
        try:
            partial = store.begin(effect.ref, effect.chunks)
            if isinstance(effect, ListCame):
                outcomes.append(Began(effect.ref, partial))
            elif isinstance(effect, WholeCame):
                outcomes.append(Began(effect.ref, partial))
                for index, data in effect.pieces():
                    partial.write(index, data)
                    outcomes.append(Stored(effect.ref, (index,), len(data)))
            else:
                partial.write(effect.index, effect.data)
                outcomes.append(Stored(effect.ref, (effect.index,), len(effect.data)))
        except BlobCorrupt as error:
            return outcomes, error
        except PhotonicError as problem:
            outcomes.append(Unstored(effect.ref, problem))
        except OSError as problem:
            outcomes.append(Unstored(effect.ref, StoreBroken(str(problem))))
    return outcomes, None

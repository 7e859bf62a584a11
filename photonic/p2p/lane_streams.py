"""One lane as the engine sees it: what it is asked, and what the carrier tells of it.

Has the face of `fetching.FetchStream`, and reports the same outcomes; but the bytes never come
here, and what is stored is the carrier's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

import trio

from photonic.blobs.chunks import ChunkList
from photonic.errors import FrameInvalid, PhotonicError, StoreBroken, StoreFull, StreamBroken
from photonic.ids import NodeId
from photonic.p2p import lane_messages as said
from photonic.p2p.exchange import (
    Answered,
    ChunksWanted,
    Refused,
    Wanted,
    WholeWanted,
    cost_bytes,
)
from photonic.p2p.fetching import Arrived, Began, Outcome, Stored, Unstored
from photonic.photos import BlobRef


class CarriedPartial:
    """A blob on its way into the carrier's store: what is known of it here."""

    def __init__(self, ref: BlobRef, chunks: ChunkList, missing: Sequence[int]) -> None:
        self.ref, self.chunks, self._missing = ref, chunks, tuple(missing)

    def missing(self) -> tuple[int, ...]:
        """Return the chunks that were missing when the carrier began with it."""
        return self._missing


class LaneStream:
    """See the module. Made before the lane is open; used on the event loop's thread."""

    def __init__(
        self,
        node: NodeId,
        order: Callable[[said.Order], None],
        carry: Callable[[LaneStream], Awaitable[None]],
        report: Callable[[LaneStream, Sequence[Outcome], float], None],
    ) -> None:
        """`carry` opens a lane for it and waits for its end; `order` tells the carrier."""
        self.node = node
        self.number = 0  # of the lane, while there is one
        self.bytes_in = 0
        self.in_flight_bytes = 0  # asked, and not yet on disk
        self.round_trip_s: float | None = None  # None until it is open, 0.0 if nobody knows
        self.questions: deque[tuple[Wanted, float]] = deque()  # with the time, oldest first
        self.reason = ""  # why it ended
        self.is_leaving = False
        self._order, self._carry, self._report = order, carry, report
        self._to_ask: list[tuple[int, Wanted]] = []
        self._asked: dict[int, Wanted] = {}
        self._listed: set[bytes] = set()  # blobs whose chunk list the carrier has from here
        self._unstored: set[bytes] = set()  # came, and there was no room for it
        self._numbers = 0
        self._has_questions, self._is_open, self._has_ended = (trio.Event() for _ in range(3))
        self._error: PhotonicError | None = None
        self._settled_s = trio.current_time()
        self._busy_since = (self._settled_s, 0)

    def ask(self, wanted: Wanted) -> None:
        """Take a question to send; never waits."""
        now_s = trio.current_time()
        if not self.questions:
            self._busy_since = (now_s, self.bytes_in)
        self._numbers += 1
        self.questions.append((wanted, now_s))
        self.in_flight_bytes += cost_bytes(wanted)
        self._to_ask.append((self._numbers, wanted))
        self._asked[self._numbers] = wanted
        self._has_questions.set()

    @property
    def unanswered(self) -> tuple[Wanted, ...]:
        return tuple(wanted for wanted, _ in self.questions)

    @property
    def rate_bytes_s(self) -> float:
        """Return what came per second since the lane was last idle."""
        since_s, before_bytes = self._busy_since
        return (self.bytes_in - before_bytes) / max(trio.current_time() - since_s, 1e-3)

    def give_up(self, error: PhotonicError) -> None:
        """End the lane: `run` raises the first error that was given."""
        self.end(error)

    def leave(self) -> None:
        """End when what was asked is answered."""
        self.is_leaving = True
        if not self.questions:
            self.end(None)

    async def run(self) -> None:
        """Open a lane and use it until it ends, fails, or was idle for a while.

        Raises PeerUnreachable, StreamBroken, FrameInvalid.
        """
        failure: PhotonicError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_questions)
            try:
                await self._carry(self)
            except PhotonicError as error:  # raised behind the nursery, which would wrap it
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _send_questions(self) -> None:
        await self._is_open.wait()
        while True:
            await self._has_questions.wait()
            self._has_questions = trio.Event()
            some, self._to_ask = self._to_ask, []
            questions = tuple(self._question(number, wanted) for number, wanted in some)
            self._order(said.Ask(self.number, questions))

    def _question(self, number: int, wanted: Wanted) -> said.Question:
        ref = wanted.ref
        if not isinstance(wanted, ChunksWanted):
            return said.Question(number, ref.blob, ref.size_bytes, ref.chunks)
        listed = b"" if ref.blob in self._listed else wanted.chunks.encoded
        self._listed.add(ref.blob)
        return said.Question(number, ref.blob, ref.size_bytes, ref.chunks, listed, wanted.indices)

    # --- what the carrier tells --------------------------------------------------------------

    def note_open(self, round_trip_s: float) -> None:
        self.round_trip_s = round_trip_s
        self._is_open.set()

    def note_end(self, report: said.Ended) -> None:
        error: PhotonicError | None = None
        if report.is_lie:
            error = FrameInvalid(report.reason)
        elif report.reason:
            error = StreamBroken(report.reason)
        self.reason = report.reason
        self.end(error)

    def end(self, error: PhotonicError | None) -> None:
        self._error = self._error or error
        self._has_ended.set()

    async def wait_open(self) -> bool:
        """Wait until the lane stands; False if it does not come to that, and it may try again."""
        async with trio.open_nursery() as nursery:

            async def watch_end() -> None:
                await self._has_ended.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch_end)
            await self._is_open.wait()
            nursery.cancel_scope.cancel()
        if self._is_open.is_set():
            return True
        self._has_ended, self._error = trio.Event(), None
        return False

    async def has_ended(self) -> None:
        """Wait for the lane's end."""
        await self._has_ended.wait()

    async def wait_end(self) -> None:
        """Wait for the lane's end. Raises what ended it before its time."""
        await self._has_ended.wait()
        if self._error is not None:
            raise self._error

    def note(self, came: said.Came) -> None:
        """Take in what happened on the lane."""
        now_s = trio.current_time()
        begun_s = max(self._settled_s, self.questions[0][1]) if self.questions else now_s
        self.bytes_in += came.bytes_in
        outcomes = [outcome for event in came.events for outcome in self._outcomes(event)]
        self._settled_s = now_s
        self._report(self, outcomes, now_s - begun_s)
        if self.is_leaving:
            self.leave()

    def _outcomes(self, event: said.Event) -> Iterator[Outcome]:
        match event:
            case said.Answered(number) if number in self._asked:
                wanted = self._take_off(number)
                is_lost = wanted.ref.blob in self._unstored
                self._unstored.discard(wanted.ref.blob)
                if isinstance(wanted, WholeWanted) and not is_lost:
                    yield Arrived(wanted, CarriedPartial(wanted.ref, ChunkList(()), ()))
                else:
                    yield Answered(wanted)
            case said.Refused(number, is_busy) if number in self._asked:
                yield Refused(self._take_off(number), is_busy)
            case said.Begun(blob, chunks, missing):
                for ref in self._refs(blob):
                    yield Began(ref, CarriedPartial(ref, ChunkList.decode(chunks), missing))
            case said.Stored(blob, indices):
                for wanted, _ in self.questions:
                    if wanted.ref.blob == blob and isinstance(wanted, ChunksWanted):
                        listed = wanted.chunks.chunks
                        size_bytes = sum(listed[index].size_bytes for index in indices)
                        yield Stored(wanted.ref, indices, size_bytes)
                        return
            case said.Unstored(blob, fault):
                for ref in self._refs(blob):
                    self._unstored.add(blob)
                    yield Unstored(ref, problem_of(fault))

    def _refs(self, blob: bytes) -> list[BlobRef]:
        """Return how a blob was asked for; nothing if it was not."""
        return [wanted.ref for wanted, _ in self.questions if wanted.ref.blob == blob][:1]

    def _take_off(self, number: int) -> Wanted:
        """Take an answered question off the account: nearly always the oldest."""
        wanted = self._asked.pop(number)
        self.in_flight_bytes -= cost_bytes(wanted)
        if self.questions[0][0] is wanted:
            self.questions.popleft()
        else:
            self.questions = deque(asked for asked in self.questions if asked[0] is not wanted)
        return wanted


def problem_of(fault: said.Fault) -> PhotonicError:
    """Return what keeps the carrier from storing, as the error that it is."""
    if fault.need_bytes is None:
        return StoreBroken(fault.message)
    return StoreFull(fault.message, fault.need_bytes, fault.free_bytes)

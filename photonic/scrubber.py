"""Looks after what is stored: verifies it on a schedule and on demand, has damage repaired.

What is damaged lies aside in the store, whichever process found it, so looking there is enough: a
blob that is new among the damaged is withdrawn in the catalog, that nobody counts on it, and told;
the ordinary transfers fetch what is wrong of it; one that is held again was repaired. Nothing is
remembered that a restart would need: when each blob was verified, the ledger knows.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from photonic import limits
from photonic.blobs.scrub import (
    Rates,
    Retries,
    Tempo,
    calendar,
    due,
    finished_ms,
    horizons,
    pause_s,
)
from photonic.blobs.store import Held, Soundness, Verdict, Verifiable
from photonic.blobs.verify import Pace
from photonic.errors import BlobDamaged, PhotonicError
from photonic.events import (
    BlobChecked,
    Event,
    ImportProgress,
    ScrubChanged,
    SubjectsChanged,
    TransferProgress,
)
from photonic.ids import BlobId
from photonic.problems import Problems
from photonic.showing import iso_utc
from photonic.verify_views import DueView, ScrubCalendarView, ScrubView
from photonic.world import World

log = logging.getLogger(__name__)
T = TypeVar("T")

_DAY_MS = 24 * 3_600 * 1_000


class Stored(Verifiable, Protocol):
    """What is asked of the store. Blocking."""

    def held(self, blob: BlobId) -> Held | None: ...


@dataclass(slots=True)
class ScrubCounters:
    """What the metrics show; they only grow."""

    blobs_verified: int = 0
    bytes_verified: int = 0
    blobs_damaged: int = 0  # wrong bytes, or no file
    blobs_mended: int = 0  # without a peer
    blobs_repaired: int = 0  # damaged before, and held again
    reads_failed: int = 0  # the disk gave an error


class Work(Protocol):
    """A verification that somebody asked for."""

    def pieces(self) -> AsyncGenerator[Sequence[BlobId], None]:
        """Yield the blobs to verify, in bounded pieces."""
        ...

    def note(self, verdicts: Sequence[Verdict]) -> None: ...

    def ended(self, error: Exception | None) -> None: ...


class Scrubber:
    """One node's. `run` owns its work; the other methods neither block nor wait."""

    def __init__(
        self,
        store: Stored,
        world: World,
        problems: Problems,
        announce: Callable[[Event], object],
        withdraw: Callable[[Sequence[BlobId]], Awaitable[None]],
        moved_bytes: Callable[[], int],
        paused_file: Path,
        *,
        days: int = limits.SCRUB_DAYS_DEFAULT,
        mb_s: int = limits.SCRUB_MB_S_DEFAULT,
    ) -> None:
        """`withdraw` says in the catalog that blobs are not held here any more, durably.

        `moved_bytes` only grows while somebody transfers. `paused_file` is there while it is
        paused. `days` is the period, 0 for none.
        """
        self.counters = ScrubCounters()
        self._store, self._world, self._problems = store, world, problems
        self._announce, self._withdraw, self._moved_bytes = announce, withdraw, moved_bytes
        self._paused_file, self._days = paused_file, days
        self._rates, self._tempo, self._retries = Rates.of(mb_s), Tempo(), Retries()
        self._pace: Pace = _Steps(self._wait, self.counters)
        self._even_pace: Pace = _Steps(self._wait_evenly, self.counters)
        self._period_ms = days * _DAY_MS
        self._orders: deque[Work] = deque()
        self._asked: deque[Work] = deque()  # by other nodes, which wait for it with a bound
        self._news = trio.Event()
        self._damaged: set[BlobId] = set()  # told
        self._what: dict[BlobId, str] = {}
        self._stirred_s, self._moved = float("-inf"), 0
        self._overdue: tuple[float, ScrubView] | None = None
        self.is_paused = paused_file.exists()

    # --- what people do ----------------------------------------------------------------------

    async def pause(self, is_paused: bool) -> ScrubView:
        """Hold the schedule, or let it go on; kept over restarts. Work on demand is done still."""
        if is_paused:
            write = partial(self._world.files.write_durable, self._paused_file, b"")
            await trio.to_thread.run_sync(write)
        else:
            await trio.to_thread.run_sync(self._world.files.remove, self._paused_file)
        self.is_paused = is_paused
        self._news.set()
        self._announce(ScrubChanged(is_paused))
        return await self.view()

    def order(self, work: Work, *, is_hurried: bool = True) -> None:
        """Verify this before the schedule goes on; the caller bounds how many wait.

        As fast as the disk gives it, or, for others, at the rate of the schedule; and these come
        between the pieces of what people here ordered, which may take hours.
        """
        (self._orders if is_hurried else self._asked).append(work)
        self._news.set()

    def hear(self, event: Event) -> None:
        """Listen to the node: while people work and files move, reading is slowed down."""
        match event:
            case SubjectsChanged(origin=None) | TransferProgress() | ImportProgress(finished=False):
                self._stirred_s = self._world.clock.monotonic_s()

    @property
    def damaged(self) -> frozenset[BlobId]:
        """The blobs that wait for their repair."""
        return frozenset(self._damaged)

    async def view(self) -> ScrubView:
        """Return how it stands; what is counted in the ledger may be some seconds old.

        But never that nothing is stored: an empty ledger is looked at again each time.
        """
        now_s, now_ms = self._world.clock.monotonic_s(), self._world.clock.now_ms()
        known, fresh_s = self._overdue, now_s - limits.SCRUB_IDLE_S
        if known is None or known[0] < fresh_s or known[1].oldest is None:
            before_ms = now_ms - self._period_ms if self._days else 0
            backlog = await _in_thread(lambda: self._store.overdue(before_ms))
            oldest = await _in_thread(lambda: self._store.oldest(1, now_ms))
            at = iso_utc(oldest[0].verified_at_ms) if oldest else None
            counted = (backlog.blobs, backlog.size_bytes, at)
            known = self._overdue = (now_s, self._view(*counted))
        view = known[1]
        return self._view(view.overdue, view.overdue_bytes, view.oldest)

    async def calendar(self) -> ScrubCalendarView:
        """Forecast the regular verification. Counts the ledger some times over: not each second."""
        now_ms, rate = self._world.clock.now_ms(), self._rates.quiet_bytes_s
        ends_ms = horizons(now_ms, self._period_ms) if self._days else []
        befores = [end_ms - self._period_ms + 1 for end_ms in ends_ms]
        overdue = await _in_thread(lambda: [self._store.overdue(one) for one in befores])
        parts = calendar(ends_ms, overdue) if ends_ms else []
        is_going_on = bool(self._days) and not self.is_paused
        return ScrubCalendarView(
            days=self._days,
            mb_s=rate / 1e6,
            parts=[
                DueView(iso_utc(one.begin_ms), iso_utc(one.end_ms), one.blobs, one.size_bytes)
                for one in parts
            ],
            all_by=iso_utc(finished_ms(parts, now_ms, rate)) if parts and is_going_on else None,
        )

    def age_days(self, view: ScrubView) -> float | None:
        """Return how many days ago the oldest verification was; None if nothing is stored."""
        if view.oldest is None:
            return None
        at_ms = datetime.fromisoformat(view.oldest).timestamp() * 1_000
        return max(0.0, (self._world.clock.now_ms() - at_ms) / _DAY_MS)

    def _view(self, overdue: int, overdue_bytes: int, oldest: str | None) -> ScrubView:
        counters = self.counters
        return ScrubView(
            days=self._days,
            paused=self.is_paused,
            overdue=overdue,
            overdue_bytes=overdue_bytes,
            oldest=oldest,
            verified=counters.blobs_verified,
            verified_bytes=counters.bytes_verified,
            damaged=len(self._damaged),
            unreadable=len(self._retries),
            repaired=counters.blobs_repaired,
        )

    # --- the work ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Look after the store until cancelled."""
        while True:
            self._news = trio.Event()
            await self._look_for_damage()
            if await self.obey():
                continue
            wait_s = await self._scrub_some()
            with trio.move_on_after(min(wait_s, self._patience_s)):
                await self._news.wait()

    @property
    def _patience_s(self) -> float:
        return limits.SCRUB_REPAIR_S if self._damaged else limits.SCRUB_IDLE_S

    async def obey(self) -> bool:
        """Verify what somebody waits for; False if nobody does."""
        if not self._orders and not self._asked:
            return False
        if self._asked:
            await self._do(self._asked.popleft(), self._even_pace)
        else:
            await self._do(self._orders.popleft(), self._check_cancelled)
        return True

    async def _do(self, work: Work, pace: Pace) -> None:
        error: Exception | None = None
        try:
            async with aclosing(work.pieces()) as pieces:  # one that is cancelled stops early
                async for piece in pieces:
                    verify = partial(self._store.verify_many, piece, pace)
                    verdicts = await _in_thread(verify)
                    self._judge(verdicts)
                    await self._look_for_damage()
                    work.note(verdicts)
                    while self._asked and pace is not self._even_pace:
                        await self._do(self._asked.popleft(), self._even_pace)
        except PhotonicError as problem:
            error = problem
        except Exception as problem:
            log.exception("a verification failed")  # and whoever waits for it must hear of it
            error = problem
        work.ended(error)

    def _check_cancelled(self, size_bytes: int) -> None:
        trio.from_thread.check_cancelled()
        self.counters.bytes_verified += size_bytes

    async def _scrub_some(self) -> float:
        """Verify the next batch that is due; return how long nothing will be."""
        if self.is_paused:
            return limits.SCRUB_IDLE_S
        clock, many = self._world.clock, limits.SCRUB_BATCH_BLOBS + limits.SCRUB_UNREADABLE_MAX
        for blob in self._retries.due(clock.monotonic_s()):
            await self._scrub([blob], gives_up=self._retries.is_last_try(blob))
        if not self._days:
            return limits.SCRUB_IDLE_S
        oldest = await _in_thread(lambda: self._store.oldest(many, clock.now_ms()))
        batch = due(oldest, clock.now_ms(), self._period_ms, self._retries)
        if not batch:
            return pause_s(oldest, clock.now_ms(), self._period_ms)
        await self._scrub(batch)
        return 0.0

    async def _scrub(self, batch: Sequence[BlobId], *, gives_up: bool = False) -> None:
        verify = partial(self._store.verify_many, batch, self._pace, gives_up=gives_up)
        # Interrupted, what was verified is in the ledger, and what was damaged lies aside.
        with suppress(_Interrupted):
            self._judge(await _in_thread(verify))

    async def _wait(self, size_bytes: int) -> None:
        """Wait until so much may be read. Raises _Interrupted if something else is to be done."""
        clock = self._world.clock
        if self.is_paused or self._orders or self._asked:
            raise _Interrupted
        moved, self._moved = self._moved, self._moved_bytes()
        if self._moved != moved:
            self._stirred_s = clock.monotonic_s()
        is_busy = clock.monotonic_s() - self._stirred_s < limits.SCRUB_QUIET_S
        rate = self._rates.now(is_busy=is_busy)
        await trio.sleep(self._tempo.take(size_bytes, clock.monotonic_s(), rate))

    async def _wait_evenly(self, size_bytes: int) -> None:
        """Wait until so much may be read for others, who wait, too."""
        rate = self._rates.now(is_busy=False)
        await trio.sleep(self._tempo.take(size_bytes, self._world.clock.monotonic_s(), rate))

    # --- what was found ----------------------------------------------------------------------

    def _judge(self, verdicts: Sequence[Verdict]) -> None:
        """Count and tell what was found; what is damaged, `_look_for_damage` sees."""
        now_s = self._world.clock.monotonic_s()
        for verdict in verdicts:
            blob, counters = verdict.blob, self.counters
            counters.blobs_verified += verdict.soundness is not Soundness.ABSENT
            if verdict.soundness is Soundness.UNREADABLE:
                counters.reads_failed += 1
                self._retries.failed(blob, now_s)
                assert verdict.error is not None
                self._problems.add(verdict.error, blob.hex())
                self._announce(BlobChecked(blob, verdict.soundness.value, verdict.what))
                continue
            if self._retries.settled(blob):
                self._problems.clear(blob.hex())
            if verdict.soundness is Soundness.MENDED:
                counters.blobs_damaged += 1
                counters.blobs_mended += 1
                log.warning("%s was damaged, and is mended: %s", blob.hex(), verdict.what)
                self._announce(BlobChecked(blob, verdict.soundness.value, verdict.what))
            elif verdict.held is None and verdict.what:
                self._what[blob] = verdict.what

    async def _look_for_damage(self) -> None:
        """Withdraw and tell what is damaged, and tell what was repaired."""
        damaged = {one.blob for one in await _in_thread(self._store.damaged)}
        fresh = sorted(damaged - self._damaged)
        for start in range(0, len(fresh), limits.SCRUB_BATCH_BLOBS):
            some = fresh[start : start + limits.SCRUB_BATCH_BLOBS]
            await self._withdraw(some)  # first: what is told to people is true for peers by then
            for blob in some:
                self._tell_damaged(blob)
        for blob in sorted(self._damaged - damaged):
            await self._tell_repaired(blob)

    def _tell_damaged(self, blob: BlobId) -> None:
        what = self._what.pop(blob, "it was found while it was used, or by an earlier run")
        self._damaged.add(blob)
        self.counters.blobs_damaged += 1
        self._problems.add(BlobDamaged(blob, what), blob.hex())
        self._announce(BlobChecked(blob, Soundness.DAMAGED.value, what))

    async def _tell_repaired(self, blob: BlobId) -> None:
        self._damaged.discard(blob)
        self._problems.clear(blob.hex())
        if await _in_thread(lambda: self._store.held(blob)) is None:
            return  # nobody wants it any more
        self.counters.blobs_repaired += 1
        log.warning("%s is repaired", blob.hex())
        self._announce(BlobChecked(blob, "repaired", ""))


class _Interrupted(Exception):
    """Something comes before the rest of a batch."""


class _Steps:
    """The pace of a worker thread: asks the event loop once for many small reads."""

    def __init__(self, wait: Callable[[int], Awaitable[None]], counters: ScrubCounters) -> None:
        self._wait, self._counters, self._read_bytes = wait, counters, 0

    def __call__(self, size_bytes: int) -> None:
        self._counters.bytes_verified += size_bytes
        self._read_bytes += size_bytes
        if self._read_bytes >= limits.SCRUB_STEP_BYTES:
            read_bytes, self._read_bytes = self._read_bytes, 0
            trio.from_thread.run(self._wait, read_bytes)


async def _in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work)

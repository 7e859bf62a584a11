"""The engine that fetches wanted blobs from whoever holds them, and serves what is held.

It decides nothing: what is wanted comes from `Wants`, who is asked for what from the planner, what
may be stored from the store's door, and what a peer may send from the exchange. Here are the tasks,
the streams, the retries and the numbers for the status. One task plans; each stream has its own
tasks; disk and hashing run in worker threads of an own limiter. All of it ends with `run`.

A failed or silent stream gives back what it was asked, which then goes to another holder; at most
the one chunk that was on its way in that stream comes twice. A full disk pauses fetching, shows as
a problem, and ends by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from photonic import limits
from photonic.blobs.store import BlobStore, Held, Partial
from photonic.errors import BlobCorrupt, PhotonicError, StoreBroken, StoreFull, StreamBroken
from photonic.events import Event, ProblemsChanged, TransferProgress
from photonic.ids import BlobId, NodeId
from photonic.p2p import lane_messages as said
from photonic.p2p.exchange import Answered, Refused, Wanted, cost_bytes
from photonic.p2p.fetching import Began, FetchStream, Outcome, Stored, Unstored
from photonic.p2p.holders import Counters, Fetching, Holders, Width
from photonic.p2p.jobs import Job, Jobs, TransferView
from photonic.p2p.landing import Landing, Outcomes
from photonic.p2p.lane_streams import CarriedPartial, LaneStream, problem_of
from photonic.p2p.lanes import Lanes
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.planner import Score
from photonic.p2p.rates import Direction
from photonic.p2p.serving import BlobServer
from photonic.p2p.throttle import Throttle
from photonic.p2p.transport import Stream, Transport
from photonic.p2p.wanting import Wants, look_up
from photonic.photos import BlobRef
from photonic.world import World

log = logging.getLogger(__name__)

LANES_WIDE = Width(limits.LANES_PER_PEER_MAX, limits.LANE_WINDOW_BYTES)


@dataclass(frozen=True, slots=True)
class Pace:
    """The engine's waits, which tests shorten."""

    stall_s: float = limits.FETCH_STALL_S
    tick_s: float = limits.TRANSFER_TICK_S
    disk_recheck_s: float = limits.DISK_RECHECK_S


class Transfers:
    """Fetches and serves blobs for one library. `run` owns all tasks; see the module."""

    def __init__(
        self,
        transport: Transport,
        store: BlobStore,
        wants: Wants,
        world: World,
        announce: Callable[[Event], object],
        pace: Pace = Pace(),
        lanes: Lanes | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """Blobs come over `lanes`; over the transport's streams if there are None."""
        self.counters = Counters()
        self._transport, self._store, self._wants = transport, store, wants
        self._world, self._announce, self._pace = world, announce, pace
        self._threads = anyio.CapacityLimiter(limits.TRANSFER_THREADS_MAX)
        serving = anyio.CapacityLimiter(limits.TRANSFER_THREADS_MAX)
        self.throttle = throttle or Throttle(world.clock)
        self._server = BlobServer(store, serving, self.counters, self.throttle)
        self._landing = Landing(store, self._threads, self._landed)
        self._jobs = Jobs()
        self._lanes = lanes
        self._carried: list[said.Fate] = []  # what the carrier did with whole blobs
        self._holders = Holders(
            transport, world.entropy, self.counters, self._new_stream, self._drive, self._returned,
            self.throttle, Width() if lanes is None else LANES_WIDE,
        )  # fmt: skip
        self._news = anyio.Event()
        self._asking_s = 0.0  # what the last question for wants took
        self._is_stale = True  # the wants may have changed
        self._refreshed_s = -limits.WANTS_REFRESH_S
        self._was_cut_off = False  # the last list of wants was as long as it may be
        self._problem: PhotonicError | None = None
        self._catalog_problem: PhotonicError | None = None  # it cannot be asked or told
        self._ask_again_s = 0.0  # the catalog is left alone until then
        self._recheck_s: float | None = None  # no room on the disk; looked at again then

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Fetch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._holders.run)
            tasks.start_soon(self._landing.run)
            tasks.start_soon(self._landing.run)  # a big file's fsync holds up no small ones
            task_status.started()
            while True:
                tick_s = limits.WANTS_REFRESH_MIN_S if self._is_stale else self._pace.tick_s
                with anyio.move_on_after(tick_s):
                    await self._news.wait()
                self._news = anyio.Event()
                await self._refresh()
                await self._look_at_disk()
                self._holders.leave_slow_streams(self._jobs)
                await self._note_carried()
                if self._recheck_s is None and (self._lanes is None or self._lanes.is_ready):
                    await self._hand_out()

    async def _hand_out(self) -> None:
        """Ask peers for what is to be asked, and then not at once again.

        Each arrival is a reason to plan; what arrives meanwhile is planned together.
        """
        began_s = anyio.current_time()
        self._holders.hand_out(self._jobs)
        await anyio.sleep(limits.PLAN_PAUSE_FACTOR * (anyio.current_time() - began_s))

    def wake(self) -> None:
        """Look again: there may be a new want, peer or holder. Never waits."""
        self._is_stale = True
        self._news.set()

    async def serve(self, stream: Stream) -> None:
        """Answer one blob stream of a peer: the handler of `BLOB_PROTOCOL`."""
        await self._server.serve(stream)

    def snapshot(self, limit: int = limits.WANTS_MAX) -> tuple[TransferView, ...]:
        """Return the transfers, most urgent first."""
        now_s = anyio.current_time()
        return tuple(job.view(now_s) for job in islice(self._jobs, limit))

    @property
    def count(self) -> int:
        """How many transfers there are."""
        return len(self._jobs)

    @property
    def problem(self) -> PhotonicError | None:
        """What keeps this node from storing what it fetches, if anything does."""
        return self._problem

    def scores(self) -> dict[NodeId, Score]:
        """Return what is thought of each peer that was asked."""
        return self._holders.scores()

    # --- what is wanted ----------------------------------------------------------------------

    async def _refresh(self) -> None:
        now_s = anyio.current_time()
        age_s = now_s - self._refreshed_s
        is_low = self._was_cut_off and len(self._jobs) < limits.WANTS_MAX // 2
        is_due = self._is_stale or is_low or age_s >= limits.WANTS_REFRESH_S
        # While a large catalog arrives, to ask each time what is new would cost more than it.
        pause_s = max(limits.WANTS_REFRESH_MIN_S, limits.WANTS_PAUSE_FACTOR * self._asking_s)
        if not is_due or age_s < pause_s:
            return
        if now_s < self._ask_again_s:
            return
        self._is_stale, self._refreshed_s = False, now_s
        try:
            wants = await self._wants.wanted(limits.WANTS_MAX, self._transport.connected())
            self._asking_s = anyio.current_time() - now_s
        except Exception as error:  # noqa: BLE001 - what is asked for already is fetched meanwhile
            self._catalog_failed(error)
            return
        self._was_cut_off = len(wants) >= limits.WANTS_MAX
        new = [want.ref for want in wants if self._jobs.get(want.ref.blob) is None]
        held, looked_up = await anyio.to_thread.run_sync(
            look_up, self._store, new, self._lanes is None, limiter=self._threads
        )
        if await self._tell_arrived(held):
            self._catalog_problem = None
            self._settle_problem()
        for job in self._jobs.update(wants, looked_up):
            if job.is_complete:
                self._land(job)

    async def _tell_arrived(self, refs: Sequence[BlobRef]) -> bool:
        """Tell the catalog what is held; False if it refused, for the time being."""
        try:
            if refs:
                await self._wants.arrived(refs)
        except Exception as error:  # noqa: BLE001 - what is stored is safe, and told again
            self._catalog_failed(error)
            return False
        return True

    def _catalog_failed(self, error: Exception) -> None:
        """Ask again in a while: what could not be told is found in the store and told then."""
        problem = PhotonicError(f"the catalog failed: {error!r}")
        if isinstance(error, PhotonicError):
            problem = error
        now_s = anyio.current_time()
        self._is_stale, self._ask_again_s = True, now_s + self._pace.disk_recheck_s
        self._catalog_problem = problem
        self._block(None, problem, now_s)

    # --- what became of it -------------------------------------------------------------------

    def _new_stream(self, node: NodeId) -> Fetching:
        if self._lanes is not None:
            return LaneStream(node, self._lanes.order, self._lanes.carry, self._report)
        return FetchStream(
            node, self._store, self._threads, self._report, self._pace.stall_s, self.throttle
        )

    async def _drive(self, fetch: Fetching) -> None:
        """Use what `_new_stream` made, until its end."""
        if isinstance(fetch, LaneStream):
            await fetch.run()
            return
        assert isinstance(fetch, FetchStream)
        stream = None
        with anyio.move_on_after(fetch.stall_s):
            stream = await self._transport.open(fetch.node, BLOB_PROTOCOL)
        if stream is None:
            raise StreamBroken("a peer opened no stream in time")
        await fetch.run(stream)

    def hear(self, report: said.Report) -> None:
        """Hear what the carrier did that belongs to no lane of ours. Never waits."""
        match report:
            case said.Settled(fates):
                self._carried += fates
                self._news.set()
            case said.Gave(peer, bytes_out, chunks):
                self.throttle.note(NodeId(peer), Direction.OUT, bytes_out)
                self.counters.bytes_out += bytes_out
                self.counters.chunks_served += chunks

    async def _note_carried(self) -> None:
        """Take in which blobs the carrier landed, and which it could not."""
        events, self._carried = self._carried, []
        jobs = {event.blob: self._jobs.get(BlobId(event.blob)) for event in events}
        landed = [
            job.want.ref
            for event in events
            if isinstance(event, said.Landed) and (job := jobs[event.blob]) is not None
        ]
        self.counters.blobs_received += len(landed)
        await self._tell_arrived(landed)
        for event in events:
            job = jobs[event.blob]
            if job is None:
                continue
            if isinstance(event, said.Landed):
                if job.progress_s:  # somebody watches it; thousands of small ones nobody does
                    self._announce(_progress_of(job))
                self._jobs.forget(job.want.ref)
            elif isinstance(event, said.Unstored):
                self._not_landed(job, problem_of(event.fault))
            else:
                self._not_landed(job, BlobCorrupt(event.blob))
        if events:
            self._settle_problem()

    def _returned(self, node: NodeId, unanswered: Sequence[Wanted]) -> None:
        """Hear that a stream ended, and what it still owed."""
        for wanted in unanswered:
            self._jobs.ended(node, wanted)
        self._news.set()

    def _report(self, fetch: Fetching, outcomes: Sequence[Outcome], elapsed_s: float) -> None:
        """Hear what a stream brought. Called on the event loop's thread."""
        now_s = anyio.current_time()
        brought_bytes = 0
        for outcome in outcomes:
            match outcome:
                case Began(ref, partial):
                    job = self._jobs.began(ref, partial)
                    if job is not None and job.is_complete:
                        self._land(job)
                case Stored(ref, index, size_bytes):
                    self.counters.chunks_received += 1
                    self.counters.bytes_in += size_bytes
                    self._progress(self._jobs.stored(ref, index), now_s)
                case Unstored(ref, problem):
                    self._block(self._jobs.get(ref.blob), problem, now_s)
                case Answered(wanted):
                    brought_bytes += cost_bytes(wanted)
                    self._jobs.ended(fetch.node, wanted)
                case Refused(wanted, is_busy):
                    self._refused(fetch.node, wanted, is_busy, now_s)
        if brought_bytes:
            self._holders.brought(fetch.node, brought_bytes, elapsed_s)
        self._news.set()

    def _refused(self, node: NodeId, wanted: Wanted, is_busy: bool, now_s: float) -> None:
        job = self._jobs.get(wanted.ref.blob)
        self._jobs.ended(node, wanted)
        if is_busy:
            self._holders.failed(node)
        elif job is not None:
            job.refused(node, now_s, self._world.entropy.uniform(0.0, 1.0))

    def _progress(self, job: Job | None, now_s: float) -> None:
        """Tell of a chunk: at most twice a second for each blob."""
        if job is None:
            return
        if job.is_complete:
            self._land(job)
        elif now_s - job.progress_s >= limits.TRANSFER_PROGRESS_INTERVAL_S:
            job.progress_s = now_s
            self._announce(_progress_of(job))

    def _land(self, job: Job) -> None:
        if not job.is_landing:
            job.is_landing = True
            if not isinstance(job.partial, CarriedPartial):  # else it lands where it is
                self._landing.add(cast(Partial, job.partial))

    async def _landed(self, outcomes: Outcomes) -> None:
        """Hear which blobs are held now, and which are not, and why."""
        held = [partial.ref for partial, result in outcomes if isinstance(result, Held)]
        self.counters.blobs_received += len(held)
        await self._tell_arrived(held)
        for partial, result in outcomes:
            job = self._jobs.get(partial.ref.blob)
            if job is None:
                continue
            if isinstance(result, Held):
                if job.progress_s:  # somebody watches it; thousands of small ones nobody does
                    self._announce(_progress_of(job))
                self._jobs.forget(partial.ref)
            else:
                self._not_landed(job, result)
        self._settle_problem()
        self._news.set()

    def _not_landed(self, job: Job, problem: PhotonicError) -> None:
        now_s = anyio.current_time()
        job.is_landing = False
        self._block(job, problem, now_s)
        if isinstance(job.partial, CarriedPartial):  # the carrier knows what is left of it
            job.partial, job.missing, job.done_bytes = None, set(), 0
        if isinstance(problem, BlobCorrupt):
            # Every chunk was right and the whole is wrong: whoever introduced the blob named
            # another one's chunks. No peer can help; the newest change of it might.
            job.partial, job.missing, job.done_bytes = None, set(), 0
            job.not_before_s = now_s + limits.CORRUPT_PEER_PENALTY_S

    # --- when the disk refuses ---------------------------------------------------------------

    def _block(self, job: Job | None, problem: PhotonicError, now_s: float) -> None:
        """Note a problem of this node; what came for the job is fetched again later."""
        if job is not None:
            job.problem = problem
            job.not_before_s = now_s + self._pace.disk_recheck_s
        if isinstance(problem, StoreFull | StoreBroken):
            self._recheck_s = now_s + self._pace.disk_recheck_s
        if self._problem is None:
            log.warning("%s", problem)
            self._announce(ProblemsChanged(1))
        self._problem = problem

    async def _look_at_disk(self) -> None:
        """Go on when there is room again, and with what was complete first."""
        now_s = anyio.current_time()
        if self._recheck_s is not None and now_s >= self._recheck_s:
            self._recheck_s = now_s + self._pace.disk_recheck_s
            try:
                await anyio.to_thread.run_sync(
                    self._store.check_room, limits.FETCH_WINDOW_BYTES, limiter=self._threads
                )
            except (PhotonicError, OSError):
                return
            self._recheck_s = None
        if self._problem is not None:
            for job in self._jobs:
                if job.is_complete and job.not_before_s <= now_s:
                    self._land(job)
            self._settle_problem()

    def _settle_problem(self) -> None:
        """Take the problem back when nothing suffers from it any more."""
        if self._problem is None or self._recheck_s is not None:
            return
        problems = [job.problem for job in self._jobs if job.problem is not None]
        if self._catalog_problem is not None:
            problems.append(self._catalog_problem)
        if not problems:
            self._announce(ProblemsChanged(0))
        self._problem = problems[0] if problems else None


def _progress_of(job: Job) -> TransferProgress:
    ref = job.want.ref
    return TransferProgress(ref.blob, job.want.name, job.done_bytes, ref.size_bytes, len(job.asked))

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
from typing import cast

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from photonic import limits
from photonic.blobs.store import BlobStore, Held, Partial
from photonic.errors import BlobCorrupt, PhotonicError, StreamBroken
from photonic.events import Event, TransferProgress
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
from photonic.p2p.pacing import LinkPace, Meter
from photonic.p2p.serving import BlobServer
from photonic.p2p.standing import Score
from photonic.p2p.throttle import Throttle
from photonic.p2p.transport import Stream, Transport
from photonic.p2p.trouble import Trouble
from photonic.p2p.wanting import Wanting, Wants
from photonic.world import World

log = logging.getLogger(__name__)

LANES_WIDE = Width(limits.LANES_PER_PEER_MAX, limits.LANE_WINDOW_BYTES, limits.LANES_FAR_MAX)


@dataclass(frozen=True, slots=True)
class Pace:
    """The engine's waits, which tests shorten."""

    stall_s: float = limits.FETCH_STALL_S
    tick_s: float = limits.TRANSFER_TICK_S
    idle_tick_s: float = limits.TRANSFER_IDLE_TICK_S
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
        serving_threads = anyio.CapacityLimiter(limits.TRANSFER_THREADS_MAX)
        self.throttle = throttle or Throttle(world.clock)
        give = None if lanes is None else lanes.give
        self._server = BlobServer(store, serving_threads, self.counters, self.throttle, give)
        self._landing = Landing(store, self._threads, self._landed)
        self._jobs = Jobs()
        self._lanes = lanes
        self._trouble = Trouble(announce, pace.disk_recheck_s)
        self._wanting = Wanting(
            wants, store, self._jobs, self._trouble,
            lambda: self._holders.reachable(),  # noqa: PLW0108 - it comes next
            self._threads, pace.disk_recheck_s, resumes=lanes is None,  # else the carrier does
        )  # fmt: skip
        self._is_paused = False
        self._link = LinkPace()
        self._carried: list[said.Fate] = []  # what the carrier did with whole blobs
        self._holders = Holders(
            transport, world.entropy, self.counters, self._new_stream, self._drive, self._returned,
            self.throttle, Width() if lanes is None else LANES_WIDE,
        )  # fmt: skip
        self._news = anyio.Event()
        self._meter = Meter(0.0)  # of all that comes in

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Fetch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._holders.run)
            tasks.start_soon(self._landing.run)
            tasks.start_soon(self._wanting.telling.run)
            tasks.start_soon(self._landing.run)  # a big file's fsync holds up no small ones
            task_status.started()
            while True:
                has_news = self._wanting.rounds.has_news
                tick_s = self._pace.tick_s if len(self._jobs) else self._pace.idle_tick_s
                with anyio.move_on_after(limits.WANTS_REFRESH_MIN_S if has_news else tick_s):
                    await self._news.wait()
                self._news = anyio.Event()
                if not self._is_paused:
                    await self._look_at_wants()
                await self._look_at_disk()
                self._holders.leave_slow_streams(self._jobs)
                self._note_carried()
                self._look_at_link()
                if self._may_ask():
                    await self._hand_out()

    def _may_ask(self) -> bool:
        is_shut = self._is_paused or self._trouble.is_disk_shut or self._wanting.telling.is_full
        return not is_shut and (self._lanes is None or self._lanes.is_ready)

    async def _look_at_wants(self) -> None:
        for job in await self._wanting.look():
            if job.is_complete:
                self._land(job)

    def _look_at_link(self) -> None:
        """On a slow link, go on with previews before originals."""
        now_s, was_slow = anyio.current_time(), self._link.is_slow
        is_busy = self._holders.in_flight_bytes > 0
        self._link = self._link.judged(self._meter.rate(now_s), is_busy, now_s)
        if self._link.is_slow != was_slow:
            self._wanting.put_previews_first(self._link.is_slow)
            log.info("the link is %s", "slow: previews first" if self._link.is_slow else "fast")

    async def _hand_out(self) -> None:
        """Ask peers for what is to be asked, and then not at once again.

        Each arrival is a reason to plan; what arrives meanwhile is planned together.
        """
        began_s = anyio.current_time()
        self._holders.hand_out(self._jobs)
        await anyio.sleep(limits.PLAN_PAUSE_FACTOR * (anyio.current_time() - began_s))

    def wake(self) -> None:
        """Look again: there may be a new want, peer or holder. Never waits."""
        self._wanting.rounds.news()
        self._news.set()

    def hear_of(self, node: NodeId, *, gives_originals: bool) -> None:
        """Hear how a peer is now, and look again; never waits."""
        if self._jobs.refusals.note_giver(node, gives_originals=gives_originals):
            self._wanting.begin_anew()
        self.wake()

    def pause(self, everything: bool, peers: frozenset[NodeId]) -> None:
        """Ask nobody any more, or not these peers, until it is called again; never waits.

        What was asked before still comes. All wants are looked at anew.
        """
        self._is_paused, self._holders.left_alone = everything, peers
        self._wanting.begin_anew()
        self._news.set()

    def move(self, node: NodeId) -> None:
        """Fetch over new streams from a peer: there is a better way to it. Never waits."""
        self._holders.move(node)
        self._news.set()

    async def serve(self, stream: Stream) -> None:
        """Answer one blob stream of a peer: the handler of `BLOB_PROTOCOL`."""
        await self._server.serve(stream)

    def snapshot(self, limit: int = limits.WANTS_MAX) -> tuple[TransferView, ...]:
        """Return the transfers, most urgent first."""
        now_s = anyio.current_time()
        return tuple(job.view(now_s) for job in self._jobs.first(limit))

    @property
    def count(self) -> int:
        """How many transfers there are in view."""
        return len(self._jobs)

    def underway_bytes(self, copies: int) -> int:
        """See `Jobs.underway_bytes`."""
        return self._jobs.underway_bytes(copies)

    @property
    def rate_bytes_s(self) -> float:
        """Return what comes in per second, over the last seconds."""
        return self._meter.rate(anyio.current_time())

    @property
    def is_slow_link(self) -> bool:
        """Whether previews come before originals."""
        return self._link.is_slow

    @property
    def problem(self) -> PhotonicError | None:
        """What keeps this node from storing what it fetches, if anything does."""
        return self._trouble.problem

    def scores(self) -> dict[NodeId, Score]:
        """Return what is thought of each peer that was asked."""
        return self._holders.scores()

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
            case said.Gave(_, bytes_out, chunks):
                self.counters.bytes_out += bytes_out
                self.counters.chunks_served += chunks
            case said.TurnedAway(reason):
                self.counters.lanes_refused += 1
                log.info("somebody was not let in to a lane: %s", reason)

    def _note_carried(self) -> None:
        """Take in which blobs the carrier landed, and which it could not."""
        events, self._carried = self._carried, []
        jobs = {event.blob: self._jobs.get(BlobId(event.blob)) for event in events}
        landed = [
            job.want.ref
            for event in events
            if isinstance(event, said.Landed) and (job := jobs[event.blob]) is not None
        ]
        self.counters.blobs_received += len(landed)
        self._wanting.telling.add(landed)
        for event in events:
            job = jobs[event.blob]
            if job is None:
                continue
            if isinstance(event, said.Landed):
                if job.progress_s:  # somebody watches it; thousands of small ones nobody does
                    self._announce(_progress_of(job, anyio.current_time()))
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
            self._jobs.ended(node, wanted, anyio.current_time())
        self._news.set()

    def _report(self, fetch: Fetching, outcomes: Sequence[Outcome], elapsed_s: float) -> None:
        """Hear what a stream brought. Called on the event loop's thread."""
        now_s = anyio.current_time()
        brought_bytes = 0
        for outcome in outcomes:
            match outcome:
                case Began(ref, partial):
                    job = self._jobs.began(ref, partial, now_s)
                    if job is not None and job.is_complete:
                        self._land(job)
                case Stored(ref, index, size_bytes):
                    self.counters.chunks_received += 1
                    self.counters.bytes_in += size_bytes
                    self._meter.add(size_bytes, now_s)
                    self._progress(self._jobs.stored(ref, index, now_s), now_s)
                case Unstored(ref, problem):
                    self._block(self._jobs.get(ref.blob), problem, now_s)
                case Answered(wanted):
                    brought_bytes += cost_bytes(wanted)
                    self._jobs.ended(fetch.node, wanted, now_s)
                case Refused(wanted, is_busy):
                    self._refused(fetch.node, wanted, is_busy, now_s)
        if brought_bytes:
            self._holders.brought(fetch.node, brought_bytes, elapsed_s)
        self._news.set()

    def _refused(self, node: NodeId, wanted: Wanted, is_busy: bool, now_s: float) -> None:
        self._jobs.ended(node, wanted, now_s)
        if is_busy:
            self._holders.failed(node)
        else:
            jitter = self._world.entropy.uniform(0.0, 1.0)
            reachable = self._holders.reachable()
            self._jobs.refused(wanted.ref, node, reachable, now_s, jitter)

    def _progress(self, job: Job | None, now_s: float) -> None:
        """Tell of a chunk: at most twice a second for each blob."""
        if job is None:
            return
        if job.is_complete:
            self._land(job)
        elif now_s - job.progress_s >= limits.TRANSFER_PROGRESS_INTERVAL_S:
            job.progress_s = now_s
            self._announce(_progress_of(job, now_s))

    def _land(self, job: Job) -> None:
        if not job.is_landing:
            now_s = anyio.current_time()
            self._jobs.landing(job, now_s)
            if job.progress_s:
                self._announce(_progress_of(job, now_s))
            if not isinstance(job.partial, CarriedPartial):  # else it lands where it is
                self._landing.add(cast(Partial, job.partial))

    async def _landed(self, outcomes: Outcomes) -> None:
        """Hear which blobs are held now, and which are not, and why."""
        held = [partial.ref for partial, result in outcomes if isinstance(result, Held)]
        self.counters.blobs_received += len(held)
        self._wanting.telling.add(held)
        for partial, result in outcomes:
            job = self._jobs.get(partial.ref.blob)
            if job is None:
                continue
            if isinstance(result, Held):
                if job.progress_s:  # somebody watches it; thousands of small ones nobody does
                    self._announce(_progress_of(job, anyio.current_time()))
                self._jobs.forget(partial.ref)
            else:
                self._not_landed(job, result)
        self._settle_problem()
        self._news.set()

    def _not_landed(self, job: Job, problem: PhotonicError) -> None:
        now_s = anyio.current_time()
        is_carried = isinstance(job.partial, CarriedPartial)  # the carrier knows what is left of it
        wait_s = self._pace.disk_recheck_s
        if isinstance(problem, BlobCorrupt):
            # Every chunk was right and the whole is wrong: whoever introduced the blob named
            # another one's chunks. No peer can help; the newest change of it might.
            is_carried, wait_s = True, limits.CORRUPT_PEER_PENALTY_S
        self._jobs.not_landed(job, problem, now_s, wait_s, begins_again=is_carried)
        self._trouble.note(problem, now_s)

    # --- when the disk refuses ---------------------------------------------------------------

    def _block(self, job: Job | None, problem: PhotonicError, now_s: float) -> None:
        """Note a problem of this node; what came for the job is fetched again later."""
        if job is not None:
            self._jobs.block(job, problem, now_s, self._pace.disk_recheck_s)
        self._trouble.note(problem, now_s)

    async def _look_at_disk(self) -> None:
        """Go on when there is room again, and with what was complete first."""
        now_s = anyio.current_time()
        if self._trouble.is_recheck_due(now_s):
            try:
                await anyio.to_thread.run_sync(
                    self._store.check_room, limits.FETCH_WINDOW_BYTES, limiter=self._threads
                )
            except (PhotonicError, OSError):
                return
            self._trouble.disk_is_well()
        if self._trouble.problem is not None:
            for job in self._jobs:
                if job.is_complete and job.not_before_s <= now_s:
                    self._land(job)
            self._settle_problem()

    def _settle_problem(self) -> None:
        self._trouble.settle(job.problem for job in self._jobs if job.problem is not None)


def _progress_of(job: Job, now_s: float) -> TransferProgress:
    view = job.view(now_s)
    return TransferProgress(
        view.blob, view.name, view.done_bytes, view.total_bytes, len(view.peers),
        view.state.value, view.rate_bytes_s, view.eta_s, view.kind,
    )  # fmt: skip

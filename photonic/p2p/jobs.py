"""The blobs that are being fetched: what of each is asked, stored and still to be asked.

Plain state without I/O, used on the event loop's thread only. Every question that is handed out
comes back exactly once, by `answered` or by `returned`; what of it was stored is not asked again.
What can be asked is kept apart and in order (`askable.py`), so that an arrival costs the same with
ten jobs and with thousands.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from photonic import limits
from photonic.blobs.store import Partial
from photonic.errors import PhotonicError
from photonic.ids import BlobId, NodeId
from photonic.p2p.askable import Askable
from photonic.p2p.endgame import Lacking
from photonic.p2p.exchange import Arriving, ChunksWanted, Wanted, WholeWanted
from photonic.p2p.job import Job, TransferState, TransferView
from photonic.p2p.pacing import Meter
from photonic.p2p.planner import BEGINNING, ORIGINAL, Need, Position, Want, in_order
from photonic.p2p.refusals import Refusals
from photonic.photos import BlobRef


class Jobs:
    """All jobs."""

    def __init__(self) -> None:
        self._jobs: dict[BlobId, Job] = {}
        self._askable = Askable()
        self._later: list[tuple[float, BlobId]] = []  # a heap: when to look at a job again
        self._under_way: dict[BlobId, Job] = {}  # of which something is asked or landing
        self.refusals = Refusals()

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def get(self, blob: BlobId) -> Job | None:
        return self._jobs.get(blob)

    @property
    def has_askable(self) -> bool:
        """Whether there is a job of which somebody can be asked something."""
        return len(self._askable) > 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way, and nothing to be asked."""
        return not self._under_way and not self.has_askable

    def underway_bytes(self, copies: int) -> int:
        """Return what is here already of originals that fewer than `copies` others hold."""
        return sum(
            job.done_bytes
            for job in self._jobs.values()
            if job.done_bytes and job.want.kind == ORIGINAL and len(job.want.holders) < copies
        )

    # --- what is wanted ----------------------------------------------------------------------

    def update(
        self,
        wants: Iterable[Want],
        looked_up: Mapping[BlobId, Partial | None],
        now_s: float,
        begin: Position = BEGINNING,
        end: Position | None = None,
    ) -> list[Job]:
        """Take in all that is wanted from `begin` to before `end`; return the new jobs.

        Only a blob that was looked up in the store becomes a new job, with the partial that was
        found: a list of wants that is older than the last arrival names blobs that are held now.

        A job that is not wanted any more ends, unless questions of it are in flight: those are
        finished first, and the job ends with the next list.
        """
        new: list[Job] = []
        listed: set[BlobId] = set()
        for want in in_order(wants):
            blob = want.ref.blob
            listed.add(blob)
            job = self._jobs.get(blob)
            if job is None or job.want.ref != want.ref:
                if blob not in looked_up:
                    continue
                job = self._jobs[blob] = Job(want)
                new.append(job)
                partial = looked_up[blob]
                if partial is not None:
                    job.began(partial)
            job.want = want
            self._list(job, now_s)
        for blob, job in list(self._jobs.items()):
            is_gone = blob not in listed and _is_between(job.want.position, begin, end)
            if is_gone and job.is_idle:
                self._end(blob)
        return new

    def first(self, most: int) -> list[Job]:
        """Return the most urgent jobs, in order."""
        return heapq.nsmallest(
            most, self._jobs.values(), key=lambda job: (job.want.priority, job.want.ref.blob)
        )

    def leave(self, keep: Collection[BlobId] = ()) -> None:
        """End every job of which nothing is on its way; what is still wanted is told anew."""
        for blob, job in list(self._jobs.items()):
            if job.is_idle and blob not in keep:
                self._end(blob)

    def trim(self, most: int) -> Position | None:
        """End the last jobs of the list beyond `most`, if nothing of them is on its way.

        Returns the position from which on the list is to be looked at again for them.
        """
        over = len(self._jobs) - most
        if over <= 0:
            return None
        idle = (job for job in self._jobs.values() if job.is_idle)
        last = heapq.nlargest(over, idle, key=lambda job: job.want.position)
        for job in last:
            self._end(job.want.ref.blob)
        return last[-1].want.position if last else None

    def forget(self, ref: BlobRef) -> None:
        """End a job: its blob is held, or cannot be."""
        self._end(ref.blob)
        self.refusals.forget(ref.blob)

    def _end(self, blob: BlobId) -> None:
        self._jobs.pop(blob, None)
        self._under_way.pop(blob, None)
        self._askable.drop(blob)

    # --- what is asked -----------------------------------------------------------------------

    def needs(self, now_s: float, able: AbstractSet[NodeId]) -> Iterator[Need]:
        """Yield what is to be asked of one of `able`, in order; not while jobs are changed.

        `able` may shrink meanwhile, see `Askable.blobs`.
        """
        self._look_again(now_s)
        for blob in self._askable.blobs(able):
            job = self._jobs[blob]
            holders, _ = self.refusals.able(blob, job.want.holders, now_s)
            if job.partial is None:
                yield Need(job.want.ref, holders)
            else:
                some = tuple(job.unasked[: limits.CHUNKS_PLANNED_AHEAD_MAX])
                yield Need(job.want.ref, holders, job.partial.chunks, some)

    def holders(self, ref: BlobRef, now_s: float) -> frozenset[NodeId]:
        """Return who may be asked for a blob; nobody if it is not wanted any more."""
        job = self._live(ref)
        if job is None:
            return frozenset()
        return self.refusals.able(ref.blob, job.want.holders, now_s)[0]

    def lacking(self, now_s: float) -> dict[BlobId, Lacking]:
        """Return what has not come yet of the blobs that are under way, and who has it."""
        return {
            blob: Lacking(job.missing, self.holders(job.want.ref, now_s))
            for blob, job in self._under_way.items()
            if job.missing
        }

    def _look_again(self, now_s: float) -> None:
        """List the jobs anew whose time has come."""
        while self._later and self._later[0][0] <= now_s:
            _, blob = heapq.heappop(self._later)
            job = self._jobs.get(blob)
            if job is not None:
                self._list(job, now_s)

    def _list(self, job: Job, now_s: float) -> None:
        """Keep a job among those that can be asked, under who can be asked; or not there."""
        blob = job.want.ref.blob
        if job.asked or job.is_landing:
            self._under_way[blob] = job
        else:
            self._under_way.pop(blob, None)
        if not job.has_questions:
            self._askable.drop(blob)
            return
        if job.not_before_s > now_s:
            self._look_at(job, job.not_before_s)
            self._askable.drop(blob)
            return
        holders, next_s = self.refusals.able(blob, job.want.holders, now_s)
        if next_s is not None:
            self._look_at(job, next_s)
        if holders:
            self._askable.put(blob, job.want.priority, holders)
        else:
            self._askable.drop(blob)

    def _look_at(self, job: Job, at_s: float) -> None:
        if job.look_s != at_s:
            job.look_s = at_s
            heapq.heappush(self._later, (at_s, job.want.ref.blob))

    def asked(self, node: NodeId, wanted: Wanted, now_s: float, *, is_second: bool = False) -> None:
        """Count a question as handed out; `is_second`: it is asked of another peer already."""
        job = self._jobs[wanted.ref.blob]
        job.asked[node] = job.asked.get(node, 0) + 1
        if not isinstance(wanted, ChunksWanted):
            job.is_head_asked = True
        elif is_second:
            for index in wanted.indices:
                job.doubled[index] = job.doubled.get(index, 0) + 1
        else:
            taken = len(wanted.indices)
            if tuple(job.unasked[:taken]) == wanted.indices:
                del job.unasked[:taken]
            else:
                gone = set(wanted.indices)
                job.unasked = [index for index in job.unasked if index not in gone]
        self._list(job, now_s)

    def under_way(self) -> frozenset[BlobId]:
        """Return the blobs of which something is asked or being landed."""
        return frozenset(self._under_way)

    # --- what came ---------------------------------------------------------------------------

    def began(self, ref: BlobRef, partial: Arriving, now_s: float) -> Job | None:
        """Note that the chunk list is here. None if nobody wants the blob any more."""
        job = self._live(ref)
        if job is not None and job.partial is not partial:
            job.began(partial)
            self._list(job, now_s)
        return job

    def stored(self, ref: BlobRef, indices: Collection[int], now_s: float) -> Job | None:
        """Note that chunks are on disk. None if nobody wants the blob any more."""
        job = self._live(ref)
        if job is None or job.partial is None:
            return None
        fresh = job.missing.intersection(indices)
        if fresh:
            job.missing -= fresh
            chunks = job.partial.chunks.chunks
            size_bytes = sum(chunks[index].size_bytes for index in fresh)
            job.done_bytes += size_bytes
            if job.meter is None:
                job.meter = Meter(now_s)
            job.meter.add(size_bytes, now_s)
        job.problem = None
        return job

    def arrived(self, node: NodeId, wanted: WholeWanted, partial: Arriving, now_s: float) -> None:
        """Take back the question for a small blob: all of it is here, and is being landed."""
        job = self._live(wanted.ref)
        if job is None:
            return
        self._take_back(job, node)
        job.began(partial)
        job.problem, job.is_head_asked, job.is_landing = None, False, True
        self._list(job, now_s)

    def ended(self, node: NodeId, wanted: Wanted, now_s: float) -> None:
        """Take back a question, answered or not: what it did not bring is to be asked again."""
        job = self._live(wanted.ref)
        if job is None:
            return
        self._take_back(job, node)
        if isinstance(wanted, ChunksWanted):
            again = [i for i in wanted.indices if not self._is_asked_of_another(job, i)]
            again = [i for i in again if i in job.missing]
            if again:
                job.unasked = sorted({*again, *job.unasked})
        else:
            job.is_head_asked = False
            if job.partial is not None:
                job.unasked = sorted(job.missing)
        self._list(job, now_s)

    @staticmethod
    def _take_back(job: Job, node: NodeId) -> None:
        job.asked[node] = job.asked.get(node, 1) - 1
        if job.asked[node] <= 0:
            del job.asked[node]

    @staticmethod
    def _is_asked_of_another(job: Job, index: int) -> bool:
        """Take one question for a chunk off; whether there is another one."""
        others = job.doubled.get(index, 0)
        if others > 1:
            job.doubled[index] = others - 1
        elif others:
            del job.doubled[index]
        return others > 0

    def refused(
        self,
        ref: BlobRef,
        node: NodeId,
        reachable: AbstractSet[NodeId],
        now_s: float,
        jitter: float,
    ) -> None:
        """Note that a supposed holder does not hold it: ask it later, and ever more rarely.

        Where nobody who can be reached is left to ask, the job ends, so that others are looked at;
        the blob is wanted again when its time comes.
        """
        self.refusals.note(ref.blob, node, now_s, jitter)
        job = self._live(ref)
        if job is None:
            return
        holders = job.want.holders & reachable
        if job.is_idle and self.refusals.is_refused_by_all(ref.blob, holders, now_s):
            self._end(ref.blob)
        else:
            self._list(job, now_s)

    def landing(self, job: Job, now_s: float) -> None:
        """All of it is here, and it is being made durable."""
        job.is_landing = True
        self._list(job, now_s)

    def block(self, job: Job, problem: PhotonicError, now_s: float, wait_s: float) -> None:
        """Leave a job alone for a while."""
        job.problem, job.not_before_s = problem, now_s + wait_s
        self._list(job, now_s)

    def not_landed(
        self, job: Job, problem: PhotonicError, now_s: float, wait_s: float, *, begins_again: bool
    ) -> None:
        """It could not be made durable; `begins_again`: what is here of it counts for nothing."""
        job.is_landing = False
        if begins_again:
            job.begin_again()
        self.block(job, problem, now_s, wait_s)

    def _live(self, ref: BlobRef) -> Job | None:
        job = self._jobs.get(ref.blob)
        return job if job is not None and job.want.ref == ref else None


def _is_between(position: Position, begin: Position, end: Position | None) -> bool:
    return begin <= position and (end is None or position < end)


__all__ = ["Job", "Jobs", "TransferState", "TransferView"]

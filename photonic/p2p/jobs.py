"""The blobs that are being fetched: what of each is asked, stored and still to be asked.

Plain state without I/O, used on the event loop's thread only. Every question that is handed out
comes back exactly once, by `answered` or by `returned`; what of it was stored is not asked again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from photonic import limits
from photonic.blobs.store import Partial
from photonic.errors import PhotonicError
from photonic.ids import BlobId, NodeId
from photonic.p2p.exchange import Arriving, ChunksWanted, Wanted
from photonic.p2p.planner import Need, Want, backoff_s, in_order
from photonic.photos import BlobRef


class TransferState(enum.Enum):
    """How a transfer stands."""

    WAITING = "waiting"  # for its turn, or for a peer that backs off
    FETCHING = "fetching"
    LANDING = "landing"  # all bytes are here; being made durable
    BLOCKED = "blocked"  # by a problem of this node, such as a full disk


@dataclass(frozen=True, slots=True)
class TransferView:
    """One transfer as the status shows it."""

    name: str
    blob: BlobId
    done_bytes: int
    total_bytes: int
    rate_bytes_s: float
    peers: tuple[NodeId, ...]
    state: TransferState
    problem: PhotonicError | None


@dataclass(slots=True)
class Job:
    """One wanted blob."""

    want: Want
    partial: Arriving | None = None
    unasked: list[int] = field(default_factory=list)  # ascending
    missing: set[int] = field(default_factory=set)
    done_bytes: int = 0
    is_head_asked: bool = False  # the chunk list, or the whole of a small blob
    is_landing: bool = False
    asked: dict[NodeId, int] = field(default_factory=dict)  # questions in flight
    refusals: dict[NodeId, tuple[int, float]] = field(default_factory=dict)  # how often, until when
    resting_s: float = 0.0  # until then, all holders said that they are none
    not_before_s: float = 0.0
    problem: PhotonicError | None = None
    started_s: float | None = None
    started_bytes: int = 0
    progress_s: float = 0.0

    def holders(self, now_s: float) -> frozenset[NodeId]:
        """Return who may be asked: holders that did not just say that they are none."""
        if not self.refusals:
            return self.want.holders
        never = (0, 0.0)
        return frozenset(n for n in self.want.holders if self.refusals.get(n, never)[1] <= now_s)

    def refused(self, node: NodeId, now_s: float, jitter: float) -> None:
        """Note that a supposed holder does not hold it: ask it later, and ever more rarely."""
        times, _ = self.refusals.get(node, (0, 0.0))
        self.refusals[node] = (times + 1, now_s + backoff_s(times, jitter))
        self._rest()

    def take(self, want: Want) -> None:
        """Go on with the newest word on what is wanted."""
        is_known = want.holders == self.want.holders
        self.want = want
        if self.refusals and not is_known:
            self._rest()

    def _rest(self) -> None:
        never = (0, 0.0)
        untils = (self.refusals.get(node, never)[1] for node in self.want.holders)
        self.resting_s = min(untils, default=0.0)

    def began(self, partial: Arriving) -> None:
        """Take over a partial: new, or left by an earlier run."""
        self.partial = partial
        self.missing = set(partial.missing())
        self.unasked = sorted(self.missing)
        missing_bytes = sum(partial.chunks.chunks[index].size_bytes for index in self.missing)
        self.done_bytes = self.started_bytes = self.want.ref.size_bytes - missing_bytes

    @property
    def is_complete(self) -> bool:
        return self.partial is not None and not self.missing

    def need(self, now_s: float) -> Need | None:
        """Return what is to be asked now, if there is anything."""
        if self.is_landing or self.is_head_asked or max(self.not_before_s, self.resting_s) > now_s:
            return None
        if self.partial is None:
            return Need(self.want.ref, self.holders(now_s))
        if not self.unasked:
            return None
        some = tuple(self.unasked[: limits.CHUNKS_PLANNED_AHEAD_MAX])
        return Need(self.want.ref, self.holders(now_s), self.partial.chunks, some)

    def view(self, now_s: float) -> TransferView:
        """Return how this transfer stands."""
        if self.problem is not None:
            state = TransferState.BLOCKED
        elif self.is_landing:
            state = TransferState.LANDING
        else:
            state = TransferState.FETCHING if self.asked else TransferState.WAITING
        elapsed_s = 0.0 if self.started_s is None else now_s - self.started_s
        rate = (self.done_bytes - self.started_bytes) / elapsed_s if elapsed_s > 0 else 0.0
        ref, peers = self.want.ref, tuple(sorted(self.asked))
        return TransferView(
            self.want.name, ref.blob, self.done_bytes, ref.size_bytes, rate, peers, state,
            self.problem,
        )  # fmt: skip


class Jobs:
    """All jobs, in the order of their wants' priority."""

    def __init__(self) -> None:
        self._jobs: dict[BlobId, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def get(self, blob: BlobId) -> Job | None:
        return self._jobs.get(blob)

    def update(
        self, wants: Iterable[Want], looked_up: Mapping[BlobId, Partial | None]
    ) -> list[Job]:
        """Take the newest list of wants; return the new jobs.

        Only a blob that was looked up in the store becomes a new job, with the partial that was
        found: a list of wants that is older than the last arrival names blobs that are held now.

        A job that is not wanted any more ends, unless questions of it are in flight: those are
        finished first, and the job ends with the next list.
        """
        jobs: dict[BlobId, Job] = {}
        new: list[Job] = []
        for want in in_order(wants):
            job = self._jobs.get(want.ref.blob)
            if job is None or job.want.ref != want.ref:
                if want.ref.blob not in looked_up:
                    continue
                job = Job(want)
                new.append(job)
                partial = looked_up[want.ref.blob]
                if partial is not None:
                    job.began(partial)
            job.take(want)
            jobs[want.ref.blob] = job
        for blob, job in self._jobs.items():
            if blob not in jobs and (job.asked or job.is_landing):
                jobs[blob] = job
        self._jobs = jobs
        return new

    def needs(self, now_s: float) -> Iterator[Need]:
        """Yield what is to be asked, in order of priority; not while jobs are changed."""
        for job in self._jobs.values():
            need = job.need(now_s)
            if need is not None:
                yield need

    def under_way(self) -> frozenset[BlobId]:
        """Return the blobs of which something is being fetched."""
        return frozenset(blob for blob, job in self._jobs.items() if job.asked)

    def asked(self, node: NodeId, wanted: Wanted, now_s: float) -> None:
        """Count a question as handed out."""
        job = self._jobs[wanted.ref.blob]
        job.asked[node] = job.asked.get(node, 0) + 1
        if job.started_s is None:
            job.started_s = now_s
        if isinstance(wanted, ChunksWanted):
            taken = set(wanted.indices)
            job.unasked = [index for index in job.unasked if index not in taken]
        else:
            job.is_head_asked = True

    def began(self, ref: BlobRef, partial: Arriving) -> Job | None:
        """Note that the chunk list is here. None if nobody wants the blob any more."""
        job = self._live(ref)
        if job is not None and job.partial is not partial:
            job.began(partial)
        return job

    def stored(self, ref: BlobRef, index: int) -> Job | None:
        """Note that a chunk is on disk. None if nobody wants the blob any more."""
        job = self._live(ref)
        if job is None or job.partial is None:
            return None
        if index in job.missing:
            job.missing.discard(index)
            job.done_bytes += job.partial.chunks.chunks[index].size_bytes
        job.problem = None
        return job

    def ended(self, node: NodeId, wanted: Wanted) -> None:
        """Take back a question, answered or not: what it did not bring is to be asked again."""
        job = self._live(wanted.ref)
        if job is None:
            return
        job.asked[node] = job.asked.get(node, 1) - 1
        if job.asked[node] <= 0:
            del job.asked[node]
        if isinstance(wanted, ChunksWanted):
            again = job.missing.intersection(wanted.indices)
            if again:
                job.unasked = sorted(again.union(job.unasked))
        else:
            job.is_head_asked = False
            if job.partial is not None:
                job.unasked = sorted(job.missing)

    def forget(self, ref: BlobRef) -> None:
        """End a job: its blob is held, or cannot be."""
        self._jobs.pop(ref.blob, None)

    def _live(self, ref: BlobRef) -> Job | None:
        job = self._jobs.get(ref.blob)
        return job if job is not None and job.want.ref == ref else None

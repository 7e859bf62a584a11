"""The peers that blobs are fetched from: their streams, what they are asked, what they are worth.

Carries out what the planner decides. A stream is opened when there is a question for it, up to
`limits.STREAMS_PER_PEER_MAX` for a peer, and ends by itself when it was idle. A stream that fails
gives back its questions; a peer that lied loses all of its streams at once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from photonic import limits
from photonic.errors import (
    BlobCorrupt,
    FrameInvalid,
    PeerUnreachable,
    PhotonicError,
    StreamBroken,
)
from photonic.ids import BlobId, NodeId, peer_id
from photonic.p2p.bandwidth import keep_parallel, open_needs
from photonic.p2p.endgame import Owed, endgame
from photonic.p2p.exchange import ChunksWanted, Wanted, cost_bytes
from photonic.p2p.jobs import Jobs
from photonic.p2p.pacing import batch_bytes, way_s, window_bytes
from photonic.p2p.planner import Assignment, Budget, plan
from photonic.p2p.rates import Direction
from photonic.p2p.standing import Score, is_too_slow
from photonic.p2p.throttle import Throttle
from photonic.p2p.transport import Transport
from photonic.world import Entropy

log = logging.getLogger(__name__)


class Fetching(Protocol):
    """One way to ask a peer: a libp2p stream (fetching.py) or a lane (lane_streams.py)."""

    node: NodeId
    in_flight_bytes: int  # asked, and not yet on disk
    questions: deque[tuple[Wanted, float]]  # with the time, oldest first
    is_leaving: bool  # it is asked nothing more, and ends when it owes nothing
    round_trip_s: float | None  # as the kernel measured it; None until it is open, 0.0: unknown

    @property
    def unanswered(self) -> tuple[Wanted, ...]: ...

    @property
    def rate_bytes_s(self) -> float: ...

    def ask(self, wanted: Wanted) -> None: ...

    def give_up(self, error: PhotonicError) -> None: ...

    def leave(self) -> None:
        """End when what was asked is answered."""
        ...


@dataclass(slots=True)
class Counters:
    """What the metrics show; they only grow."""

    chunks_received: int = 0  # verified and stored
    chunks_served: int = 0
    chunks_corrupt: int = 0  # streams that ended because of what a peer sent
    bytes_in: int = 0  # of chunks received
    bytes_out: int = 0
    blobs_received: int = 0
    retries: int = 0  # streams that failed while they owed something
    lanes_refused: int = 0  # that came with a certificate or a ticket that is not good


@dataclass(frozen=True, slots=True)
class Width:
    """How much is asked of one peer at a time."""

    streams: int = limits.STREAMS_PER_PEER_MAX
    window_bytes: int = limits.FETCH_WINDOW_BYTES  # of each
    far_streams: int = limits.STREAMS_PER_PEER_MAX  # where answers take long

    def at(self, latency_s: float) -> Width:
        """Return the width for a peer so far away."""
        is_far = latency_s >= limits.LANE_FAR_S
        return replace(self, streams=self.far_streams) if is_far else self


LANES_WIDE = Width(limits.LANES_PER_PEER_MAX, limits.LANE_WINDOW_BYTES, limits.LANES_FAR_MAX)


@dataclass(slots=True)
class _Peer:
    """A peer that is or was asked."""

    score: Score = field(default_factory=Score)
    streams: list[Fetching] = field(default_factory=list)

    @property
    def in_flight_bytes(self) -> int:
        return sum(stream.in_flight_bytes for stream in self.streams)

    def budget(self, width: Width, latency_s: float, peers: int) -> Budget:
        """Return what may be asked of it; `peers` share what may be asked over all."""
        asked = sum(len(stream.questions) for stream in self.streams)
        in_flight_bytes = self.in_flight_bytes
        window = window_bytes(self.score, latency_s, width.window_bytes, peers * width.streams)
        return Budget(
            width.streams * window - in_flight_bytes,
            width.streams * limits.REQUESTS_PIPELINED_MAX - asked,
            in_flight_bytes,
            self.score,
            batch_bytes(self.score, latency_s),
        )


def bringer(streams: Sequence[Fetching], blob: BlobId) -> Fetching:
    """Return the stream to ask for more of a blob: the one that brings it, or the least busy.

    What comes over one stream comes in order, and what comes in order need not be read again to
    know that the whole is right. But no stream starves for it.
    """
    least = min(streams, key=lambda s: (s.in_flight_bytes, len(s.questions)))
    if least.in_flight_bytes < limits.LANE_STARVED_BYTES:
        return least
    last = (s for s in streams if s.questions and s.questions[-1][0].ref.blob == blob)
    return next(last, least)


class Holders:
    """All peers of one engine. Its methods run on the event loop's thread."""

    def __init__(
        self,
        transport: Transport,
        entropy: Entropy,
        counters: Counters,
        new_stream: Callable[[NodeId], Fetching],
        drive: Callable[[Fetching], Awaitable[None]],
        returned: Callable[[NodeId, Sequence[Wanted]], None],
        throttle: Throttle,
        width: Width = Width(),
    ) -> None:
        """`drive` opens and uses what `new_stream` made, until its end."""
        self._transport, self._entropy, self._counters = transport, entropy, counters
        self._new_stream, self._drive, self._returned = new_stream, drive, returned
        self._width, self._throttle = width, throttle
        self._peers: dict[NodeId, _Peer] = {}
        self.left_alone: frozenset[NodeId] = frozenset()  # somebody paused them
        self._tasks: TaskGroup

    async def run(self) -> None:
        """Own the streams' tasks until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            await anyio.sleep_forever()

    def scores(self) -> dict[NodeId, Score]:
        return {node: peer.score for node, peer in self._peers.items()}

    def brought(self, node: NodeId, size_bytes: int, elapsed_s: float) -> None:
        """Count what a peer answered."""
        now_s = anyio.current_time()
        self._peers[node].score = self._peers[node].score.brought(size_bytes, elapsed_s, now_s)

    def failed(self, node: NodeId) -> None:
        """Back off from a peer."""
        jitter = self._entropy.uniform(0.0, 1.0)
        self._peers[node].score = self._peers[node].score.failed(anyio.current_time(), jitter)

    def reachable(self) -> frozenset[NodeId]:
        """Return the peers that may be asked."""
        return self._transport.connected() - self.left_alone

    @property
    def in_flight_bytes(self) -> int:
        """What is asked of all peers, and not yet on disk."""
        return sum(peer.in_flight_bytes for peer in self._peers.values())

    def hand_out(self, jobs: Jobs) -> None:
        """Ask whoever has room for questions, in the order of the jobs."""
        now_s = anyio.current_time()
        questions = self._width.streams * limits.REQUESTS_PIPELINED_MAX
        budgets = {n: b for n, b in self._budgets().items() if b.is_worth_planning(questions)}
        free_bytes = limits.FETCH_BYTES_IN_FLIGHT_MAX - self.in_flight_bytes
        bandwidth = self._throttle.bandwidth
        parallel = bandwidth.parallel
        under_way = () if parallel is None else jobs.under_way()
        able: set[NodeId] = set(budgets)
        needs = open_needs(jobs.needs(now_s, able), under_way, bandwidth)
        planned = plan(needs, budgets, now_s, free_bytes, able)
        for assignment in keep_parallel(planned, under_way, parallel):
            jobs.asked(assignment.node, assignment.wanted, now_s)
            self._stream_for(assignment).ask(assignment.wanted)
        if not jobs.has_askable and self._throttle.rate(Direction.IN) is None:
            self._end_soon(jobs, now_s)

    def _budgets(self) -> dict[NodeId, Budget]:
        reachable = self.reachable()
        budgets = {}
        for node in reachable:
            latency_s = self._latency_s(node)
            peer = self._peers.setdefault(node, _Peer())
            budgets[node] = peer.budget(self._width_for(node), latency_s, len(reachable))
        return budgets

    def _width_for(self, node: NodeId) -> Width:
        measured = [stream.round_trip_s for stream in self._peers[node].streams]
        return self._width.at(way_s(self._latency_s(node), measured))

    def _latency_s(self, node: NodeId) -> float:
        return (self._transport.latency_ms(node) or 0.0) / 1_000

    def _end_soon(self, jobs: Jobs, now_s: float) -> None:
        """Nothing is left to ask: ask a second peer for what a slow one still owes."""
        if len(self.reachable()) < 2:
            return
        owed: list[Owed] = []
        for peer in self._peers.values():
            for fetch in peer.streams:
                ahead_bytes = 0
                for wanted, asked_s in fetch.questions:
                    ahead_bytes += cost_bytes(wanted)
                    if isinstance(wanted, ChunksWanted):
                        owed.append(Owed(fetch.node, wanted, ahead_bytes, now_s - asked_s))
        for assignment in endgame(owed, jobs.lacking(now_s), self._budgets(), now_s):
            jobs.asked(assignment.node, assignment.wanted, now_s, is_second=True)
            self._stream_for(assignment).ask(assignment.wanted)

    def _stream_for(self, assignment: Assignment) -> Fetching:
        """Return the stream to ask on: a new one while there may be more and none is idle."""
        peer = self._peers[assignment.node]
        staying = [stream for stream in peer.streams if not stream.is_leaving]
        idlest = min(staying, key=lambda s: len(s.questions), default=None)
        may_open = len(staying) < self._width_for(assignment.node).streams
        if idlest is not None and not (idlest.questions and may_open):
            return bringer(staying, assignment.wanted.ref.blob)
        fetch = self._new_stream(assignment.node)
        peer.streams.append(fetch)
        self._tasks.start_soon(self._fetch, fetch)
        return fetch

    async def _fetch(self, fetch: Fetching) -> None:
        """Run one stream and judge its end."""
        peer = self._peers[fetch.node]
        try:
            await self._drive(fetch)
        except (BlobCorrupt, FrameInvalid) as error:
            log.warning("%s sent wrong bytes: %s", peer_id(fetch.node), error)
            self._counters.chunks_corrupt += 1
            peer.score = peer.score.lied(anyio.current_time())
            for other in peer.streams:
                other.give_up(StreamBroken("its peer sent wrong bytes on another stream"))
        except (StreamBroken, PeerUnreachable) as error:
            log.info("%s: %s", peer_id(fetch.node), error)
            if fetch.unanswered:
                self._counters.retries += 1
                self.failed(fetch.node)
        finally:
            peer.streams.remove(fetch)
            self._returned(fetch.node, fetch.unanswered)

    def move(self, node: NodeId) -> None:
        """Go on with a peer over new streams: there is a better way to it.

        What was asked over the old ones still comes there, so that nothing comes twice.
        """
        for fetch in tuple(self._peers[node].streams) if node in self._peers else ():
            fetch.leave()

    def leave_slow_streams(self, jobs: Jobs) -> None:
        """Give up on streams whose peer is much slower than another holder has been."""
        now_s = anyio.current_time()
        for node, peer in self._peers.items():
            if self._throttle.rate(Direction.IN, node) is not None:
                continue  # it may be as fast as it is let
            for fetch in peer.streams:
                if not fetch.questions:
                    continue
                wanted, asked_s = fetch.questions[0]
                job = jobs.get(wanted.ref.blob)
                if job is None or now_s - asked_s < limits.FETCH_SLOW_S:
                    continue
                others = (jobs.holders(wanted.ref, now_s) & self.reachable()) - {node}
                scores = [self._peers[n].score for n in others if n in self._peers]
                if is_too_slow(now_s - asked_s, fetch.rate_bytes_s, scores, now_s):
                    fetch.give_up(StreamBroken("a peer is much slower than another one"))

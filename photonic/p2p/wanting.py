"""What is wanted, as the engine sees it: part after part of the catalog's list, as jobs.

Which part to look at, and when, says rounds.py; here the catalog is asked, the store is looked up
for what is there already, and the jobs are brought up to date. Nothing here raises: a catalog that
fails is a problem that is shown, and asked again in a while.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio
import anyio.to_thread

from photonic import limits
from photonic.blobs.store import BlobStore, Partial
from photonic.errors import PhotonicError
from photonic.ids import BlobId, NodeId
from photonic.p2p.jobs import Job, Jobs
from photonic.p2p.planner import Position, Want, WantPage, WantsAsked
from photonic.p2p.rounds import Rounds
from photonic.p2p.telling import Telling
from photonic.p2p.trouble import Trouble
from photonic.photos import BlobRef

log = logging.getLogger(__name__)


class Wants(Protocol):
    """What this node wants to hold, as the catalog and its role say."""

    async def wanted(self, asked: WantsAsked) -> WantPage:
        """Return the wants from a position on that somebody reachable may have, in order.

        None that is held already; about as many as asked for, more where a photo has several.
        Holders that are not reachable may be named as well.
        """
        ...

    async def arrived(self, refs: Sequence[BlobRef]) -> None:
        """Hear that wanted blobs are durably stored and verified now. May be told twice.

        They come in batches, so that what is said of them can be made durable in batches, too.
        """
        ...


class Wanting:
    """See the module."""

    def __init__(
        self,
        wants: Wants,
        store: BlobStore,
        jobs: Jobs,
        trouble: Trouble,
        reachable: Callable[[], frozenset[NodeId]],
        threads: anyio.CapacityLimiter,
        pause_s: float,
        *,
        resumes: bool,
    ) -> None:
        """`resumes`: partials are this process's own; `pause_s`: after the catalog failed."""
        self._wants, self._store, self._jobs, self._trouble = wants, store, jobs, trouble
        self._reachable, self._threads = reachable, threads
        self._pause_s, self._resumes = pause_s, resumes
        self.rounds = Rounds()
        self.telling = Telling(self.tell_arrived)
        self.previews_first = False

    def put_previews_first(self, is_slow: bool) -> None:
        """Go on in the other order: previews before originals, or shoot by shoot."""
        self.previews_first = is_slow
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at everything anew: in another order, or without what is left alone now."""
        self._jobs.leave()
        self.rounds.anew()

    async def look(self) -> list[Job]:
        """Look at what is wanted, if it is time to; return the new jobs."""
        began_s = anyio.current_time()
        begin = self.rounds.due(began_s, len(self._jobs))
        if begin is None:
            return []
        self.rounds.begin(begin)
        reachable = self._reachable()
        asked = WantsAsked(limits.WANTS_AT_ONCE, reachable, begin, self.previews_first)
        try:
            page = await self._wants.wanted(asked)
        except Exception as error:  # noqa: BLE001 - what is asked for already is fetched meanwhile
            self._failed(error)
            return []
        took_s = anyio.current_time() - began_s
        if asked.previews_first != self.previews_first:
            return []  # an answer to what is not asked any more
        new = await self._take_in(page, begin, reachable)
        now_s = anyio.current_time()
        self.rounds.looked(begin, page.following, now_s, took_s, was_fruitful=bool(new))
        over = self._jobs.trim(limits.WANTS_MAX)
        if over is not None:
            self.rounds.missed(over)
        return new

    async def _take_in(
        self, page: WantPage, begin: Position, reachable: frozenset[NodeId]
    ) -> list[Job]:
        now_s = anyio.current_time()
        wants = [
            want
            for want in page.wants
            if want.ref.blob not in self.telling and not self._is_resting(want, reachable, now_s)
        ]
        fresh = [want.ref for want in wants if self._jobs.get(want.ref.blob) is None]
        held, looked_up = list[BlobRef](), dict[BlobId, Partial | None]()
        if fresh:
            held, looked_up = await anyio.to_thread.run_sync(
                self._look_up, fresh, limiter=self._threads
            )
        if await self.tell_arrived(held):
            self._trouble.catalog_is_well()
            self._trouble.settle(job.problem for job in self._jobs if job.problem is not None)
        now_s = anyio.current_time()
        return self._jobs.update(wants, looked_up, now_s, begin, page.following)

    def _is_resting(self, want: Want, reachable: frozenset[NodeId], now_s: float) -> bool:
        """Whether everybody who can be asked for it lately said not to have it."""
        refusals, blob = self._jobs.refusals, want.ref.blob
        if blob not in refusals:
            return False
        return refusals.is_refused_by_all(blob, want.holders & reachable, now_s)

    def _look_up(
        self, refs: Sequence[BlobRef]
    ) -> tuple[list[BlobRef], dict[BlobId, Partial | None]]:
        """Find out what is held already, and of the rest what is here in part. Blocks."""
        held: list[BlobRef] = []
        looked_up: dict[BlobId, Partial | None] = {}
        begun = set(self._store.partials()) if self._resumes else set[BlobId]()
        for ref in refs:
            try:
                if self._store.has(ref.blob):
                    held.append(ref)
                    continue
                looked_up[ref.blob] = self._store.resume(ref) if ref.blob in begun else None
            except (PhotonicError, OSError) as error:
                log.warning("%s", error)  # no room for the rest of it: begun anew when there is
                looked_up[ref.blob] = None
        return held, looked_up

    async def tell_arrived(self, refs: Sequence[BlobRef]) -> bool:
        """Tell the catalog what is held; False if it refused, for the time being."""
        try:
            if refs:
                await self._wants.arrived(refs)
                self.rounds.came()
        except Exception as error:  # noqa: BLE001 - what is stored is safe, and told again
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        """Ask again in a while: what could not be told is found in the store and told then."""
        now_s = anyio.current_time()
        self.rounds.failed(now_s, self._pause_s)
        self._trouble.note_catalog(error, now_s)

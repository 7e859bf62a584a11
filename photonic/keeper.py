"""The catalog's own thread: every job on the catalog runs there, one after another.

Jobs that wait are run together and made durable by one commit (group commit); only then does each
caller get its answer and the world hear of it. So nobody ever acts on what is not on disk (I3),
and a slow fsync never stalls the event loop. Where nothing waits, the index catches up and the
journal is looked after, in small pieces.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.commits import Committed
from photonic.crdt.index import PhotoIndex
from photonic.crdt.place_seal import PlaceSeal, place_key
from photonic.errors import PhotonicError
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId, Subject
from photonic.index_builders import Sources
from photonic.journal.journal import Journal
from photonic.layout import Layout
from photonic.projector import Projector
from photonic.world import World

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    work: Callable[[Catalog], Any]
    done: trio.Event = field(default_factory=trio.Event)
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Opened:
    """One library as it is open now."""

    journal: Journal
    catalog: Catalog
    projector: Projector

    def close(self) -> None:
        self.projector.close()
        self.catalog.close()
        self.journal.close()


class Keeper:
    """One library's catalog and index, kept by one thread."""

    def __init__(
        self,
        layout: Layout,
        library: LibraryId,
        identity: Identity,
        world: World,
        stored: Callable[[Collection[BlobId]], Collection[BlobId]],
        on_commit: Callable[[Committed], None],
        authority: Identity | None = None,
    ) -> None:
        """`stored` is asked on the thread; `on_commit` is called on the event loop.

        `authority` is the library's own key, where it is here.
        """
        self._authority = authority
        self._layout, self._library, self._identity = layout, library, identity
        self._world, self._stored, self._on_commit = world, stored, on_commit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._slots = trio.Semaphore(limits.KEEPER_JOBS_MAX)
        self.index = PhotoIndex(layout.index(library), PlaceSeal(place_key(identity, library)))
        self._is_behind = False  # the index lacks something that the journal has
        self.damaged: list[str] = []  # what the journal held and cannot give any more
        self.notes: list[str] = []  # what a person should know of the journal's opening
        self._scrub_at_s = world.clock.monotonic_s() + limits.SCRUB_FIRST_S
        self._batches = 0
        self.progress = (0, 0)  # shards that the index lags behind, of how many

    @property
    def waiting(self) -> int:
        """How many jobs wait for the thread."""
        return self._jobs.qsize()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Open the catalog and keep it until cancelled; jobs that were accepted are finished."""
        token = trio.lowlevel.current_trio_token()
        opened = _Job(lambda catalog: None)
        thread = threading.Thread(target=self._work, args=(token, opened), name="catalog")
        thread.start()
        try:
            await opened.done.wait()
            if opened.error is not None:
                raise opened.error
            task_status.started()
            await trio.sleep_forever()
        finally:
            self._jobs.put(None)
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(thread.join)
            self.index.close()

    async def call(self, work: Callable[[Catalog], T]) -> T:
        """Run `work` on the catalog's thread; return when what it wrote is durable.

        Cancelling stops the wait, not the work. Raises what `work` or the commit raised.
        """
        job = _Job(work)
        async with self._slots:
            self._jobs.put(job)
            await job.done.wait()
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    # --- on the thread -----------------------------------------------------------------------

    def _work(self, token: trio.lowlevel.TrioToken, opened: _Job) -> None:
        try:
            library = self._open()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the opening
            opened.error = error
            token.run_sync_soon(opened.done.set)
            return
        token.run_sync_soon(opened.done.set)
        try:
            while (batch := self._next_batch(library, token)) is not None:
                self._run_batch(library, batch, token)
                if library.journal.must_reopen:
                    library.close()
                    library = self._open()
        finally:
            library.close()

    def _open(self) -> _Opened:
        journal = Journal(self._layout.journal(self._library))
        try:
            directory = self._layout.directory(self._library)
            catalog = Catalog(
                self._library, self._identity, journal, self._world, directory, self._authority
            )
            catalog.stores = lambda blob: bool(self._stored([blob]))
            me, clock = self._identity.node, self._world.clock
            sources = Sources(self._library, directory, self._layout.blobs)
            projector = Projector(catalog, journal, self.index, me, self._stored, clock, sources)
            projector.catch_up()
        except BaseException:
            journal.close()
            raise
        self.notes = list(journal.notes)
        for note in self.notes:
            log.warning("the journal: %s", note)
        library = _Opened(journal, catalog, projector)
        self._look_at(library)
        return library

    def _look_at(self, library: _Opened) -> None:
        self.damaged = [str(fault) for fault in library.journal.damaged]
        self.progress = library.projector.progress

    def _next_batch(self, library: _Opened, token: trio.lowlevel.TrioToken) -> list[_Job] | None:
        """Wait for a job, take all that wait with it; None when it is time to end.

        While nobody waits, do what can be done in small pieces.
        """
        wait_s = 0.0 if self.progress[0] else limits.IDLE_S
        while True:
            try:
                job = self._jobs.get(timeout=wait_s)
                break
            except queue.Empty:
                has_more = self._do_a_piece(library, token)
                wait_s = 0.0 if has_more else limits.UPKEEP_INTERVAL_S
                if not has_more and library.projector.is_waiting:
                    wait_s = limits.INDEX_BUILDING_LOOK_S
        if job is None:
            return None
        batch = [job]
        while len(batch) < limits.JOURNAL_BATCH_MAX and not self._jobs.empty():
            job = self._jobs.get()
            if job is None:
                self._jobs.put(None)  # end after this batch
                break
            batch.append(job)
        return batch

    def _do_a_piece(self, library: _Opened, token: trio.lowlevel.TrioToken) -> bool:
        """Do a little of what nobody waits for; False if nothing is left to do."""
        lagged = self.progress[0] > 0
        try:
            shown = library.projector.step()
            self._look_at(library)
            if shown is None and self.index.positions.load_piece():
                return True
            if shown is None and library.projector.review():
                return True
            if shown is None:
                return self._look_after(library, token)
        except Exception:
            log.exception("what nobody waits for failed; it is tried again later")
            return False
        if shown:
            token.run_sync_soon(self._on_commit, _shown_anew(shown))
        if lagged and not self.progress[0]:  # an index that was made anew names no subjects
            token.run_sync_soon(self._on_commit, Committed(index_caught_up=True))
        return True

    def _look_after(self, library: _Opened, token: trio.lowlevel.TrioToken) -> bool:
        now_s = self._world.clock.monotonic_s()
        scrubs = now_s >= self._scrub_at_s
        has_more = library.catalog.housekeep(scrubs=scrubs)
        if library.catalog.has_staged:  # what damage took away is written again
            self._run_batch(library, [], token)
        if has_more:
            return True
        if scrubs:
            self._scrub_at_s = now_s + limits.SCRUB_INTERVAL_S
            self._look_at(library)
        return False

    def _run_batch(
        self, library: _Opened, batch: list[_Job], token: trio.lowlevel.TrioToken
    ) -> None:
        for job in batch:
            try:
                job.result = job.work(library.catalog)
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                job.error = error
        committed = Committed()
        try:
            committed = library.catalog.flush()
        except PhotonicError as error:
            for job in batch:
                job.error = job.error or error
        else:
            self._try_project(library, committed)
        self._batches += 1
        if self._batches % limits.BATCHES_PER_MERGE == 0:  # under load nobody is ever idle
            library.catalog.housekeep(scrubs=False)
        self._look_at(library)
        token.run_sync_soon(self._deliver, batch, committed)

    def _deliver(self, batch: list[_Job], committed: Committed) -> None:
        if committed.announcements:
            self._on_commit(committed)
        for job in batch:
            job.done.set()

    def _try_project(self, library: _Opened, committed: Committed) -> None:
        """Bring the index after the journal. What fails is made good before the next batch.

        The callers are not told: what they asked for is durable, and that is what they asked.
        """
        try:
            if self.index.is_damaged:
                self.index.remake()
                self._is_behind = True
            if self._is_behind:
                library.projector.catch_up()
                self._is_behind = False
            elif committed.announcements:
                library.projector.follow(committed)
        except Exception:
            log.exception("the index could not be written; it is caught up with the next change")
            self._is_behind = True


def _shown_anew(subjects: list[Subject]) -> Committed:
    return Committed(subjects=dict.fromkeys(subjects))

"""The catalog's own thread: every job on the catalog runs there, one after another.

Jobs that wait are run together and made durable by one commit (group commit); only then does each
caller get its answer and the world hear of it. So nobody ever acts on what is not on disk (I3),
and a slow fsync never stalls the event loop.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic import limits
from photonic.crdt.catalog import Catalog, Committed
from photonic.crdt.index import PhotoIndex
from photonic.crdt.journal import Journal
from photonic.crdt.projection import PhotoRow, project
from photonic.crdt.shards import ROOT, shard_of
from photonic.errors import PhotonicError
from photonic.identity import Identity
from photonic.ids import PHOTO, BlobId, LibraryId, Subject
from photonic.layout import Layout
from photonic.world import World

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    work: Callable[[Catalog], Any]
    done: trio.Event = field(default_factory=trio.Event)
    result: Any = None
    error: BaseException | None = None


class Keeper:
    """One library's catalog and index, kept by one thread."""

    def __init__(
        self,
        layout: Layout,
        library: LibraryId,
        identity: Identity,
        world: World,
        is_stored: Callable[[BlobId], bool],
        on_commit: Callable[[Committed], None],
    ) -> None:
        """`is_stored` is asked on the thread; `on_commit` is called on the event loop."""
        self._layout, self._library, self._identity = layout, library, identity
        self._world, self._is_stored, self._on_commit = world, is_stored, on_commit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._slots = trio.Semaphore(limits.KEEPER_JOBS_MAX)
        self.index = PhotoIndex(layout.index(library))
        self._is_behind = False  # the index lacks something that the journal has
        self.damaged: list[str] = []  # journal entries that failed their checksum

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
        journal = None
        try:
            journal = Journal(self._layout.journal(self._library))
            catalog = Catalog(self._library, self._identity, journal, self._world)
            self._catch_up(catalog, journal)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the opening
            if journal is not None:
                journal.close()
            opened.error = error
            token.run_sync_soon(opened.done.set)
            return
        token.run_sync_soon(opened.done.set)
        while (batch := self._next_batch()) is not None:
            self._run_batch(catalog, journal, batch, token)
        journal.close()

    def _next_batch(self) -> list[_Job] | None:
        """Wait for a job, take all that wait with it; None when it is time to end."""
        job = self._jobs.get()
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

    def _run_batch(
        self,
        catalog: Catalog,
        journal: Journal,
        batch: list[_Job],
        token: trio.lowlevel.TrioToken,
    ) -> None:
        for job in batch:
            try:
                job.result = job.work(catalog)
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                job.error = error
        committed = Committed()
        try:
            committed = catalog.flush()
        except PhotonicError as error:
            for job in batch:
                job.error = job.error or error
        else:
            self._try_project(catalog, journal, committed)
        self.damaged = [str(fault) for fault in journal.damaged]
        token.run_sync_soon(self._deliver, batch, committed)

    def _deliver(self, batch: list[_Job], committed: Committed) -> None:
        if committed.announcements:
            self._on_commit(committed)
        for job in batch:
            job.done.set()

    # --- the index ---------------------------------------------------------------------------

    def _catch_up(self, catalog: Catalog, journal: Journal) -> None:
        """Project what the journal has and the index has not: after a crash, or all of it."""
        if self.index.journal_number > journal.last_number:
            self.index.clear()  # the journal is an older copy than the index
        for shard in journal.shards_since(self.index.journal_number):
            if shard != ROOT:
                self._write_shard(catalog, shard)
        self.index.apply((), (), frozenset(), journal.last_number)

    def _try_project(self, catalog: Catalog, journal: Journal, committed: Committed) -> None:
        """Bring the index after the journal. What fails is made good before the next batch.

        The callers are not told: what they asked for is durable, and that is what they asked.
        """
        try:
            if self._is_behind:
                self._catch_up(catalog, journal)
                self._is_behind = False
            else:
                self._project(catalog, journal, committed)
        except Exception:
            log.exception("the index could not be written; it is caught up with the next change")
            self._is_behind = True

    def _project(self, catalog: Catalog, journal: Journal, committed: Committed) -> None:
        if not committed.announcements:
            return
        if committed.refold_all:
            for shard in range(ROOT):
                committed.subjects |= dict.fromkeys(catalog.subjects(shard))
                self._write_shard(catalog, shard)
        self._write_holders(catalog, committed.blobs)
        self._write(catalog, committed.subjects, journal.last_number)

    def _write_shard(self, catalog: Catalog, shard: int) -> None:
        self._write(catalog, catalog.subjects(shard), self.index.journal_number)
        self._write_holders(catalog, catalog.held_blobs(shard))
        catalog.trim()

    def _write_holders(self, catalog: Catalog, blobs: Iterable[BlobId]) -> None:
        self.index.apply_holders({blob: catalog.holders(blob) for blob in blobs})

    def _write(self, catalog: Catalog, subjects: Iterable[Subject], number: int) -> None:
        rows, gone = [], []
        for subject in sorted(subjects, key=shard_of):
            if subject.kind != PHOTO:
                continue
            row = self._row(catalog, subject)
            if row is None:
                gone.append(BlobId(subject.key))
            else:
                rows.append(row)
        held = frozenset(
            blob.ref.blob for row in rows for blob in row.blobs if self._is_stored(blob.ref.blob)
        )
        self.index.apply(rows, gone, held, number)

    def _row(self, catalog: Catalog, subject: Subject) -> PhotoRow | None:
        try:
            return project(catalog.state(subject))
        except Exception:  # one photo that somebody wrote nonsense into must not hide the others
            log.exception("%s cannot be shown", subject)
            return None

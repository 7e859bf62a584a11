"""The last step of a transfer: complete partials become held blobs, many in one go.

While one batch waits for the disk the next one gathers, so the batch grows as large as the disk is
slow, and thousands of small files do not wait for thousands of fsyncs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.to_thread

from photonic import limits
from photonic.blobs.store import BlobStore, Held, Partial
from photonic.errors import PhotonicError, StoreBroken

Outcomes = Sequence[tuple[Partial, Held | PhotonicError]]
Landed = Callable[[Outcomes], Awaitable[None]]


class Landing:
    """A queue of complete partials. What `landed` is told of, is durable or failed."""

    def __init__(self, store: BlobStore, threads: anyio.CapacityLimiter, landed: Landed) -> None:
        self._store, self._threads, self._landed = store, threads, landed
        self._queue: list[Partial] = []
        self._has_some = anyio.Event()

    def add(self, partial: Partial) -> None:
        """Queue a complete partial; never waits. Bounded by what was asked for."""
        self._queue.append(partial)
        self._has_some.set()

    async def run(self) -> None:
        """Finish what is queued until cancelled; several may run at one time."""
        while True:
            while not self._queue:
                self._has_some = anyio.Event()
                await self._has_some.wait()
                await anyio.sleep(limits.LANDING_GATHER_S)
            count = limits.BLOBS_PER_COMMIT_MAX
            batch, self._queue = self._queue[:count], self._queue[count:]
            results = await anyio.to_thread.run_sync(self._finish, batch, limiter=self._threads)
            await self._landed(list(zip(batch, results, strict=True)))

    def _finish(self, batch: list[Partial]) -> list[Held | PhotonicError]:
        try:
            return self._store.finish_many(batch)
        except PhotonicError as error:
            return [error] * len(batch)
        except OSError as error:
            return [StoreBroken(str(error))] * len(batch)

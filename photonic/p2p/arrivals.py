"""What came over lanes, stored and landed. Blocking, for the carrier's threads.

Chunks are verified by the store's door as they come; a blob that is complete is landed together
with others that are, on a thread of its own, so that thousands of small files do not wait for
thousands of fsyncs. What happened is told as events, in the order in which it did.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from photonic import limits
from photonic.blobs.store import BlobStore, Held, Partial
from photonic.errors import BlobCorrupt, PhotonicError, StoreFull
from photonic.p2p import lane_messages as said
from photonic.p2p.exchange import Answered, ChunkCame, Effect, ListCame, Refused, Wanted, WholeCame
from photonic.photos import BlobRef


class Arrivals:
    """See the module. `run` is the landing thread's; `keep` may be called from any."""

    def __init__(self, store: BlobStore, landed: Callable[[Sequence[said.Fate]], None]) -> None:
        self._store, self._landed = store, landed
        self._complete: queue.SimpleQueue[Partial | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._landing: set[bytes] = set()

    def resume(self, ref: BlobRef) -> said.Begun | None:
        """Go on with what an earlier run left of a big blob, if it left something."""
        partial = self._store.resume(ref)
        if partial is None:
            return None
        self._land_if_whole(partial)
        return _begun(partial)

    def keep(
        self, effects: Sequence[Effect], number_of: Callable[[Wanted], int]
    ) -> tuple[list[said.Event], BlobCorrupt | None]:
        """Store what came; return what happened, and the peer's lie at which it stopped, if any.

        What was stored before a lie is stored, and to be told: else it would be asked for again.
        """
        events: list[said.Event] = []
        for effect in effects:
            if isinstance(effect, Answered):
                events.append(said.Answered(number_of(effect.wanted)))
            elif isinstance(effect, Refused):
                events.append(said.Refused(number_of(effect.wanted), effect.is_busy))
            else:
                try:
                    events += self._store_one(effect)
                except BlobCorrupt as lie:
                    return events, lie
        return events, None

    def _store_one(self, effect: ListCame | ChunkCame | WholeCame) -> list[said.Event]:
        ref, is_big = effect.ref, effect.ref.size_bytes > limits.SMALL_BLOB_BYTES
        try:
            if isinstance(effect, WholeCame):
                self._complete.put(self._store.receive(ref, effect.chunks, effect.data))
                return []  # it lands soon, or it does not
            partial = self._store.begin(ref, effect.chunks)
            if isinstance(effect, ChunkCame):
                partial.write(effect.index, effect.data)
            self._land_if_whole(partial)
        except BlobCorrupt:
            raise
        except (PhotonicError, OSError) as error:
            return [said.Unstored(ref.blob, fault_of(error))]
        if not is_big:
            return []
        if isinstance(effect, ChunkCame):
            return [said.Stored(ref.blob, (effect.index,))]
        return [_begun(partial)]

    def _land_if_whole(self, partial: Partial) -> None:
        if not partial.missing_bytes:
            with self._lock:
                is_new = partial.ref.blob not in self._landing
                self._landing.add(partial.ref.blob)
            if is_new:
                self._complete.put(partial)

    def stop(self) -> None:
        """Let `run` end when what is complete has landed."""
        self._complete.put(None)

    def run(self) -> None:
        """Land what is complete, until stopped."""
        while (first := self._complete.get()) is not None:
            batch = [first]
            threading.Event().wait(limits.LANDING_GATHER_S)
            while len(batch) < limits.BLOBS_PER_COMMIT_MAX and not self._complete.empty():
                partial = self._complete.get()
                if partial is None:
                    self._complete.put(None)
                    break
                batch.append(partial)
            results = self._finish(batch)
            with self._lock:
                self._landing -= {partial.ref.blob for partial in batch}
            self._landed([_outcome(p, result) for p, result in zip(batch, results, strict=True)])

    def _finish(self, batch: Sequence[Partial]) -> list[Held | PhotonicError | OSError]:
        try:
            return list(self._store.finish_many(batch))
        except (PhotonicError, OSError) as error:
            return [error] * len(batch)


def _begun(partial: Partial) -> said.Begun:
    return said.Begun(partial.ref.blob, partial.chunks.encoded, partial.missing())


def _outcome(partial: Partial, result: Held | PhotonicError | OSError) -> said.Fate:
    blob = partial.ref.blob
    if isinstance(result, Held):
        return said.Landed(blob)
    if isinstance(result, BlobCorrupt):
        return said.Botched(blob)
    return said.Unstored(blob, fault_of(result))


def fault_of(error: PhotonicError | OSError) -> said.Fault:
    """Say a problem of this machine in a message."""
    if isinstance(error, StoreFull):
        return said.Fault(error.path, error.need_bytes, error.free_bytes)
    return said.Fault(str(error))

"""Originals that a person opens and that are not here: fetched before all others, and waited for.

Whoever opens one waits, with a bound; what does not come by then is fetched still, and is there the
next time. What was opened lately is not evicted: somebody works with it. In memory: after a restart
nobody waits any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import TypeVar

import trio

from photonic import limits
from photonic.crdt.index import blob_ref
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.errors import BlobMissing, OriginalAway
from photonic.ids import BlobId, NodeId
from photonic.p2p.planner import Want
from photonic.world import Clock

T = TypeVar("T")
_FIRST = -2  # before repairs: somebody looks at a wheel that turns


class Opened:
    """One node's. `wants` blocks; all else is used on the event loop's thread."""

    def __init__(self, query: PhotoQuery, me: NodeId, clock: Clock) -> None:
        self._query, self._me, self._clock = query, me, clock
        # By originals: their photos, who waits, and since when.
        self._waited: dict[BlobId, tuple[BlobId, trio.Event, float]] = {}
        self._opened_s: dict[BlobId, float] = {}

    async def read(
        self,
        photo: BlobId,
        read: Callable[[], Awaitable[T]],
        reachable: Callable[[], Collection[NodeId]],
        fetch: Callable[[], object],
    ) -> T:
        """Return what `read` gives; where the original is not here, once it has come.

        `fetch` makes transfers look for what is wanted now. Raises what `read` raises, BlobMissing
        if nobody who is connected says to hold it, OriginalAway if it does not come in time.
        """
        self._note(photo)
        try:
            return await read()
        except BlobMissing:
            lacking = await trio.to_thread.run_sync(self._lacking, photo)
            others = lacking.holders & frozenset(reachable()) if lacking else frozenset()
            self._forget_old()
            if lacking is None or not others or len(self._waited) >= limits.OPENED_MAX:
                raise
        blob, now_s = lacking.ref.blob, self._clock.monotonic_s()
        _, arrived, _ = self._waited.setdefault(blob, (photo, trio.Event(), now_s))
        with suppress(BlobMissing):  # it may have come between the two looks
            content = await read()
            self.note_arrived([blob])
            return content
        fetch()
        with trio.move_on_after(limits.OPENED_WAIT_S) as waiting:
            await arrived.wait()
        if waiting.cancelled_caught:
            with suppress(BlobMissing):  # by another way than was waited for
                content = await read()
                self.note_arrived([blob])
                return content
            nodes = "1 node that is" if len(others) == 1 else f"{len(others)} nodes that are"
            raise OriginalAway(
                f"the original is on {nodes} connected, and did not come within"
                f" {limits.OPENED_WAIT_S:.0f} s; it is fetched further"
            )
        return await read()

    def wants(self, reachable: Collection[NodeId]) -> list[Want]:
        """Return the originals that somebody waits for, and one of `reachable` says to hold."""
        waited = [*self._waited.values()]
        found = [self._lacking(photo, n) for n, (photo, _, _) in enumerate(waited)]
        return [want for want in found if want and want.holders & frozenset(reachable)]

    def _lacking(self, photo: BlobId, number: int = 0) -> Want | None:
        """Return the original of a photo as it is wanted, with who says to hold it. Blocks."""
        listed = self._query.photo(photo)
        rows = [r for r in self._query.blobs(photo) if r.kind == ORIGINAL_KIND and not r.held]
        if listed is None or not rows:
            return None
        holders = self._query.holders(BlobId(rows[0].blob)) - {self._me}
        return Want(blob_ref(rows[0]), listed.row.name, (_FIRST, number), holders)

    def note_arrived(self, blobs: Collection[BlobId]) -> None:
        """Hear what is here now, and said to be."""
        for blob in blobs:
            if blob in self._waited:
                self._waited.pop(blob)[1].set()

    def _forget_old(self) -> None:
        """Let go of what nobody waits for any more: it did not come, and may never."""
        old_s = self._clock.monotonic_s() - limits.OPENED_KEPT_S
        self._waited = {b: one for b, one in self._waited.items() if one[2] > old_s}

    def lately(self) -> frozenset[BlobId]:
        """Return the photos that somebody opened lately."""
        after_s = self._clock.monotonic_s() - limits.OPENED_KEPT_S
        return frozenset(photo for photo, at_s in self._opened_s.items() if at_s >= after_s)

    def _note(self, photo: BlobId) -> None:
        self._opened_s.pop(photo, None)
        self._opened_s[photo] = self._clock.monotonic_s()
        while len(self._opened_s) > limits.OPENED_MAX:
            del self._opened_s[next(iter(self._opened_s))]

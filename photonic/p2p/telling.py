"""What is stored by now and the catalog does not say yet: told in batches.

A blob that came alone is told at once. While many come, the next batch gathers for a while after
each: what is said of a few hundred blobs costs the catalog, the journal and every peer that hears
of it about what it costs to say it of one. When nothing more is on its way nobody waits. Whatever
is not told when the node ends is found in the store by the next start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import anyio

from photonic import limits
from photonic.ids import BlobId
from photonic.photos import BlobRef


class Telling:
    """See the module. Used on the event loop's thread."""

    def __init__(self, tell: Callable[[Sequence[BlobRef]], Awaitable[object]]) -> None:
        """`tell` does not raise: what it could not tell, it is asked for again."""
        self._tell = tell
        self._untold: dict[BlobId, BlobRef] = {}
        self._has_some = anyio.Event()
        self._is_last = anyio.Event()  # there is no company to wait for

    def __contains__(self, blob: BlobId) -> bool:
        return blob in self._untold

    @property
    def is_full(self) -> bool:
        """Whether so much is to be told that nothing more is to come before."""
        return len(self._untold) >= limits.TELL_WAITING_MAX

    def add(self, refs: Iterable[BlobRef]) -> None:
        """Have blobs told that are stored; never waits."""
        self._untold.update((ref.blob, ref) for ref in refs)
        if self._untold:
            self._has_some.set()

    def hurry(self) -> None:
        """Have told at once what is here: nothing more is on its way. Never waits."""
        self._is_last.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._has_some.wait()
            self._has_some, self._is_last = anyio.Event(), anyio.Event()
            began_s, some = anyio.current_time(), tuple(self._untold.values())
            await self._tell(some)
            for ref in some:
                del self._untold[ref.blob]
            pause_s = limits.TELL_PAUSE_FACTOR * (anyio.current_time() - began_s)
            with anyio.move_on_after(min(limits.TELL_PAUSE_MAX_S, pause_s)):
                await self._is_last.wait()

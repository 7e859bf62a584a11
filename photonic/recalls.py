"""What this node let go and others do not keep as they should by now: fetched here again.

Whoever lets a photo go relies on copies that were proven then. If they are lost later (a disk that
died, a machine that was revoked), the photo is one that was here and that there may be room for:
so it is wanted again, whatever the role wants of others. It does not go back and forth: what is
fetched for this may only go once enough others prove to hold it, which is what was lacking.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress

import trio

from photonic import limits
from photonic.blobs.promises import PromiseBook
from photonic.crdt.index import blob_ref
from photonic.crdt.projection import ORIGINAL_KIND
from photonic.crdt.query import PhotoQuery
from photonic.errors import IndexUnreadable
from photonic.ids import BlobId, NodeId
from photonic.p2p.planner import Want
from photonic.placement.decision import lacks_without
from photonic.placements import Placements
from photonic.roles.retention import Level
from photonic.search.criteria import Is, Not, Number, Tree, all_of, negated
from photonic.world import Clock

log = logging.getLogger(__name__)

_FIRST = -1  # as repairs: a photo with a copy less than somebody counted


class Recalls:
    """One node's. `run` owns the only task; `wants` blocks, and may be called from any thread."""

    def __init__(
        self,
        placements: Placements,
        query: PhotoQuery,
        book: PromiseBook,
        left_alone: Callable[[], Tree | None],
        clock: Clock,
        wake: Callable[[], object],
    ) -> None:
        """`book` knows what went; `left_alone`: photos that are paused, None for none.

        `wake` makes transfers look for what is wanted now.
        """
        self._placements, self._query, self._book = placements, query, book
        self._left_alone, self._clock, self._wake = left_alone, clock, wake
        self._short_since_s: dict[BlobId, float] = {}
        self._wanted: Mapping[BlobId, Want] = {}

    async def run(self, look: Callable[[], Awaitable[Level]]) -> None:
        """Look again and again, until cancelled. `look` measures how full the buffer is."""
        while True:
            with suppress(IndexUnreadable):  # it is being made again
                await self.look(look)
            await trio.sleep(limits.RECALL_LOOK_S)

    async def look(self, look: Callable[[], Awaitable[Level]]) -> None:
        """Find what is wanted again and fits below the high mark. Raises IndexUnreadable."""
        short = await trio.to_thread.run_sync(self._short)
        room_bytes = (await look()).below_high_bytes if short else 0
        before, self._wanted = self._wanted, _fitting(short, room_bytes)
        if not self._wanted.keys() <= before.keys():
            log.info("%d photos that went are fetched again", len(self._wanted))
            self._wake()

    def wants(self, limit: int, reachable: Collection[NodeId]) -> list[Want]:
        """Return what is wanted again and one of `reachable` says to hold."""
        anybody, lacking = frozenset(reachable), self._wanted
        away = self._book.away(lacking)  # not what has come by now
        return [w for b, w in lacking.items() if b in away and w.holders & anybody][:limit]

    # --- looking -----------------------------------------------------------------------------

    def _short(self) -> list[Want]:
        """Return what was let go here and lacks copies elsewhere. Blocks."""
        now_s, gone = self._clock.monotonic_s(), self._gone()
        since_s = {photo: self._short_since_s.get(photo, now_s) for photo in gone}
        self._short_since_s = since_s
        wants = [self._want(n, p, is_overdue=now_s - since_s[p] >= limits.RECALL_OVERDUE_S)
                 for n, p in enumerate(gone)]  # fmt: skip
        return [want for want in wants if want is not None]

    def _gone(self) -> list[BlobId]:
        """Return photos that were let go here and have fewer copies than the rules want."""
        found: list[BlobId] = []
        for tree in self._trees() if self._book.has_away else ():
            cursor: str | None = None
            for _ in range(limits.RECALL_PAGES_MAX):
                photos, cursor = self._query.ids(tree, limits.RECALL_PHOTOS_MAX, cursor)
                found += sorted(self._book.away(photos))
                if cursor is None or len(found) >= limits.RECALL_PHOTOS_MAX:
                    break
        return found[: limits.RECALL_PHOTOS_MAX]

    def _trees(self) -> Iterator[Tree]:
        """Yield photos that are not here and have fewer copies than are wanted of them."""
        paused = self._left_alone()
        for level in self._placements.levels():
            few = Number("copies", "<", level.copies)
            tree = all_of(level.tree, few, Not(Is("held")), Not(Is("trashed")))
            yield tree if paused is None else all_of(tree, negated(paused))

    def _want(self, number: int, photo: BlobId, *, is_overdue: bool) -> Want | None:
        """Return the original of a photo as it is wanted, if it is to be here again."""
        placements, holders = self._placements, self._query.holders(photo)
        wanted, me = placements.demand_of(photo), placements.me()
        if not lacks_without(me, wanted, placements.members, holders, is_overdue=is_overdue):
            return None
        listed = self._query.photo(photo)
        rows = [r for r in self._query.blobs(photo) if r.kind == ORIGINAL_KIND and r.blob == photo]
        if listed is None or not rows:
            return None
        return Want(blob_ref(rows[0]), listed.row.name, (_FIRST, number), holders - {me.node})


def _fitting(wants: Sequence[Want], room_bytes: int) -> dict[BlobId, Want]:
    """Return those that there is room for, in their order."""
    found: dict[BlobId, Want] = {}
    for want in wants:
        if want.ref.size_bytes <= room_bytes:
            room_bytes -= want.ref.size_bytes
            found[want.ref.blob] = want
    return found

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

_SHORT_MAX = 20 * limits.RECALL_PHOTOS_MAX  # photos that are remembered as short
_LOOKED_AT_MAX = 4 * limits.RECALL_PHOTOS_MAX  # of these, at one time
_FIRST = -1  # as repairs: a photo with a copy less than somebody counted


class Recalls:
    """One node's. `run` owns the only task; `wants` blocks, and may be called from any thread."""

    def __init__(
        self,
        placements: Placements,
        query: PhotoQuery,
        book: PromiseBook,
        left_alone: Callable[[], Tree | None],
        reachable: Callable[[], Collection[NodeId]],
        clock: Clock,
        wake: Callable[[], object],
    ) -> None:
        """`book` knows what went; `left_alone`: photos that are paused, None for none.

        `wake` makes transfers look for what is wanted now.
        """
        self._placements, self._query, self._book = placements, query, book
        self._left_alone, self._reachable = left_alone, reachable
        self._clock, self._wake = clock, wake
        self._since_s: dict[BlobId, float] = {}  # photos that are short, the last looked at behind
        self._behind = b""  # of what went, looked through so far
        self._wanted: Mapping[BlobId, Want] = {}

    async def run(self, look: Callable[[], Awaitable[Level]]) -> None:
        """Look again and again, until cancelled. `look` measures how full the buffer is."""
        while True:
            with suppress(IndexUnreadable):  # it is being made again
                await self.look(look)
            await trio.sleep(limits.RECALL_LOOK_S)

    async def look(self, look: Callable[[], Awaitable[Level]]) -> None:
        """Find what is wanted again and fits below the high mark. Raises IndexUnreadable."""
        reachable = frozenset(self._reachable())
        short = await trio.to_thread.run_sync(self._short, reachable)
        room_bytes = (await look()).below_high_bytes if short else 0
        before, self._wanted = self._wanted, _fitting(short, room_bytes)
        if not self._wanted.keys() <= before.keys():
            log.info("%d photos that went are fetched again", len(self._wanted))
            self._wake()

    def is_lacking(self, photo: BlobId) -> bool:
        """Whether a photo that went is on too few others, whoever is to fetch it. Blocks."""
        placements = self._placements
        return lacks_without(
            placements.me(), placements.demand_of(photo), placements.members,
            self._query.holders(photo), is_overdue=True,
        )  # fmt: skip

    def wants(self, limit: int, reachable: Collection[NodeId]) -> list[Want]:
        """Return what is wanted again and one of `reachable` says to hold."""
        anybody, lacking = frozenset(reachable), self._wanted
        away = self._book.away(lacking)  # not what has come by now
        return [w for b, w in lacking.items() if b in away and w.holders & anybody][:limit]

    # --- looking -----------------------------------------------------------------------------

    def _short(self, reachable: frozenset[NodeId]) -> list[Want]:
        """Return what was let go here, lacks copies elsewhere, and can be had now. Blocks.

        What nobody who is there has, or others are to fetch, takes no place from the rest; where
        there is more than one look goes through, the next one goes on behind it.
        """
        self._follow()
        found, now_s = list[Want](), self._clock.monotonic_s()
        wanted = [photo for photo in self._wanted if photo in self._since_s]
        others = [photo for photo in self._since_s if photo not in self._wanted]
        for photo in [*wanted, *others][:_LOOKED_AT_MAX]:
            since_s = self._since_s.pop(photo)
            self._since_s[photo] = since_s
            want = self._want(
                len(found), photo, is_overdue=now_s - since_s >= limits.RECALL_OVERDUE_S
            )
            if want is not None and want.holders & reachable:
                found.append(want)
            if len(found) == limits.RECALL_PHOTOS_MAX:
                break
        return found

    def _follow(self) -> None:
        """Forget what is not short any more, and go on looking through all that went."""
        if not self._placements.at_risk(self._placements.floor.copies).photos:
            self._since_s = {}  # as mostly; all that went need not be looked through
            return
        trees, now_s = list(self._trees()), self._clock.monotonic_s()
        still = self._placements.of_any(list(self._since_s), trees)
        since_s = {photo: s for photo, s in self._since_s.items() if photo in still}
        for _ in range(limits.RECALL_PAGES_MAX):
            if len(since_s) >= _SHORT_MAX:
                break
            gone = self._book.away_behind(self._behind, limits.RECALL_PHOTOS_MAX)
            for photo in sorted(self._placements.of_any(gone, trees)):
                since_s.setdefault(photo, now_s)
            self._behind = gone[-1] if len(gone) == limits.RECALL_PHOTOS_MAX else b""
            if not self._behind:
                break
        self._since_s = since_s

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

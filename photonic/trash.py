"""The trash: photos that a person wants gone, what of them may go, and when.

Putting a photo into the trash is a change like any other: it is undone, it contests, it travels.
The bytes stay for `trash_days`, counted from the later of the removal and the moment at which this
node heard of it, by a clock that is not believed when it leaps (`grace.py`). Then each node drops
its own copies, having said so in the catalog first; the history stays, and taking the file in again
brings the photo back. What the deletion brake holds is neither hidden nor dropped.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import replace

import trio

from photonic import limits
from photonic.catalog_thread import CatalogThread
from photonic.crdt.brake import limit_for, photos_that_matter
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CONFIRMED, TRASHED
from photonic.crdt.fold import SubjectState
from photonic.crdt.query import PhotoQuery, RemovalRow
from photonic.edits import Chosen, DraftOf, Edits
from photonic.errors import PeerUnknown, QueryInvalid, RemovalUnconfirmed
from photonic.grace import DAY_MS, Grace
from photonic.ids import (
    REMOVALS,
    BlobId,
    NodeId,
    Subject,
    parse_hash,
    parse_peer_id,
    peer_id,
    photo_subject,
)
from photonic.photo_views import (
    BulkEditView,
    HeldRemovalsView,
    PurgeView,
    TrashedView,
    TrashPage,
)
from photonic.search.criteria import Is, any_of
from photonic.showing import NameOf, iso_utc, summary
from photonic.world import Clock

log = logging.getLogger(__name__)

# What somebody put into the trash, whether this node follows or not.
_THROWN = any_of(Is("trashed"), Is("removal-held"))


class Trash:
    """One library's trash on one node."""

    def __init__(
        self,
        thread: CatalogThread,
        query: PhotoQuery,
        edits: Edits,
        me: NodeId,
        clock: Clock,
        name_of: NameOf,
        drop: Callable[[BlobId], Awaitable[int]],
        grace: Grace,
    ) -> None:
        """`drop` drops this node's bytes of a photo and returns how many; they stay for `grace`."""
        self._thread, self._query, self._edits, self._me = thread, query, edits, me
        self._clock, self._name_of, self._drop, self._grace = clock, name_of, drop, grace

    # --- what people do ----------------------------------------------------------------------

    async def discard(
        self, chosen: Chosen, *, confirm: bool, dry_run: bool = False
    ) -> BulkEditView:
        """Put photos into the trash, as one act.

        Raises RemovalUnconfirmed, before anything is written, if they are so many that other nodes
        would hold the removal, with what this node removed shortly before, and `confirm` does not
        say that it is meant; QueryInvalid, PhotoUnknown, NotAllowed, EditStopped.
        """
        count = await self._edits.count(chosen)
        if dry_run:
            return BulkEditView(count, None, dry_run=True)
        before, most = await trio.to_thread.run_sync(self._lately)
        is_burst = before + count > most
        if is_burst and not confirm:
            raise RemovalUnconfirmed(count, before, most)
        done = await self._apply(chosen, self._thrown)
        if is_burst:
            await self._say_meant(self._me)
        return done

    def _lately(self) -> tuple[int, int]:
        """Return how many this node removed within the hour, and how many it may in all.

        As the others will see it: by the stamps of changes, which may be ahead of the clock, and
        by what the library had when the hour of removals began.
        """
        now_ms = max(self._clock.now_ms(), self._query.last_removal(self._me))
        count, first_ms = self._query.removals_since(self._me, now_ms - limits.BRAKE_WINDOW_MS)
        begin_ms = now_ms if first_ms is None else first_ms
        return count, limit_for(
            bisect_right(self._query.first_added(photos_that_matter()), begin_ms)
        )

    async def restore(self, chosen: Chosen) -> BulkEditView:
        """Take photos out of the trash, as one act.

        A query is asked of the trash alone, and of what the brake keeps out of it here.
        """
        return await self._apply(replace(chosen, among=_THROWN), _kept)

    def _thrown(self, _: Catalog, state: SubjectState) -> Draft | None:
        """Say so once; where only others said so, this node's word makes it meant here."""
        field = state.fields.get(TRASHED)
        versions = field.versions if field is not None else ()
        if versions and all(v.value is True and v.author == self._me for v in versions):
            return None
        return Draft(state.subject, {TRASHED: True})

    async def _apply(self, chosen: Chosen, draft_of: DraftOf) -> BulkEditView:
        act = self._edits.new_act()
        count = await self._edits.apply(self._edits.select(chosen), draft_of, act)
        return BulkEditView(count, act.hex() if count else None, dry_run=False)

    async def confirm(self, node: str) -> list[HeldRemovalsView]:
        """Say that a node's removals until now are meant; return what is still held.

        Raises PeerUnknown, NotAllowed.
        """
        try:
            author = parse_peer_id(node)
        except ValueError:
            raise PeerUnknown(f"{node[:80]} is no peer ID") from None
        await self._say_meant(author)
        return await self.held()

    async def _say_meant(self, author: NodeId) -> None:
        def write(catalog: Catalog) -> None:
            subject = Subject(REMOVALS, author)
            known = catalog.state(subject).fact(CONFIRMED)
            before = known if isinstance(known, int) else 0
            # What is known here, by the author's own clock: neither later ones nor none of them.
            until_ms = max(before, self._query.last_removal(author))
            catalog.write([Draft(subject, {CONFIRMED: until_ms})])

        await self._thread.call(write)

    # --- what there is -----------------------------------------------------------------------

    async def page(self, limit: int, cursor: str | None) -> TrashPage:
        """Return what is in the trash, by the photos' ids. Raises QueryInvalid for a bad cursor."""
        after = _photo_of(cursor) if cursor is not None else None

        def read() -> TrashPage:
            rows = self._query.removals(limit + 1, after)
            shown = [view for row in rows[:limit] if (view := self._view(row)) is not None]
            following = rows[limit - 1].photo.hex() if len(rows) > limit else None
            return TrashPage(shown, following, [])

        return replace(await trio.to_thread.run_sync(read), held=await self.held())

    def _view(self, row: RemovalRow) -> TrashedView | None:
        listed = self._query.photo(row.photo)
        if listed is None:
            return None
        goes_ms = None if row.held else self._grace.ends_ms(begin_ms(row))
        return TrashedView(
            summary(listed),
            peer_id(row.author),
            self._name_of(row.author),
            iso_utc(row.at_ms),
            iso_utc(goes_ms) if goes_ms is not None else None,
        )

    async def held(self) -> list[HeldRemovalsView]:
        """Return, for each node, how many of its removals the brake holds here."""
        if not await trio.to_thread.run_sync(self._query.held_removals):
            return []
        return await self._thread.call(self._held)

    def _held(self, catalog: Catalog) -> list[HeldRemovalsView]:
        return [
            HeldRemovalsView(
                peer_id(author),
                self._name_of(author),
                count,
                iso_utc(at_ms),
                self._act_of_last(catalog, author),
            )
            for author, count, at_ms in self._query.held_removals()
        ]

    def _act_of_last(self, catalog: Catalog, author: NodeId) -> str | None:
        """Return the act of the latest removal of an author that is held, if it has one."""
        photo = self._query.last_held_removal(author)
        if photo is None:
            return None
        subject = photo_subject(photo)
        field = catalog.state(subject).fields.get(TRASHED)
        versions = field.versions if field is not None else ()
        removals = {v.change for v in versions if v.author == author and v.value is True}
        changes = catalog.changes(subject)
        return next((one.change.act.hex() or None for one in changes if one.id in removals), None)

    # --- for good ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Drop what may go, now and once a day, until cancelled."""
        while True:
            await self.empty()
            await trio.sleep(DAY_MS / 1000)

    async def empty(self) -> PurgeView:
        """Drop this node's copies of all that is past its grace; return what was dropped."""
        await trio.to_thread.run_sync(self._grace.advance)
        after: BlobId | None = None
        photos = dropped_bytes = 0
        while True:
            rows = await trio.to_thread.run_sync(self._query.removals, limits.PAGE_ITEMS_MAX, after)
            for row in rows:
                if not row.held and self._grace.is_over(begin_ms(row)):
                    freed = await self._drop(row.photo)
                    photos += freed > 0
                    dropped_bytes += freed
            if not rows:
                break
            after = rows[-1].photo
        if photos:
            log.info("%d photos left the trash for good: %d bytes", photos, dropped_bytes)
        return PurgeView(photos, dropped_bytes)


def begin_ms(row: RemovalRow) -> int:
    """Return from when on the grace of a removal counts."""
    return max(row.at_ms, row.since_ms)


def _kept(_: Catalog, state: SubjectState) -> Draft | None:
    field = state.fields.get(TRASHED)
    if field is None or not any(version.value is True for version in field.versions):
        return None
    return Draft(state.subject, {TRASHED: None})


def _photo_of(cursor: str) -> BlobId:
    try:
        return BlobId(parse_hash(cursor))
    except ValueError as error:
        raise QueryInvalid("the cursor is none that a page gave out") from error

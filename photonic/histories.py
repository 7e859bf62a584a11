"""What was said of photos and by whom, and taking it back.

To undo is to say, in a new change, what was shown before. What somebody wrote over since is theirs
and stays; the answer names it. An undo is an act like any other, so that it can be undone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import trio

from photonic import limits
from photonic.catalog_thread import CatalogThread
from photonic.chronicle import Chronicle
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import ALBUM_NAME, NAME, ORIGIN, ORIGINAL
from photonic.crdt.fold import SubjectState
from photonic.crdt.history import undo
from photonic.crdt.query import ActRow, PhotoQuery
from photonic.edits import Edits
from photonic.errors import PhotoUnknown, QueryInvalid, SaidAmbiguous, SaidUnknown, UndoRefused
from photonic.ids import (
    ALBUM,
    PHOTO,
    BlobId,
    ChangeId,
    NodeId,
    Subject,
    parse_hash,
    peer_id,
    photo_subject,
)
from photonic.photo_views import ActPage, ActView, KeptView, PhotoLog, UndoView
from photonic.replay import is_mark, origins_of
from photonic.showing import NameOf, embedded, facts_of, iso_utc

T = TypeVar("T")

# Which changes of a photo are meant.
Meant = Callable[[SignedChange], bool]


class Histories:
    """Reads the history of photos, and undoes."""

    def __init__(
        self, thread: CatalogThread, query: PhotoQuery, edits: Edits, name_of: NameOf
    ) -> None:
        self._thread, self._query = thread, query
        self._edits, self._name_of = edits, name_of

    async def photo(self, photo: str, limit: int, cursor: str | None) -> PhotoLog:
        """Return what was said of a photo, the latest first. Raises PhotoUnknown, QueryInvalid."""
        subject = photo_subject(_photo_id(photo))
        behind = _change_id(cursor) if cursor is not None else None

        def read(catalog: Catalog) -> tuple[Callable[[], Chronicle], SubjectState]:
            state = catalog.state(subject)
            # All of them are values: what is made of them needs the catalog's thread no more.
            make = partial(
                Chronicle,
                subject,
                catalog.changes(subject),
                is_effective=catalog.roster.allows,
                display=catalog.display,
                embedded=partial(embedded, facts_of(state)),
            )
            return make, state

        make, state = await self._thread.call(read)
        if ORIGINAL not in state.fields:
            raise PhotoUnknown(photo)
        views, following = await trio.to_thread.run_sync(
            lambda: make().page(limit, behind, self._name_of)
        )
        name = str(state.fact(NAME, ""))
        return PhotoLog(photo, name, views, following.hex() if following else None)

    async def acts(self, limit: int, cursor: str | None) -> ActPage:
        """Return what people did lately. Raises QueryInvalid for a cursor that is none."""
        page = await trio.to_thread.run_sync(self._query.acts, limit, cursor)
        views: list[ActView] = []
        for start in range(0, len(page.items), limits.ACTS_READ_AT_ONCE):
            some = page.items[start : start + limits.ACTS_READ_AT_ONCE]
            views += await self._thread.call(partial(self._act_views, some))
        return ActPage(views, page.next)

    def _act_views(self, acts: Sequence[ActRow], catalog: Catalog) -> list[ActView]:
        """What was said stands in the catalog alone; of an act, one change is looked at."""
        views = []
        for row in acts:
            subject, author = Subject(row.kind, row.key), NodeId(row.author)
            changes = catalog.changes(subject)
            said = next((one.change for one in changes if one.id == row.change), None)
            if said is not None and is_mark(said):
                continue  # it is told with the words that it belongs to
            origin = origins_of(changes).get(ChangeId(row.change))
            names = (*said.sets, *said.adds, *said.removes) if said else ()
            views.append(
                ActView(
                    id=(row.act or row.change).hex(),
                    act=row.act.hex() if row.act else None,
                    author=peer_id(author),
                    author_name=self._name_of(author),
                    origin=(origin.name or None) if origin else None,
                    at=iso_utc(stamp_ms(row.at)),
                    kind=subject.kind,
                    subject=subject.key.hex(),
                    name=str(catalog.state(subject).fact(NAME, "")),
                    count=row.count,
                    fields=[name for name in dict.fromkeys(names) if name != ORIGIN],
                )
            )
        return views

    async def undo(self, *, change: str | None = None, act: str | None = None) -> UndoView:
        """Take back a change, or all changes of an act, by the first digits of its id.

        Raises SaidUnknown, SaidAmbiguous, UndoRefused if nothing of it stands, NotAllowed,
        EditStopped.
        """
        if act is not None:
            target = _only(await trio.to_thread.run_sync(self._query.acts_like, act, 2), act)
            others = await trio.to_thread.run_sync(self._query.others_of_act, target)
            subjects = dict.fromkeys(Subject(one.kind, one.key) for one in others)
            photos = self._photos_of(target)
            return await self._undo(photos, subjects, lambda one: one.change.act == target)
        assert change is not None
        edit = _only(await trio.to_thread.run_sync(self._query.changes_like, change, 2), change)
        is_photo = edit.kind == PHOTO
        photos = _once([BlobId(edit.key)] if is_photo else [])
        subjects = {} if is_photo else {Subject(edit.kind, edit.key): None}
        return await self._undo(photos, subjects, lambda one: one.id == edit.change)

    async def _undo(
        self,
        photos: AsyncGenerator[list[BlobId], None],
        others: Collection[Subject],
        is_meant: Meant,
    ) -> UndoView:
        """Take back what is meant of photos, and of others: albums."""
        undoing, act = _Undoing(is_meant), self._edits.new_act()

        def write(catalog: Catalog) -> int:
            states = [catalog.state(subject) for subject in others]
            drafts = [undoing.draft(catalog, state) for state in states]
            return len(catalog.write([replace(draft, act=act) for draft in drafts if draft]))

        albums = await self._thread.call(write) if others else 0
        undone = await self._edits.apply(photos, undoing.draft, act)
        if not (undone or albums):
            raise UndoRefused(undoing.kept[0].reason if undoing.kept else "nothing is left of it")
        return UndoView(act.hex(), undone, undoing.kept_count, undoing.kept, albums)

    async def _photos_of(self, act: bytes) -> AsyncGenerator[list[BlobId], None]:
        after: bytes | None = None
        while True:
            ask = partial(self._query.photos_of_act, act, after, limits.EDIT_WINDOW_PHOTOS)
            photos = await trio.to_thread.run_sync(ask)
            if not photos:
                return
            yield photos
            after = photos[-1]


class _Undoing:
    """What takes back the changes that are meant, and why that is not possible of some subjects."""

    def __init__(self, is_meant: Meant) -> None:
        self._is_meant = is_meant
        self.kept: list[KeptView] = []
        self.kept_count = 0

    def draft(self, catalog: Catalog, state: SubjectState) -> Draft | None:
        """Called on the catalog's thread, one photo or album after another."""
        changes = catalog.changes(state.subject)
        meant = [signed for signed in changes if self._is_meant(signed)]
        reason = "it is not here any more"
        for signed in sorted(meant, key=lambda one: one.change.at, reverse=True):
            try:
                draft = undo(
                    state.subject,
                    changes,
                    signed.id,
                    is_effective=catalog.is_effective,
                    display=catalog.display,
                    embedded=partial(embedded, facts_of(state)),
                )
                if state.subject.kind == ALBUM and draft.sets.get(ALBUM_NAME, "") is None:
                    raise UndoRefused("it made the album; delete the album instead")
                return draft
            except UndoRefused as refusal:
                reason = refusal.message
        self.kept_count += 1
        if len(self.kept) < limits.UNDO_KEPT_SHOWN_MAX:
            name = str(state.fact(NAME, ""))
            self.kept.append(KeptView(state.subject.key.hex(), name, reason))
        return None


def _only(found: Sequence[T], prefix: str) -> T:
    if not found:
        raise SaidUnknown(f"nothing that was said of a photo has the id {prefix}")
    if len(found) > 1:
        raise SaidAmbiguous(f"several ids begin with {prefix}")
    return found[0]


async def _once(photos: list[BlobId]) -> AsyncGenerator[list[BlobId], None]:
    yield photos


def _photo_id(photo: str) -> BlobId:
    try:
        return BlobId(parse_hash(photo))
    except ValueError:
        raise PhotoUnknown(photo) from None


def _change_id(cursor: str) -> ChangeId:
    try:
        return ChangeId(parse_hash(cursor))
    except ValueError as error:
        raise QueryInvalid("the cursor is none that a page gave out") from error

"""What people say of photos, and edits of many of them as one act, in bounded batches.

The changes of an act share its id, so that one `undo` takes all of them back. An act is no
transaction: what stops it halfway (a full disk) leaves what was written, under its id.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from photonic import limits
from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import ACT_BYTES, Draft
from photonic.crdt.fields import ALBUMS, EDITABLE, ORIGINAL, SHOOT_OF, STACK_OF, TAGS
from photonic.crdt.fold import SubjectState
from photonic.crdt.keys import shard_of
from photonic.errors import EditInvalid, EditStopped, PhotonicError
from photonic.finder import Finder
from photonic.ids import BlobId, photo_subject
from photonic.photo_views import BulkEditView
from photonic.photos import PhotoFacts
from photonic.search.criteria import ALL, Tree
from photonic.showing import embedded, facts_of, plain
from photonic.world import Entropy

REGISTERS = (*EDITABLE, SHOOT_OF, STACK_OF)
SETS = (TAGS, ALBUMS)

# What to say of a photo as it is; None: nothing. Called on the catalog's thread.
DraftOf = Callable[[Catalog, SubjectState], Draft | None]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which photos an act is about: those that the query `q` finds, or those with these `ids`.

    The query is asked `among` some photos, as if it said so itself.
    """

    q: str | None = None
    ids: Sequence[str] = ()
    among: Tree = ALL


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of photos: registers (None clears one), and what goes in and out of sets.

    Albums are named by their ids in hex.
    """

    sets: Mapping[str, object] = field(default_factory=dict)
    adds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    removes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def check(self) -> None:
        """Raises EditInvalid if there is such a field not, or nothing is said."""
        unknown = sorted(set(self.sets) - set(REGISTERS))
        unknown += sorted({*self.adds, *self.removes} - set(SETS))
        if unknown:
            there = ", ".join((*REGISTERS, *SETS))
            raise EditInvalid(f"nobody can set {', '.join(unknown)}; {there} can be")
        if not (self.sets or any(self.adds.values()) or any(self.removes.values())):
            raise EditInvalid("the edit says nothing")
        for name in SETS:
            both = sorted({*self.adds.get(name, ())} & {*self.removes.get(name, ())})
            if both:
                raise EditInvalid(f"{', '.join(both)} cannot be added and removed at once")

    def draft(self, state: SubjectState) -> Draft | None:
        """Return what of it is not so already, or None: nobody needs a change that says nothing."""
        facts = facts_of(state)
        sets = {
            name: value
            for name, value in self.sets.items()
            if not _is_so(state, facts, name, value)
        }
        adds, removes = {}, {}
        for name in SETS:
            there = _there(state, facts, name)
            if fresh := [value for value in self.adds.get(name, ()) if value not in there]:
                adds[name] = fresh
            if gone := [value for value in self.removes.get(name, ()) if value in there]:
                removes[name] = gone
        return Draft(state.subject, sets, adds, removes) if sets or adds or removes else None


class Edits:
    """Chooses photos and writes changes of them."""

    def __init__(self, thread: CatalogThread, finder: Finder, entropy: Entropy) -> None:
        self._thread, self._finder, self._entropy = thread, finder, entropy

    def new_act(self) -> bytes:
        """Return the id of an act that nobody has used."""
        return self._entropy.token(ACT_BYTES)

    async def count(self, chosen: Chosen) -> int:
        """Return how many photos are chosen. Raises QueryInvalid, PhotoUnknown."""
        if chosen.q is None:
            return len(await self._finder.known(chosen.ids))
        return (await self._finder.count(chosen.q, chosen.among)).count

    async def edit(self, chosen: Chosen, said: Said, *, dry_run: bool) -> BulkEditView:
        """Say something of all that is chosen, as one act; a dry run only counts them.

        Raises EditInvalid, QueryInvalid, PhotoUnknown, NotAllowed, EditStopped.
        """
        said.check()
        if dry_run:
            return BulkEditView(await self.count(chosen), None, dry_run=True)
        act = self.new_act()
        count = await self.apply(self.select(chosen), lambda _, state: said.draft(state), act)
        return BulkEditView(count, act.hex() if count else None, dry_run=False)

    async def select(self, chosen: Chosen) -> AsyncGenerator[list[BlobId], None]:
        """Yield what is chosen, newest first, in windows of at most EDIT_WINDOW_PHOTOS.

        A photo comes once, whatever is said of it meanwhile. Raises QueryInvalid, PhotoUnknown.
        """
        if chosen.q is None:
            yield await self._finder.known(chosen.ids)
            return
        window: list[BlobId] = []
        async with aclosing(self._finder.ids(chosen.q, chosen.among)) as pages:
            async for page in pages:
                window += page
                if len(window) + limits.PAGE_ITEMS_MAX > limits.EDIT_WINDOW_PHOTOS:
                    yield window
                    window = []
        if window:
            yield window

    async def apply(
        self, ids: AsyncGenerator[list[BlobId], None], draft_of: DraftOf, act: bytes
    ) -> int:
        """Write what `draft_of` says of each photo, all under `act`; return how many changed.

        A photo of which it says nothing, or that is not (yet) known as one, is passed over.
        Raises what the catalog raises if nothing was written, else EditStopped.
        """
        written = 0
        try:
            async with aclosing(ids):
                async for window in ids:
                    for batch in _batches(window):
                        written += await self._write(batch, draft_of, act)
        except PhotonicError as error:
            if not written:
                raise
            raise EditStopped(written, act, error) from error
        return written

    async def _write(self, batch: Sequence[BlobId], draft_of: DraftOf, act: bytes) -> int:
        def work(catalog: Catalog) -> int:
            drafts = []
            for photo in batch:
                state = catalog.state(photo_subject(photo))
                draft = draft_of(catalog, state) if ORIGINAL in state.fields else None
                if draft is not None:
                    drafts.append(replace(draft, act=act))
            return len(catalog.write(drafts))

        return await self._thread.call(work)


def _is_so(state: SubjectState, facts: PhotoFacts, name: str, value: object) -> bool:
    entry = state.fields.get(name)
    if entry is None:
        return bool(plain(embedded(facts, name)) == plain(value))
    return all(version.value == value for version in entry.versions)


def _there(state: SubjectState, facts: PhotoFacts, name: str) -> set[str]:
    own = set(embedded(facts, name)) - state.ended_embedded(name)
    return own | state.tags.get(name, {}).keys()


def _batches(window: Iterable[BlobId]) -> list[list[BlobId]]:
    """Cut a window into batches of few shards each: a shard is read from the journal once."""
    ordered = sorted(window, key=lambda photo: shard_of(photo_subject(photo)))
    step = limits.EDIT_PHOTOS_AT_ONCE
    return [ordered[start : start + step] for start in range(0, len(ordered), step)]

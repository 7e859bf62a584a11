"""Builds a made-up library through the real catalog: signed, journalled, judged and indexed.

The home that results is the laptop's. What the laptop says it writes; what the studio imported
arrives as the studio's own updates, through the door; so do the holdings of the others. Twenty
years are told in `sessions` lives of the daemon, each with Yjs clients of its own, as restarts
have it. Within one, what happened is put in order by shard: a bulk import, not one photo at a time.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path

import anyio

from benchmarks.homes import open_keeper
from benchmarks.libraries import BEGAN, LAPTOP, NODES, Contested, Deed, Edited, Library, Taken
from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.commits import Announcement
from photonic.crdt.keys import ROOT, shard_of
from photonic.crdt.roster import MEMBER_SCOPES
from photonic.drafts import introduction
from photonic.identity import Identity
from photonic.ids import BlobId
from photonic.journal.journal import Journal
from photonic.keeper import Keeper
from photonic.layout import Layout, LibraryRecord
from photonic.membership import admit_member, found_library
from photonic.provision import provide
from photonic.world import World
from simulations.world import SeededEntropy, VirtualClock

SESSIONS = 60
_UPDATES_AT_ONCE = 16


@dataclass(slots=True)
class Built:
    """What building took; seconds by kind of work, and how many of each there were."""

    home: Path
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    counts: Counter[str] = field(default_factory=Counter)

    def rate(self, name: str) -> float:
        return self.counts[name] / self.seconds[name] if self.seconds[name] else 0.0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began_s


class Builder:
    """Founds a library in a home folder and tells its story there."""

    def __init__(self, home: Path, library: Library) -> None:
        self._story = library
        self.layout = Layout(home)
        self._clock = VirtualClock(round(BEGAN.timestamp() * 1000))
        self.world = World(clock=self._clock, entropy=SeededEntropy(library.seed))
        own = Identity.load_or_create(self.layout.node_key, self.world)
        others = [Identity.generate(self.world) for _ in NODES[1:]]
        self.identities = [own, *others]
        self._numbers = [count(1) for _ in NODES]
        self.record = self._found()
        self.built = Built(home)
        self._founding: list[tuple[int, bytes]] = []

    def _found(self) -> LibraryRecord:
        (name, role), *others = NODES
        record = found_library(
            self.layout, self.identities[LAPTOP],
            name="Benchmark", role=role, node_name=name, world=self.world,
        )  # fmt: skip
        journal = Journal(self.layout.journal(record.library))
        catalog = Catalog(record.library, self.identities[LAPTOP], journal, self.world)
        for identity, (name, role) in zip(self.identities[1:], others, strict=True):
            admit_member(catalog, identity.node, name=name, role=role, scopes=MEMBER_SCOPES)
        catalog.flush()
        provide(catalog, self.identities[LAPTOP].node, self.world)
        catalog.flush()
        journal.close()
        return record

    async def build(self, sessions: int = SESSIONS) -> Built:
        deeds = self._story.deeds()
        per_session = max(1, -(-self._story.photos // sessions))
        while session := self._next_session(deeds, per_session):
            async with anyio.create_task_group() as tasks:
                keeper = self._keeper()
                with self.built.timed("open"):
                    await tasks.start(keeper.run)
                await self._live(keeper, session)
                tasks.cancel_scope.cancel()
            self.built.counts["open"] += 1
        return self.built

    def _keeper(self) -> Keeper:
        return open_keeper(self.layout, self.record, self.identities[LAPTOP], self.world)

    def _next_session(self, deeds: Iterator[Deed], photos: int) -> list[Deed]:
        with self.built.timed("story"):
            session: list[Deed] = []
            taken = 0
            for deed in deeds:
                session.append(deed)
                taken += isinstance(deed, Taken)
                if taken == photos:
                    break
        return session

    # --- one life of the daemon --------------------------------------------------------------

    async def _live(self, keeper: Keeper, session: Sequence[Deed]) -> None:
        now_ms = session[-1].at_ms
        self._clock.advance(max(0, now_ms - self._clock.now_ms()))
        self._founding = await keeper.call(lambda catalog: catalog.founding_updates())
        drafts: dict[int, list[Draft]] = defaultdict(list)
        held: dict[int, dict[BlobId, bool]] = defaultdict(dict)
        for deed in session:
            if isinstance(deed, Taken):
                drafts[deed.by].append(introduction(deed.photo, deed.at_ms))
                for node in deed.holders:
                    held[node][deed.photo.original.blob] = True
        for by, some in drafts.items():
            if by == LAPTOP:
                await self._write(keeper, "written", some)
            else:
                await self._receive(keeper, "received", len(some), self._updates_of(by, some))
        for node, blobs in held.items():
            updates = self._holdings_of(node, blobs)
            await self._receive(keeper, "held", len(blobs), updates)
        await self._edit(keeper, [deed for deed in session if isinstance(deed, Edited)])
        await self._contest(keeper, [deed for deed in session if isinstance(deed, Contested)])

    async def _write(self, keeper: Keeper, name: str, drafts: Sequence[Draft]) -> None:
        self.built.counts[name] += len(drafts)
        with self.built.timed(name):
            for group in by_shard(drafts):
                await keeper.call(partial(_write, group))

    async def _receive(
        self, keeper: Keeper, name: str, changes: int, updates: Iterable[Announcement]
    ) -> None:
        self.built.counts[name] += changes
        some = iter(updates)
        while True:
            with self.built.timed("elsewhere"):
                group = list(islice(some, _UPDATES_AT_ONCE))
            if not group:
                return
            with self.built.timed(name):
                await keeper.call(partial(_take_in, group))

    async def _edit(self, keeper: Keeper, edits: Sequence[Edited]) -> None:
        """Write what was said later, in the order in which it was said of each subject."""
        self.built.counts["edited"] += len(edits)
        with self.built.timed("edited"):
            ordered = sorted(edits, key=lambda deed: shard_of(deed.draft.subject))
            for start in range(0, len(ordered), limits.IMPORT_BATCH_MAX):
                some = ordered[start : start + limits.IMPORT_BATCH_MAX]
                await keeper.call(partial(self._say, some))

    def _say(self, edits: Sequence[Edited], catalog: Catalog) -> None:
        for edit in edits:
            if edit.by == LAPTOP:
                catalog.write([edit.draft])
            else:
                catalog.write(
                    [edit.draft],
                    identity=self.identities[edit.by],
                    seq=self._numbers[edit.by].__next__,
                )

    async def _contest(self, keeper: Keeper, contests: Sequence[Contested]) -> None:
        self.built.counts["contested"] += len(contests)
        with self.built.timed("contested"):
            for deed in contests:
                await keeper.call(partial(self._say_apart, deed))

    def _say_apart(self, deed: Contested, catalog: Catalog) -> None:
        """Have each side write on a replica that knows the photo and not the other side."""
        before = [signed.data for signed in catalog.changes(deed.sides[0][1].subject)]
        foreign: list[bytes] = []
        for by, draft in deed.sides:
            if by != LAPTOP:
                apart, identity = self._elsewhere(by), self.identities[by]
                apart.adopt(before, b"laptop")
                number = self._numbers[by].__next__
                made = apart.write([draft], identity=identity, seq=number)
                foreign += [signed.data for signed in made]
        catalog.write([draft for by, draft in deed.sides if by == LAPTOP])
        catalog.adopt(foreign, b"meeting")

    # --- what the other nodes do -------------------------------------------------------------

    def _elsewhere(self, by: int) -> Catalog:
        """Return another node's catalog, in memory, that knows who the members are."""
        catalog = Catalog(self.record.library, self.identities[by], Journal(None), self.world)
        for document, update in self._founding:
            assert catalog.receive(ROOT, document, update, self.identities[LAPTOP].node)
        catalog.flush()
        return catalog

    def _updates_of(self, by: int, drafts: Sequence[Draft]) -> Iterator[Announcement]:
        catalog, identity = self._elsewhere(by), self.identities[by]
        for group in by_shard(drafts):
            catalog.write(group, identity=identity, seq=self._numbers[by].__next__)
            yield from catalog.flush().announcements

    def _holdings_of(self, by: int, blobs: dict[BlobId, bool]) -> Iterator[Announcement]:
        catalog = self._elsewhere(by)
        catalog.hold(blobs)
        yield from sorted(catalog.flush().announcements, key=lambda item: item.shard)


def _write(drafts: Sequence[Draft], catalog: Catalog) -> None:
    catalog.write(drafts)


def _take_in(updates: Sequence[Announcement], catalog: Catalog) -> None:
    for item in updates:
        is_taken = catalog.receive(item.shard, item.document, item.data, b"studio")
        assert is_taken, catalog.quarantined()[0].reason


def by_shard(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """Yield the drafts in batches of an import's size, each of as few shards as may be."""
    group: list[Draft] = []
    for draft in sorted(drafts, key=lambda draft: shard_of(draft.subject)):
        group.append(draft)
        if len(group) == limits.IMPORT_BATCH_MAX:
            yield group
            group = []
    if group:
        yield group

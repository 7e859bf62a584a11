"""Nodes that evict and promise each other: real stores, books and catalogs, and a network of ours.

What differs from a node is the network, the clock, and the index, whose place hints take: they may
lie as a test wishes. Every call of the catalog's thread and every question on the wire is a place
where a test may interfere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast
from unittest.mock import patch

import trio
import trio.testing

from photonic import limits, wire
from photonic.attesting import Attester
from photonic.blobs.files import FileStore
from photonic.blobs.store import Verdict
from photonic.blobs.verify import hash_file
from photonic.certificates import certificate_draft
from photonic.crdt.candidates import LocalOriginal
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import LIBRARY_NAME, REVOKED
from photonic.crdt.index import PhotoIndex
from photonic.crdt.query import PhotoQuery
from photonic.crdt.roster import MEMBER_SCOPES, Certificate
from photonic.errors import PeerUnreachable
from photonic.events import Audited, Event
from photonic.evictions import Evictions
from photonic.identity import Identity
from photonic.ids import LIBRARY, BlobId, NodeId, Subject, digest, library_id, member_subject
from photonic.journal.journal import Journal
from photonic.p2p.attestations import AskPromises, Promises, Question
from photonic.roles.retention import Floors, SameFloor
from photonic.world import World

T = TypeVar("T")
AUTHORITY = Identity(digest(b"authority of evictions"))
LIBRARY_ID = library_id(AUTHORITY.node)
DAY_MS = 24 * 3_600 * 1_000


@dataclass
class MovedClock:
    """Both clocks of one machine: trio's time, and what a test adds to either."""

    wall_ms: int = 1_750_000_000_000
    ran_s: float = 0.0

    def now_ms(self) -> int:
        return self.wall_ms + round(1_000 * trio.current_time())

    def monotonic_s(self) -> float:
        return self.ran_s + trio.current_time()


class StillClock(MovedClock):
    """For work that is done before time begins."""

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return 0.0


def photo_bytes(number: int) -> bytes:
    """More than is packed: so each is a file that can be hashed from outside."""
    return digest(b"photo %d" % number) * 2_200


PHOTOS = [BlobId(digest(photo_bytes(number))) for number in range(6)]
FIRST = PHOTOS[0]


@dataclass
class Hints:
    """Stands for the index: which originals are here, and who is said to hold them."""

    store: FileStore
    me: NodeId
    said: Callable[[BlobId], Iterable[NodeId]]
    marks: list[tuple[BlobId, bool]] = field(default_factory=list)

    def local_originals(self, limit: int, after: int | None = None) -> list[LocalOriginal]:
        here = [
            LocalOriginal(blob, f"{n}.jpg", len(photo_bytes(n)), n, frozenset(self.said(blob)))
            for n, blob in enumerate(PHOTOS)
            if self.store.has(blob) and (after is None or n > after)
        ]
        return here[:limit]

    def mark_held(self, blobs: Iterable[BlobId], is_held: bool = True) -> list[BlobId]:
        self.marks += [(blob, is_held) for blob in blobs]
        return []


class Thread:
    """Implements `CatalogThread`; `before` and `after` are where a test may interfere."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.calls = 0
        self.before: Callable[[int], Awaitable[None]] = _nothing
        self.after: Callable[[int], Awaitable[None]] = _nothing

    async def call(self, work: Callable[[Catalog], T]) -> T:
        self.calls += 1
        number = self.calls
        await self.before(number)
        try:
            result = work(self.catalog)
        finally:
            self.catalog.flush()
        await self.after(number)
        return result


async def _nothing(number: int) -> None:
    del number
    await trio.lowlevel.checkpoint()


class EvictingNode:
    """One of them. `start` again is what a restart of its process is."""

    def __init__(self, cluster: EvictingCluster, name: str, role: str, folder: Path) -> None:
        self.cluster, self.name, self.role, self.folder = cluster, name, role, folder
        self.identity = Identity(digest(name.encode()))
        self.clock: MovedClock = MovedClock()
        self.audited: list[Audited] = []
        self.journal = Journal(None)
        self.catalog = Catalog(LIBRARY_ID, self.identity, self.journal, World())
        self.thread = Thread(self.catalog)
        self.opened: frozenset[BlobId] = frozenset()
        self.verified: list[BlobId] = []

    @property
    def node(self) -> NodeId:
        return self.identity.node

    def start(self, floors: Floors | None = None) -> None:
        world = World(clock=self.clock)
        self.store = FileStore.open(self.folder, world)
        self.hints = Hints(self.store, self.node, self.cluster.said)
        self.evictions = Evictions(
            LIBRARY_ID, self.node, cast(PhotoQuery, self.hints), self.store, self.thread,
            cast(PhotoIndex, self.hints), floors or SameFloor(self.cluster.copies),
            lambda: self.catalog.roster, lambda: self.cluster.reachable(self), self._ask, world,
            self._hear, lambda: self.opened,
        )  # fmt: skip
        self.attester = Attester(
            LIBRARY_ID, self.identity, self.store, self._verify,
            lambda: self.role in ("central", "archive"), self.clock,
        )  # fmt: skip

    def restart(self) -> None:
        self.store.close()
        self.start()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Audited):
            self.audited.append(event)

    async def _ask(self, node: NodeId, question: Question, blobs: Collection[BlobId]) -> Promises:
        return await self.cluster.carry(self, node, question.message(blobs))

    async def _verify(self, blobs: Sequence[BlobId]) -> list[Verdict]:
        self.verified += blobs
        return self.store.verify_many(blobs)

    def put(self, *numbers: int) -> None:
        for number in numbers:
            self.store.put(photo_bytes(number))
        self.catalog.hold({PHOTOS[number]: True for number in numbers})
        self.catalog.flush()

    def says_to_hold(self, blob: BlobId) -> bool:
        return bool(self.catalog.directory.holding(blob, self.node))

    def has_file(self, blob: BlobId) -> bool:
        """Look from outside: is there a file with the right bytes?"""
        named = (path for path in (self.folder / "blobs").rglob(blob.hex()))
        return any(hash_file(path) == blob for path in named)


class EvictingCluster:
    """Some nodes of one library, and the network between them."""

    def __init__(self, folder: Path, roles: Sequence[str], copies: int) -> None:
        self.copies = copies
        self.cut: set[frozenset[NodeId]] = set()
        self.liars: dict[BlobId, list[NodeId]] = {}
        self.nodes = [
            EvictingNode(self, f"{role} {n}", role, folder / str(n)) for n, role in enumerate(roles)
        ]
        # Where a test may delay, lose or change what is said.
        self.on_ask: Callable[[EvictingNode, EvictingNode, AskPromises], Awaitable[None]] = _idle
        self.on_answer: Callable[[EvictingNode, EvictingNode, Promises], Awaitable[Promises]]
        self.on_answer = _as_it_is
        self._numbers = count(1)
        self.say(Draft(Subject(LIBRARY, LIBRARY_ID), {LIBRARY_NAME: "Harbour"}))
        for one in self.nodes:
            self.certify(one)
        for one in self.nodes:
            one.start()

    def __iter__(self) -> Any:
        return iter(self.nodes)

    def certify(self, one: EvictingNode, **more: Any) -> None:
        given: dict[str, Any] = {"scopes": MEMBER_SCOPES, **more}
        self.say(certificate_draft(one.node, Certificate(one.name, one.role, **given)))

    def revoke(self, one: EvictingNode) -> None:
        self.say(Draft(member_subject(one.node), {REVOKED: [0, []]}))

    def say(self, draft: Draft) -> None:
        """Have the library's authority say something, and all hear it at once."""
        first = self.nodes[0].catalog
        (signed,) = first.write([draft], identity=AUTHORITY, seq=lambda: next(self._numbers))
        first.flush()
        for one in self.nodes[1:]:
            one.catalog.adopt([signed.data], AUTHORITY.node)
            one.catalog.flush()

    def said(self, blob: BlobId) -> list[NodeId]:
        """What the catalog says of who holds a blob: of everybody's word, and of lies."""
        truly = [one.node for one in self.nodes if one.says_to_hold(blob)]
        return [*truly, *self.liars.get(blob, ())]

    def reachable(self, me: EvictingNode) -> list[NodeId]:
        others = [one for one in self.nodes if one is not me]
        return [one.node for one in others if frozenset((me.node, one.node)) not in self.cut]

    async def carry(self, asker: EvictingNode, to: NodeId, asked: AskPromises) -> Promises:
        other = next(one for one in self.nodes if one.node == to)
        await self.on_ask(asker, other, asked)
        self._pass(asker, other)
        asked = wire.decode(wire.encode(asked), AskPromises)
        answer = await other.attester._answer(asked, asker.node)
        assert len(wire.encode(answer)) < limits.PROMISE_FRAME_BYTES_MAX
        answer = await self.on_answer(asker, other, answer)
        self._pass(asker, other)
        return answer

    def _pass(self, one: EvictingNode, other: EvictingNode) -> None:
        if frozenset((one.node, other.node)) in self.cut:
            raise PeerUnreachable(other.name, "it is cut off")

    def copies_of(self, blob: BlobId) -> int:
        return sum(one.has_file(blob) for one in self.nodes)

    def close(self) -> None:
        for one in self.nodes:
            one.store.close()


async def _idle(asker: EvictingNode, other: EvictingNode, asked: AskPromises) -> None:
    del asker, other, asked
    await trio.lowlevel.checkpoint()


async def _as_it_is(asker: EvictingNode, other: EvictingNode, answer: Promises) -> Promises:
    del asker, other
    await trio.lowlevel.checkpoint()
    return answer


async def inline(work: Callable[..., T], *args: Any, **_: Any) -> T:
    """Stand for `trio.to_thread.run_sync`: so that a history follows from its steps alone."""
    await trio.lowlevel.checkpoint()
    return work(*args)


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a test in one thread, on a clock that jumps to whatever comes next."""
    with patch.object(trio.to_thread, "run_sync", inline):
        trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))


def three_nodes(folder: Path, copies: int = 2) -> EvictingCluster:
    """Return a mobile node that shot two photos, which a central and an archive one hold, too."""
    cluster = EvictingCluster(folder, ["mobile", "central", "archive"], copies)
    for one in cluster.nodes:
        one.put(0, 1)
    return cluster

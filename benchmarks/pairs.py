"""Two nodes' catalogs with libp2p between them, in one process: no blobs, no HTTP.

What a daemon's figure has beside this is its other work: here both libraries lack their previews,
and daemons ask each other for them.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio.abc import TaskGroup

from benchmarks.homes import Home
from benchmarks.meetings import write_drafts
from photonic.crdt.changes import Draft
from photonic.crdt.commits import Committed
from photonic.crdt.fields import RATING
from photonic.ids import BlobId, Subject, photo_subject
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.messages import CATALOG_PROTOCOL, Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.sessions import Sessions
from photonic.p2p.transport import Admission
from photonic.world import World

_WITHIN_S = 60.0


class Side:
    """One node: its catalog, durable and indexed, and its conversations."""

    def __init__(self, home: Home) -> None:
        world = World()
        self.keeper = home.keeper(self._note)
        self.transport = Libp2pTransport(home.identity, ("/ip4/127.0.0.1/tcp/0",), world)
        self.sessions = Sessions(
            self.transport,
            self.keeper.call,
            PeerBook(home.identity.node),
            world,
            self._hello,
            lambda node: None,
        )
        self._seen: dict[Subject, anyio.Event] = {}

    def _note(self, committed: Committed) -> None:
        self.sessions.announce(committed.announcements)
        for subject in committed.subjects:
            if subject in self._seen:
                self._seen.pop(subject).set()

    async def _hello(self) -> Hello:
        return Hello(name="side", host="", role="mobile", state="", mode="", version="0",
                     addresses=())  # fmt: skip

    async def run(self, tasks: TaskGroup) -> None:
        await tasks.start(self.keeper.run)
        handlers = {CATALOG_PROTOCOL: self.sessions.serve}
        gate, note = (lambda node: Admission.MEMBER), self.sessions.note
        await tasks.start(partial(self.transport.run, handlers, {}, gate, note))
        tasks.start_soon(self.sessions.run)

    async def write(self, draft: Draft) -> None:
        await self.keeper.call(partial(write_drafts, [draft]))

    async def wait_seen(self, subject: Subject) -> None:
        """Wait for the next change of a subject, durable and in the index."""
        with anyio.fail_after(_WITHIN_S):
            await self._seen.setdefault(subject, anyio.Event()).wait()

    async def digest(self) -> bytes:
        return await self.keeper.call(lambda catalog: catalog.root_digest())


@asynccontextmanager
async def connected(first: Home, second: Home) -> AsyncIterator[tuple[Side, Side]]:
    """Run both sides until they have the same."""
    left, right = Side(first), Side(second)
    async with anyio.create_task_group() as tasks:
        await left.run(tasks)
        await right.run(tasks)
        await left.transport.dial(right.transport.node, right.transport.addresses())
        with anyio.fail_after(_WITHIN_S):
            while await left.digest() != await right.digest():  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.05)
        yield left, right
        tasks.cancel_scope.cancel()


async def pushes_s(
    first: Home, second: Home, photos: Sequence[bytes], dice: random.Random
) -> list[float]:
    """Edit on one side; return how long it takes each time until the other side has indexed it."""
    taken = []
    async with connected(first, second) as (left, right):
        for photo in photos:
            subject = photo_subject(BlobId(photo))
            began_s = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(right.wait_seen, subject)
                await left.write(Draft(subject, {RATING: dice.randint(0, 5)}))
            taken.append(time.perf_counter() - began_s)
    return taken

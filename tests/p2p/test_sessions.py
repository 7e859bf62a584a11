"""Conversations between catalogs: what is written is seen, and one bad peer is one bad peer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING
from photonic.ids import NodeId
from photonic.p2p.memory_transport import MemoryNetwork
from photonic.p2p.messages import CATALOG_PROTOCOL, Hello
from photonic.p2p.peers import PeerBook
from photonic.p2p.sessions import Sessions
from photonic.p2p.transport import Admission, PeerEvent, PeerMoved, Stream
from photonic.p2p.ways import Footing, Way
from photonic.world import World
from tests.crdt.replicas import Cluster, import_draft, photo

WITHIN_S = 20


class Talker:
    """One node: a catalog, its conversations, and a way to wait for its next change."""

    def __init__(self, network: MemoryNetwork, node: NodeId, catalog: Catalog) -> None:
        self.catalog, self.transport = catalog, network.transport(node)
        self.changed = trio.Event()
        self.failures_left = 0  # of saying hello
        self.deaf: set[NodeId] = set()  # who may hear nothing of the catalog
        self.sessions = Sessions(
            self.transport, self.call, PeerBook(node), World(), self.hello, lambda node: None,
            may_hear=lambda node: node not in self.deaf,
        )  # fmt: skip

    async def hello(self) -> Hello:
        if self.failures_left:
            self.failures_left -= 1
            raise OSError("the disk cannot be asked")
        return Hello(
            name="x", host="x", role="central", state="x", mode="x", version="1", addresses=()
        )

    async def call(self, work: Callable[[Catalog], Any]) -> Any:
        result = work(self.catalog)
        self.sessions.announce(self.catalog.flush().announcements)
        self.changed.set()
        self.changed = trio.Event()
        return result

    async def write(self, *drafts: Draft) -> None:
        await self.call(lambda catalog: catalog.write(drafts))

    def note(self, event: PeerEvent) -> None:
        self.sessions.note(event)

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            await self.changed.wait()

    async def run(
        self, serve: Callable[[Stream], Awaitable[None]] | None = None, *, task_status: Any
    ) -> None:
        handlers = {CATALOG_PROTOCOL: serve or self.sessions.serve}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.sessions.run)
            await self.transport.run(
                handlers, {}, lambda node: Admission.MEMBER, self.note, task_status=task_status
            )


def talk(size: int, story: Callable[..., Awaitable[None]]) -> None:
    cluster = Cluster(size)
    network = MemoryNetwork()

    async def main() -> None:
        talkers = [
            Talker(network, identity.node, catalog)
            for identity, catalog in zip(cluster.identities, cluster.catalogs, strict=True)
        ]
        with trio.fail_after(WITHIN_S):
            async with trio.open_nursery() as nursery:
                await story(nursery, *talkers)
                nursery.cancel_scope.cancel()

    trio.run(main)


async def connect(left: Talker, right: Talker) -> None:
    await left.transport.dial(right.transport.node, right.transport.addresses())


def test_what_was_written_before_and_after_meeting_is_seen_on_the_other_side() -> None:
    async def story(nursery: trio.Nursery, left: Talker, right: Talker) -> None:
        await left.write(*(import_draft(number) for number in range(300)))
        await nursery.start(left.run)
        await nursery.start(right.run)
        await connect(left, right)
        await right.wait_until(
            lambda: all(right.catalog.state(photo(n)).fields for n in range(300))
        )
        await right.write(Draft(photo(7), {RATING: 3}))
        await left.wait_until(lambda: left.catalog.state(photo(7)).fact(RATING) == 3)

    talk(2, story)


def test_a_member_that_may_not_read_hears_nothing_until_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SCOPE_RETRY_S", 0.01)

    async def story(nursery: trio.Nursery, left: Talker, deaf: Talker, other: Talker) -> None:
        left.deaf = {deaf.transport.node}
        heard: list[bytes] = []

        async def listen(stream: Stream) -> None:
            heard.append(await stream.receive(1))
            await deaf.sessions.serve(stream)

        await left.write(*(import_draft(number) for number in range(50)))
        await nursery.start(left.run)
        await nursery.start(deaf.run, listen)
        await nursery.start(other.run)
        await connect(left, deaf)
        await connect(left, other)
        await other.wait_until(lambda: bool(other.catalog.state(photo(49)).fields))
        await left.write(Draft(photo(7), {RATING: 3}))
        await other.wait_until(lambda: other.catalog.state(photo(7)).fact(RATING) == 3)
        assert heard == []
        left.deaf = set()
        while not heard:
            await trio.lowlevel.checkpoint()

    talk(3, story)


def test_two_full_catalogs_that_both_go_on_writing_do_not_stop_each_other() -> None:
    async def story(nursery: trio.Nursery, left: Talker, right: Talker) -> None:
        for first, talker in ((0, left), (1_000, right)):
            drafts = [import_draft(number) for number in range(first, first + 1_000)]
            await talker.write(*drafts)
        await nursery.start(left.run)
        await nursery.start(right.run)
        await connect(left, right)
        for number in range(200):
            await left.write(Draft(photo(number), {RATING: 1}))
            await right.write(Draft(photo(1_000 + number), {RATING: 2}))
            await trio.lowlevel.checkpoint()
        await left.wait_until(lambda: left.catalog.root_digest() == right.catalog.root_digest())

    talk(2, story)


def test_a_peer_whose_side_fails_again_and_again_costs_the_others_nothing() -> None:
    async def story(nursery: trio.Nursery, left: Talker, bad: Talker, good: Talker) -> None:
        failures = 0
        failed = trio.Event()

        async def fail(stream: Stream) -> None:
            nonlocal failures
            await stream.receive(10)
            failures += 1
            if failures == 3:
                failed.set()
            raise ValueError("a bug of theirs")

        await nursery.start(left.run)
        await nursery.start(bad.run, fail)
        await nursery.start(good.run)
        await connect(left, bad)
        await connect(left, good)
        await failed.wait()
        await left.write(import_draft(1))
        await good.wait_until(lambda: bool(good.catalog.state(photo(1)).fields))

    talk(3, story)


def test_a_failure_of_our_own_in_one_conversation_ends_none() -> None:
    async def story(nursery: trio.Nursery, left: Talker, first: Talker, second: Talker) -> None:
        for talker in (left, first, second):
            await nursery.start(talker.run)
        await connect(left, second)
        left.failures_left = 2
        await connect(left, first)
        await left.write(import_draft(1))
        await first.wait_until(lambda: bool(first.catalog.state(photo(1)).fields))
        await second.wait_until(lambda: bool(second.catalog.state(photo(1)).fields))

    talk(3, story)


def test_a_conversation_moves_to_a_better_way_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was on its way when it moved comes with the round at its new beginning."""

    async def story(nursery: trio.Nursery, left: Talker, right: Talker) -> None:
        for talker in (left, right):
            await nursery.start(talker.run)
        opened = 0
        opening = left.transport.open

        async def watched(node: NodeId, protocol: str) -> Stream:
            nonlocal opened
            opened += 1
            return await opening(node, protocol)

        monkeypatch.setattr(left.transport, "open", watched)
        await connect(left, right)
        better = PeerMoved(right.transport.node, Footing(Way.LAN, "/ip4/127.0.0.1/tcp/1"), True)
        for number in range(10):
            await left.write(*(import_draft(n) for n in range(10 * number, 10 * number + 10)))
            left.note(better)
            seen = opened
            while opened == seen:
                await trio.lowlevel.checkpoint()
        await right.wait_until(lambda: left.catalog.root_digest() == right.catalog.root_digest())
        assert opened >= 10

    talk(2, story)

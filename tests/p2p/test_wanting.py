"""What is in view is bounded, whatever the catalog says, and an answer that is old is not taken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import pytest
import trio
import trio.testing

from photonic import limits
from photonic.blobs.memory import MemoryStore
from photonic.events import Event
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.jobs import Jobs
from photonic.p2p.planner import BEGINNING, Want, WantPage, WantsAsked
from photonic.p2p.trouble import Trouble
from photonic.p2p.wanting import Wanting
from photonic.photos import BlobRef
from photonic.world import World

NODE = NodeId(digest(b"node"))


class Newer:
    """A catalog in which new photos come all the time, each before all the others."""

    def __init__(self, batch: int) -> None:
        self.batch, self.first = batch, 0
        self.asked: list[WantsAsked] = []
        self.before: Callable[[], object] = lambda: None

    async def wanted(self, asked: WantsAsked) -> WantPage:
        self.asked.append(asked)
        self.before()
        if asked.begin == BEGINNING:
            self.first -= self.batch
            begin = self.first
        else:
            begin = asked.begin[1]
        some = range(begin, min(0, begin + asked.limit))
        wants = tuple(
            Want(BlobRef(BlobId(digest(b"%d" % n)), 9, bytes(32)), f"{n}", (n,),
                 frozenset({NODE}), (0, n))
            for n in some
        )  # fmt: skip
        return WantPage(wants, (0, some.stop) if some.stop < 0 else None)

    async def arrived(self, refs: Sequence[BlobRef]) -> None:
        raise AssertionError("nothing is here")


def run(test: Callable[[Newer, Jobs, Wanting], Awaitable[None]]) -> None:
    async def main() -> None:
        wants, jobs, events = Newer(10), Jobs(), list[Event]()
        wanting = Wanting(
            wants, MemoryStore(World()), jobs, Trouble(events.append, 1.0),
            lambda: frozenset({NODE}), anyio.CapacityLimiter(1), 1.0, resumes=True,
        )  # fmt: skip
        await test(wants, jobs, wanting)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


def test_the_view_is_bounded_while_newer_wants_come_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WANTS_MAX", 40)
    monkeypatch.setattr(limits, "WANTS_AT_ONCE", 20)

    async def main(wants: Newer, jobs: Jobs, wanting: Wanting) -> None:
        for _ in range(30):
            wanting.rounds.news()
            await trio.sleep(60)
            await wanting.look()
            assert len(jobs) <= limits.WANTS_MAX
        assert [int(job.want.name) for job in jobs.first(1)] == [wants.first]
        jobs.leave()
        for _ in range(60):  # and those that had no room have their turn
            await trio.sleep(1)
            await wanting.look()
            jobs.leave()
        assert {one.begin for one in wants.asked} >= {BEGINNING}
        assert max(one.begin[1] for one in wants.asked if one.begin != BEGINNING) > -20

    run(main)


def test_an_answer_in_the_wrong_order_is_not_taken() -> None:
    async def main(wants: Newer, jobs: Jobs, wanting: Wanting) -> None:
        wants.before = lambda: wanting.put_previews_first(True)
        assert await wanting.look() == []
        assert len(jobs) == 0
        wants.before = lambda: None
        await trio.sleep(1)
        assert await wanting.look()
        assert wants.asked[-1].previews_first

    run(main)

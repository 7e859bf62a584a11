"""The buffer: marks, forecast, what is said of it, slowing down; and what a person opens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
import trio

from photonic import limits
from photonic.blobs.quota import Quota
from photonic.buffer import CALM, FILLING, FULL, STUCK, Buffer
from photonic.config import Settings
from photonic.errors import BufferStuck
from photonic.events import BufferChanged, Event, HoldingsChanged, PeerChanged
from photonic.evictions import Evictions
from photonic.ids import NodeId, digest
from photonic.problems import Problems
from photonic.prospects import InVain, Judged
from photonic.roles.presets import ROLES
from photonic.roles.retention import Candidate, Reason, Verdict
from photonic.world import World
from tests.evicting import FIRST, PHOTOS, EvictingCluster, MovedClock, run

SIZE = limits.QUOTA_BYTES_MIN
HOLDER = NodeId(digest(b"holder"))


class Room:
    """Evictions, and a store, as far as the buffer sees them."""

    def __init__(self, used_bytes: int, may_go_bytes: int) -> None:
        self.used, self.may_go = used_bytes, may_go_bytes
        self.count = self.size_bytes = 0
        self.asked: list[int] = []
        self.all_may_go = False  # there is nothing beside it that would have to stay

    def used_bytes(self) -> int:
        return self.used

    async def settle(self) -> None:
        await trio.lowlevel.checkpoint()

    in_vain = InVain(MovedClock())

    async def plan(self, need_bytes: int) -> list[Judged]:
        await trio.lowlevel.checkpoint()
        going = min(need_bytes, self.may_go)
        found = [Judged(Candidate(FIRST, going, 1), Verdict(Reason.PROVEN))] if going else []
        if self.all_may_go:
            return found
        stays = Judged(Candidate(PHOTOS[1], 1, 2), Verdict(Reason.TOO_FEW, "1 of 2 nodes"))
        return found if going >= need_bytes else [*found, stays]

    async def free(self, need_bytes: int) -> list[Judged]:
        self.asked.append(need_bytes)
        judged = await self.plan(need_bytes)
        gone = sum(one.candidate.size_bytes for one in judged if one.verdict.may_go)
        self.used, self.may_go = self.used - gone, self.may_go - gone
        return judged


class Desk:
    """A buffer on its own."""

    def __init__(self, home: Path, used: float, may_go: float, role: str = "mobile") -> None:
        self.room = Room(int(SIZE * used), int(SIZE * may_go))
        self.events: list[Event] = []
        self.problems, self.taken = Problems(), 0
        cluster = EvictingCluster(home, ["mobile"], 1)
        self.store = cluster.nodes[0].store
        self.store._shelf.quota = cast(Quota, self.room)
        self.buffer = Buffer(
            Settings(home=home, quota_bytes=SIZE), ROLES[role], self.store,
            cast(Evictions, self.room), lambda: self.taken, lambda _: None, self.problems,
            World(clock=MovedClock()), self.events.append,
        )  # fmt: skip

    async def live(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.buffer.run()

    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems.list()]


def with_desk(
    home: Path, used: float, may_go: float, work: Callable[[Desk], Awaitable[None]],
    role: str = "mobile",
) -> None:  # fmt: skip
    async def main() -> None:
        desk = Desk(home, used, may_go, role)
        await work(desk)
        desk.store.close()

    run(main)


def test_below_the_high_mark_nothing_goes(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.live(60)
        assert desk.room.asked == []
        assert (await desk.buffer.view()).state == CALM

    with_desk(tmp_path, 0.84, 0.5, work)


def test_at_the_high_mark_it_goes_down_to_the_low_one(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.live(5)
        view = await desk.buffer.view()
        assert view.used_bytes <= view.low_bytes
        assert view.state == CALM
        assert desk.codes() == []
        told = [one.state for one in desk.events if isinstance(one, BufferChanged)]
        assert told[0] == "evicting"

    with_desk(tmp_path, 0.9, 0.5, work)


def test_a_role_that_keeps_everything_lets_nothing_go_by_itself(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.live(60)
        assert desk.room.asked == []

    with_desk(tmp_path, 0.97, 0.5, work, role="central")


@pytest.mark.parametrize(("used", "state"), [(0.9, STUCK), (0.995, FULL)])
def test_where_too_little_may_go_it_is_said_with_the_reason(
    tmp_path: Path, used: float, state: str
) -> None:
    async def work(desk: Desk) -> None:
        await desk.live(5)
        view = await desk.buffer.view()
        assert view.state == state
        assert desk.codes() == [BufferStuck.code]
        (problem,) = desk.problems.list()
        assert "1 of 2 nodes" in problem.message
        desk.room.may_go = SIZE
        await desk.live(200)
        assert desk.codes() == []
        assert (await desk.buffer.view()).state == CALM

    with_desk(tmp_path, used, 0, work)


def test_it_is_said_long_before_it_is_full(tmp_path: Path) -> None:
    """Half of it is free, and at this rate for three hours: nothing may go."""

    async def work(desk: Desk) -> None:
        for _ in range(40):
            await desk.buffer.look()
            grown = int(SIZE * 0.5 * 60 / (3 * 3_600))
            desk.taken += grown
            desk.room.used += grown
            await trio.sleep(60)
        await desk.live(5)
        view = await desk.buffer.view()
        assert view.state == FILLING
        assert view.full_in_s is not None
        assert 1.5 * 3_600 < view.full_in_s < 4 * 3_600
        (problem,) = desk.problems.list()
        assert " h" in problem.message
        desk.room.may_go = SIZE
        desk.buffer._news.set()
        await desk.live(30)
        assert desk.codes() == [], "it will go in time"

    with_desk(tmp_path, 0.4, 0, work)


def test_a_buffer_that_fills_fast_is_no_problem_while_everything_in_it_may_go(
    tmp_path: Path,
) -> None:
    """However little that is: what comes now goes when others have it."""

    async def work(desk: Desk) -> None:
        desk.room.all_may_go = True
        await desk.buffer.look()
        await trio.sleep(60)
        desk.taken += int(SIZE * 0.02)
        desk.buffer.hear(HoldingsChanged(()))
        await desk.live(5)
        assert (await desk.buffer.view()).state == CALM
        assert desk.codes() == []
        desk.room.all_may_go = False
        await desk.live(5)
        assert (await desk.buffer.view()).state == FILLING

    with_desk(tmp_path, 0.3, 0.01, work)


def test_what_others_came_to_hold_is_news_while_something_has_to_stay(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.live(5)
        assert desk.codes() == [BufferStuck.code]
        news = desk.buffer._news
        desk.buffer.hear(HoldingsChanged(()))
        assert news.is_set()

    with_desk(tmp_path, 0.9, 0, work)


def test_who_comes_and_who_goes_is_news(tmp_path: Path) -> None:
    """What may go is another question at once, not at the next look a minute later."""

    async def work(desk: Desk) -> None:
        for is_connected in (True, False):
            await desk.live(5)
            news = desk.buffer._news
            desk.buffer.hear(PeerChanged(NodeId(bytes(32)), is_connected))
            assert news.is_set()

    with_desk(tmp_path, 0.5, 0, work)


def test_taking_in_is_slowed_down_the_fuller_it_is(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        waits = []
        for used in (0.5, 0.86, 0.93, 0.999):
            desk.room.used = int(SIZE * used)
            began_s = trio.current_time()
            await desk.buffer.look()
            await desk.buffer.make_way()
            waits.append(trio.current_time() - began_s)
        assert waits[0] == 0
        assert waits == sorted(waits)
        assert waits[1] < waits[3] <= limits.INGEST_PAUSE_S_MAX

    with_desk(tmp_path, 0.5, 0, work)


def test_whoever_waits_goes_on_when_something_went(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        async with trio.open_nursery() as nursery:
            began_s = trio.current_time()
            await desk.buffer.look()
            nursery.start_soon(desk.buffer.run)
            await desk.buffer.make_way()
            assert trio.current_time() - began_s < limits.INGEST_PAUSE_S_MAX / 2
            nursery.cancel_scope.cancel()

    with_desk(tmp_path, 0.99, 0.5, work)

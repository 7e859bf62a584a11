"""Nodes that evict at one time, cut off at the worst moment: no photo goes below its floor.

Real stores, books and catalogs; what is drawn is who evicts when, how long each message and each
step takes, what is lost, who restarts, and how the clocks leap. Copies are counted from outside, by
hashing files, whenever one goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import BlobPromised, PeerUnreachable
from photonic.ids import BlobId
from photonic.p2p.attestations import AskPromises, Promises
from tests.evicting import DAY_MS, PHOTOS, EvictingCluster, EvictingNode, run

NUMBERS = range(3)
DELAYS = st.sampled_from([0.0, 0.1, 1.0, 30.0, limits.PROMISE_KEEP_S / 2, limits.PROMISE_KEEP_S])


@dataclass
class Story:
    """What was drawn, taken one after another; when it is over, nothing happens any more."""

    delays: list[float]
    losses: list[bool]
    leaps: list[int]

    async def wait(self) -> None:
        await trio.sleep(self.delays.pop() if self.delays else 0.0)

    def is_lost(self) -> bool:
        return bool(self.losses and self.losses.pop())


@dataclass(frozen=True)
class Evicting:
    """One node evicts at a time, as much as it may; and restarts meanwhile, or not."""

    node: int
    begins_s: float
    restarts_after_s: float | None


STORIES = st.builds(
    Story,
    st.lists(DELAYS, max_size=30),
    st.lists(st.booleans(), max_size=6),
    st.lists(
        st.sampled_from([-3 * DAY_MS, -DAY_MS // 2, 0, DAY_MS // 2, 400 * DAY_MS]), max_size=4
    ),
)
EVICTINGS = st.lists(
    st.builds(
        Evicting,
        st.integers(0, 3),
        st.sampled_from([0.0, 0.0, 0.05, 1.0, 40.0, limits.PROMISE_KEEP_S]),
        st.sampled_from([None, None, 0.0, 0.1, 20.0]),
    ),
    min_size=2,
    max_size=6,
)


class Watch:
    """Counts copies from outside whenever a file goes."""

    def __init__(self, cluster: EvictingCluster) -> None:
        self._cluster = cluster
        self.gone = 0
        for one in cluster.nodes:
            self.follow(one)

    def follow(self, one: EvictingNode) -> None:
        """Look after each discard of a node's store, which a restart makes anew."""
        discard: Callable[[BlobId], None] = one.store.discard

        def watched(blob: BlobId) -> None:
            discard(blob)
            self.gone += 1
            left = self._cluster.copies_of(blob)
            assert left >= self._cluster.copies, f"{one.name} left {left} copies"

        one.store.discard = watched  # type: ignore[method-assign]


def disturb(cluster: EvictingCluster, story: Story) -> None:
    """Let messages and steps take as long as the story says, and be lost."""

    async def on_ask(_: EvictingNode, __: EvictingNode, ___: AskPromises) -> None:
        await story.wait()
        if story.is_lost():
            raise PeerUnreachable("the question is lost")

    async def on_answer(_: EvictingNode, __: EvictingNode, answer: Promises) -> Promises:
        await story.wait()
        if story.is_lost():
            raise PeerUnreachable("the answer is lost")
        return answer

    async def step(_: int) -> None:
        await story.wait()

    cluster.on_ask, cluster.on_answer = on_ask, on_answer
    for one in cluster.nodes:
        one.thread.before = one.thread.after = step


async def evict(one: EvictingNode, plan: Evicting, story: Story, watch: Watch) -> None:
    await trio.sleep(plan.begins_s)
    scope = trio.CancelScope()
    if plan.restarts_after_s is not None:
        scope.deadline = trio.current_time() + plan.restarts_after_s
    with scope:
        await one.evictions.free(1 << 40)
    if scope.cancelled_caught:
        if story.leaps:
            one.clock.wall_ms += story.leaps.pop()
        one.restart()
        watch.follow(one)
        await one.evictions.settle()


async def play(cluster: EvictingCluster, story: Story, evictings: list[Evicting]) -> int:
    watch = Watch(cluster)
    disturb(cluster, story)

    async def in_turn(one: EvictingNode, plans: list[Evicting]) -> None:
        for plan in plans:  # a node that evicts twice at one time would be two processes
            await evict(one, plan, story, watch)

    async with trio.open_nursery() as nursery:
        for number, one in enumerate(cluster.nodes):
            mine = [plan for plan in evictings if plan.node % len(cluster.nodes) == number]
            nursery.start_soon(in_turn, one, mine)
    for one in cluster.nodes:
        for blob in (PHOTOS[number] for number in NUMBERS):
            assert one.says_to_hold(blob) <= one.has_file(blob), "it is said to be here"
    return watch.gone


GONE: list[int] = []


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.integers(1, 2), st.integers(2, 4), STORIES, EVICTINGS)
def test_no_photo_goes_below_its_floor(
    tmp_path: Path,
    copies: int,
    count: int,
    story: Story,
    evictings: list[Evicting],
) -> None:
    roles = ["central", "archive", "mobile", "central"][:count]
    shutil.rmtree(tmp_path)

    async def main() -> None:
        cluster = EvictingCluster(tmp_path, roles, copies)
        for one in cluster.nodes:
            one.put(*NUMBERS)
        try:
            GONE.append(await play(cluster, story, evictings))
        finally:
            cluster.close()

    run(main)


def test_in_these_stories_photos_do_go() -> None:
    """Else they would prove nothing. Runs after the one above."""
    assert not GONE or sum(gone > 0 for gone in GONE) > len(GONE) / 10


@pytest.mark.parametrize("delay_s", [0.0, 0.1])
def test_two_that_evict_at_once_never_rely_on_each_other(tmp_path: Path, delay_s: float) -> None:
    """One copy each on two nodes, and one is enough: at most one of the two goes."""

    async def main() -> None:
        cluster = EvictingCluster(tmp_path, ["central", "archive"], 1)
        for one in cluster.nodes:
            one.put(0)

        async def slow(*_: Any) -> None:
            await trio.sleep(delay_s)

        cluster.on_ask = slow
        async with trio.open_nursery() as nursery:
            for one in cluster.nodes:
                nursery.start_soon(one.evictions.free, 1 << 40)
        assert cluster.copies_of(PHOTOS[0]) == 2, "each refuses the other: it is about to go here"
        for one in cluster.nodes:
            await one.evictions.free(1 << 40)
        assert cluster.copies_of(PHOTOS[0]) == 1, "and one after the other, one goes"
        cluster.close()

    run(main)


def test_whoever_promised_does_not_even_discard(tmp_path: Path) -> None:
    """The store itself refuses, whoever asks: the trash, too."""

    async def main() -> None:
        cluster = EvictingCluster(tmp_path, ["mobile", "central"], 1)
        for one in cluster.nodes:
            one.put(0)
        mobile, central = cluster.nodes
        await mobile.evictions.free(1)
        assert not mobile.has_file(PHOTOS[0])
        with pytest.raises(BlobPromised):
            central.store.discard(PHOTOS[0])
        assert central.has_file(PHOTOS[0])
        cluster.close()

    run(main)

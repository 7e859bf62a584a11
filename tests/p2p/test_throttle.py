"""Tasks and threads wait where a limit says so, by the time of day, and hear of new limits."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
import trio
import trio.testing

from photonic.ids import NodeId, digest, peer_id
from photonic.p2p.rates import Bandwidth, Direction, PeerBandwidth
from photonic.p2p.throttle import Throttle
from photonic.world import SystemClock

MB = 1_000_000
A, B = (NodeId(digest(bytes([n]))) for n in range(2))
BOUND_S = 20.0


class LocalClock:
    """The virtual time of trio; the day began `begun_min` minutes ago."""

    def __init__(self, begun_min: int = 12 * 60) -> None:
        self._start_s = trio.current_time()
        now = list(time.localtime(1_700_000_000))
        now[3:6] = [begun_min // 60, begun_min % 60, 0]
        self._day_s = time.mktime(tuple(now))  # type: ignore[arg-type]

    def monotonic_s(self) -> float:
        return trio.current_time()

    def now_ms(self) -> int:
        return int((self._day_s + trio.current_time() - self._start_s) * 1_000)


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(7 * 24 * 3600):  # of virtual time
            await main()

    trio.run(bounded, clock=trio.testing.MockClock(autojump_threshold=0))


def test_without_limits_nothing_waits() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock())
        began_s = trio.current_time()
        assert await throttle.take_some(A, Direction.IN, 10**12) == 10**12
        assert throttle.take_some_blocking(A, Direction.OUT, 10**12) == 10**12
        assert trio.current_time() == began_s

    run(main)


def test_each_direction_has_its_own_rate() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(in_bytes_s=MB))
        began_s = trio.current_time()
        await throttle.take(A, Direction.OUT, 100 * MB)
        assert trio.current_time() == began_s
        await throttle.take(A, Direction.IN, 10 * MB)
        assert trio.current_time() - began_s == pytest.approx(10 - 0.2, abs=0.05)

    run(main)


def test_who_waits_sees_some_pass_all_the_time() -> None:
    """A peer gives up a stream on which no byte came for five seconds."""

    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(out_bytes_s=50_000))
        longest_s = 0.0

        async def send(peer: NodeId) -> None:
            nonlocal longest_s
            left = 100_000
            while left:
                asked_s = trio.current_time()
                left -= await throttle.take_some(peer, Direction.OUT, left)
                longest_s = max(longest_s, trio.current_time() - asked_s)

        async with trio.open_nursery() as nursery:
            for peer in (A, B):
                for _ in range(8):
                    nursery.start_soon(send, peer)
        assert longest_s < 2.5

    run(main)


def test_two_peers_share_however_many_tasks_wait_for_each() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(in_bytes_s=10 * MB))
        had: Counter[NodeId] = Counter()

        async def fetch(peer: NodeId) -> None:
            while True:
                had[peer] += await throttle.take_some(peer, Direction.IN, MB)

        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(fetch, A)
            nursery.start_soon(fetch, B)
            await trio.sleep(10)
            nursery.cancel_scope.cancel()
        assert sum(had.values()) <= 10 * 10 * MB + 2 * MB
        assert had[B] >= 0.45 * sum(had.values())

    run(main)


def test_a_peer_has_a_limit_of_its_own() -> None:
    async def main() -> None:
        peers = {peer_id(A): PeerBandwidth(out_bytes_s=100_000)}
        throttle = Throttle(LocalClock(), Bandwidth(out_bytes_s=10 * MB, peers=peers))
        assert throttle.rate(Direction.OUT, A) == 100_000
        assert throttle.rate(Direction.OUT, B) == throttle.rate(Direction.OUT) == 10 * MB
        assert throttle.rate(Direction.IN, A) is None
        began_s = trio.current_time()
        await throttle.take(A, Direction.OUT, MB)
        assert trio.current_time() - began_s == pytest.approx(10, abs=0.3)

    run(main)


def test_the_schedule_goes_by_the_local_time_also_for_who_waits() -> None:
    async def main() -> None:
        clock = LocalClock(begun_min=21 * 60 + 59)
        throttle = Throttle(clock, Bandwidth(schedule="08:00-22:00 10kB/s, otherwise full"))
        began_s = trio.current_time()
        await throttle.take(A, Direction.IN, 100 * MB)  # at 10 kB/s it would take hours
        assert 60 <= trio.current_time() - began_s <= 66
        assert throttle.rate(Direction.IN) is None
        await trio.sleep(10 * 3600)
        assert throttle.rate(Direction.IN) == 10_000

    run(main)


def test_new_limits_count_at_once_for_who_waits() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(in_bytes_s=10_000))
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(throttle.take, A, Direction.IN, 100 * MB)
            await trio.sleep(7)
            throttle.replace(Bandwidth(in_bytes_s=100 * MB))
        assert trio.current_time() - began_s == pytest.approx(8, abs=0.3)

    run(main)


def test_a_lower_limit_holds_up_nobody_for_long_behind_what_was_asked_before() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(in_bytes_s=100 * MB))
        passed_s: list[float] = []

        async def fetch() -> None:
            while True:
                await throttle.take_some(A, Direction.IN, 2 * MB)
                passed_s.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(fetch)
            await trio.sleep(1)
            throttle.replace(Bandwidth(in_bytes_s=10_000))
            began_s = trio.current_time()
            passed_s.clear()
            await trio.sleep(60)
            nursery.cancel_scope.cancel()
        pauses = [b - a for a, b in pairwise([began_s, *passed_s, began_s + 60])]
        assert max(pauses) < 1

    run(main)


def test_who_is_cancelled_leaves_its_turn_to_others() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(in_bytes_s=MB))
        await throttle.take(A, Direction.IN, 200_000)
        began_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(throttle.take, A, Direction.IN, 100 * MB)
            await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        await throttle.take(B, Direction.IN, 100_000)
        assert trio.current_time() - began_s < 0.2

    run(main)


def test_on_a_metered_link_only_small_blobs_are_given() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(metered=True))
        assert throttle.may_give(2 << 20)
        assert not throttle.may_give((2 << 20) + 1)
        throttle.replace(Bandwidth(metered=True, metered_bytes_s=MB))
        assert throttle.may_give(10**12)
        assert throttle.rate(Direction.IN) == throttle.rate(Direction.OUT) == MB

    run(main)


def test_what_came_beside_what_was_waited_for_is_settled() -> None:
    async def main() -> None:
        throttle = Throttle(LocalClock(), Bandwidth(in_bytes_s=MB))
        throttle.settle(A, Direction.OUT, 10**12)  # without a limit nothing is counted
        for beside, wanted_s in ((-50_000, 1 - 0.2), (50_000, 3 - 0.1)):
            await trio.sleep(10)
            began_s = trio.current_time()
            for _ in range(20):
                await throttle.take(A, Direction.IN, 100_000)
                throttle.settle(A, Direction.IN, beside)
            assert trio.current_time() - began_s == pytest.approx(wanted_s, abs=0.2)

    run(main)


# --- threads ---------------------------------------------------------------------------------


def in_threads(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
        assert not thread.is_alive()


def test_threads_share_one_limit() -> None:
    throttle = Throttle(SystemClock(), Bandwidth(in_bytes_s=20 * MB))
    began_s = time.monotonic()

    def fetch(peer: NodeId) -> Callable[[], None]:
        return lambda: throttle.take_blocking(peer, Direction.IN, 3 * MB)

    in_threads(fetch(A), fetch(A), fetch(B), fetch(B))
    # 12 MB, of which a burst of 4 passes at once; a busy machine may be slower, never faster.
    assert time.monotonic() - began_s >= 0.39


def test_a_thread_hears_of_new_limits_and_of_the_end() -> None:
    throttle = Throttle(SystemClock(), Bandwidth(in_bytes_s=10_000))
    is_waiting, is_over = threading.Event(), threading.Event()
    ended: list[str] = []

    def asked() -> bool:
        is_waiting.set()
        return is_over.is_set()

    def fetch() -> None:
        throttle.take_blocking(A, Direction.IN, 10 * MB, asked)
        ended.append("fetch")

    def end() -> None:
        assert is_waiting.wait(BOUND_S)
        is_over.set()

    in_threads(fetch, end)
    is_over.clear()
    is_waiting.clear()

    def lift() -> None:
        assert is_waiting.wait(BOUND_S)
        throttle.replace(Bandwidth())

    in_threads(fetch, lift)
    assert ended == ["fetch", "fetch"]


def test_a_task_and_a_thread_wait_for_the_same_limit() -> None:
    throttle = Throttle(SystemClock(), Bandwidth(out_bytes_s=10 * MB))
    began_s = time.monotonic()

    async def main() -> None:
        with trio.fail_after(BOUND_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(throttle.take, A, Direction.OUT, 3 * MB)
                nursery.start_soon(
                    trio.to_thread.run_sync, throttle.take_blocking, B, Direction.OUT, 3 * MB
                )

    trio.run(main)
    assert time.monotonic() - began_s >= 0.39

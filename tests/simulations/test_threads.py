"""Fibers stand for threads: they block, take turns, and repeat themselves."""

from __future__ import annotations

import random
import threading
from collections.abc import Awaitable, Callable

import anyio.to_thread
import pytest
import trio
import trio.testing

from photonic import keeper
from simulations import threads
from simulations.threads import QUEUE, THREADING, block, fibers, pause, threads_in


def run(main: Callable[[], Awaitable[None]]) -> None:
    with fibers():
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_product_modules_have_fibers_for_a_while() -> None:
    before = trio.to_thread.run_sync
    with fibers():
        assert vars(keeper)["threading"] is THREADING
        assert vars(trio.to_thread)["run_sync"] is threads.run_sync
    assert vars(keeper)["threading"] is threading
    assert trio.to_thread.run_sync is before


def test_a_thread_that_waits_for_the_disk_lets_others_run() -> None:
    told: list[str] = []

    def slow() -> str:
        told.append("begun")
        pause(5)
        told.append("done")
        return "result"

    async def other() -> None:
        await trio.sleep(1)
        told.append("meanwhile")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            assert await anyio.to_thread.run_sync(slow) == "result"
            assert trio.current_time() == pytest.approx(5)

    run(main)
    assert told == ["begun", "meanwhile", "done"]


def test_a_lock_keeps_others_out_while_its_holder_waits() -> None:
    lock, inside, most = THREADING.Lock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            pause(1)
            inside -= 1

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(trio.to_thread.run_sync, work)
        assert trio.current_time() == pytest.approx(5)

    run(main)
    assert most == 1


def test_queues_conditions_and_events_wake_who_waits() -> None:
    queue, heard = QUEUE.SimpleQueue(), list[object]()
    ready, changed = THREADING.Event(), THREADING.Condition()

    def reader() -> None:
        with pytest.raises(QUEUE.Empty):
            queue.get(timeout=2)
        heard.append(queue.get())
        ready.set()
        with changed:
            assert changed.wait_for(lambda: len(heard) == 2, timeout=10)
        heard.append("end")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with threads_in(nursery):
                thread = THREADING.Thread(target=reader, name="reader")
                thread.start()
                await trio.sleep(3)
                queue.put("first")
                await trio.to_thread.run_sync(ready.wait)
                heard.append("second")
                changed.notify_all()
                await trio.to_thread.run_sync(thread.join)

    run(main)
    assert heard == ["first", "second", "end"]


def test_what_a_thread_raises_comes_to_its_caller() -> None:
    def fails() -> None:
        pause(1)
        raise ValueError("mine")

    async def main() -> None:
        with pytest.raises(ValueError, match="mine"):
            await trio.to_thread.run_sync(fails)

    run(main)


def test_the_event_loop_itself_must_not_block() -> None:
    async def main() -> None:
        with pytest.raises(AssertionError, match="event loop"):
            block(trio.sleep, 1)

    run(main)


def test_the_same_seed_is_the_same_order() -> None:
    def order(seed: int) -> list[int]:
        told: list[int] = []

        async def main() -> None:
            dice = random.Random(seed)

            def work(number: int) -> None:
                pause(dice.random())
                told.append(number)

            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(trio.to_thread.run_sync, work, number)

        run(main)
        return told

    assert sorted(order(1)) == list(range(20))
    assert order(1) != order(2)

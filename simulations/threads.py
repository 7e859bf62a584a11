"""Threads that are fibers: product code that blocks, in one thread, in an order that repeats.

Photonic's threads (the catalog's, those that wait for disks) would run as the machine likes. Here
each of them is a greenlet that one trio task drives: where the code would block (a lock, a queue,
an fsync that takes its time), it steps back, the task awaits the same thing on the virtual clock,
and other tasks and fibers run meanwhile. So races between threads happen, but only at those places,
and the same ones for the same seed.

This is the one substitution that the simulator makes in the product: while `fibers` is entered,
`trio.to_thread`, `anyio.to_thread`, `trio.from_thread`, and the names `threading` and `queue` of
product modules are these.
"""

from __future__ import annotations

import contextvars
import queue
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import anyio.to_thread
import greenlet
import trio

T = TypeVar("T")
_NEVER = float("inf")


class Fiber(greenlet.greenlet):  # type: ignore[misc]
    """One simulated thread."""

    name = "worker"


def is_in_fiber() -> bool:
    """Whether the code that runs now may block."""
    return isinstance(greenlet.getcurrent(), Fiber)


def block(wait: Callable[..., Awaitable[T]], *args: object) -> T:
    """Let others run until `wait(*args)` is done; return what it returned. Fibers only."""
    fiber = greenlet.getcurrent()
    assert isinstance(fiber, Fiber), "the event loop would block"
    result: T = fiber.parent.switch(wait, args)
    return result


def pause(seconds: float) -> None:
    """Take as long as a disk takes. On the event loop itself it takes no time."""
    if is_in_fiber():
        block(trio.sleep, seconds)


async def drive(fiber: Fiber, function: Callable[..., T], *args: object) -> T:
    """Run a fiber to its end; cancelling comes too late for a thread."""
    fiber.gr_context = contextvars.copy_context()
    step = fiber.switch(function, *args)
    while not fiber.dead:
        wait, wait_args = step
        try:
            with trio.CancelScope(shield=True):
                result = await wait(*wait_args)
        except BaseException as error:  # noqa: BLE001 - it is the fiber's
            step = fiber.throw(error)
        else:
            step = fiber.switch(result)
    done: T = step
    return done


def _run(function: Callable[..., T], *args: object) -> T:
    return function(*args)


async def run_sync(
    sync_fn: Callable[..., T],
    *args: object,
    limiter: Any = None,
    abandon_on_cancel: bool = False,  # noqa: ARG001 - everything here ends soon
    cancellable: bool = False,  # noqa: ARG001
    thread_name: str | None = None,  # noqa: ARG001
) -> T:
    """Stand for `trio.to_thread.run_sync` and anyio's."""
    await trio.lowlevel.checkpoint_if_cancelled()
    if limiter is None:
        result = await drive(Fiber(_run), sync_fn, *args)
    else:
        async with limiter:
            result = await drive(Fiber(_run), sync_fn, *args)
    _Threads.count += 1
    if _Threads.count % 2:  # others have their turn every other time: it is dear
        await trio.lowlevel.cancel_shielded_checkpoint()
    return result


def _from_thread_run(async_fn: Callable[..., Awaitable[T]], *args: object, **_: object) -> T:
    return block(async_fn, *args)


def _from_thread_run_sync(function: Callable[..., T], *args: object, **_: object) -> T:
    return function(*args)


def _check_cancelled() -> None:
    """Let the task that drives this fiber say whether it was cancelled. Raises trio.Cancelled."""
    trio.lowlevel.current_task()
    if trio.current_effective_deadline() == -_NEVER:
        block(_cancelled)


async def _cancelled() -> None:
    await trio.lowlevel.checkpoint_if_cancelled()


# --- what threads wait for -------------------------------------------------------------------


async def _wait(event: trio.Event, timeout_s: float) -> bool:
    with trio.move_on_after(timeout_s):
        await event.wait()
    return event.is_set()


class Bell:
    """What fibers wait at until somebody rings: each waiter is let go once, the first one first."""

    def __init__(self) -> None:
        self._waiting: deque[trio.Event] = deque()

    def wait(self, timeout_s: float | None = None) -> bool:
        event = trio.Event()
        self._waiting.append(event)
        has_rung = block(_wait, event, _NEVER if timeout_s is None else max(0.0, timeout_s))
        if not has_rung:
            self._waiting.remove(event)
        return has_rung

    def ring(self, count: int = 1) -> None:
        while self._waiting and count > 0:
            self._waiting.popleft().set()
            count -= 1

    def ring_all(self) -> None:
        self.ring(len(self._waiting))


class Lock:
    """Stands for threading.Lock."""

    def __init__(self) -> None:
        self._is_held, self._bell = False, Bell()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        while self._is_held:
            if not blocking or not self._bell.wait(None if timeout < 0 else timeout):
                return False
        self._is_held = True
        return True

    def release(self) -> None:
        assert self._is_held, "released twice"
        self._is_held = False
        self._bell.ring()

    def locked(self) -> bool:
        return self._is_held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class RLock:
    """Stands for threading.RLock: its owner is a fiber, or the event loop."""

    def __init__(self) -> None:
        self._lock, self._owner, self._depth = Lock(), None, 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = greenlet.getcurrent()
        if self._owner is not me:
            if not self._lock.acquire(blocking, timeout):
                return False
            self._owner = me
        self._depth += 1
        return True

    def release(self) -> None:
        assert self._owner is greenlet.getcurrent(), "released by another thread"
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Condition:
    """Stands for threading.Condition."""

    def __init__(self, lock: Any = None) -> None:
        self._lock, self._bell = lock or RLock(), Bell()
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *args: object) -> None:
        self._lock.__exit__(*args)

    def wait(self, timeout: float | None = None) -> bool:
        self._lock.release()
        try:
            return self._bell.wait(timeout)
        finally:
            self._lock.acquire()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        until_s = _NEVER if timeout is None else trio.current_time() + timeout
        while not (result := predicate()):
            left_s = until_s - trio.current_time()
            if left_s <= 0 or not self.wait(None if left_s == _NEVER else left_s):
                return predicate()
        return result

    def notify(self, n: int = 1) -> None:
        self._bell.ring(n)

    def notify_all(self) -> None:
        self._bell.ring_all()


class Event:
    """Stands for threading.Event."""

    def __init__(self) -> None:
        self._is_set, self._bell = False, Bell()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._bell.ring_all()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            self._bell.wait(timeout)
        return self._is_set


class SimpleQueue:
    """Stands for queue.SimpleQueue."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._bell = Bell()

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._bell.ring()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        while not self._items:
            if not block or not self._bell.wait(timeout):
                raise queue.Empty
        return self._items.popleft()

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class _Threads:
    """Starts threads of the product: each is a task of the history's nursery."""

    nursery: trio.Nursery | None = None
    count = 0  # of calls in threads, in this history


class Thread:
    """Stands for threading.Thread."""

    def __init__(
        self,
        target: Callable[..., object],
        args: tuple[Any, ...] = (),
        name: str = "",
        daemon: bool = False,
    ) -> None:
        self._target, self._args, self.name, self.daemon = target, args, name, daemon
        self._ended = Event()

    def start(self) -> None:
        assert _Threads.nursery is not None, "no history is played"
        _Threads.nursery.start_soon(self._drive, name=self.name)

    async def _drive(self) -> None:
        try:
            with trio.CancelScope(shield=True):
                await drive(Fiber(_run), self._target, *self._args)
        finally:
            self._ended.set()

    def join(self, timeout: float | None = None) -> None:
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        return not self._ended.is_set()


THREADING = SimpleNamespace(
    Thread=Thread,
    Lock=Lock,
    RLock=RLock,
    Condition=Condition,
    Event=Event,
    get_ident=lambda: id(greenlet.getcurrent()),
    current_thread=greenlet.getcurrent,
)
QUEUE = SimpleNamespace(SimpleQueue=SimpleQueue, Empty=queue.Empty)


def product_modules() -> list[ModuleType]:
    """Return the modules of the product that are loaded, by name."""
    names = sorted(name for name in sys.modules if name.partition(".")[0] == "photonic")
    return [sys.modules[name] for name in names]


@contextmanager
def substituted(target: object, name: str, value: object) -> Iterator[None]:
    """Let `target.name` be `value` for a while."""
    before = getattr(target, name)
    setattr(target, name, value)
    try:
        yield
    finally:
        setattr(target, name, before)


@contextmanager
def fibers() -> Iterator[None]:
    """Let the product's threads be fibers. Process-wide; not to be entered twice."""
    changes: list[tuple[object, str, object]] = [
        (trio.to_thread, "run_sync", run_sync),
        (anyio.to_thread, "run_sync", run_sync),
        (trio.from_thread, "run", _from_thread_run),
        (trio.from_thread, "run_sync", _from_thread_run_sync),
        (trio.from_thread, "check_cancelled", _check_cancelled),
    ]
    for module in product_modules():
        if getattr(module, "threading", None) is threading:
            changes.append((module, "threading", THREADING))
        if getattr(module, "queue", None) is queue:
            changes.append((module, "queue", QUEUE))
    before = [getattr(target, name) for target, name, _ in changes]
    for target, name, value in changes:
        setattr(target, name, value)
    _Threads.count = 0
    try:
        yield
    finally:
        for (target, name, _), value in zip(changes, before, strict=True):
            setattr(target, name, value)


@contextmanager
def threads_in(nursery: trio.Nursery) -> Iterator[None]:
    """Let the product's threads be tasks of `nursery`, which must outlive them."""
    with substituted(_Threads, "nursery", nursery):
        yield

"""Services that run for as long as the node does, and what to do when one of them fails.

Failures leave a nursery as exception groups; this is the one place that takes them apart.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio

from photonic import limits
from photonic.errors import PhotonicError
from photonic.problems import Problems

log = logging.getLogger(__name__)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Let the one PhotonicError of an exception group through as itself.

    A group with anything unexpected in it passes as it is: that is a bug, and its trace is wanted.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        if leaves and all(isinstance(leaf, PhotonicError) for leaf in leaves):
            raise leaves[0] from None
        raise


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def keep_running(
    name: str, service: Callable[[], Awaitable[None]], problems: Problems
) -> None:
    """Run a service until cancelled; start it again, later and later, when it fails.

    For services whose loss the node survives: it goes on serving what it has meanwhile, and says
    what is wrong.
    """
    pause_s = limits.RECONNECT_MIN_S
    while True:
        began_s = trio.current_time()
        try:
            with unwrapped():
                await service()
        except PhotonicError as error:
            log.warning("%s failed: %s", name, error)
            problems.add(error, name)
        except Exception:
            log.exception("%s failed", name)
            problems.add(PhotonicError(f"{name} failed; it is started again"), name)
        if trio.current_time() - began_s > limits.RECONNECT_MAX_S:
            pause_s = limits.RECONNECT_MIN_S  # it ran well; this is new trouble
        await trio.sleep(pause_s)
        pause_s = min(pause_s * 2, limits.RECONNECT_MAX_S)
        problems.clear(name)

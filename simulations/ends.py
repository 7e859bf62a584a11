"""Where a process runs and how one gets there; and how one waits for what cannot be heard of."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

WITHIN_S = 3_600.0


class LeftOut(Exception):
    """Something cannot be done on this machine; the reason is for the report."""


class Failed(Exception):
    """Something that was to happen did not."""


class End:
    """One end, on this machine's loopback."""

    address = "127.0.0.1"
    prefix: tuple[str, ...] = ()  # a command that runs another one there

    def connect(self, address: str, port: int) -> socket.socket:
        """Open a connection from there. Raises OSError."""
        return socket.create_connection((address, port), 2)

    def reach(self, port: int) -> int:
        """Return the port of our loopback that leads to this port of the end's loopback."""
        return port


def wait_for(
    is_so: Callable[[], object],
    within_s: float = WITHIN_S,
    share: float = 0.02,
    least_s: float = 0.01,
) -> None:
    """Wait for something to be so. Raises Failed.

    To look costs whoever is measured something, so one looks every `share` of the time that has
    passed, and not before `least_s`: what is measured comes out too long by that at most.
    """
    began_s = time.monotonic()
    while not is_so():
        passed_s = time.monotonic() - began_s
        if passed_s > within_s:
            raise Failed(f"not done within {within_s:,.0f} s")
        time.sleep(min(1.0, max(least_s, share * passed_s)))

"""`python -m simulations.delay PID PID --delay SECONDS ...`: a link in user space.

Two devices in the networks of the two processes, and each packet of one comes out of the other
after the delay, and up to the jitter later: in order, as from a queue. They are TUN devices (IP
packets), or with `--tap` TAP devices (Ethernet frames, for a bridge). SIGUSR1 begins the times of
up and down: the link is up first, and down for the last `--down` seconds of every `--every`; then
every packet is lost, those on their way as well. With `--large` packets may be as large as TCP's
segmentation offload makes them, as in front of a network card. Rates and loss are the kernel's: see
`simulations.rooms`. Ends when its input does.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque

from simulations.rooms import enter

_SET_NAME, _SET_OFFLOADS = 0x400454CA, 0x400454D0  # TUNSETIFF, TUNSETOFFLOAD of if_tun.h
_TUN, _TAP, _NO_PI, _VNET_HDR = 0x0001, 0x0002, 0x1000, 0x4000
_CHECKSUMS, _TCP4, _TCP6 = 0x01, 0x02, 0x04
_PACKET_BYTES_MAX = 66_000
_BATCH = 64


def open_device(pid: int, name: str, *, is_tap: bool, is_large: bool) -> int:
    """Make a device in the network of a process, in which this thread is from now on."""
    enter(pid)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = (_TAP if is_tap else _TUN) | _NO_PI | (_VNET_HDR if is_large else 0)
    fcntl.ioctl(device, _SET_NAME, struct.pack("16sH22x", name.encode(), flags))
    if is_large:
        fcntl.ioctl(device, _SET_OFFLOADS, _CHECKSUMS | _TCP4 | _TCP6)
    return device


class Cycle:
    """When the link is up. Times are monotonic seconds."""

    def __init__(self, down_s: float, every_s: float) -> None:
        self._down_s, self._every_s = down_s, every_s
        self.began_s: float | None = None

    def is_up(self, now_s: float) -> bool:
        if self.began_s is None:
            return True
        return (now_s - self.began_s) % self._every_s < self._every_s - self._down_s


class Line:
    """One way: packets from one device to the other."""

    def __init__(self, source: int, target: int, delay_s: float, jitter_s: float = 0.0) -> None:
        self.source, self._target = source, target
        self._delay_s, self._jitter_s, self._last_s = delay_s, jitter_s, 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()

    def read(self, now_s: float, *, is_up: bool) -> None:
        """Take what has come, but not so much that the other way waits."""
        for _ in range(_BATCH):
            try:
                packet = os.read(self.source, _PACKET_BYTES_MAX)
            except OSError:  # nothing more, or the device is not up yet
                return
            if is_up:
                late_s = random.uniform(0, self._jitter_s) if self._jitter_s else 0.0
                self._last_s = max(self._last_s, now_s + self._delay_s + late_s)
                self._waiting.append((self._last_s, packet))

    def write(self, now_s: float, *, is_up: bool) -> None:
        """Deliver what is due."""
        if not is_up:
            self._waiting.clear()
        while self._waiting and self._waiting[0][0] <= now_s:
            try:
                os.write(self._target, self._waiting.popleft()[1])
            except OSError:
                continue  # lost, as packets may be

    @property
    def due_s(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None


def _read(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulations.delay")
    parser.add_argument("pids", type=int, nargs=2)
    parser.add_argument("--names", nargs=2, default=("link0", "link0"))
    for word, default in (("delay", 0.0), ("jitter", 0.0), ("down", 0.0), ("every", 60.0)):
        parser.add_argument(f"--{word}", type=float, default=default)
    for word in ("tap", "large"):
        parser.add_argument(f"--{word}", action="store_true")
    return parser.parse_args(words)


def main(words: list[str]) -> None:
    plan = _read(words)
    one, other = devices = [
        open_device(pid, name, is_tap=plan.tap, is_large=plan.large)
        for pid, name in zip(plan.pids, plan.names, strict=True)
    ]
    lines = [Line(*way, plan.delay, plan.jitter) for way in ((one, other), (other, one))]
    cycle = Cycle(plan.down, plan.every)

    def begin(*_: object) -> None:
        cycle.began_s = time.monotonic()

    signal.signal(signal.SIGUSR1, begin)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        dues = [line.due_s for line in lines if line.due_s is not None]
        wait_s = max(0.0, min(dues) - time.monotonic()) if dues else None
        ready, _, _ = select.select([sys.stdin, *devices], [], [], wait_s)
        if sys.stdin in ready:
            return  # nothing is ever written to it: it was closed
        now_s = time.monotonic()
        for line in lines:
            is_up = cycle.is_up(now_s)
            if line.source in ready:
                line.read(now_s, is_up=is_up)
            line.write(now_s, is_up=is_up)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The job of every contender, and how a process is run at an end of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from simulations.ends import End, Failed, LeftOut, wait_for

WITHIN_S = 3_600.0
_READY_WITHIN_S = 20.0
_STOPS_WITHIN_S = 10.0


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every contender is asked: bring the files of `source` to the other end."""

    source: Path
    work: Path  # the contender's own, not there yet
    giver: End = field(default_factory=End)
    taker: End = field(default_factory=End)
    go: Callable[[], None] = nothing  # called when the clock starts
    change: Callable[[], None] | None = None  # then it is this change that is to be brought
    wire_bytes: Callable[[], int] | None = None  # how many went between the ends, from the start
    within_s: float = WITHIN_S

    def wire(self) -> int:
        return self.wire_bytes() if self.wire_bytes is not None else 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(
    end: End, *command: str, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server at an end until the context ends."""
    with log.open("ab") as output:
        running = subprocess.Popen(
            [*end.prefix, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env
        )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(_STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for_exit(running: subprocess.Popen[bytes], log: Path, within_s: float = WITHIN_S) -> None:
    """Wait until a process has ended well, and leave it to be looked at: it stays a zombie."""
    wait_for(lambda: _has_ended(running.pid), within_s, share=0.005)
    ended = os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
    if ended is None or ended.si_code != os.CLD_EXITED or ended.si_status != 0:
        raise Failed(last_words(log))


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def last_words(log: Path) -> str:
    """Return the end of what a program said."""
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    return lines[-1][-300:]


def wait_for_port(
    end: End, port: int, log: Path, running: subprocess.Popen[bytes], address: str = ""
) -> None:
    """Wait until a server at `end` answers there. Raises LeftOut if it does not start."""
    until_s = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < until_s and running.poll() is None:
        try:
            end.connect(address or end.address, port).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise LeftOut(f"did not start: {last_words(log)}")


def flush_s(folder: Path) -> float:
    """Have the file system of a folder write everything, and return how long it took."""
    began_s = time.monotonic()
    subprocess.run(["sync", "--file-system", str(folder)], check=True)
    return time.monotonic() - began_s

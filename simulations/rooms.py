"""Network namespaces that processes live in, and links between them as bad as one asks for.

A namespace hangs on a child process that ends when this one does, however that ends, and takes
with it whatever runs there: nothing has a name that could be left behind. Traffic stays inside. A
link has a rate (tbf), a delay (`simulations.delay`, a pair of TUN devices, for a kernel need not
have netem), loss (nftables), and times when it is down. Needs root.
"""

from __future__ import annotations

import ctypes
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from simulations.ends import End, LeftOut

_PROGRAMS = ("unshare", "nsenter", "ip", "tc", "nft")
_NET = "10.99.0"
_NEW_NET = 0x4000_0000  # CLONE_NEWNET of sched.h
_READY = "ready\n"
# Holds a namespace until its input ends: it has no other end, so that also a kill -9 of whoever
# made it ends it. Then whatever still runs there is ended, and with the last one the network goes.
_HOLDER = """
here=$(readlink /proc/self/ns/net)
[ "$here" != "$(readlink /proc/$PPID/ns/net)" ] || exit 1
echo ready
cat
number=${here#*[}
like="net:?${number%]}?"
for found in $(find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/net' -lname "$like" 2>/dev/null); do
    pid=${found#/proc/}
    [ "${pid%%/*}" = $$ ] || kill -9 "${pid%%/*}" 2>/dev/null
done
"""


def enter(pid: int) -> None:
    """Move the calling thread, and what it opens from now on, into a process's network."""
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEW_NET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


def check_rooms() -> None:
    """Raise LeftOut if this machine lets us make no network namespaces."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        raise LeftOut(f"needs {', '.join(missing)} for network namespaces")
    if os.geteuid() != 0:
        raise LeftOut("needs root for network namespaces")


class Room(End):
    """A network namespace; a context that ends with all of its network and what runs in it."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        check_rooms()
        self.address = address
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _HOLDER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,  # a Ctrl-C is for whoever made it
        )  # fmt: skip
        self._stack.callback(holder.communicate)  # closes its input, which ends it
        assert holder.stdout is not None
        assert holder.stdout.readline() == _READY
        self.pid = holder.pid
        self.prefix = ("nsenter", f"--net=/proc/{holder.pid}/ns/net", "--")
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, *command: str, text: str | None = None) -> str:
        """Run a command there to its end and return what it says."""
        done = subprocess.run(
            [*self.prefix, *command], input=text, text=True, capture_output=True, check=False
        )
        if done.returncode:
            raise LeftOut(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def connect(self, address: str, port: int) -> socket.socket:
        """Open a connection from there: on a thread of its own, which moves there."""
        answers: queue.Queue[socket.socket | OSError] = queue.Queue()

        def connect() -> None:
            try:
                enter(self.pid)
                answers.put(socket.create_connection((address, port), 2))
            except OSError as error:
                answers.put(error)

        threading.Thread(target=connect, daemon=True).start()
        answer = answers.get()
        if isinstance(answer, OSError):
            raise answer
        return answer

    def reach(self, port: int) -> int:
        """Open a port of our loopback that leads to this port of the room's loopback."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._stack.callback(listener.close)
        threading.Thread(target=self._let_in, args=(listener, port), daemon=True).start()
        return int(listener.getsockname()[1])

    def _let_in(self, listener: socket.socket, port: int) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                outside = listener.accept()[0]
                try:
                    inside = self.connect("127.0.0.1", port)
                except OSError:
                    outside.close()
                    continue
                threading.Thread(target=_carry, args=(outside, inside), daemon=True).start()

    def sent_bytes(self) -> int:
        """Return what left through the room's devices, with all headers."""
        return sum(int(row[9]) for row in self._devices())

    def moved_bytes(self) -> int:
        """Return what left and what came in through them."""
        return sum(int(row[1]) + int(row[9]) for row in self._devices())

    def _devices(self) -> list[list[str]]:
        lines = Path(f"/proc/{self.pid}/net/dev").read_text().splitlines()[2:]
        rows = (line.replace(":", " ").split() for line in lines)
        return [row for row in rows if row[0] != "lo"]


def _carry(outside: socket.socket, inside: socket.socket) -> None:
    with outside, inside:
        inside.settimeout(None)
        for end in (outside, inside):  # else small answers wait 40 ms for an acknowledgement
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_pour, args=(inside, outside), daemon=True)
        back.start()
        _pour(outside, inside)
        back.join()


def _pour(one: socket.socket, other: socket.socket) -> None:
    """Hand on what comes one way, and its end; a way that breaks ends both."""
    try:
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def lan(count: int) -> Iterator[list[Room]]:
    """Give rooms on one switch, as fast as this machine is."""
    with ExitStack() as stack:
        switch = stack.enter_context(Room())
        switch.run("ip", "link", "add", "switch", "type", "bridge")
        switch.run("ip", "link", "set", "switch", "up")
        rooms = []
        for number in range(1, count + 1):
            room = stack.enter_context(Room(f"{_NET}.{number}"))
            port = f"port{number}"
            switch.run(
                *("ip", "link", "add", port, "type", "veth"),
                *("peer", "name", "eth0", "netns", str(room.pid)),
            )
            switch.run("ip", "link", "set", port, "master", "switch", "up")
            room.run("ip", "address", "add", f"{room.address}/24", "dev", "eth0")
            room.run("ip", "link", "set", "eth0", "up")
            rooms.append(room)
        yield rooms


def unplug(room: Room) -> None:
    """Cut a room of a `lan` off without a word to anybody, as when its cable is pulled."""
    rules = "table inet cut { chain in { type filter hook input priority 0; iifname eth0 drop; }\n"
    rules += "chain out { type filter hook output priority 0; oifname eth0 drop; }\n}\n"
    room.run("nft", "-f", "-", text=rules)


# --- links ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """A link that is worse than this machine's."""

    name: str
    mbit_s: float
    rtt_ms: float
    loss_percent: float = 0.0  # of the packets, each way
    down_s: float = 0.0  # at the end of every ...
    every_s: float = 60.0

    @property
    def mb_s(self) -> float:
        """What it carries while it is up, in MB/s, headers included."""
        return self.mbit_s / 8

    def up_s(self, seconds: float) -> float:
        """Return how long it is up within so many seconds from its beginning."""
        whole, rest = divmod(seconds, self.every_s)
        up_s = self.every_s - self.down_s
        return whole * up_s + min(rest, up_s)

    @property
    def queue_bytes(self) -> int:
        """What waits before the link: as much as is on its way, which is what routers aim at."""
        return max(64_000, int(self.mb_s * 1e6 * self.rtt_ms / 1000))

    def words(self) -> str:
        parts = [f"{self.mbit_s:g} Mbit/s", f"{self.rtt_ms:g} ms there and back"]
        parts += [f"{self.loss_percent:g}% loss each way"] if self.loss_percent else []
        parts += [f"down {self.down_s:g} s of every {self.every_s:g} s"] if self.down_s else []
        return ", ".join(parts)


class Joined:
    """Two rooms with a link between them."""

    def __init__(self, giver: Room, taker: Room, delay: subprocess.Popen[str]) -> None:
        self.giver, self.taker, self._delay = giver, taker, delay

    def restart(self) -> None:
        """Begin the link's times of up and down anew; before the first one it is always up."""
        self._delay.send_signal(signal.SIGUSR1)

    def wire_bytes(self) -> int:
        return self.giver.sent_bytes() + self.taker.sent_bytes()


@contextmanager
def delayed(one: Room, other: Room, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Let `simulations.delay` join two rooms."""
    command = [sys.executable, "-m", "simulations.delay", str(one.pid), str(other.pid), *words]
    delay = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert delay.stdout is not None
        if delay.stdout.readline() != _READY:
            raise LeftOut("the kernel gives no TUN device")
        yield delay
    finally:
        delay.communicate()  # closes its input, which ends it


@contextmanager
def joined(link: Link) -> Iterator[Joined]:
    """Give two rooms with a link between them."""
    with Room(f"{_NET}.1") as giver, Room(f"{_NET}.2") as taker:
        # Where packets are lost each counts; elsewhere they may come in large pieces.
        words = ["--delay", str(link.rtt_ms / 2000)]
        words += ["--down", str(link.down_s), "--every", str(link.every_s)]
        words += [] if link.loss_percent else ["--large"]
        with delayed(giver, taker, *words) as delay:
            for room, other in ((giver, taker), (taker, giver)):
                _set_up(room, other, link)
            yield Joined(giver, taker, delay)


def _set_up(room: Room, other: Room, link: Link) -> None:
    room.run("ip", "address", "add", room.address, "peer", other.address, "dev", "link0")
    room.run("ip", "link", "set", "link0", "up")
    burst = max(32_000, int(link.mb_s * 1e6 / 250))  # a tick of the kernel's clock, or more
    room.run(
        *("tc", "qdisc", "add", "dev", "link0", "root", "tbf", "rate", f"{link.mbit_s:g}mbit"),
        *("burst", str(burst), "limit", str(link.queue_bytes)),
    )
    if link.loss_percent:
        share = round(link.loss_percent * 100)
        rules = "table inet loss { chain in { type filter hook input priority 0;\n"
        rules += f"iifname link0 numgen random mod 10000 < {share} drop\n}}\n}}\n"
        room.run("nft", "-f", "-", text=rules)

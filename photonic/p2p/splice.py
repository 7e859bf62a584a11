"""Two sockets of other members joined into one way, in the carrier: blind, bounded, in threads.

Each end comes with a ticket of its own, says it in the clear (`greeting`), and is told when the
other one is there, too. From then on bytes go from socket to socket as they come. What they mean
this node cannot know: the ends shake hands with each other over it, and would refuse anybody who
stood between them. So a stolen ticket gives its thief nothing but a peer that hangs up.

A pair ends when both ends have ended, when either breaks, when nothing came for a while, or when
`shun` is told of one of them. The limits of transfers hold for what goes through, too.
"""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import os
import select
import socket
import sys
import termios
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from photonic import limits
from photonic.errors import StreamBroken
from photonic.ids import NodeId
from photonic.p2p import lane_messages as said
from photonic.p2p.rates import Direction
from photonic.p2p.throttle import Throttle
from photonic.world import Clock

log = logging.getLogger(__name__)

GREETING = b"photonic-relay/1\n"  # its first byte is no TLS handshake's
TOGETHER = b"\x01"
SIGHTING_BYTES_MAX = 255
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of fcntl.h
_PORT_MAX = 65_535
_LOOK_S = 5.0  # between looks whether a pair that is still is idle


class Sighting(NamedTuple):
    """From where the two ends of a pair came, as a relay saw it: host and port of each."""

    own: tuple[str, int]
    other: tuple[str, int]

    def encode(self) -> bytes:
        return " ".join(map(str, (*self.own, *self.other))).encode()

    @classmethod
    def decode(cls, data: bytes) -> Sighting:
        """Raises ConnectionResetError: a relay that says nonsense is as good as none."""
        try:
            own, own_port, other, other_port = data.decode("ascii").split(" ")
            for host in (own, other):
                ipaddress.ip_address(host)
            return cls((own, _port(own_port)), (other, _port(other_port)))
        except ValueError as error:
            raise ConnectionResetError("a relay told of no addresses") from error


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _PORT_MAX:
        raise ValueError("no port")
    return int(text)


def greeting(ticket: bytes) -> bytes:
    """Return what an end says first."""
    return GREETING + ticket


def is_greeting(raw: socket.socket) -> bool:
    """Whether somebody comes to be joined with another, and not for a lane. Raises OSError."""
    return raw.recv(1, socket.MSG_PEEK) == GREETING[:1]


def read_ticket(raw: socket.socket) -> bytes:
    """Read a greeting and return its ticket. Raises OSError, StreamBroken."""
    data = _receive(raw, len(GREETING) + said.TICKET_BYTES)
    if not data.startswith(GREETING):
        raise StreamBroken("somebody came in who is no member's end")
    return data[len(GREETING) :]


def come(raw: socket.socket, ticket: bytes) -> None:
    """Be one end, at a relay; return when the other is there. Raises OSError, StreamBroken."""
    raw.settimeout(limits.RELAY_TICKET_S)
    raw.sendall(greeting(ticket))
    if _receive(raw, 1) != TOGETHER:
        raise StreamBroken("a relay said what is not known here")


def meet(address: tuple[str, int], ticket: bytes) -> socket.socket:
    """Go to a relay and return the way to the other end. Raises OSError, StreamBroken."""
    raw = socket.create_connection(address, limits.DIAL_TIMEOUT_S)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        come(raw, ticket)
    except BaseException:
        raw.close()
        raise
    return raw


def _receive(raw: socket.socket, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        piece = raw.recv(size_bytes - len(data))
        if not piece:
            raise StreamBroken("a relay and an end did not agree")
        data += piece
    return data


# --- moving bytes --------------------------------------------------------------------------------


class Mover(Protocol):
    """Brings bytes from one non-blocking socket to another. One direction of a pair has one."""

    def take(self, source: socket.socket, size_max: int) -> int:
        """Take what is there, return how much; 0 at the end. Raises OSError, BlockingIOError."""
        ...

    def give(self, target: socket.socket) -> bool:
        """Give what was taken on as far as it goes; False if some is left. Raises OSError."""
        ...

    def close(self) -> None: ...


class KernelMover:
    """Bytes go through a pipe in the kernel and are never seen here. Linux."""

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # the machine lets a user have so much: it goes with less
            fcntl.fcntl(self._in, _SET_PIPE_SIZE, limits.RELAY_BUFFER_BYTES)
        self._held = 0

    def take(self, source: socket.socket, size_max: int) -> int:
        size = min(size_max, limits.RELAY_BUFFER_BYTES)
        self._held = os.splice(source.fileno(), self._in, size, flags=os.SPLICE_F_NONBLOCK)
        return self._held

    def give(self, target: socket.socket) -> bool:
        with suppress(BlockingIOError):
            while self._held:
                self._held -= os.splice(
                    self._out, target.fileno(), self._held, flags=os.SPLICE_F_NONBLOCK
                )
        return not self._held

    def close(self) -> None:
        os.close(self._in)
        os.close(self._out)


class BufferMover:
    """The same with a buffer of this process, where the kernel cannot do it."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(limits.RELAY_BUFFER_BYTES))
        self._held = self._buffer[:0]

    def take(self, source: socket.socket, size_max: int) -> int:
        count = source.recv_into(self._buffer[:size_max])
        self._held = self._buffer[:count]
        return count

    def give(self, target: socket.socket) -> bool:
        with suppress(BlockingIOError):
            while self._held:
                self._held = self._held[target.send(self._held) :]
        return not self._held

    def close(self) -> None:
        pass


def make_mover() -> Mover:
    """Return the fastest that this machine has."""
    return KernelMover() if hasattr(os, "splice") else BufferMover()


# --- pairs ---------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Pair:
    """Two ends, of which one comes first."""

    number: int
    peers: tuple[bytes, bytes]
    until_s: float  # for both to come
    shows: bool = False  # tells the ends from where they come
    ends: dict[int, socket.socket] = field(default_factory=dict)
    together: threading.Event = field(default_factory=threading.Event)
    moved_s: float = 0.0
    is_over: bool = False
    left: int = 0  # ends whose threads are done

    def has_ended(self) -> bool:
        return self.is_over

    def cut(self) -> None:
        self.is_over = True
        self.together.set()
        for end in tuple(self.ends.values()):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Splicer:
    """All pairs that go through this node. Its methods may be called from any thread."""

    def __init__(
        self,
        clock: Clock,
        throttle: Throttle,
        tell: Callable[[said.Report], None],
        mover: Callable[[], Mover] = make_mover,
    ) -> None:
        self._clock, self._throttle, self._tell, self._mover = clock, throttle, tell, mover
        self._lock = threading.Lock()
        self._tickets: dict[bytes, tuple[_Pair, int]] = {}
        self._pairs: set[_Pair] = set()

    def expect(self, order: said.Pair) -> None:
        """Let two ends come, each with its ticket, and say so; what is too much may not come."""
        now_s = self._clock.monotonic_s()
        pair = _Pair(order.pair, order.peers, now_s + order.within_s, order.shows)
        with self._lock:
            self._forget_late(now_s)
            counts = Counter(peer for other in self._pairs for peer in other.peers)
            most = max(counts[peer] for peer in order.peers)
            is_full = (
                len(self._pairs) >= limits.RELAY_PAIRS_MAX
                or most >= limits.RELAY_PAIRS_PER_PEER_MAX
            )
            if not is_full:
                self._pairs.add(pair)
                for index, ticket in enumerate(order.tickets):
                    self._tickets[ticket] = pair, index
        self._tell(said.Awaited(order.pair, is_full))

    def _forget_late(self, now_s: float) -> None:
        for pair in [p for p in self._pairs if not p.ends and p.until_s <= now_s]:
            self._forget(pair)

    def _forget(self, pair: _Pair) -> None:
        self._pairs.discard(pair)
        self._tickets = {t: held for t, held in self._tickets.items() if held[0] is not pair}

    def shun(self, peer: bytes) -> None:
        """Cut every pair that this peer is an end of, and forget its tickets."""
        with self._lock:
            cut = [pair for pair in self._pairs if peer in pair.peers]
            for pair in cut:
                self._forget(pair)
        for pair in cut:
            pair.cut()

    def join(self, raw: socket.socket, ticket: bytes) -> None:
        """Be there for one end until its pair is over, on its thread. Closes `raw`."""
        with raw:
            with self._lock:
                pair, index = self._tickets.pop(ticket, (None, 0))
                if pair is None:
                    return
                pair.ends[index] = raw.dup()  # for the other thread, which may outlive this one
                is_second = len(pair.ends) == 2
            try:
                if is_second:
                    self._begin(pair)
                self._wait_other(pair)
                if not pair.has_ended():
                    raw.setblocking(False)
                    self._pour(pair, raw, index)
            except OSError as error:
                log.info("a pair came to nothing: %s", error)
                pair.cut()
            finally:
                self._leave(pair)

    def _begin(self, pair: _Pair) -> None:
        """Tell both ends that they are together, before either can hear the other."""
        pair.moved_s = self._clock.monotonic_s()
        self._tell(said.Joined(pair.number))
        try:
            seen = {index: end.getpeername()[:2] for index, end in pair.ends.items()}
            for index, end in pair.ends.items():
                shown = Sighting(seen[index], seen[1 - index]).encode() if pair.shows else b""
                end.sendall(TOGETHER + bytes([len(shown)] * pair.shows) + shown)
        finally:
            pair.together.set()

    def _wait_other(self, pair: _Pair) -> None:
        """Wait for the other end; if it does not come in time, the pair is over."""
        if pair.together.wait(max(0.0, pair.until_s - self._clock.monotonic_s())):
            return
        with self._lock:
            if len(pair.ends) < 2:
                self._forget(pair)
                pair.is_over = True

    def _leave(self, pair: _Pair) -> None:
        """Take an end's thread off a pair, and with the last one the pair."""
        with self._lock:
            pair.left += 1
            is_last = pair.left == len(pair.ends) and (pair.has_ended() or len(pair.ends) == 2)
            if is_last:
                self._forget(pair)
        if is_last:
            for end in pair.ends.values():
                end.close()
            self._tell(said.Parted(pair.number))

    def _pour(self, pair: _Pair, source: socket.socket, index: int) -> None:
        """Bring what one end sends to the other, until it ends or the pair is over."""
        mover, target = self._mover(), pair.ends[1 - index]
        counted, told_s = 0, self._clock.monotonic_s()
        try:
            while not pair.has_ended():
                wait_s = limits.RELAY_TOLD_S if counted else _LOOK_S
                is_due = pair.moved_s - told_s >= limits.RELAY_TOLD_S
                if not _wait(source, select.POLLIN, wait_s) or is_due:
                    self._cut_idle(pair)
                    self._tell_moved(pair, counted)
                    counted, told_s = 0, self._clock.monotonic_s()
                    continue
                try:
                    count = self._take(pair, mover, source, index)
                except BlockingIOError:
                    continue
                if count == 0:
                    break
                self._give(pair, mover, target)
                counted += count
            target.shutdown(socket.SHUT_WR)
        except OSError as error:
            log.debug("a pair broke: %s", error)
            pair.cut()
        finally:
            mover.close()
            self._tell_moved(pair, counted)

    def _tell_moved(self, pair: _Pair, size_bytes: int) -> None:
        if size_bytes:
            self._tell(said.Relayed(pair.number, size_bytes))

    def _cut_idle(self, pair: _Pair) -> None:
        if self._clock.monotonic_s() - pair.moved_s >= limits.RELAY_IDLE_S:
            pair.cut()

    def _take(self, pair: _Pair, mover: Mover, source: socket.socket, index: int) -> int:
        """Take some of what one end sent, as far as limits allow, when they do; 0 at the end."""
        waiting = min(_waiting_bytes(source) or 1, limits.RELAY_BUFFER_BYTES)
        peer, other = NodeId(pair.peers[index]), NodeId(pair.peers[1 - index])
        take = self._throttle.take_some_blocking
        size = take(peer, Direction.IN, waiting, pair.has_ended)
        self._throttle.take_blocking(other, Direction.OUT, size, pair.has_ended)
        if pair.has_ended():
            return 0
        count = mover.take(source, size)
        pair.moved_s = self._clock.monotonic_s()
        return count

    def _give(self, pair: _Pair, mover: Mover, target: socket.socket) -> None:
        until_s = self._clock.monotonic_s() + limits.STREAM_STALL_S
        while not mover.give(target) and not pair.has_ended():
            _wait(target, select.POLLOUT, _LOOK_S)
            if self._clock.monotonic_s() > until_s:
                raise TimeoutError("an end takes nothing")


def _wait(end: socket.socket, event: int, wait_s: float) -> bool:
    poller = select.poll()
    poller.register(end, event)
    return bool(poller.poll(wait_s * 1000))


def _waiting_bytes(end: socket.socket) -> int:
    answer = fcntl.ioctl(end.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)

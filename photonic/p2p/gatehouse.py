"""Where lanes come in: the listening socket, the tickets, and who may stay.

A ticket is good once, for the peer that it was given to, shown with the certificate that was agreed
on, until its time is over. Everybody else learns nothing but that somebody listens: they are cut
after the handshake without a byte. Whoever comes to be joined with another member is given to the
splicer. Blocking, for the carrier's threads.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from photonic import limits
from photonic.errors import PhotonicError
from photonic.p2p.lane_sockets import LaneTls, Socket, welcome
from photonic.p2p.splice import Splicer, is_greeting, read_ticket
from photonic.world import Clock

log = logging.getLogger(__name__)

# Whoever came is gone already, or this machine is short of something for the moment.
_PASSING = {errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class _Ticket(NamedTuple):
    peer: bytes
    certificate: bytes  # DER
    until_s: float
    take: Callable[[Socket], object] | None  # has the lane instead of being answered


class Gatehouse:
    """See the module. Its methods may be called from any thread."""

    def __init__(
        self,
        tls: LaneTls,
        clock: Clock,
        serve: Callable[[bytes, Socket], None],
        refused: Callable[[str], object] = log.info,
        splicer: Splicer | None = None,
    ) -> None:
        """`serve` answers an admitted peer on a thread of its own, until the lane ends; `refused`
        hears why somebody was not let in."""
        self._tls, self._clock, self._serve = tls, clock, serve
        self._refused, self._splicer = refused, splicer
        self._lock = threading.Lock()
        self._tickets: dict[bytes, _Ticket] = {}
        self._lanes: dict[Socket, bytes] = {}
        self._reaching: dict[object, bytes] = {}  # peers, by attempts to get to them
        self._handshakes = threading.BoundedSemaphore(limits.HANDSHAKES_PENDING_MAX)

    def expect(
        self,
        peer: bytes,
        ticket: bytes,
        certificate: str,
        within_s: float,
        take: Callable[[Socket], object] | None = None,
    ) -> None:
        """Let a peer in with a ticket; `take` has its lane then, instead of its being answered."""
        der = self._tls.trust(certificate)
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._tickets = {t: held for t, held in self._tickets.items() if held.until_s > now_s}
            if len(self._tickets) < limits.LANE_TICKETS_MAX:
                self._tickets[ticket] = _Ticket(peer, der, now_s + within_s, take)

    def shun(self, peer: bytes) -> None:
        """Cut every lane of a peer, and forget its tickets."""
        with self._lock:
            self._tickets = {t: held for t, held in self._tickets.items() if held.peer != peer}
            self._reaching = {t: other for t, other in self._reaching.items() if other != peer}
            lanes = [lane for lane, other in self._lanes.items() if other == peer]
        for lane in lanes:
            cut(lane)
        if self._splicer is not None:
            self._splicer.shun(peer)

    def listen(self, host: str, port: int) -> socket.socket:
        """Listen, and let in whoever may. Raises OSError."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=limits.LANES_MAX)
        threading.Thread(target=self._accept, args=(listener,), name="gate", daemon=True).start()
        return listener

    def bring_in(self, peer: bytes, stream: Socket) -> None:
        """Serve a member that comes another way, as if it had come by a lane."""
        if not self._enter(stream, peer):
            stream.close()
            return
        threading.Thread(target=self._host, args=(peer, stream), name="stream", daemon=True).start()

    def reach_out(
        self, peer: bytes, connect: Callable[[], Socket], went: Callable[[str], object]
    ) -> None:
        """Serve a member over a lane that is opened from here, unless it is shunned meanwhile.

        `went` hears why that failed, on another thread, or nothing ("") when the lane stands.
        """
        if not self._handshakes.acquire(blocking=False):
            went("too many lanes are being opened")
            return
        token = object()
        with self._lock:
            self._reaching[token] = peer
        threading.Thread(
            target=self._reach, args=(peer, connect, token, went), name="lane", daemon=True
        ).start()

    def _reach(
        self,
        peer: bytes,
        connect: Callable[[], Socket],
        token: object,
        went: Callable[[str], object],
    ) -> None:
        lane, reason = None, "too many lanes"
        try:
            lane = connect()
        except (OSError, PhotonicError) as error:
            reason = str(error) or type(error).__name__
        finally:
            self._handshakes.release()
            with self._lock:
                is_member = self._reaching.pop(token, None) is not None
                # In one step: whoever is shunned from here on is cut.
                is_in = lane is not None and is_member and self._has_room(lane, peer)
        went("" if is_in else reason)
        if lane is not None and is_in:
            self._host(peer, lane)
        elif lane is not None:
            lane.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError as error:
                if error.errno not in _PASSING:
                    log.error("lanes: nobody can come in any more: %s", error)
                    return
                log.warning("a lane could not come in: %s", error)
                threading.Event().wait(limits.LANE_ACCEPT_PAUSE_S)
                continue
            self.let_in(raw, self._receive)

    def let_in(
        self, raw: socket.socket, receive: Callable[[socket.socket], None] | None = None
    ) -> None:
        """Let somebody in who shows a ticket soon; by default one with a lane. Never waits."""
        if not self._handshakes.acquire(blocking=False):
            raw.close()
            return
        threading.Thread(
            target=receive or self._admit, args=(raw,), name="lane", daemon=True
        ).start()

    def _receive(self, raw: socket.socket) -> None:
        """Tell whoever comes with a lane from whoever is to be joined with somebody else."""
        ticket, splicer = b"", self._splicer
        try:
            raw.settimeout(limits.HANDSHAKE_TIMEOUT_S)
            if splicer is None or not is_greeting(raw):
                self._admit(raw)
                return
            ticket = read_ticket(raw)
        except (OSError, PhotonicError) as error:
            log.info("somebody came and went: %s", error)
            raw.close()
        self._handshakes.release()
        if ticket and splicer is not None:
            splicer.join(raw, ticket)

    def _admit(self, raw: socket.socket) -> None:
        try:
            try:
                lane, certificate, said = self._tls.accept(raw)
            finally:
                self._handshakes.release()
            with self._lock:
                ticket = self._tickets.pop(said, None)
            is_good = (
                ticket is not None
                and ticket.certificate == certificate
                and ticket.until_s > self._clock.monotonic_s()
            )
            if ticket is not None and is_good and ticket.take is not None:
                welcome(lane)
                ticket.take(lane)
                return
            if ticket is None or not is_good or not self._enter(lane, ticket.peer):
                lane.close()
                self._refused("too many lanes" if is_good else "a ticket that is not good")
                return
        except (OSError, PhotonicError) as error:
            self._refused(str(error) or type(error).__name__)
            return
        self._host(ticket.peer, lane, is_awaited=True)

    def _host(self, peer: bytes, lane: Socket, *, is_awaited: bool = False) -> None:
        """Serve a peer that has entered until the end; `is_awaited`: it waits for a welcome."""
        try:
            if is_awaited:
                welcome(lane)
            lane.settimeout(limits.STREAM_STALL_S)
            self._serve(peer, lane)
        except (OSError, PhotonicError) as error:
            log.info("a lane ended: %s", error)
        finally:
            with self._lock:
                self._lanes.pop(lane, None)
            lane.close()

    def _enter(self, lane: Socket, peer: bytes) -> bool:
        with self._lock:
            return self._has_room(lane, peer)

    def _has_room(self, lane: Socket, peer: bytes) -> bool:
        """Count a lane in, if there may be another one. Under the lock."""
        counts = Counter(self._lanes.values())
        is_full = len(self._lanes) >= limits.LANES_MAX
        if is_full or counts[peer] >= limits.LANES_SERVED_PER_PEER_MAX:
            return False
        self._lanes[lane] = peer
        return True


def cut(lane: Socket) -> None:
    """End a lane that another thread reads or writes: it hears of it at once.

    The socket below ends, not TLS: `SSLSocket.shutdown` would let the other thread go on without
    it, read what is encrypted as if it were not, and send in the clear.
    """
    with suppress(OSError):
        socket.socket.shutdown(lane, socket.SHUT_RDWR)

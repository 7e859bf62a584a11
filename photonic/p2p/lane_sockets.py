"""Lanes as sockets: TLS 1.3 with both sides known, and frames that are read without copying twice.

Blocking, for the carrier's threads. A lane's two ends show the certificates that were agreed on
over the control plane: OpenSSL refuses any other, and here it is compared byte for byte with the
one that is expected of this peer. A socket is used by one thread at a time, for OpenSSL is not to
be read and written at once.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

from photonic import limits
from photonic.errors import FrameInvalid, StreamBroken
from photonic.p2p.lane_messages import TICKET_BYTES

Socket = socket.socket | ssl.SSLSocket

_ALPN = "photonic-lane/1"
_HEAD_BYTES = 4
_WELCOME = b"\x01"
_RTT_AT, _RTT = 68, struct.Struct("=I")  # in Linux's struct tcp_info: tcpi_rtt, in microseconds


class LaneTls:
    """One node's side of TLS. The contexts are made once; who is expected is added to them."""

    def __init__(self, certificate: str, key: str) -> None:
        self._pem = certificate + key
        self._server = self._context(ssl.PROTOCOL_TLS_SERVER)
        self._server.num_tickets = 0
        self._trusted: set[bytes] = set()

    def _context(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols([_ALPN])
        handle, name = tempfile.mkstemp()  # 0600; ssl reads keys from files only
        try:
            with os.fdopen(handle, "w") as file:
                file.write(self._pem)
            context.load_cert_chain(name)
        finally:
            Path(name).unlink()
        return context

    def trust(self, certificate: str) -> bytes:
        """Let a peer with this certificate (PEM) in; return the certificate as DER.

        Trust cannot be withdrawn from OpenSSL's context: `accept` compares with what is expected.
        """
        der = ssl.PEM_cert_to_DER_cert(certificate)
        if der not in self._trusted:
            self._server.load_verify_locations(cadata=certificate)
            self._trusted.add(der)
        return der

    def accept(self, raw: socket.socket) -> tuple[ssl.SSLSocket, bytes, bytes]:
        """Do the server's part; return the lane, the peer's certificate (DER) and its ticket.

        Raises OSError, StreamBroken; `raw` is closed then. Nothing is promised to the peer yet: it
        waits for `welcome`.
        """
        raw.settimeout(limits.HANDSHAKE_TIMEOUT_S)
        try:
            tuned(raw)
            lane = self._server.wrap_socket(raw, server_side=True)
        except BaseException:
            raw.close()
            raise
        try:
            der = lane.getpeercert(True)
            ticket = read_exactly(lane, TICKET_BYTES)
            if not der:
                raise StreamBroken("a peer showed no certificate")
        except BaseException:
            lane.close()
            raise
        return lane, der, ticket

    def connect(
        self,
        address: tuple[str, int],
        certificate: str,
        ticket: bytes,
        before: Callable[[socket.socket], None] = lambda _: None,
    ) -> ssl.SSLSocket:
        """Open a lane to the peer that shows `certificate`. Raises OSError, StreamBroken.

        `before` is done with the socket before the first byte of the lane.
        """
        context = self._context(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certificate)
        raw = socket.create_connection(address, limits.DIAL_TIMEOUT_S)
        try:
            tuned(raw)
            before(raw)
            raw.settimeout(limits.HANDSHAKE_TIMEOUT_S)
            lane = context.wrap_socket(raw)
        except BaseException:
            raw.close()
            raise
        try:
            if lane.getpeercert(True) != ssl.PEM_cert_to_DER_cert(certificate):
                raise StreamBroken("another one answered at a peer's address")
            lane.sendall(ticket)
            if read_exactly(lane, 1) != _WELCOME:
                raise StreamBroken("a peer did not take the ticket")
        except BaseException:
            lane.close()
            raise
        return lane


def welcome(lane: Socket) -> None:
    """Tell a peer that its ticket was good. In TLS 1.3 it hears of a refusal no sooner."""
    lane.sendall(_WELCOME)


def tuned(raw: socket.socket) -> None:
    """Set what a connected socket needs to be fast, and to lose little with its process.

    Not the size of its receive buffer: of what comes into a full one the kernel drops some, and
    each time the sender waits some 200 ms. What is asked of a near peer is bounded instead.
    """
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limits.LANE_UNSENT_BYTES)


def round_trip_s(lane: Socket) -> float | None:
    """Return how far the other end of the socket is, as the kernel measured it.

    None for a stream over libp2p: who knows how far that goes. A busy process does not show in it,
    as it does in a ping; and of a lane through a relay it is the way to the relay.
    """
    if lane.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    info = lane.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT_AT + _RTT.size)
    (round_trip_us,) = _RTT.unpack_from(info, _RTT_AT)
    return int(round_trip_us) / 1e6


def read_exactly(lane: Socket, size_bytes: int) -> bytes:
    """Return so many bytes. Raises StreamBroken at the end, OSError."""
    data = bytearray(size_bytes)
    _fill(lane, memoryview(data))
    return bytes(data)


def _fill(lane: Socket, window: memoryview) -> None:
    while window:
        count = lane.recv_into(window)
        if not count:
            raise StreamBroken("a peer ended a lane")
        window = window[count:]


class FrameSource:
    """Reads frames from a lane (`wire.py`) into one buffer that is used again and again.

    It is as long as the longest frame that came, which may be as long as `frame_bytes_max`.
    """

    def __init__(
        self,
        lane: Socket,
        buffer_bytes: int = limits.LANE_BUFFER_BYTES,
        frame_bytes_max: int = limits.FRAME_BYTES_MAX,
    ) -> None:
        self._lane, self._frame_bytes_max = lane, frame_bytes_max
        self._buffer = bytearray(buffer_bytes)
        self._start = self._end = 0

    def has_frame(self) -> bool:
        """Whether the next frame is here as a whole."""
        size = self._size()
        return size is not None and self._end - self._start >= _HEAD_BYTES + size

    def _size(self) -> int | None:
        if self._end - self._start < _HEAD_BYTES:
            return None
        head = self._buffer[self._start : self._start + _HEAD_BYTES]
        size = int.from_bytes(head, "big")
        if size > self._frame_bytes_max:  # compressed ones have their highest bit set
            raise FrameInvalid(f"a peer announced a frame of {size:,} bytes")
        return size

    def read(self) -> None:
        """Read on until a frame is here as a whole. Raises StreamBroken, OSError, FrameInvalid."""
        receive = self._lane.recv_into
        need = self._make_room()
        with memoryview(self._buffer) as view:
            while self._end - self._start < need:
                # TLS gives 16 KiB at most at a time, and each costs the interpreter's lock.
                count = receive(view[self._end :])
                if not count:
                    raise StreamBroken("a peer ended a lane")
                self._end += count
        if not self.has_frame():
            self.read()  # the head said how much the rest is

    def _make_room(self) -> int:
        """Make room for the next frame, as far as it is known; return how long that is."""
        need = _HEAD_BYTES + (self._size() or 0)
        if self._start == self._end:
            self._start = self._end = 0
        if len(self._buffer) - self._start >= need and self._end < len(self._buffer):
            return need
        rest = self._buffer[self._start : self._end]
        if need > len(self._buffer):
            self._buffer = bytearray(need)
        self._buffer[: len(rest)] = rest
        self._start, self._end = 0, len(rest)
        return need

    def take(self) -> memoryview:
        """Return the body of the next frame, which `has_frame`; valid until the next `read`."""
        size = self._size()
        assert size is not None, "ask has_frame first"
        begin = self._start + _HEAD_BYTES
        self._start = begin + size
        return memoryview(self._buffer)[begin : begin + size]


def is_readable(lane: Socket, timeout_s: float, other: int | None = None) -> tuple[bool, bool]:
    """Wait until something can be read; say whether from the lane, and from the other descriptor.

    Both are False when the time is over.
    """
    if isinstance(lane, ssl.SSLSocket) and lane.pending():
        timeout_s = 0.0
        found = True
    else:
        found = False
    poller = select.poll()
    poller.register(lane, select.POLLIN)
    if other is not None:
        poller.register(other, select.POLLIN)
    ready = {descriptor for descriptor, _ in poller.poll(timeout_s * 1000)}
    return found or lane.fileno() in ready, other in ready

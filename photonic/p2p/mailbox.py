"""The carrier's end of the socket to its node: orders in, reports out, sockets with the orders.

Blocking. Orders are read by one thread; reports may be sent by any.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator

from photonic import limits, wire
from photonic.p2p.lane_messages import Order, Report

_SOCKETS_AT_ONCE = 16


class Mailbox:
    """See the module."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._sending = threading.Lock()
        self._sockets: deque[int] = deque()

    def orders(self) -> Iterator[Order]:
        """Yield orders until the node hangs up. Raises FrameInvalid, OSError."""
        reader = wire.FrameReader()
        while True:
            data, descriptors, _, _ = socket.recv_fds(
                self._channel, limits.READ_BYTES, _SOCKETS_AT_ONCE
            )
            self._sockets.extend(descriptors)
            if not data:
                return
            for body in reader.feed(data):
                order: Order = wire.decode(body, Order)  # type: ignore[arg-type]
                yield order

    def adopted(self) -> socket.socket:
        """Return the socket that came with the order in hand."""
        return socket.socket(fileno=self._sockets.popleft())

    def tell(self, report: Report) -> None:
        """Send a report. A node that is gone hears nothing: `orders` ends, and all with it."""
        data = wire.frame(wire.encode(report))
        with self._sending:
            try:
                self._channel.sendall(data)
            except OSError:
                self._channel.close()

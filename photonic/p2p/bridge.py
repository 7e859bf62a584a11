"""A libp2p stream joined to a socket: what the carrier reads and writes where there is no lane."""

from __future__ import annotations

import socket
from contextlib import suppress

import trio

from photonic import limits
from photonic.errors import StreamBroken
from photonic.p2p.transport import Stream


async def join(control: Stream, near: socket.socket) -> None:
    """Lead a libp2p stream to the carrier and back, until the carrier or cancellation ends it."""
    with trio.socket.from_stdlib_socket(near) as carrier:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_pump_in, control, carrier)
            await _pump_out(carrier, control)
            nursery.cancel_scope.cancel()


async def _pump_in(control: Stream, near: trio.socket.SocketType) -> None:
    """Bring what the peer sends to the carrier, until either ends."""
    try:
        while data := await control.receive(limits.READ_BYTES):
            view = memoryview(data)
            while view:
                view = view[await near.send(view) :]
    except (StreamBroken, OSError):
        pass  # the carrier sees its socket end, and says so
    with suppress(OSError):  # it was faster
        near.shutdown(socket.SHUT_WR)


async def _pump_out(near: trio.socket.SocketType, control: Stream) -> None:
    try:
        while data := await near.recv(limits.READ_BYTES):
            await control.send(data)
    except (StreamBroken, OSError):
        pass

"""One stream of a multiplexed connection: flow control both ways, half close, reset.

The Yamux specification's streams over a connection that somebody else reads; the library that
reads it is not imported here, `Muxer` and `Half` say what is used of it. Windows are ours: each
reader lets its peer have `window` unread bytes, returned in quarters, and a peer that sends more
is cut. A peer that reads nothing for a while holds its sender up (back-pressure), and after
`limits.STREAM_STALL_S` breaks the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import trio

from photonic import limits
from photonic.errors import StreamBroken
from photonic.ids import NodeId

DATA, WINDOW_UPDATE, PING = 0, 1, 2
SYN, ACK, FIN, RST = 1, 2, 4, 8
FIRST_WINDOW_BYTES = 256 * limits.KIB  # of every stream, by the specification

_HEADER = struct.Struct("!BBHII")  # version, type, flags, stream, length
_FRAME_DATA_BYTES = 65_535 - 16 - _HEADER.size  # one frame fills one Noise message
_POLL_MIN_S, _POLL_MAX_S = 0.001, 0.02


def header(kind: int, flags: int, stream_id: int, length: int) -> bytes:
    """Return a Yamux frame header; `length` is bytes, a credit or a ping's number, by `kind`."""
    return _HEADER.pack(0, kind, flags, stream_id, length)


class Half(Protocol):
    """The state of one stream, as the reader of the connection keeps it."""

    stream_id: int
    send_window: int
    recv_window: int
    send_closed: bool
    recv_closed: bool
    closed: bool
    reset_received: bool


class Muxer(Protocol):
    """The connection that a stream belongs to."""

    stream_buffers: dict[int, bytearray]
    stream_events: dict[int, trio.Event]

    async def write(self, frame: bytes) -> None:
        """Send a frame when the pipe has room. Raises StreamBroken."""
        ...

    def answer(self, frame: bytes) -> None:
        """Send a frame as soon as may be, without waiting."""
        ...

    async def forget(self, stream: Half) -> None:
        """Give the slot of an ended stream back, and its state if both sides have ended."""
        ...


class MuxedStream:
    """One stream; see transport.Stream. More than is promised there: cancelling is safe.

    A cancelled `send` tears this stream only and the connection goes on; `close` then resets the
    stream, so that the peer does not take a torn message for the end.
    """

    def __init__(self, muxer: Muxer, half: Half, peer: NodeId, window_bytes: int) -> None:
        self._muxer, self._half, self._peer = muxer, half, peer
        self._window = window_bytes
        self._owed = window_bytes - FIRST_WINDOW_BYTES  # credit that the peer does not have yet
        self._is_torn = False

    @property
    def peer(self) -> NodeId:
        return self._peer

    async def send(self, data: bytes) -> None:
        rest, half = memoryview(data), self._half
        try:
            while rest:
                room = await self._wait_room()
                piece = rest[: min(room, _FRAME_DATA_BYTES)]
                half.send_window -= len(piece)
                await self._muxer.write(header(DATA, 0, half.stream_id, len(piece)) + piece)
                rest = rest[len(piece) :]
        except BaseException:
            self._is_torn = True
            raise

    async def _wait_room(self) -> int:
        """Wait until the peer lets us send. The library has no event for it, so this polls."""
        half, delay_s = self._half, _POLL_MIN_S
        with trio.move_on_after(limits.STREAM_STALL_S):
            while True:
                if half.closed or half.send_closed or self._is_torn:
                    raise StreamBroken("the stream is closed")
                if half.send_window > 0:
                    return half.send_window
                await trio.sleep(delay_s)
                delay_s = min(2 * delay_s, _POLL_MAX_S)
        raise StreamBroken(f"the peer read nothing for {limits.STREAM_STALL_S} s")

    async def receive(self, size_max: int) -> bytes:
        muxer, half = self._muxer, self._half
        while not (buffer := muxer.stream_buffers.get(half.stream_id)):
            if half.reset_received:
                raise StreamBroken("the stream was broken, or its connection")
            if half.recv_closed or not await self._wait_news():
                return b""
        data = bytes(buffer) if size_max >= len(buffer) else bytes(buffer[:size_max])
        del buffer[:size_max]
        self._owed += len(data)
        with trio.CancelScope(shield=True):  # the bytes are out of the buffer by now
            await self._return_credit(is_drained=not buffer)
        return data

    async def _wait_news(self) -> bool:
        """Wait for a frame of this stream; false if the connection forgot the stream."""
        events, stream_id = self._muxer.stream_events, self._half.stream_id
        event = events.get(stream_id)
        if event is None:
            return False
        if event.is_set():
            event = events[stream_id] = trio.Event()
        await event.wait()
        return True

    async def _return_credit(self, *, is_drained: bool) -> None:
        """Let the peer send again what was read, in large steps."""
        half = self._half
        if half.closed and is_drained:
            await self._muxer.forget(half)
        elif not half.recv_closed and self._owed >= self._window // 4:
            credit, self._owed = self._owed, 0
            half.recv_window += credit
            with suppress(StreamBroken):  # what was read is good; the next read tells the rest
                await self._muxer.write(header(WINDOW_UPDATE, 0, half.stream_id, credit))

    async def close(self) -> None:
        if self._is_torn:
            await self.reset()
        elif not self._half.send_closed:
            await self._end(FIN)

    async def reset(self) -> None:
        """Give up both sides and what is unread; the peer gets StreamBroken if it was not done.

        May be repeated; never raises.
        """
        half = self._half
        unread = self._muxer.stream_buffers.get(half.stream_id)
        if unread:
            unread.clear()
        if half.closed:
            with trio.CancelScope(shield=True):
                await self._muxer.forget(half)
            return
        half.recv_closed = half.reset_received = True
        await self._end(RST)

    async def _end(self, flag: int) -> None:
        half = self._half
        self._muxer.answer(header(WINDOW_UPDATE, flag, half.stream_id, 0))
        half.send_closed, half.closed = True, half.recv_closed
        with trio.CancelScope(shield=True):
            await self._muxer.forget(half)

    async def wait_ended(self) -> None:
        """Wait until the peer has ended its side, reading nothing."""
        while not self._half.recv_closed and await self._wait_news():
            pass


class Unread(dict[int, bytearray]):
    """The receive buffers of one connection, by stream, which hold no more than is allowed.

    The library warns when a peer exceeds its windows, and keeps the bytes.
    """

    def __init__(self, bytes_max: int, abort: Callable[[], None]) -> None:
        super().__init__()
        self.bytes_max, self.abort = bytes_max, abort

    def __setitem__(self, stream_id: int, buffer: bytearray) -> None:
        super().__setitem__(stream_id, _Buffer(self))


class _Buffer(bytearray):
    """One stream's unread bytes. Cuts a peer that sends more than it may."""

    def __init__(self, unread: Unread) -> None:
        super().__init__()
        self._unread = unread

    def extend(self, data: bytes) -> None:  # type: ignore[override]
        of_stream = len(data) + len(self)
        of_all = len(data) + sum(map(len, self._unread.values()))
        if of_stream > limits.STREAM_WINDOW_BYTES or of_all > self._unread.bytes_max:
            self._unread.abort()
            raise ConnectionResetError("the peer sent more than it may")
        super().extend(data)

"""One multiplexed connection of `libp2p_transport`, and how its negotiations speak.

Yamux as the network library has it, with its faults mended: whoever reads never waits for what it
answers, a peer can make us hold so much and no more, and the heartbeat is a ping of our own.

Private names of py-libp2p that are used, so that its version is pinned: `Yamux._write_frame`,
`._write_lock`, `._measure_rtt_loop`, `._ping_event`, `._ping_id`, `._finalize_stream`. Each change
has its test in `tests/p2p/test_libp2p_hardening.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from libp2p.abc import ISecureConn
from libp2p.io.exceptions import IOException
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator
from libp2p.stream_muxer.yamux import yamux

from photonic import limits
from photonic.errors import StreamBroken
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.streams import FIRST_WINDOW_BYTES, PING, SYN, Half, Unread, header
from photonic.p2p.transport import Admission


class Talk:
    """A session or a stream during a negotiation: short messages, and the library's errors."""

    def __init__(
        self,
        read: Callable[[int], Awaitable[bytes]],
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._read, self._write = read, write

    async def read(self, n: int | None = None) -> bytes:
        if n is None or n > limits.NEGOTIATION_BYTES_MAX:
            raise IOException(f"the peer announced {n} bytes of negotiation")
        data = await self._read(n)
        if not data:
            raise IOException("the peer ended the negotiation")
        return data

    async def write(self, data: bytes) -> None:
        await self._write(data)


def communicator(talk: Talk) -> MultiselectCommunicator:
    return MultiselectCommunicator(talk)  # type: ignore[arg-type]  # reads and writes only


class LinkMuxer(yamux.Yamux):
    """One multiplexed connection whose reader never waits for its own answers to be taken.

    As shipped the task that reads frames also writes the answers to them, so that two peers with
    full pipes wait for each other for ever. Here answers wait in a bounded queue.
    """

    def __init__(self, secure: ISecureConn, socket: TcpSocket, admission: Admission) -> None:
        super().__init__(secure, secure.get_remote_peer(), is_initiator=secure.is_initiator)
        self.socket = socket
        self.served = 0  # streams that the peer opened and a task of ours serves
        self.guest_streams = 0  # that the peer opened as a guest, in all
        self._unread = Unread(limits.GUEST_UNREAD_BYTES_MAX, socket.abort)
        self.stream_buffers = self._unread
        self._reader: trio.lowlevel.Task | None = None
        self._answers, self._unsent = trio.open_memory_channel[bytes](limits.MUXER_REPLIES_MAX)
        self.admit(admission)

    def admit(self, admission: Admission) -> None:
        """Set what the peer may make us hold."""
        is_member = admission is Admission.MEMBER
        self._unread.bytes_max = (
            limits.CONNECTION_UNREAD_BYTES_MAX if is_member else limits.GUEST_UNREAD_BYTES_MAX
        )
        self.served_max = (
            limits.STREAMS_PER_CONNECTION_MAX if is_member else limits.STREAMS_PER_GUEST_MAX
        )
        self.window_bytes = limits.STREAM_WINDOW_BYTES if is_member else FIRST_WINDOW_BYTES

    @property
    def is_idle(self) -> bool:
        """Whether no stream is open."""
        return not self.streams

    async def handle_incoming(self) -> None:
        self._reader = trio.lowlevel.current_task()
        await super().handle_incoming()

    async def _write_frame(self, data: bytes) -> None:
        if trio.lowlevel.current_task() is self._reader:
            self.answer(data)
            return
        async with self._write_lock:
            await self.secured_conn.write(data)

    async def write(self, frame: bytes) -> None:
        try:
            await self._write_frame(frame)
        except IOException as error:
            raise StreamBroken(f"the connection broke: {error}") from error

    def answer(self, frame: bytes) -> None:
        try:
            self._answers.send_nowait(frame)
        except trio.WouldBlock:  # the peer asks and does not read
            self.socket.abort()

    async def _measure_rtt_loop(self) -> None:
        """Write the answers. The library runs its pings in this task; `ping` replaces them."""
        with suppress(IOException):  # the reader learns of it, too, and cleans up
            async for frame in self._unsent:
                async with self._write_lock:
                    await self.secured_conn.write(frame)

    async def forget(self, stream: Half) -> None:
        assert isinstance(stream, yamux.YamuxStream)
        await self._finalize_stream(stream, fully_closed=stream.closed)

    async def ping(self) -> float | None:
        """Return the round trip in seconds, or None if no answer came in time."""
        self._ping_id = (self._ping_id + 1) % 2**32
        self._ping_event, asked_s = trio.Event(), trio.current_time()
        self.answer(header(PING, SYN, 0, self._ping_id))
        with trio.move_on_after(limits.HEARTBEAT_TIMEOUT_S) as patience:
            await self._ping_event.wait()
        return None if patience.cancelled_caught else trio.current_time() - asked_s

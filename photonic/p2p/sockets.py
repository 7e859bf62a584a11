"""TCP as the encrypted sessions need it: exact reads, atomic writes, a hard cut.

And how to listen and to dial with it.

What the network library's own stream does not give, each with a test of its own:
- a read of n bytes returns n bytes (the library gives up after 100 partial reads), fed by large
  reads from the kernel instead of two small ones per message;
- a write is all or nothing for the session: cancelling the caller in the middle would leave half
  an encrypted message and wreck every stream of the connection, so a cancellation waits until
  the bytes (64 KiB at most) are with the kernel, and a peer that does not take them in time is
  cut;
- `abort` closes the socket at once, which releases every blocked reader and writer.
"""

from __future__ import annotations

import errno
import logging
import socket as sockets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TypeVar

import trio

from photonic import limits
from photonic.errors import AddressInvalid, PortInUse
from photonic.p2p.addresses import endpoint_of, parse_endpoint

log = logging.getLogger(__name__)
T = TypeVar("T")

_KERNEL_READ_BYTES = 256 * limits.KIB
_EXACT_READ_BYTES_MAX = 65_535  # the longest Noise message; nothing asks for more before it
_KEEPALIVE_IDLE_S, _KEEPALIVE_INTERVAL_S, _KEEPALIVE_PROBES = 5, 3, 3
_USER_TIMEOUT_MS = 15_000
_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "no route",
    errno.ENETUNREACH: "no route",
    errno.EADDRNOTAVAIL: "no route",
    errno.EACCES: "forbidden here",
    errno.EPERM: "forbidden here",
}


class TcpSocket:
    """One TCP connection. One reader and one writer at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self.received_s = trio.current_time()  # when the peer last showed life
        host, port = stream.socket.getpeername()[:2]
        self._remote: tuple[str, int] = (host, port)
        self.address = str(endpoint_of(host, port))
        self.own_host = endpoint_of(*stream.socket.getsockname()[:2]).host
        _tune(stream.socket)

    async def read(self, n: int | None = None) -> bytes:
        """Return exactly `n` bytes, or fewer at the end. May be cancelled without loss.

        Raises ConnectionResetError when the connection broke or `n` is beyond reason.
        """
        wanted = 1 if n is None else n
        if wanted > _EXACT_READ_BYTES_MAX:
            raise ConnectionResetError(f"the peer announced {n:,} bytes in the clear")
        while len(self._buffer) < wanted:
            try:
                data = await self._stream.receive_some(_KERNEL_READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionResetError(str(error)) from error
            if not data:
                break
            self.received_s = trio.current_time()
            self._buffer += data
        size = len(self._buffer) if n is None else n
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def write(self, data: bytes) -> None:
        """Send all of `data`, or abort the connection and raise ConnectionResetError."""
        deadline_s = trio.current_time() + limits.WRITE_TIMEOUT_S
        with trio.CancelScope(deadline=deadline_s, shield=True) as patience:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.abort()
                raise ConnectionResetError(str(error)) from error
        if patience.cancelled_caught:
            self.abort()
            raise ConnectionResetError(f"the peer took nothing for {limits.WRITE_TIMEOUT_S} s")

    async def close(self) -> None:
        """Close it. May be repeated."""
        self.abort()

    def abort(self) -> None:
        """Close the socket at once and release whoever waits for it. May be repeated."""
        self._stream.socket.close()

    def get_remote_address(self) -> tuple[str, int]:
        """Host and port of the other end (the name is the network library's)."""
        return self._remote


def _tune(sock: trio.socket.SocketType) -> None:
    """Notice a dead link in 14 to 19 s even where no heartbeat runs. Linux has all of them."""
    tcp = sockets.IPPROTO_TCP
    options = [(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1), (tcp, sockets.TCP_NODELAY, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_S),
        ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", _USER_TIMEOUT_MS),
    ):
        if hasattr(sockets, name):
            options.append((tcp, getattr(sockets, name), value))
    for level, option, value in options:
        with suppress(OSError):
            sock.setsockopt(level, option, value)


async def open_listeners(
    addresses: Sequence[str], opened: AsyncExitStack
) -> list[trio.SocketListener]:
    """Listen on every address or none; `opened` closes them. Raises PortInUse, AddressInvalid.

    Without SO_REUSEPORT, which the network library sets: two nodes would share one port.
    """
    listeners: list[trio.SocketListener] = []
    for text in addresses:
        endpoint = parse_endpoint(text)
        try:
            found = await trio.open_tcp_listeners(endpoint.port, host=endpoint.host)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"somebody else listens on {text}") from error
            raise AddressInvalid(f"{text}: {error}") from error
        for listener in found:
            await opened.enter_async_context(listener)
        listeners += found
    return listeners


class NoneAnswered(Exception):
    """No address led to a peer; the message has each one's reason."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        words = [f"{_plain(address)} {reason}" for address, reason in reasons.items()]
        super().__init__("; ".join(words) or "no address is known")


def _plain(address: str) -> str:
    """Return a multiaddress as people write it."""
    try:
        endpoint = parse_endpoint(address)
    except AddressInvalid:
        return address
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return f"{host}:{endpoint.port}"


def reason_of(error: BaseException) -> str:
    """Say in a few words why a connection came to nothing."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, trio.TooSlowError | TimeoutError) or number == errno.ETIMEDOUT:
        return "no answer"
    if isinstance(error, sockets.gaierror):
        return "no such name"
    if number in _REASONS:
        return _REASONS[number]
    if isinstance(error, OSError) and error.__cause__ is not None:  # trio tells of all attempts
        return reason_of(error.__cause__)
    if isinstance(error, AddressInvalid):
        return "no address of a TCP port"
    return "somebody else answered, or it does not know us"


async def open_patiently(host: str, port: int) -> trio.SocketStream:
    """Connect, and where nothing answers begin anew beside what was begun; the first one wins.

    A kernel repeats what was lost ever more rarely, after 1, 3, 7 s: a way that opens meanwhile
    would be found late. Raises OSError; a refusal is an answer, and ends it.
    """
    won: list[trio.SocketStream] = []
    failures: list[OSError] = []

    async def attempt() -> None:
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError as error:
            failures.append(error)
        else:
            won.append(stream)
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            while not won and not failures:
                nursery.start_soon(attempt)
                await trio.sleep(limits.CONNECT_AGAIN_S)
    except BaseException:
        for stream in won:
            stream.socket.close()
        raise
    for stream in won[1:]:
        stream.socket.close()
    if won:
        return won[0]
    raise failures[0]


async def connect_first(
    addresses: Sequence[str], shake_hands: Callable[[TcpSocket], Awaitable[T]]
) -> T:
    """Try all addresses, each a moment after the one before; the first handshake wins.

    The others are cancelled, so `shake_hands` must close its socket when that happens or when it
    fails. Raises NoneAnswered.
    """
    won: list[tuple[T, TcpSocket]] = []
    failures: dict[str, str] = {}

    async def attempt(index: int, address: str) -> None:
        await trio.sleep(index * limits.DIAL_STAGGER_S)
        try:
            endpoint = parse_endpoint(address)
            with trio.fail_after(limits.DIAL_TIMEOUT_S):
                stream = await open_patiently(endpoint.host, endpoint.port)
                socket = TcpSocket(stream)
                result = await shake_hands(socket)
        except Exception as error:  # noqa: BLE001  # an address is a hint, it may be wrong
            failures[address] = reason_of(error)
            log.debug("%s: %r", address, error)
            return
        if won:  # it had finished before the cancellation reached it
            socket.abort()
            return
        won.append((result, socket))
        nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for index, address in enumerate(addresses[: limits.ADDRESSES_PER_PEER_MAX]):
                nursery.start_soon(attempt, index, address)
    except BaseException:
        for _, socket in won:
            socket.abort()
        raise
    if not won:
        raise NoneAnswered(failures)
    return won[0][0]

"""Hypercorn's HTTP/1.1 and HTTP/2 on a trio listener of ours.

Hypercorn's own `serve` shields every write from cancellation, so that one client that does not
read keeps it from ever stopping, and it lets any number of clients in. Here a write is bounded in
time and may be cancelled, which ends its connection; connections are counted; and a failure inside
one connection stays there.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import ssl
from collections import Counter
from functools import partial
from typing import Protocol, cast

import anyio.abc
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, Framework
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from photonic import limits
from photonic.attempts import network_of
from photonic.errors import BindExposed, BindFailed, PhotonicError, PortInUse

log = logging.getLogger("photonic.api")


class Signal(Protocol):
    """Something to wait for: an `anyio.Event` or a `trio.Event`."""

    async def wait(self) -> object: ...


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    shutdown: Signal,
    tls: ssl.SSLContext | None = None,
    task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `shutdown`, then end cleanly within SHUTDOWN_GRACE_S.

    Without `tls` only on loopback. Reports its URL, with the port that was chosen if `port` is 0,
    once clients can connect.
    Cancelling it ends it at once. Raises PortInUse, BindExposed or BindFailed before that.
    """
    listener = await bind(host, port, is_exposed=tls is not None)
    context = WorkerContext(None)
    config = _config()
    wrapped = wrap_app(cast(Framework, app), 0, "asgi")
    door = _Door(wrapped, config, context, tls)
    async with listener, trio.open_nursery() as connections:
        handler = partial(door.serve, connections)
        async with trio.open_nursery() as accepting:
            accepting.start_soon(
                partial(trio.serve_listeners, handler, [listener], handler_nursery=connections)
            )
            task_status.started(_url(listener, "http" if tls is None else "https"))
            await shutdown.wait()
            accepting.cancel_scope.cancel()
        await listener.aclose()
        end_streams = getattr(app, "begin_shutdown", None)
        if end_streams is not None:
            end_streams()
        await context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + limits.SHUTDOWN_GRACE_S


async def bind(host: str, port: int, *, is_exposed: bool = False) -> trio.SocketListener:
    """Listen on one address, of loopback unless it `is_exposed` on purpose.

    Raises PortInUse, BindExposed or BindFailed.
    """
    place = f"{host}:{port}"
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BindFailed(f"{place}: {error}") from error
    family, kind, protocol, _, address = found[0]
    is_loopback = ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
    if not (is_loopback or is_exposed):
        raise BindExposed(f"{place} can be reached from other machines")
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(Config.backlog)
    except OSError as error:
        listening.close()
        raise _bind_error(place, error) from error
    return trio.SocketListener(trio.socket.from_stdlib_socket(listening))


def _bind_error(place: str, error: OSError) -> PhotonicError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"somebody else listens on {place}")
    return BindFailed(f"{place}: {error.strerror}")


def _url(listener: trio.SocketListener, scheme: str) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = log
    config.include_server_header = False
    config.graceful_timeout = limits.SHUTDOWN_GRACE_S
    config.ssl_handshake_timeout = limits.TLS_HANDSHAKE_TIMEOUT_S
    return config


class _Door:
    """Lets clients in: bounded in number, and over TLS also in number from one address."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._app, self._config, self._context, self._tls = app, config, context, tls
        self._inside: Counter[str] = Counter()  # over TLS, by address

    async def serve(self, connections: trio.Nursery, stream: trio.SocketStream) -> None:
        """Serve one client. Whatever fails in here ends this connection only."""
        if len(connections.child_tasks) > limits.HTTP_CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        if self._tls is None:
            plain = cast(trio.SSLStream, stream)  # annotated too narrowly there
            await self._serve(plain)
            return
        try:
            address = network_of(stream.socket.getpeername()[0])
        except OSError:  # gone before we looked
            await trio.aclose_forcefully(stream)
            return
        if self._inside[address] >= limits.HTTPS_CONNECTIONS_PER_ADDRESS_MAX:
            await trio.aclose_forcefully(stream)
            return
        self._inside[address] += 1
        try:
            await self._serve(
                trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
            )
        finally:
            self._inside[address] -= 1
            self._inside += Counter()  # forget addresses that have none

    async def _serve(self, stream: trio.SSLStream) -> None:
        try:
            state = ConnectionState({})
            await Connection(self._app, self._config, self._context, state, stream).run()
        except* Exception as failures:
            log.warning("an HTTP connection failed", exc_info=failures)
        finally:
            await trio.aclose_forcefully(stream)


class Connection(TCPServer):
    """Hypercorn's connection, whose writes end: in time, or with a cancellation."""

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                with trio.fail_after(limits.HTTP_STALL_S):
                    await self.stream.send_all(event.data)
                return
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                await trio.aclose_forcefully(self.stream)
            except trio.Cancelled:
                await trio.aclose_forcefully(self.stream)  # a torn write leaves nothing to save
                raise
        await self.protocol.handle(Closed())

    async def _close(self) -> None:
        # The answer whose end closes the connection is cancelled by that very end (sse-starlette
        # hears of a disconnect); without the shield the socket would stay open.
        # Bounded, for over TLS even a goodbye waits for a client that does not read.
        deadline_s = trio.current_time() + limits.TLS_CLOSE_S
        with trio.CancelScope(shield=True, deadline=deadline_s):
            await super()._close()

    async def _initiate_server_close(self) -> None:
        with trio.move_on_after(limits.TLS_CLOSE_S):
            await super()._initiate_server_close()

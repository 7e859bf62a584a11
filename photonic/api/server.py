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
    task_status: anyio.abc.TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `shutdown`, then end cleanly within SHUTDOWN_GRACE_S.

    Reports its URL, with the port that was chosen if `port` is 0, once clients can connect.
    Cancelling it ends it at once. Raises PortInUse, BindExposed or BindFailed before that.
    """
    listener = await bind(host, port)
    context = WorkerContext(None)
    config = _config()
    wrapped = wrap_app(cast(Framework, app), 0, "asgi")
    accept = partial(_serve_connection, wrapped, config, context)
    async with listener, trio.open_nursery() as connections:
        handler = partial(accept, connections)
        async with trio.open_nursery() as accepting:
            accepting.start_soon(
                partial(trio.serve_listeners, handler, [listener], handler_nursery=connections)
            )
            task_status.started(_url(listener))
            await shutdown.wait()
            accepting.cancel_scope.cancel()
        await listener.aclose()
        end_streams = getattr(app, "begin_shutdown", None)
        if end_streams is not None:
            end_streams()
        await context.terminated.set()
        connections.cancel_scope.deadline = trio.current_time() + limits.SHUTDOWN_GRACE_S


async def bind(host: str, port: int) -> trio.SocketListener:
    """Listen on one loopback address. Raises PortInUse, BindExposed or BindFailed."""
    place = f"{host}:{port}"
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BindFailed(f"{place}: {error}") from error
    family, kind, protocol, _, address = found[0]
    if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
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


def _url(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = log
    config.include_server_header = False
    config.graceful_timeout = limits.SHUTDOWN_GRACE_S
    return config


async def _serve_connection(
    app: AppWrapper,
    config: Config,
    context: WorkerContext,
    connections: trio.Nursery,
    stream: trio.SocketStream,
) -> None:
    """Serve one client. Whatever fails in here ends this connection only."""
    if len(connections.child_tasks) > limits.HTTP_CONNECTIONS_MAX:
        await trio.aclose_forcefully(stream)
        return
    try:
        plain = cast(trio.SSLStream, stream)  # annotated too narrowly there
        await Connection(app, config, context, ConnectionState({}), plain).run()
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
        with trio.CancelScope(shield=True):
            await super()._close()

"""Who may begin a handshake: judged before anything is done with a connection.

Each source (an IPv4 address, an IPv6 network) has a few places for handshakes that are under way,
and there are so many for all. Who finds none is cut. That costs little, and only so much of it is
done in a second, for whoever is cut may come back at once: then they wait in the kernel's queue,
and the node has other things to do than to refuse.
"""

from __future__ import annotations

import errno
import logging
import os
import socket as sockets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

import trio

from photonic import limits
from photonic.p2p.addresses import source_of

log = logging.getLogger(__name__)

_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_source_of = lru_cache(maxsize=1_024)(source_of)


class Place:
    """One handshake's place; it is given back once."""

    def __init__(self, pending: Counter[str], source: str) -> None:
        self._pending, self._source = pending, source
        pending[source] += 1

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Give the place back at the end of the block."""
        try:
            yield
        finally:
            self._pending[self._source] -= 1
            if not self._pending[self._source]:
                del self._pending[self._source]


Serve = Callable[[trio.SocketStream, Place], Awaitable[None]]


class Vestibule:
    """See the module."""

    def __init__(self, nursery: trio.Nursery, serve: Serve) -> None:
        """`serve` never raises, and gives the place back when the handshake is over."""
        self._nursery, self._serve = nursery, serve
        self._pending: Counter[str] = Counter()  # handshakes by source

    async def run(self, listeners: Iterable[trio.SocketListener]) -> None:
        """Let in what comes, until cancelled."""
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._listen, listener)

    async def _listen(self, listener: trio.SocketListener) -> None:
        known = listener.socket
        with sockets.fromfd(known.fileno(), known.family, known.type) as raw:
            raw.setblocking(False)
            while True:
                await trio.lowlevel.wait_readable(raw.fileno())
                refused = self._let_in(raw)
                await trio.sleep(refused / limits.REFUSED_PER_S_MAX)

    def _let_in(self, raw: sockets.socket) -> int:
        """Take some connections of the queue; return how many of them found no place."""
        refused = 0
        for _ in range(limits.ACCEPTED_AT_ONCE_MAX):
            try:
                sock, address = raw.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno not in _EXHAUSTED:  # gone before we looked
                    continue
                log.error("no connection can be taken: %s", os.strerror(error.errno))
                return limits.REFUSED_PER_S_MAX // 10  # a tenth of a second
            place = self._place_for(address[0])
            if place is None:
                sock.close()
                refused += 1
            else:
                stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
                self._nursery.start_soon(self._serve, stream, place)
        return refused

    def _place_for(self, host: str) -> Place | None:
        source = _source_of(host)
        if self._pending.get(source, 0) >= limits.HANDSHAKES_PENDING_PER_IP_MAX:
            return None
        if self._pending.total() >= limits.HANDSHAKES_PENDING_MAX:
            return None
        return Place(self._pending, source)

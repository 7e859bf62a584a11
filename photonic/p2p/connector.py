"""Keeps this node connected with the other members: who is to be dialled, and when again.

What is known of addresses is the peer book's; what is decided from times is the peer book's; this
loop only waits and dials. Meeting again needs no server: an address that worked, one that another
member told, or one that discovery found will do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

import trio

from photonic import limits
from photonic.errors import PhotonicError
from photonic.ids import NodeId, peer_id
from photonic.p2p.peers import Peer, PeerBook
from photonic.p2p.transport import Transport
from photonic.world import World

log = logging.getLogger(__name__)


class Connector:
    """Dials members that are not connected."""

    def __init__(
        self,
        transport: Transport,
        book: PeerBook,
        members: Callable[[], Collection[NodeId]],
        world: World,
    ) -> None:
        self._transport, self._book, self._members, self._world = transport, book, members, world
        self._news = trio.Event()
        self.dialling: set[NodeId] = set()

    def wake(self) -> None:
        """Something changed: an address, a member, a connection."""
        self._news.set()

    async def run(self) -> None:
        """Dial whoever is due, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                now_s = self._world.clock.monotonic_s()
                for peer in self._book.due(self._members(), now_s):
                    if peer.node not in self.dialling:
                        self.dialling.add(peer.node)
                        nursery.start_soon(self._dial, peer)
                await self._wait(now_s)

    async def _wait(self, now_s: float) -> None:
        """Wait until somebody is due, or something changed."""
        waiting = [node for node in self._members() if node not in self.dialling]
        due_s = self._book.next_due_s(waiting)
        pause_s = limits.RECONNECT_MAX_S if due_s is None else max(0.05, due_s - now_s)
        with trio.move_on_after(pause_s):
            await self._news.wait()
        self._news = trio.Event()

    async def _dial(self, peer: Peer) -> None:
        try:
            await self._transport.dial(peer.node, tuple(peer.addresses))
        except PhotonicError as error:
            jitter = self._world.entropy.uniform(0.5, 1.0)
            self._book.note_failure(peer.node, self._world.clock.monotonic_s(), jitter)
            log.debug("%s cannot be reached: %s", peer_id(peer.node), error)
        finally:
            self.dialling.discard(peer.node)
            self.wake()

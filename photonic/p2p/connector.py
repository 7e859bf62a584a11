"""Keeps this node connected with the other members, on the best way that there is to each.

What is known of addresses is the peer book's; what is tried when, `reach` decides; this loop only
waits, and has it done. Meeting again needs no server: an address that worked, one that another
member told, or one that discovery found will do.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import trio

from photonic import limits
from photonic.errors import PeerUnreachable, PhotonicError
from photonic.ids import NodeId, peer_id
from photonic.p2p.addresses import host_of
from photonic.p2p.peers import Peer, PeerBook
from photonic.p2p.reach import Attempt, Outlook, least_better, next_attempt
from photonic.p2p.transport import Transport
from photonic.p2p.ways import Network, Way, way_to
from photonic.world import World

log = logging.getLogger(__name__)

Reaching = Callable[[Peer], Awaitable[None]]  # raises PhotonicError, whose message says why


def _none() -> tuple[Network, ...]:
    return ()


class Connector:
    """Reaches members that are not connected, and others on better ways."""

    def __init__(
        self,
        transport: Transport,
        book: PeerBook,
        members: Callable[[], Collection[NodeId]],
        world: World,
        ways: Mapping[Attempt, Reaching] | None = None,
        networks: Callable[[], Sequence[Network]] = _none,
        relays: Callable[[NodeId], Collection[NodeId]] = lambda _: (),
    ) -> None:
        """`ways` are what can be done beside dialling whom one is not connected with.

        `networks` are those of this machine; `relays` says who might relay to a peer.
        """
        self._transport, self._book, self._members, self._world = transport, book, members, world
        self._ways: dict[Attempt, Reaching] = {Attempt.DIAL: self._dial, **(ways or {})}
        self._networks, self._relays = networks, relays
        self._news = trio.Event()
        self._under_way: dict[NodeId, set[Attempt]] = defaultdict(set)

    @property
    def dialling(self) -> frozenset[NodeId]:
        """The members that are not connected, and are being tried."""
        connected = self._transport.connected()
        return frozenset(n for n, made in self._under_way.items() if made and n not in connected)

    def wake(self) -> None:
        """Something changed: an address, a member, a connection."""
        self._news.set()

    def outlook(self, peer: Peer) -> Outlook:
        """Return what there is to go by to reach a peer, better than it is reached."""
        relays = self._relays(peer.node) if Attempt.RELAY in self._ways else ()
        return peer.outlook(self._networks(), has_relay=bool(relays))

    async def run(self) -> None:
        """Try whatever is due, until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                now_s = self._world.clock.monotonic_s()
                waits = [self._begin(nursery, node, now_s) for node in self._others()]
                due_s = min((wait for wait in waits if wait is not None), default=None)
                pause_s = limits.RECONNECT_MAX_S if due_s is None else max(0.05, due_s - now_s)
                with trio.move_on_after(pause_s):
                    await self._news.wait()
                self._news = trio.Event()

    def _others(self) -> list[NodeId]:
        return [node for node in self._members() if node != self._book.me]

    def _begin(self, nursery: trio.Nursery, node: NodeId, now_s: float) -> float | None:
        """Begin what is due with a peer; return when something else will be."""
        peer = self._book.get(node)
        while True:
            made = frozenset(self._under_way[node]) | (frozenset(Attempt) - frozenset(self._ways))
            attempt, wait_s = next_attempt(self.outlook(peer), peer.tries, made, now_s)
            if attempt is None:
                return wait_s
            self._under_way[node].add(attempt)
            nursery.start_soon(self._try, peer, attempt)

    async def _try(self, peer: Peer, attempt: Attempt) -> None:
        try:
            await self._ways[attempt](peer)
            self._book.note_done(peer.node, self._world.clock.monotonic_s(), attempt)
        except PhotonicError as error:
            jitter = self._world.entropy.uniform(0.5, 1.0)
            now_s = self._world.clock.monotonic_s()
            reason = error.reason if isinstance(error, PeerUnreachable) else error.message
            self._book.note_failure(peer.node, now_s, jitter, attempt, reason, self._networks())
            log.debug("%s, %s: %s", peer_id(peer.node), attempt.value, error)
        finally:
            self._under_way[peer.node].discard(attempt)
            self.wake()

    async def _dial(self, peer: Peer) -> None:
        await self._transport.dial(peer.node, tuple(peer.addresses))


def worth_dialling(peer: Peer, networks: Sequence[Network]) -> tuple[tuple[str, ...], Way]:
    """Return the addresses that may lead to a better connection, best first, and how good at least.

    On a connection to elsewhere only those near by are worth it.
    """
    near = [a for a in peer.addresses if way_to(host_of(a), networks) is Way.LAN]
    far = [a for a in peer.addresses if a not in near]
    standing = peer.footing.way if peer.footing else None
    if standing is Way.DIRECT:
        return tuple(near), Way.LAN
    return (*near, *far), Way.DIRECT if standing is not None else least_better(None)

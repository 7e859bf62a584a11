"""Who is connected with us: admission, bounds, and what is announced. One book per transport.

A link is one connection; a peer may have several (both sides dialled at once, or one was made on a
better way). The best is used, and those that it outdoes end when nothing is left on them. The book
knows no socket, no clock and no event loop: a transport tells it of connections and is told which
to cut. The gate is asked again at every `review`, so that a revoked member is cut and a guest who
became a member is announced, without a new connection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from photonic import limits
from photonic.ids import NodeId
from photonic.p2p.addresses import host_of
from photonic.p2p.transport import Admission, Gate, PeerDown, PeerListener, PeerMoved, PeerUp
from photonic.p2p.ways import Footing, Way


@dataclass(eq=False, slots=True)
class Link:
    """One live connection. `abort` cuts it at once, may be repeated and never raises."""

    node: NodeId
    address: str  # the multiaddress of the other end
    admission: Admission
    abort: Callable[[], None]
    opened_s: float
    latency_ms: float | None = field(default=None)
    way: Way = Way.DIRECT
    via: NodeId | None = None

    @property
    def footing(self) -> Footing:
        return Footing(self.way, self.address, self.via)


class Links:
    """The live connections of one transport, oldest first within a peer."""

    def __init__(
        self, node: NodeId, gate: Gate, on_peer: PeerListener, now_s: Callable[[], float]
    ) -> None:
        self._node, self._gate, self._on_peer, self._now_s = node, gate, on_peer, now_s
        self._links: dict[NodeId, list[Link]] = {}
        self._announced: dict[NodeId, Footing] = {}  # on what, as it was told

    def admit(self, node: NodeId) -> Admission:
        """Ask the gate about a peer in the handshake. Ourselves and what is too much: REFUSED."""
        if node == self._node or self._count() >= limits.CONNECTIONS_MAX:
            return Admission.REFUSED
        admission = self._gate(node)
        if admission is Admission.GUEST and self._guests() >= limits.GUESTS_MAX:
            return Admission.REFUSED
        return admission

    def add(self, link: Link) -> None:
        """Enter a connection that passed the handshake; what is too much by now is cut."""
        same = self._links.setdefault(link.node, [])
        same.append(link)
        while len(same) > limits.CONNECTIONS_PER_PEER_MAX:
            # The worst, and of these the oldest, for it is the likeliest to be dead.
            self.cut(min(same, key=lambda each: each.way))
        if link.admission is Admission.GUEST and self._guests() > limits.GUESTS_MAX:
            self.cut(link)
            return
        self._announce(link.node)

    def review(self, link: Link) -> Admission:
        """Ask the gate again about a live connection, and cut or announce accordingly."""
        if not self.is_live(link):
            return Admission.REFUSED
        link.admission = self._gate(link.node)
        is_stale_guest = (
            link.admission is Admission.GUEST
            and self._now_s() - link.opened_s > limits.GUEST_AGE_S_MAX
        )
        if is_stale_guest or link.admission is Admission.REFUSED:
            self.cut(link)
            return Admission.REFUSED
        self._announce(link.node)
        return link.admission

    def remove(self, link: Link) -> None:
        """Forget a connection that ended. May be repeated."""
        same = self._links.get(link.node, [])
        if link in same:
            same.remove(link)
        if not same:
            self._links.pop(link.node, None)
        self._announce(link.node)

    def cut(self, link: Link) -> None:
        """Abort a connection and forget it."""
        link.abort()
        self.remove(link)

    def drop(self, node: NodeId) -> None:
        """Cut every connection with `node`."""
        for link in tuple(self._links.get(node, ())):
            self.cut(link)

    def drop_all(self) -> None:
        """Cut every connection."""
        for node in tuple(self._links):
            self.drop(node)

    def is_live(self, link: Link) -> bool:
        return link in self._links.get(link.node, ())

    def best(self, node: NodeId) -> Link | None:
        """The connection to use: on the best way the one that gave the last proof of life."""
        return _best(self._links.get(node, []))

    def is_outdone(self, link: Link) -> bool:
        """Whether the peer can be spoken with on a better way, which has shown life."""
        return any(
            other.way > link.way and other.latency_ms is not None
            for other in self._links.get(link.node, ())
        )

    def nodes(self) -> frozenset[NodeId]:
        return frozenset(self._links)

    def _count(self) -> int:
        return sum(map(len, self._links.values()))

    def _guests(self) -> int:
        return sum(
            link.admission is Admission.GUEST for same in self._links.values() for link in same
        )

    def _announce(self, node: NodeId) -> None:
        """Tell the listener when a peer came, went, or can be reached on another way."""
        members = [x for x in self._links.get(node, ()) if x.admission is Admission.MEMBER]
        best, told = _best(members), self._announced.get(node)
        if best is None:
            if self._announced.pop(node, None) is not None:
                self._on_peer(PeerDown(node))
        elif told is None:
            self._announced[node] = best.footing
            self._on_peer(PeerUp(node, best.address, best.footing))
        elif told.way != best.way:
            self._announced[node] = best.footing
            self._on_peer(PeerMoved(node, best.footing, best.way > told.way))
        elif host_of(told.address) not in {host_of(x.address) for x in members}:
            # It has another address: what else was opened to the old one leads nowhere, and hears
            # of it only when it is told that the peer went.
            self._announced[node] = best.footing
            self._on_peer(PeerDown(node))
            self._on_peer(PeerUp(node, best.address, best.footing))


def _best(links: Sequence[Link]) -> Link | None:
    return max(reversed(links), key=lambda link: link.way, default=None)

"""Who is connected with us: admission, bounds, and what is announced. One book per transport.

A link is one connection; a peer may have several (both sides dialled at once). The book knows no
socket, no clock and no event loop: a transport tells it of connections and is told which to cut.
The gate is asked again at every `review`, so that a revoked member is cut and a guest who became
a member is announced, without a new connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from photonic import limits
from photonic.ids import NodeId
from photonic.p2p.transport import Admission, Gate, PeerDown, PeerListener, PeerUp


@dataclass(eq=False, slots=True)
class Link:
    """One live connection. `abort` cuts it at once, may be repeated and never raises."""

    node: NodeId
    address: str  # the multiaddress of the other end
    admission: Admission
    abort: Callable[[], None]
    opened_s: float
    latency_ms: float | None = field(default=None)


class Links:
    """The live connections of one transport, oldest first within a peer."""

    def __init__(
        self, node: NodeId, gate: Gate, on_peer: PeerListener, now_s: Callable[[], float]
    ) -> None:
        self._node, self._gate, self._on_peer, self._now_s = node, gate, on_peer, now_s
        self._links: dict[NodeId, list[Link]] = {}
        self._announced: set[NodeId] = set()

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
            self.cut(same[0])  # the oldest is the likeliest to be dead
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

    def newest(self, node: NodeId) -> Link | None:
        """The connection to use: the one whose handshake was the last proof of life."""
        same = self._links.get(node)
        return same[-1] if same else None

    def nodes(self) -> frozenset[NodeId]:
        return frozenset(self._links)

    def _count(self) -> int:
        return sum(map(len, self._links.values()))

    def _guests(self) -> int:
        return sum(
            link.admission is Admission.GUEST for same in self._links.values() for link in same
        )

    def _announce(self, node: NodeId) -> None:
        """Tell the listener when a peer came to have, or has lost, its last member connection."""
        members = [x for x in self._links.get(node, ()) if x.admission is Admission.MEMBER]
        if members and node not in self._announced:
            self._announced.add(node)
            self._on_peer(PeerUp(node, members[-1].address))
        elif not members and node in self._announced:
            self._announced.remove(node)
            self._on_peer(PeerDown(node))

"""All ways to peers of one node: which there are, what becomes of them, and why none is better.

Joins the parts that reach peers otherwise than by an address, and those that bring others together,
to what the node's object graph needs of them: protocols, attempts, reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from photonic import limits
from photonic.ids import NodeId
from photonic.p2p import lane_messages as said
from photonic.p2p.circuits import RELAYS, Circuits
from photonic.p2p.connector import Reaching, worth_dialling
from photonic.p2p.lanes import Lanes
from photonic.p2p.peers import Peer, PeerBook
from photonic.p2p.portmap import PortMap
from photonic.p2p.punch import Puncher
from photonic.p2p.reach import Attempt, why_not_better
from photonic.p2p.relay import Relay
from photonic.p2p.relay_messages import INVITED_PROTOCOL, RELAY_PROTOCOL
from photonic.p2p.transport import (
    Gate,
    PeerDown,
    PeerEvent,
    PeerMoved,
    ReachingTransport,
    StreamHandler,
)
from photonic.p2p.ways import Network, Way, own_networks
from photonic.world import World


class Ways:
    """See the module. Used on the event loop's thread."""

    def __init__(
        self,
        transport: ReachingTransport,
        book: PeerBook,
        lanes: Lanes,
        gate: Gate,
        name_of: Callable[[NodeId], str | None],
        world: World,
        relays: Callable[[], bool],
        report: Callable[[said.Report], None],
        move: Callable[[NodeId], None],
        on_change: Callable[[], None] = lambda: None,
        networks: Callable[[], Sequence[Network]] = own_networks,
    ) -> None:
        """`relays`: whether this node brings others together, now. `report` hears what the carrier
        says of anything else; `move`, that a peer is reached on a better way; `on_change`, that
        this node has other addresses; `networks` says on which ones this machine is."""
        self._transport, self._book, self._lanes, self._world = transport, book, lanes, world
        self._relays, self._report, self._move = relays, report, move
        self._on_change, self._look_at_networks = on_change, networks
        self.circuits = Circuits(
            transport, book, gate, name_of, lanes.order,
            lambda relay, invite: self._puncher.follow(relay, invite),  # noqa: PLW0108
        )  # fmt: skip
        self._puncher = Puncher(transport, self.circuits)
        self.relay = Relay(transport, lanes, gate, world, relays)
        lanes.detours = self.circuits
        self.portmap = PortMap(transport.addresses, lambda: lanes.port, self._opened)
        self._networks: Sequence[Network] = ()
        self._place: tuple[Sequence[Network], tuple[str, ...]] = ((), ())
        self._looked_s = -limits.DISCOVERY_REFRESH_S

    @property
    def handlers(self) -> Mapping[str, StreamHandler]:
        return {RELAY_PROTOCOL: self.relay.serve, INVITED_PROTOCOL: self.circuits.follow}

    @property
    def attempts(self) -> Mapping[Attempt, Reaching]:
        return {
            Attempt.DIAL: self._dial,
            Attempt.RELAY: self.circuits.reach,
            Attempt.PUNCH: self._puncher.reach,
        }

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What this node can do for others that follows from no role."""
        return (RELAYS,) if self._relays() else ()

    def _opened(self, addresses: tuple[str, ...]) -> None:
        self._transport.outside = addresses
        self._on_change()

    def look_around(self) -> None:
        """See whether this machine is on another network, or has another address.

        What stands on an old address is dead; and whoever could not be reached from there may be
        reached from here, so one tries at once.
        """
        place = (self._look_at_networks(), self._transport.addresses())
        if place == self._place:
            return
        self._place = place
        self._networks, self._looked_s = place[0], self._world.clock.monotonic_s()
        self._transport.leave_old_addresses()
        self._book.note_elsewhere()
        self._on_change()

    def networks(self) -> Sequence[Network]:
        """Return the networks that this machine is on, as they were a moment ago."""
        now_s = self._world.clock.monotonic_s()
        if now_s - self._looked_s >= limits.DISCOVERY_REFRESH_S:
            self._networks, self._looked_s = self._look_at_networks(), now_s
        return self._networks

    async def _dial(self, peer: Peer) -> None:
        addresses, least = worth_dialling(peer, self.networks())
        await self._transport.improve(peer.node, addresses, least)

    def lane_address(self, node: NodeId) -> str | None:
        """Return where a peer's lanes may be come to; None if only its connection reaches it."""
        footing = self._transport.footing(node)
        return footing.address if footing is not None and footing.way >= Way.DIRECT else None

    def note(self, event: PeerEvent) -> None:
        """Hear who came, went or moved. Neither blocks nor raises."""
        if isinstance(event, PeerDown):
            self._lanes.shun(event.node)  # gone, or cut off for it is no member any more
            self.relay.note_down(event.node)
        elif isinstance(event, PeerMoved):
            self._lanes.try_again(event.node)
            if event.is_better:
                self._move(event.node)

    def hear(self, report: said.Report) -> None:
        """Hear what the carrier says, and pass on what is about something else. Never waits."""
        if isinstance(report, said.Awaited | said.Joined | said.Relayed | said.Parted):
            self.relay.hear(report)
        else:
            self._report(report)

    def why_not_better(self, peer: Peer) -> str:
        """Say why a peer is not reached on a better way; "" on the best one."""
        has_relay = bool(self.circuits.relays(peer.node))
        return why_not_better(peer.outlook(self.networks(), has_relay=has_relay), peer.tries)

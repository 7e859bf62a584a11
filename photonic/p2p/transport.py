"""What a network of authenticated peers does, as protocols. No implementation is here.

`libp2p_transport.Libp2pTransport` is the real one, `memory_transport.MemoryTransport` joins nodes
in one process; both pass the same contract suite (`tests/p2p/transport_contract.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from anyio.abc import TaskStatus

from photonic.ids import NodeId
from photonic.p2p.sockets import TcpSocket
from photonic.p2p.ways import Footing, Way


class Admission(enum.Enum):
    """What the roster says about a peer, asked inside the handshake and again for each stream."""

    MEMBER = "member"  # may speak every protocol
    GUEST = "guest"  # may speak the guest protocols (enrolment) and nothing else
    REFUSED = "refused"  # the handshake fails; no protocol is reached


Gate = Callable[[NodeId], Admission]


class Stream(Protocol):
    """An ordered, authenticated, two-way byte stream with one peer.

    The end of a stream and the death of its connection look the same: receive() returns b"". So
    every protocol marks its own end (frames do). A stream is used by one reader and one writer.
    """

    @property
    def peer(self) -> NodeId: ...

    async def send(self, data: bytes) -> None:
        """Send all of `data`. Raises StreamBroken. Cancelling it breaks the whole connection."""
        ...

    async def receive(self, size_max: int) -> bytes:
        """Return 1 to `size_max` bytes, b"" at the end. Raises StreamBroken. May be cancelled."""
        ...

    async def close(self) -> None:
        """End our side and give the stream back. May be repeated; never raises."""
        ...


StreamHandler = Callable[[Stream], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PeerUp:
    """The first connection with `node` stands. Only members are announced."""

    node: NodeId
    address: str  # the multiaddress of the other end
    footing: Footing | None = None  # None where there is only one way


@dataclass(frozen=True, slots=True)
class PeerMoved:
    """The best connection with `node`, which is up, goes another way than the best one before."""

    node: NodeId
    footing: Footing
    is_better: bool  # what stands on the way before should move; else it is gone anyway


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The last connection with `node` is gone."""

    node: NodeId


PeerEvent = PeerUp | PeerMoved | PeerDown
PeerListener = Callable[[PeerEvent], None]


class Transport(Protocol):
    """Authenticated streams with peers. One instance serves one identity.

    `run` owns every task; the other methods may be called only while it runs.
    """

    @property
    def node(self) -> NodeId: ...

    async def run(
        self,
        handlers: Mapping[str, StreamHandler],
        guest_handlers: Mapping[str, StreamHandler],
        gate: Gate,
        on_peer: PeerListener,
        *,
        task_status: TaskStatus[None],
    ) -> None:
        """Listen, accept and keep alive until cancelled; `task_status.started()` when listening.

        A handler's exception is logged and resets its stream, never more. `on_peer` is called on
        the event loop's thread and must neither block nor raise. Raises PortInUse, AddressInvalid.
        """
        ...

    def addresses(self) -> tuple[str, ...]:
        """Multiaddresses others may dial, without /p2p; never 0.0.0.0."""
        ...

    async def dial(self, node: NodeId, addresses: Sequence[str]) -> None:
        """Connect with `node`, or return at once if connected. Raises PeerUnreachable."""
        ...

    async def open(self, node: NodeId, protocol: str) -> Stream:
        """Open a stream with a connected peer. Raises PeerUnreachable, StreamBroken."""
        ...

    def connected(self) -> frozenset[NodeId]:
        """The peers with a live connection, guests too."""
        ...

    def latency_ms(self, node: NodeId) -> float | None:
        """The last heartbeat's round trip, if there was one."""
        ...

    def drop(self, node: NodeId) -> None:
        """Cut every connection with `node` at once, without waiting for it."""
        ...


class ReachingTransport(Transport, Protocol):
    """A transport whose peers can be reached on several ways, of which the best one is used."""

    outside: tuple[str, ...]  # addresses that a router leads here; `addresses` has them, too

    def footing(self, node: NodeId) -> Footing | None:
        """Return on what the peer's best connection stands."""
        ...

    def leave_old_addresses(self) -> None:
        """Cut what is connected from an address that this machine has no more: it is dead, and
        without this that would be noticed only when nothing came for a while."""
        ...

    async def improve(self, node: NodeId, addresses: Sequence[str], least: Way) -> None:
        """Dial though connected, unless the way is `least` or better. Raises PeerUnreachable."""
        ...

    async def adopt(
        self, node: NodeId, socket: TcpSocket, footing: Footing, *, is_dialler: bool
    ) -> None:
        """Shake hands with `node` over a connection that somebody else made; it is ours now.

        Exactly one side is the dialler. Raises PeerUnreachable.
        """
        ...

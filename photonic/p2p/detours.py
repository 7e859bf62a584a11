"""The ways of lanes to peers that cannot be reached themselves."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from photonic.ids import NodeId


class Leg(NamedTuple):
    """Where to meet a peer that cannot be reached itself: at a relay, with a ticket."""

    host: str
    port: int
    ticket: bytes


class Detours(Protocol):
    """The ways to peers through others."""

    def is_needed(self, node: NodeId) -> bool:
        """Whether the peer is reached through a relay, and not otherwise."""
        ...

    async def leg(self, node: NodeId) -> Leg:
        """Bring a lane's other end to a relay. Raises RelayRefused, StreamBroken."""
        ...

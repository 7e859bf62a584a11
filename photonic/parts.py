"""The parts of a node that reach out of it: what speaks with peers, and its other processes.

A node on a machine has these; a simulated one has others that keep the same promises, and all the
rest of it is the same code (`simulations/parts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from anyio.abc import TaskStatus

from photonic.config import Settings
from photonic.identity import Identity
from photonic.ids import NodeId
from photonic.ingest.examination import Examiner
from photonic.ingest.suspects import Suspects
from photonic.ingest.workers import Workers
from photonic.p2p.discovery import Discovery, FoundListener
from photonic.p2p.libp2p_transport import Libp2pTransport
from photonic.p2p.surroundings import follow_networks
from photonic.p2p.transport import ReachingTransport
from photonic.p2p.ways import Network, own_networks
from photonic.world import World


class Neighbourhood(Protocol):
    """What finds nodes on the same network; see discovery.Discovery."""

    async def run(self, *, task_status: TaskStatus[None]) -> None: ...


class Readers(Examiner, Protocol):
    """What reads foreign files; see workers.Workers."""

    walls: tuple[str, ...] | None

    @property
    def pids(self) -> list[int]: ...

    @property
    def missing_walls(self) -> list[str]: ...

    async def run(self, *, task_status: TaskStatus[None]) -> None: ...


class Parts(Protocol):
    """Makes what reaches out of a node."""

    has_carrier: bool  # a process moves the bytes of files; else they go over the transport

    def transport(
        self, identity: Identity, listen: Sequence[str], world: World
    ) -> ReachingTransport: ...

    def readers(self, settings: Settings, stored: Path, suspects: Suspects) -> Readers: ...

    def neighbourhood(
        self, node: NodeId, addresses: Callable[[], Sequence[str]], on_found: FoundListener
    ) -> Neighbourhood: ...

    def networks(self) -> Sequence[Network]:
        """Return the networks that this machine is on, now."""
        ...

    async def follow_networks(self, told: Callable[[], None]) -> None:
        """Call `told` whenever they, or addresses, may be others, until cancelled."""
        ...


class MachineParts:
    """The parts of a real machine."""

    has_carrier = True

    def transport(
        self, identity: Identity, listen: Sequence[str], world: World
    ) -> ReachingTransport:
        return Libp2pTransport(identity, listen, world)

    def readers(self, settings: Settings, stored: Path, suspects: Suspects) -> Readers:
        """They may read what is stored, and nothing else."""
        return Workers(settings.workers, readable=[stored.absolute()], suspects=suspects)

    def neighbourhood(
        self, node: NodeId, addresses: Callable[[], Sequence[str]], on_found: FoundListener
    ) -> Neighbourhood:
        return Discovery(node, addresses, on_found)

    def networks(self) -> Sequence[Network]:
        return own_networks()

    async def follow_networks(self, told: Callable[[], None]) -> None:
        await follow_networks(told)

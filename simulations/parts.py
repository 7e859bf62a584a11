"""The parts of a simulated machine: what a node has instead of sockets, processes and multicast.

Everything else of a node is the product's, made and run by `photonic.startup.run_node`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import trio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from photonic.config import Settings
from photonic.errors import PhotoUnreadable
from photonic.identity import Identity
from photonic.ids import BlobId, NodeId, digest
from photonic.ingest.examination import Examined
from photonic.ingest.suspects import Suspects
from photonic.p2p.discovery import FoundListener
from photonic.p2p.transport import ReachingTransport
from photonic.p2p.ways import Network as IpNetwork
from photonic.parts import Neighbourhood, Readers
from photonic.photos import PhotoFacts, Rendition
from photonic.world import World
from simulations.connections import Ether
from simulations.transport import SimulatedTransport, networks_at

_MAGIC = b"photo\n"
_PREVIEW_BYTES = 900
_MOMENT_S = 5.0  # between two looks at who else is here


def photo_bytes(number: int, size_bytes: int) -> bytes:
    """Return the file of a photo: its number, and bytes that no other photo has."""
    head = _MAGIC + struct.pack(">Q", number)
    return head + digest(head) * (max(0, size_bytes - len(head)) // 32 + 1)


class SimulatedReaders:
    """Stands for the worker processes: what is in a simulated photo is quickly said."""

    walls: tuple[str, ...] | None = None

    @property
    def missing_walls(self) -> list[str]:
        return []

    @property
    def pids(self) -> list[int]:
        return []

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await trio.sleep_forever()

    async def examine(
        self, path: Path, name: str | None = None, blob: BlobId | None = None
    ) -> Examined:
        del blob
        await trio.sleep(0.05)
        head = await trio.to_thread.run_sync(path.read_bytes)
        if not head.startswith(_MAGIC):
            raise PhotoUnreadable(f"{name or path.name} is no simulated photo")
        number = struct.unpack_from(">Q", head, len(_MAGIC))[0]
        minutes, seconds = divmod(number, 60)
        taken = f"2024-05-17T09:{minutes % 60:02}:{seconds:02}"
        facts = PhotoFacts(media_type="image/jpeg", width=6_000, height=4_000, taken=taken)
        preview = digest(head[: len(_MAGIC) + 8] + b"preview") * (_PREVIEW_BYTES // 32)
        return Examined(facts, (Rendition(256, 256, 171, preview),))


class SimulatedNeighbourhood:
    """Stands for multicast: whoever is at the same place and runs is found after a moment."""

    def __init__(self, ether: Ether, name: str, on_found: FoundListener) -> None:
        self._ether, self._name, self._on_found = ether, name, on_found
        self._known: dict[NodeId, tuple[str, ...]] = {}

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            for other in self._ether.network.neighbours(self._name):
                there = self._ether.running.get(other)
                if there is None or not self._ether.network.passes(other, self._name):
                    continue
                if self._known.get(there.node) != there.addresses():
                    self._known[there.node] = there.addresses()
                    self._on_found(there.node, there.addresses())
            await trio.sleep(_MOMENT_S)


class SimulatedParts:
    """Implements `photonic.parts.Parts` for one life of one machine."""

    has_carrier = False

    def __init__(self, ether: Ether, name: str) -> None:
        self._ether, self._name = ether, name
        self.transports: list[SimulatedTransport] = []

    def transport(
        self, identity: Identity, listen: Sequence[str], world: World
    ) -> ReachingTransport:
        del listen, world
        made = SimulatedTransport(self._ether, self._name, identity.node)
        self.transports.append(made)
        return made

    def readers(self, settings: Settings, stored: Path, suspects: Suspects) -> Readers:
        del settings, stored, suspects
        return SimulatedReaders()

    def neighbourhood(
        self, node: NodeId, addresses: Callable[[], Sequence[str]], on_found: FoundListener
    ) -> Neighbourhood:
        del node, addresses
        return SimulatedNeighbourhood(self._ether, self._name, on_found)

    def networks(self) -> Sequence[IpNetwork]:
        return networks_at(self._ether.network, self._name)

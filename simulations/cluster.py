"""Simulated machines, what joins them, and who watches: all that a history is played with."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import trio

from photonic.blobs.shelf import final_path
from photonic.events import (
    Audited,
    BlobsPromised,
    HoldingsChanged,
    ImportProgress,
    SubjectsChanged,
)
from photonic.events import Event as NodeEvent
from photonic.ids import PHOTO, BlobId, NodeId, Subject
from photonic.node import Node
from simulations.acts import Act
from simulations.checkers import Panel, Violation
from simulations.connections import Ether
from simulations.disks import Disk, watched_databases
from simulations.looking import look, short
from simulations.machines import Machine
from simulations.network import Network
from simulations.observations import Observation, PhotoSeen
from simulations.scenario import NodePlan, Scenario
from simulations.trace import Event, Trace


class Shot(msgspec.Struct):
    """A photo that somebody took, in the order of the history."""

    photo: Subject
    file: Path
    size_bytes: int

    @property
    def name(self) -> str:
        return short(self.photo.key)


class Watched:
    """What is known of one machine's node from outside: since it was last looked at."""

    def __init__(self) -> None:
        self.photos: dict[str, PhotoSeen] = {}
        self.known: dict[Subject, None] = {}  # photos that it has heard of
        self.dirty: dict[Subject, None] | None = None  # to look at again; None: everything
        self.lock = trio.Lock()  # one look at a time
        self.revoked: tuple[str, ...] = ()  # of whom it had heard that they were
        self.imports: dict[str, trio.Event] = {}  # by folder, set when it is finished


class Cluster:
    """See the module. Made inside of the history's trio run."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        folder: Path,
        trace: Trace,
        panel: Panel,
        nursery: trio.Nursery,
    ) -> None:
        self.scenario, self.trace, self.panel = scenario, trace, panel
        self.dice = random.Random(f"{scenario.name} {seed} playing")
        self.network = Network(scenario, random.Random(f"{scenario.name} {seed} network"))
        self.ether = Ether(self.network, self, nursery, scenario.scale)
        self.machines = {
            name: Machine(name, plan, folder, f"{scenario.name} {seed}", self.ether, self.tell)
            for name, plan in _plans(scenario)
        }
        for machine in self.machines.values():
            machine.on_serving = self._watch
        self.watched = {name: Watched() for name in self.machines}
        self.names: dict[NodeId, str] = self.ether.names
        self.shots: list[Shot] = []
        self.holders: dict[str, set[str]] = {}  # as far as nodes announced it
        self._told: dict[str, set[str]] = {}  # and as the trace has it
        self._gone: set[tuple[str, str]] = set()  # node and photo: let go, and told
        self.conflicts: set[tuple[str, str, str]] = set()  # node, photo, field
        self._places: dict[str, str | None] = {}  # as they were told
        self._closed: dict[tuple[str, str], tuple[str, ...]] = {}
        self.violations: list[Violation] = []
        self.faults: dict[str, int] = {}
        self.kept = Counter[str]()  # evictions, refusals, promises: by photo
        self.revoked: dict[str, bool] = {}  # and whether every member has heard of it
        self.network.listen(self._look_at_network)
        trace.listen(panel.note)

    def databases(self) -> AbstractContextManager[None]:
        return watched_databases(self._disk_of)

    def _disk_of(self, path: str) -> Disk | None:
        return next((m.disk for m in self.machines.values() if m.disk.owns(path)), None)

    # --- telling ------------------------------------------------------------------------------

    def tell(self, node: str, kind: str, facts: dict[str, Any]) -> None:
        if kind == "killed":
            self.fault(f"kill {facts['how']}".strip())
        self.trace.add(Event(round(trio.current_time(), 4), node, kind, facts))

    async def accept(self, node: str, facts: dict[str, Any]) -> None:
        """Tell that a node took something from a person; not while it is looked at as it was."""
        async with self.watched[node].lock:
            self.tell(node, "accepted", facts)

    def message(
        self, source: str, target: str, protocol: str, size_bytes: int, arrives_s: float | None
    ) -> None:
        """Be told of what goes over the network; implements `transport.Witness`."""
        facts = {
            "to": target,
            "protocol": protocol,
            "bytes": size_bytes,
            "arrives_s": None if arrives_s is None else round(arrives_s, 4),
        }
        self.tell(source, "message", facts)

    def fault(self, name: str) -> None:
        self.faults[name] = self.faults.get(name, 0) + 1

    def _look_at_network(self) -> None:
        for machine in self.machines.values():
            machine.look()
        self.tell_network()

    def tell_network(self) -> None:
        """Tell where machines are and between which nothing passes, as far as it is new."""
        for name, place in self.network.place.items():
            if name not in self._places or self._places[name] != place:
                self._places[name] = place
                self.tell(name, "place", {"place": place})
        for a, b in self.network.pairs():
            why = self.network.reasons(a, b)
            if why != self._closed.get((a, b), ()):
                self._closed[a, b] = why
                self.tell(a, "link", {"other": b, "is_open": not why, "why": list(why)})

    # --- watching -----------------------------------------------------------------------------

    def _watch(self, machine: Machine, node: Node) -> None:
        """Listen to a node that has just begun to serve."""
        watched = self.watched[machine.name] = Watched()
        name = machine.name
        if not machine.is_member and name not in self.revoked:
            machine.is_member = True
            self.tell(name, "joined", {})

        def hear(_: int, event: NodeEvent) -> None:
            if machine.node is not node:
                return
            if isinstance(event, SubjectsChanged | HoldingsChanged):
                photos = [subject for subject in event.subjects if subject.kind == PHOTO]
                if watched.dirty is not None:
                    watched.dirty |= dict.fromkeys(photos)
                watched.known |= dict.fromkeys(photos)
                if isinstance(event, HoldingsChanged):
                    for photo in photos:
                        self._note_copies(name, node, photo)
            elif isinstance(event, Audited | BlobsPromised):
                self._note_keeping(name, event)
            elif isinstance(event, ImportProgress) and event.finished:
                watched.imports.setdefault(event.folder, trio.Event()).set()

        node.events.listen(hear)
        for shot in self.shots:  # a power cut or a rollback may have taken some of them
            self._tell_copies(name, node, shot.photo)

    def _note_keeping(self, name: str, event: Audited | BlobsPromised) -> None:
        """Tell what a node promised to keep, and what it let go."""
        if isinstance(event, BlobsPromised):
            photos = [short(blob) for blob in event.blobs]
            self.kept["promised"] += len(photos)
            self.tell(name, "promised", {"photos": photos, "keep_s": event.keep_s})
        elif event.act == "blob.evicted":
            self._tell_eviction(name, BlobId(bytes.fromhex(event.facts["blob"])))

    async def _note_departures(self, name: str, node: Node, missing: list[Subject]) -> None:
        """Tell of evictions that are not told yet: the power may have gone before."""
        blobs = [BlobId(photo.key) for photo in missing]
        gone = await trio.to_thread.run_sync(node.store.promises.away, blobs)
        for blob in sorted(gone):
            if not node.store.has(blob):
                self._tell_eviction(name, blob)

    def _tell_eviction(self, name: str, blob: BlobId) -> None:
        """Tell that a node let a photo go, and which other disks have a file of it: from outside.

        One that stands still has its copy, too.
        """
        photo = short(blob)
        if (name, photo) in self._gone:
            return
        self._gone.add((name, photo))
        self.kept["evicted"] += 1
        others = [
            other
            for other, machine in self.machines.items()
            if other != name and final_path(machine.disk.root / "home" / "blobs", blob).exists()
        ]
        self.tell(name, "evicted", {"photo": photo, "others": others})
        told = self._told.setdefault(photo, set())
        if name in told:
            told.discard(name)
            self.tell(name, "copies", {"photo": photo, "holders": sorted(told)})

    def _note_copies(self, name: str, node: Node, photo: Subject) -> None:
        holders = self.holders.setdefault(short(photo.key), set())
        (holders.add if node.store.has(BlobId(photo.key)) else holders.discard)(name)
        self._tell_copies(name, node, photo)

    def _tell_copies(self, name: str, node: Node, photo: Subject) -> None:
        """Tell who has a photo, if that is new."""
        told = self._told.setdefault(short(photo.key), set())
        before = set(told)
        if node.store.has(BlobId(photo.key)):
            self._gone.discard((name, short(photo.key)))
        (told.add if node.store.has(BlobId(photo.key)) else told.discard)(name)
        if told != before:
            self.tell(name, "copies", {"photo": short(photo.key), "holders": sorted(told)})

    async def look(self, name: str, *, whole: bool = False) -> Observation | None:
        """Look at a node as it is now, and have the checkers judge it; None if it does not run."""
        watched = self.watched[name]
        async with watched.lock:
            return await self._look(name, watched, whole)

    async def _look(self, name: str, watched: Watched, whole: bool) -> Observation | None:
        machine = self.machines[name]
        some: Iterable[Subject] | None = watched.dirty
        whole = whole or some is None
        if whole:
            some = [shot.photo for shot in self.shots]
        elif not some:
            return None
        watched.dirty = {}
        seen = await machine.ask(
            lambda node: look(node, name, self.names, some, watched.photos, is_whole=whole)
        )
        if seen is None:
            watched.dirty = None
            return None
        missing = [s.photo for s in self.shots if s.name in seen.photos]
        missing = [photo for photo in missing if not seen.photos[short(photo.key)].held]
        await machine.ask(lambda node: self._note_departures(name, node, missing))
        seen = msgspec.structs.replace(seen, is_member=machine.is_member)
        if watched is self.watched[name]:
            watched.photos, watched.revoked = seen.photos, seen.revoked
            self._note_revocations()
        self.judge(self.panel.see(seen))
        self._note_conflicts(seen)
        return seen

    def _note_revocations(self) -> None:
        """Tell when every member has heard that somebody was revoked, stopped ones too."""
        for name, is_told in self.revoked.items():
            heard = all(name in self.watched[member].revoked for member in self.members())
            if heard and not is_told:
                self.revoked[name] = True
                self.tell("", "revocation known", {"other": name})

    def judge(self, violations: list[Violation]) -> None:
        self.violations += violations
        for one in violations:
            self.tell("", "violation", {"checker": one.checker, "text": one.text})

    def _note_conflicts(self, seen: Observation) -> None:
        """Tell what became contested on a node, and what is so no more. Each node sees its own."""
        before = {(photo, field) for node, photo, field in self.conflicts if node == seen.node}
        now = {(photo, field) for photo, one in seen.photos.items() for field in one.conflicts}
        for photo, field in sorted(before ^ now):
            is_open = (photo, field) in now
            values = len(seen.photos[photo].versions[field]) if is_open else 1
            (self.conflicts.add if is_open else self.conflicts.discard)((seen.node, photo, field))
            self.tell(seen.node, "conflict", {"photo": photo, "field": field, "values": values})

    # --- choosing -----------------------------------------------------------------------------

    def running(self) -> list[str]:
        return [name for name, machine in self.machines.items() if machine.is_running]

    def members(self) -> list[str]:
        return [name for name, machine in self.machines.items() if machine.is_member]

    def shot_known_to(self, name: str, number: int) -> Shot | None:
        """Return a photo that a node has heard of, by any number."""
        known = self.watched[name].known
        some = [shot for shot in self.shots if shot.photo in known]
        return some[number % len(some)] if some else None


def _plans(scenario: Scenario) -> Iterator[tuple[str, NodePlan]]:
    """Yield nodes whose settings have the scenario's `min_copies`, unless they say it."""
    for name, plan in scenario.nodes.items():
        settings = {"min_copies": scenario.min_copies} | plan.settings
        yield name, msgspec.structs.replace(plan, settings=settings)


Deed = Callable[[Cluster, Act], Awaitable[str | None]]

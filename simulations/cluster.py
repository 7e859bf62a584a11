"""A library's catalogs, who can reach whom, and messages under way between them."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count

import msgspec

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.commits import Announcement
from photonic.crdt.fields import CERTIFICATE, LIBRARY_NAME, NAME, ORIGINAL
from photonic.crdt.keys import ROOT
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.roster import ADMIN_SCOPES, Certificate
from photonic.crdt.sync import Message, Push, Reconciler
from photonic.identity import Identity
from photonic.ids import (
    LIBRARY,
    BlobId,
    LibraryId,
    Subject,
    digest,
    library_id,
    member_subject,
    photo_subject,
)
from photonic.journal.journal import Journal
from simulations.world import VirtualClock, simulated_world


@dataclass(slots=True)
class SimulatedNode:
    """One node: what is on its disk (the journal), and what is in its memory."""

    name: str
    identity: Identity
    clock: VirtualClock
    journal: Journal
    catalog: Catalog
    reconcilers: dict[str, Reconciler] = field(default_factory=dict)


class Cluster:
    """Nodes that begin together and are then taken apart."""

    def __init__(self, seed: int, names: tuple[str, ...]) -> None:
        self.dice = random.Random(seed)
        self.cut: set[frozenset[str]] = set()  # pairs that cannot reach each other
        self.under_way: deque[tuple[str, str, Message]] = deque()
        self.delivered = self.lost = 0
        self._numbers = count()
        self._worlds = {
            name: simulated_world(seed * 101 + position, self.dice.randint(-3_600_000, 3_600_000))
            for position, name in enumerate(names)
        }
        world, _ = self._worlds[names[0]]
        authority = Identity.generate(world)
        self.library: LibraryId = library_id(authority.node)
        self.nodes = {name: self._make(name) for name in names}
        self._found(authority, names)

    def _make(self, name: str) -> SimulatedNode:
        world, clock = self._worlds[name]
        identity, journal = Identity.generate(world), Journal(None)
        catalog = Catalog(self.library, identity, journal, world)
        return SimulatedNode(name, identity, clock, journal, catalog)

    def _found(self, authority: Identity, names: tuple[str, ...]) -> None:
        founder, numbers = self.nodes[names[0]].catalog, count(1)
        drafts = [Draft(Subject(LIBRARY, self.library), {LIBRARY_NAME: "Simulated"})]
        for name in names:
            certificate = msgspec.to_builtins(Certificate(name, "central", ADMIN_SCOPES))
            member = member_subject(self.nodes[name].identity.node)
            drafts.append(Draft(member, {CERTIFICATE: certificate}))
        founder.write(drafts, identity=authority, seq=lambda: next(numbers))
        founder.flush()
        for name in names[1:]:
            for document, update in founder.founding_updates():
                self.nodes[name].catalog.receive(ROOT, document, update, b"founder")
            self.nodes[name].catalog.flush()

    # --- what happens ------------------------------------------------------------------------

    def shoot(self, name: str) -> Subject:
        """A new photo appears on a node."""
        subject = photo_subject(BlobId(digest(b"photo %d" % next(self._numbers))))
        draft = Draft(subject, {ORIGINAL: [subject.key, 1, bytes(32)], NAME: f"{subject}.jpg"})
        self.write(name, draft)
        return subject

    def write(self, name: str, draft: Draft) -> None:
        """A node says something, and pushes it to whom it reaches once it is durable."""
        catalog = self.nodes[name].catalog
        catalog.write([draft])
        self._push(name, catalog.flush().announcements)

    def crash(self, name: str) -> None:
        """Lose a node's memory in the middle of a write; it starts again from its journal."""
        node = self.nodes[name]
        world, _ = self._worlds[name]
        node.catalog.write([Draft(Subject("album", b"lost"), {NAME: "never durable"})])
        node.catalog = Catalog(self.library, node.identity, node.journal, world)
        node.reconcilers.clear()
        self.under_way = deque(item for item in self.under_way if name not in item[:2])

    def meet(self, left: str, right: str) -> None:
        """One of two nodes begins a round of anti-entropy."""
        for message in self._reconciler(left, right).begin():
            self._send(left, right, message)

    def advance(self, by_ms: int) -> None:
        for node in self.nodes.values():
            node.clock.advance(by_ms)

    def deliver(self, most: int, loss: float = 0.0) -> None:
        """Deliver some of the messages under way, in a random order, and lose some."""
        for _ in range(most):
            if not self.under_way:
                return
            self.under_way.rotate(self.dice.randrange(len(self.under_way)))
            sender, receiver, message = self.under_way.popleft()
            if frozenset((sender, receiver)) in self.cut or self.dice.random() < loss:
                self.lost += 1
                continue
            self.delivered += 1
            answers = self._reconciler(receiver, sender).handle(message)
            self._push(receiver, self.nodes[receiver].catalog.flush().announcements, sender)
            for answer in answers:
                self._send(receiver, sender, answer)

    def _reconciler(self, name: str, peer: str) -> Reconciler:
        node = self.nodes[name]
        if peer not in node.reconcilers:
            replica = CatalogReplica(node.catalog)
            node.reconcilers[peer] = Reconciler(replica, self.nodes[peer].identity.node)
        return node.reconcilers[peer]

    def _push(self, name: str, announcements: list[Announcement], origin: str = "") -> None:
        for item in announcements:
            for other in self.nodes:
                if other not in (name, origin):
                    self._send(name, other, Push(item.shard, item.document, item.data))

    def _send(self, sender: str, receiver: str, message: Message) -> None:
        if frozenset((sender, receiver)) not in self.cut:
            self.under_way.append((sender, receiver, message))

"""Replicas for the catalog's tests: whole catalogs in memory that meet without a network."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import count

import msgspec

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.commits import Committed
from photonic.crdt.fields import CERTIFICATE, LIBRARY_NAME, NAME, ORIGINAL
from photonic.crdt.fold import SubjectState
from photonic.crdt.keys import ROOT
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, Certificate
from photonic.crdt.sync import Message, Reconciler
from photonic.identity import Identity
from photonic.ids import (
    LIBRARY,
    BlobId,
    NodeId,
    Subject,
    digest,
    library_id,
    member_subject,
    photo_subject,
)
from photonic.journal.journal import Journal
from photonic.world import World

WORLD = World()


def photo(number: int) -> Subject:
    return photo_subject(BlobId(digest(b"photo %d" % number)))


def import_draft(number: int) -> Draft:
    subject = photo(number)
    return Draft(subject, {ORIGINAL: [subject.key, 100, bytes(32)], NAME: f"IMG_{number}.JPG"})


def certificate(node: NodeId, scopes: tuple[str, ...] = MEMBER_SCOPES) -> Draft:
    value = msgspec.to_builtins(Certificate("node", "central", scopes))
    return Draft(member_subject(node), {CERTIFICATE: value})


@dataclass
class Cluster:
    """A library with `size` members, each with a catalog of its own."""

    size: int
    authority: Identity = field(default_factory=lambda: Identity.generate(WORLD))
    catalogs: list[Catalog] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.library = library_id(self.authority.node)
        self.identities = [Identity.generate(WORLD) for _ in range(self.size)]
        first = self.open(0)
        numbers = count(1)
        drafts = [Draft(Subject(LIBRARY, self.library), {LIBRARY_NAME: "Test"})]
        for position, identity in enumerate(self.identities):
            scopes = ADMIN_SCOPES if position == 0 else MEMBER_SCOPES
            drafts.append(certificate(identity.node, scopes))
        first.write(drafts, identity=self.authority, seq=lambda: next(numbers))
        first.flush()
        self.catalogs = [first]
        for position in range(1, self.size):
            self.catalogs.append(self.open(position))
            for document, update in first.founding_updates():
                assert self.catalogs[position].receive(ROOT, document, update, b"first")
            self.catalogs[position].flush()

    def open(self, position: int, journal: Journal | None = None) -> Catalog:
        journal = journal or Journal(None)
        return Catalog(self.library, self.identities[position], journal, WORLD)


def meet(left: Catalog, right: Catalog, *, cut_after: int | None = None) -> int:
    """Let two catalogs reconcile; return the bytes that it took. `cut_after` messages it is cut."""
    machines = (
        Reconciler(CatalogReplica(left), b"right"),
        Reconciler(CatalogReplica(right), b"left"),
    )
    waiting: deque[tuple[int, Message]] = deque((1, message) for message in machines[0].begin())
    sent_bytes = delivered = 0
    while waiting and delivered != cut_after:
        receiver, message = waiting.popleft()
        sent_bytes += len(msgspec.msgpack.encode(message))
        delivered += 1
        waiting.extend((1 - receiver, answer) for answer in machines[receiver].handle(message))
    left.flush()
    right.flush()
    return sent_bytes


def states(catalog: Catalog, numbers: range) -> list[SubjectState]:
    return [catalog.state(photo(number)) for number in numbers]


def commit(catalog: Catalog, *drafts: Draft) -> Committed:
    catalog.write(drafts)
    return catalog.flush()

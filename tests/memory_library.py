"""A library in memory with two members: a real catalog, whose jobs run where they are asked for.

`HERE` is the node that is tested, an admin; `THERE` is another member, who says things without
having heard of what is said here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

import anyio.lowlevel
import msgspec

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Change, Draft, SignedChange, seal
from photonic.crdt.commits import Committed
from photonic.crdt.fields import CERTIFICATE, LIBRARY_NAME
from photonic.crdt.roster import ADMIN_SCOPES, MEMBER_SCOPES, Certificate
from photonic.identity import Identity
from photonic.ids import LIBRARY, NodeId, Subject, digest, library_id, member_subject
from photonic.journal.journal import Journal
from photonic.world import World

T = TypeVar("T")

AUTHORITY, HERE_KEY, THERE_KEY = (Identity(digest(word)) for word in (b"a", b"here", b"there"))
HERE, THERE = HERE_KEY.node, THERE_KEY.node
NAMES = {HERE: "studio", THERE: "field"}
LIBRARY_ID = library_id(AUTHORITY.node)


class MemoryLibrary:
    """Implements `photonic.catalog_thread.CatalogThread`."""

    def __init__(
        self,
        world: World | None = None,
        *,
        here_scopes: Sequence[str] = ADMIN_SCOPES,
    ) -> None:
        # Called when something is durable, before whoever asked for it goes on.
        self.on_commit: Callable[[Committed], None] = lambda _: None
        self._lock, self._numbers = threading.RLock(), count(1)  # of what THERE says
        self.journal = Journal(None)
        self.catalog = Catalog(LIBRARY_ID, HERE_KEY, self.journal, world or World())
        drafts = [
            Draft(Subject(LIBRARY, LIBRARY_ID), {LIBRARY_NAME: "Harbour"}),
            _certificate(HERE, "central", here_scopes),
            _certificate(THERE, "mobile", MEMBER_SCOPES),
        ]
        numbers = count(1)
        self.catalog.write(drafts, identity=AUTHORITY, seq=lambda: next(numbers))
        self.catalog.flush()

    async def call(self, work: Callable[[Catalog], T]) -> T:
        await anyio.lowlevel.checkpoint()
        return self.do(work)

    def do(self, work: Callable[[Catalog], T]) -> T:
        """Do a job now, and make durable what it wrote."""
        with self._lock:
            try:
                return work(self.catalog)
            finally:
                self.on_commit(self.catalog.flush())

    def write(self, *drafts: Draft) -> list[SignedChange]:
        return self.do(lambda catalog: catalog.write(drafts))

    def write_apart(
        self,
        subject: Subject,
        sets: Mapping[str, Any] | None = None,
        adds: Mapping[str, tuple[str, ...]] | None = None,
        *,
        act: bytes = b"",
    ) -> SignedChange:
        """Let THERE say something that knows of the subject's first change and no other."""
        first = min(self.catalog.changes(subject), key=lambda signed: signed.change.at)
        change = Change(
            kind=subject.kind,
            key=subject.key,
            parents=(first.id,),
            author=THERE,
            seq=next(self._numbers),
            at=max(signed.change.at for signed in self.catalog.changes(subject)) + (1 << 16),
            sets=dict(sets or {}),
            adds=dict(adds or {}),
            act=act,
        )
        signed = seal(THERE_KEY, LIBRARY_ID, change)
        self.do(lambda catalog: catalog.adopt([signed.data], THERE))
        return signed


def _certificate(node: NodeId, role: str, scopes: Sequence[str]) -> Draft:
    value = msgspec.to_builtins(Certificate(NAMES[node], role, tuple(scopes)))
    return Draft(member_subject(node), {CERTIFICATE: value})

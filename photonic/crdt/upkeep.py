"""The journal kept short and whole, a little at a time, between other work.

Compaction merges small updates; scrubbing reads what lies there against its checksums, so that
damage is found while somebody still has what it held. What the directory has of a damaged document
is written again from there; what is lost on this node altogether is told to no peer as being here,
so that anti-entropy brings it back. When a peer agrees on everything and nothing is lacking any
more, the damaged entries are set aside for good.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress

from photonic import limits
from photonic.crdt.changes import SignedChange
from photonic.crdt.digests import Digests
from photonic.crdt.directory import Directory
from photonic.crdt.document import merge
from photonic.crdt.documents import Documents
from photonic.crdt.keys import change_key
from photonic.crdt.updates import parse
from photonic.journal.damage import Damage
from photonic.journal.journal import CHANGES, HOLDINGS, Journal

Place = tuple[int, int]  # shard and document
_FROM_THE_START = -1


class Upkeep:
    """Looks after one library's journal. Every step is bounded."""

    def __init__(
        self,
        journal: Journal,
        directory: Directory,
        documents: Documents,
        digests: Digests,
        rewrite: Callable[[list[SignedChange]], None],
    ) -> None:
        """`rewrite` stages changes again that this node knows and its journal lost."""
        self._journal, self._directory, self._documents = journal, directory, documents
        self._digests, self._rewrite = digests, rewrite
        self._counted: set[Damage] = set()  # damage that the digests take account of
        self._lacking: dict[int, int] = {}  # damaged shards, and how many changes they had
        self._scrubbed = _FROM_THE_START  # the document up to which this pass has read
        self.recovered: list[str] = []  # what was damaged and is whole again
        for number in sorted(journal.suspect):
            self.recount(number)

    @property
    def lacking(self) -> dict[int, int]:
        """Damaged shards, and how many changes each of them lacks now."""
        return {
            number: max(0, had - self._digests.of(number).change_count)
            for number, had in self._lacking.items()
        }

    def recount(self, number: int) -> None:
        """Find out what is left of a shard that is damaged, and say to peers no more than that."""
        self._directory.fill(number)
        self._count(number)

    def redo(self) -> None:
        """Count again what the journal's digests do not tell rightly: a commit was refused."""
        with suppress(sqlite3.Error):
            for number in sorted(self._journal.suspect):
                self._count(number)

    def _count(self, number: int) -> None:
        had = self._digests.of(number).change_count
        updates = self._journal.updates(number, CHANGES)
        damages = {damage for damage in self._journal.damaged if damage.shard == number}
        if damages:
            self._lacking.setdefault(number, had)
            self._counted |= damages
        written = {key for update in updates for key, _ in parse(update).entries()}
        known = list(self._directory.shard(number))
        self._digests.count(
            number, (signed.id for signed in known), self._directory.holdings(number)
        )
        for document in (CHANGES, HOLDINGS):
            self._documents.forget(number, document)
        self._rewrite([signed for signed in known if change_key(signed.id) not in written])

    def note_agreement(self, peer: bytes) -> None:
        """Hear that a peer has exactly what is here: what it could bring back, it has brought."""
        if self._journal.is_salvaged:
            self._journal.settle_salvage()
        for number, lacks in self.lacking.items():
            if lacks:
                continue
            for document in {d.document for d in self._journal.damaged if d.shard == number}:
                self._journal.forget_damaged(number, document)
            self._counted = {damage for damage in self._counted if damage.shard != number}
            del self._lacking[number]
            self.recovered.append(f"shard {number} is whole again; {peer.hex()[:12]} has the same")
            del self.recovered[: -limits.DAMAGES_SHOWN_MAX]

    def step(self, *, scrubs: bool) -> bool:
        """Do one small piece of work; False when there is nothing more to do, or a pass is over."""
        due = self._journal.compaction_due()
        if due is not None:
            return self._journal.compact_step(*due, merge)
        if not scrubs:
            return False
        following = self._journal.scrub(self._scrubbed)
        # Whoever read it may have found some of the damage before this did.
        for number in sorted({d.shard for d in self._journal.damaged if d not in self._counted}):
            self.recount(number)
        self._scrubbed = _FROM_THE_START if following is None else following
        return following is not None

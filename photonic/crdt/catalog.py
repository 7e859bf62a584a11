"""One library's catalog on one node: what is written, what is taken in, and what it adds up to.

Writing and receiving change the documents in memory and stage updates; `flush` makes the stage
durable in one commit and only then says what to announce (invariant I3). What failed to become
durable is thrown away, documents and all. Synchronous and single-threaded: `photonic/keeper.py`
gives it a thread of its own; the simulator calls it directly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from photonic import limits
from photonic.crdt.changes import Change, Draft, SignedChange, admit, seal
from photonic.crdt.clock import HybridClock
from photonic.crdt.document import DocumentFault, is_empty
from photonic.crdt.door import admit_changes, admit_holdings
from photonic.crdt.fold import EMBEDDED, SubjectState, fold
from photonic.crdt.journal import CHANGES, HOLDINGS, Entry, Journal, Quarantined, ShardDigest
from photonic.crdt.roster import Roster, build_roster
from photonic.crdt.shards import (
    ROOT,
    SHARD_COUNT,
    Shard,
    ShardCache,
    change_key,
    holding_entries,
    shard_of,
)
from photonic.errors import (
    ChangeInvalid,
    JournalUnwritable,
    NotAllowed,
    StoreFull,
    UpdateRefused,
)
from photonic.identity import Identity
from photonic.ids import BlobId, ChangeId, LibraryId, NodeId, Subject, digest, photo_subject
from photonic.world import World

_SEQ, _STAMP, _HEARD_OF = "seq", "stamp", "heard-of"
_NOTHING = bytes(32)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A durable update that connected peers should hear of; not the one who sent it."""

    shard: int
    document: int
    data: bytes
    origin: NodeId | None


@dataclass(slots=True)
class Committed:
    """What a flush made durable."""

    announcements: list[Announcement] = field(default_factory=list)
    subjects: dict[Subject, NodeId | None] = field(default_factory=dict)  # and who brought it
    changes: list[ChangeId] = field(default_factory=list)
    blobs: set[BlobId] = field(default_factory=set)  # whose holders changed
    roster_changed: bool = False
    refold_all: bool = False  # rights changed for an author whose changes are already here


class Catalog:
    """See the module. Implements `sync.Replica`."""

    def __init__(
        self, library: LibraryId, identity: Identity, journal: Journal, world: World
    ) -> None:
        self.library, self._identity, self._journal, self._world = library, identity, journal, world
        self._digests = journal.digests()
        self._shards = ShardCache(library, journal, self._note_loaded)
        self._seq = int.from_bytes(journal.fact(_SEQ) or b"", "big")
        stamp = int.from_bytes(journal.fact(_STAMP) or b"", "big")
        self._clock = HybridClock(world.clock, stamp)
        heard_of = journal.fact(_HEARD_OF) or b""
        # Everybody whose changes or holdings are here, members or not (yet): if their rights
        # change, what they said must be folded again.
        self._heard_of = {NodeId(heard_of[i : i + 32]) for i in range(0, len(heard_of), 32)}
        self._staged: list[Announcement] = []
        self._pending = Committed()
        self.roster: Roster = self._build_roster()

    def _note_loaded(self, shard: Shard) -> None:
        """Tell peers what is really there: what a damaged entry held is asked for again.

        A document whose journal has grown long is compacted here, where memory and journal are
        known to say the same; not while something is damaged, for that would hide it.
        """
        if shard.ids or shard.holders or shard.number in self._digests:
            self._digests[shard.number] = shard.digest
        for document in (CHANGES, HOLDINGS):
            count = self._journal.entry_count(shard.number, document)
            if count > limits.JOURNAL_UPDATES_PER_SNAPSHOT and not self._journal.damaged:
                snapshot = shard.document(document).snapshot()
                with suppress(sqlite3.Error):  # no room: it stays long, and is tried again
                    self._journal.compact(shard.number, document, snapshot)

    # --- reading -----------------------------------------------------------------------------

    def state(self, subject: Subject) -> SubjectState:
        """Return what is known of a subject; a state without fields if nothing is."""
        shard = self._shards.get(shard_of(subject))
        return fold(subject, shard.by_subject.get(subject, {}).values(), self._is_effective)

    def subjects(self, number: int) -> list[Subject]:
        """Return all subjects of a shard."""
        return list(self._shards.get(number).subjects())

    def holders(self, blob: BlobId) -> frozenset[NodeId]:
        """Return the members that say they hold an original: a hint, never proof."""
        shard = self._shards.get(shard_of(photo_subject(blob)))
        return frozenset(
            node
            for node, is_held in shard.holders.get(blob, {}).items()
            if is_held and node in self.roster.members and self.roster.members[node].cut is None
        )

    def held_blobs(self, number: int) -> list[BlobId]:
        """Return the originals of a shard of which some node said something."""
        return list(self._shards.get(number).holders)

    def founding_updates(self) -> list[tuple[int, bytes]]:
        """Return the root documents whole, as (document, update): what a new member begins with."""
        shard = self._shards.get(ROOT)
        return [(CHANGES, shard.changes.snapshot()), (HOLDINGS, shard.holdings.snapshot())]

    def _is_effective(self, signed: SignedChange) -> bool:
        return self.roster.allows(signed)

    def _build_roster(self) -> Roster:
        root = self._shards.get(ROOT)
        return build_roster(
            self.library, [change for some in root.by_subject.values() for change in some.values()]
        )

    # --- writing -----------------------------------------------------------------------------

    def write(
        self,
        drafts: Sequence[Draft],
        *,
        identity: Identity | None = None,
        seq: Callable[[], int] | None = None,
    ) -> list[SignedChange]:
        """Stage one change for each draft. Raises NotAllowed, ChangeInvalid; then stages nothing.

        `identity` and `seq` are those of the library's authority where it signs (founding).
        """
        author, number = identity or self._identity, seq or self._next_seq
        made: list[SignedChange] = []
        fresh: dict[int, dict[str, bytes]] = {}
        try:
            for draft in drafts:
                shard = self._shards.get(shard_of(draft.subject))
                change = self._change(draft, author.node, number)
                signed = seal(author, self.library, change)
                if identity is None and not self.roster.allows(signed):
                    raise NotAllowed(f"this node may not change a {draft.subject.kind}")
                shard.note_change(signed)  # so that the next draft of the subject sees it
                fresh.setdefault(shard.number, {})[change_key(signed.id)] = signed.data
                made.append(signed)
        except BaseException:
            for shard_number in fresh:
                self._reload(shard_number)
            raise
        for shard_number, entries in fresh.items():
            update = self._shards.get(shard_number).changes.insert(entries)
            self._stage(Announcement(shard_number, CHANGES, update, None))
        self._note_changes(made, None)
        return made

    def _change(self, draft: Draft, author: NodeId, seq: Callable[[], int]) -> Change:
        state = self.state(draft.subject)
        removes = {
            name: {
                value: (*sorted(state.tags.get(name, {}).get(value, ())), EMBEDDED)
                for value in values
            }
            for name, values in draft.removes.items()
        }
        return Change(
            kind=draft.subject.kind,
            key=draft.subject.key,
            parents=tuple(sorted(state.heads)[: limits.CHANGE_PARENTS_MAX]),
            author=author,
            seq=seq(),
            at=self._clock.next(),
            sets=dict(draft.sets),
            adds={name: tuple(values) for name, values in draft.adds.items()},
            removes=removes,
        )

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def hold(self, held: Mapping[BlobId, bool]) -> None:
        """Stage what this node says of its own originals: held, or dropped."""
        by_shard: dict[int, dict[BlobId, bool]] = {}
        for blob, is_held in held.items():
            shard = self._shards.get(shard_of(photo_subject(blob)))
            if shard.holders.get(blob, {}).get(self._identity.node, False) != is_held:
                by_shard.setdefault(shard.number, {})[blob] = is_held
        for number, some in by_shard.items():
            shard = self._shards.get(number)
            entries = holding_entries(self._identity.node, some)
            self._stage(Announcement(number, HOLDINGS, shard.holdings.insert(entries), None))
            self._note_holdings(shard, entries)

    # --- the door ----------------------------------------------------------------------------

    def receive(self, shard: int, document: int, update: bytes, peer: bytes) -> bool:
        """Take in a peer's update, whole or not at all; False if it was refused.

        A refused update is quarantined with its reason, and the shard is as it was before.
        """
        if is_empty(update):
            return True
        try:
            self._admit(self._shards.get(shard), document, update, NodeId(peer))
        except (ChangeInvalid, UpdateRefused, DocumentFault) as error:
            self._reload(shard)
            at_ms = self._world.clock.now_ms()
            with suppress(sqlite3.Error):  # no room to keep it; it stays refused
                self._journal.quarantine(Quarantined(peer, str(error), at_ms, update))
            return False
        return True

    def _admit(self, shard: Shard, document: int, update: bytes, peer: NodeId) -> None:
        if len(update) > limits.UPDATE_BYTES_MAX:
            raise UpdateRefused(f"an update of {len(update):,} bytes is longer than one may be")
        target = shard.document(document)
        before = target.vector()
        delta = target.apply(update)
        if document == HOLDINGS:
            entries = admit_holdings(delta)
            self._note_holdings(shard, entries)
            is_news = bool(entries)
        else:
            deletes = target.deletes_since(before)
            admitted = admit_changes(self.library, shard.number, delta, deletes=deletes)
            is_news = bool(admitted)
            fresh = [signed for signed in admitted if signed.id not in shard.ids]
            for signed in fresh:
                shard.note_change(signed)
                self._clock.observe(signed.change.at)
                if signed.change.author == self._identity.node:  # we were rolled back, it seems
                    self._seq = max(self._seq, signed.change.seq)
            self._note_changes(fresh, peer)
        if is_news or target.vector() != before:
            self._stage(Announcement(shard.number, document, update, peer))

    # --- durability --------------------------------------------------------------------------

    def flush(self) -> Committed:
        """Make everything staged durable; return what may now be told. Raises StoreFull.

        If the disk refuses, nothing of the stage happened: documents go back to the journal.
        """
        if not self._staged:
            self._shards.trim(frozenset())
            return Committed()
        touched = {item.shard for item in self._staged}
        digests = {number: self._shards.get(number).digest for number in touched}
        facts = {
            _SEQ: self._seq.to_bytes(8, "big"),
            _STAMP: self._clock.next().to_bytes(8, "big"),
            _HEARD_OF: b"".join(sorted(self._heard_of)),
        }
        need_bytes = sum(len(item.data) for item in self._staged)
        try:
            self._journal.commit(
                (Entry(item.shard, item.document, item.data) for item in self._staged),
                digests,
                facts,
            )
        except sqlite3.Error as error:
            self._rollback(touched)
            if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
                raise StoreFull("the catalog's journal", need_bytes, 0) from error
            raise JournalUnwritable(f"the catalog's journal cannot be written: {error}") from error
        committed, self._pending = self._pending, Committed()
        committed.announcements, self._staged = self._staged, []
        self._digests.update(digests)
        if any(item.shard == ROOT and item.document == CHANGES for item in committed.announcements):
            self._note_roster(committed)
        self._shards.trim(frozenset())
        return committed

    def _note_roster(self, committed: Committed) -> None:
        before, self.roster = self.roster, self._build_roster()
        committed.roster_changed = self.roster != before
        changed = {
            node
            for node in self.roster.members.keys() | before.members.keys()
            if self.roster.members.get(node) != before.members.get(node)
        }
        is_crowded = len(self._heard_of) >= limits.AUTHORS_MAX
        committed.refold_all = bool((changed and is_crowded) or changed & self._heard_of)

    def quarantined(self) -> list[Quarantined]:
        """Return the refused updates that are kept aside, newest first."""
        return self._journal.quarantined()

    def _rollback(self, touched: Iterable[int]) -> None:
        self._staged, self._pending = [], Committed()
        for number in touched:
            self._shards.forget(number)

    def _reload(self, number: int) -> None:
        """Bring a shard back to the journal and what is staged, without what just failed."""
        self._shards.forget(number)
        shard = self._shards.get(number)
        for item in self._staged:
            if item.shard != number:
                continue
            delta = shard.document(item.document).apply(item.data)
            for key, data in {**delta.added, **delta.overwritten}.items():
                if item.document == CHANGES:
                    shard.note_change(admit(self.library, data))
                else:
                    shard.note_holding(key, data)

    def _stage(self, item: Announcement) -> None:
        self._staged.append(item)

    def _note_changes(self, some: Iterable[SignedChange], origin: NodeId | None) -> None:
        for signed in some:
            self._hear_of(NodeId(signed.change.author))
            self._pending.subjects[signed.change.subject] = origin
            self._pending.changes.append(signed.id)

    def _note_holdings(self, shard: Shard, entries: Mapping[str, bytes]) -> None:
        for key, value in entries.items():
            blob, node = shard.note_holding(key, value)
            self._hear_of(node)
            self._pending.blobs.add(blob)

    def _hear_of(self, node: NodeId) -> None:
        if len(self._heard_of) < limits.AUTHORS_MAX:
            self._heard_of.add(node)

    def trim(self) -> None:
        """Let go of shards that are over the bound: for long walks over all of them."""
        self._shards.trim(frozenset(item.shard for item in self._staged))

    # --- sync.Replica ------------------------------------------------------------------------

    def document_digests(self) -> dict[tuple[int, int], bytes]:
        nothing = ShardDigest(_NOTHING, _NOTHING, 0)
        return {
            (number, document): self._digests.get(number, nothing).of(document)
            for number in range(SHARD_COUNT)
            for document in (CHANGES, HOLDINGS)
        }

    def root_digest(self) -> bytes:
        return digest(b"".join(self.document_digests().values()))

    def vector(self, shard: int, document: int) -> bytes:
        return self._shards.get(shard).document(document).vector()

    def missing_for(self, shard: int, document: int, vector: bytes) -> bytes:
        """Return what a replica with `vector` lacks; nothing if that is no vector."""
        try:
            return self._shards.get(shard).document(document).missing_for(vector)
        except DocumentFault:
            return b""

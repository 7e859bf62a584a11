"""One library's catalog on one node: what is written, what is taken in, and what it adds up to.

Writing and receiving change the documents in memory and stage updates; `flush` makes the stage
durable in one commit and only then says what to announce (invariant I3). What failed to become
durable is thrown away, documents and all. Synchronous and single-threaded: `photonic/keeper.py`
gives it a thread of its own; the simulator calls it directly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from photonic import limits
from photonic.crdt.author import Author
from photonic.crdt.changes import Draft, SignedChange, seal
from photonic.crdt.commits import Announcement, Committed
from photonic.crdt.digests import Digests
from photonic.crdt.directory import Directory
from photonic.crdt.document import DocumentFault, is_empty
from photonic.crdt.documents import Documents, holding_entries, in_pieces
from photonic.crdt.door import admit_changes, admit_holdings, admit_plain, judge_holdings
from photonic.crdt.echoes import Echoes
from photonic.crdt.fold import SubjectState, fold
from photonic.crdt.founding import founding_update
from photonic.crdt.keys import ROOT, Holding, change_key, shard_of, shard_of_key
from photonic.crdt.quota import require_room
from photonic.crdt.root import Root, other_rights, read_root
from photonic.crdt.updates import for_peers, without_deletes
from photonic.crdt.upkeep import Upkeep
from photonic.errors import (
    ChangeInvalid,
    JournalDamaged,
    JournalUnwritable,
    NotAllowed,
    StoreFull,
    UpdateRefused,
)
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId, NodeId, Subject
from photonic.journal.journal import CHANGES, HOLDINGS, Entry, Journal, Quarantined
from photonic.world import World

_HEARD_OF = "heard-of"


class Catalog:
    """See the module. `crdt/replica.py` shows it to peers."""

    def __init__(
        self,
        library: LibraryId,
        identity: Identity,
        journal: Journal,
        world: World,
        directory: Path | None = None,
        authority: Identity | None = None,
    ) -> None:
        """`directory`: where the derived one is kept; None: in memory. `authority` opens keys."""
        self._openers = (identity, authority) if authority else (identity,)
        self.library, self._identity, self._journal, self._world = library, identity, journal, world
        self._staged: list[Announcement] = []
        self._pending = Committed()
        self._author = Author(identity.node, journal.fact, world.clock)
        self._echoes = Echoes()
        heard_of = journal.fact(_HEARD_OF) or b""
        # Everybody whose changes or holdings are here, members or not (yet): if their rights
        # change, what they said must be folded again.
        self._heard_of = {NodeId(heard_of[i : i + 32]) for i in range(0, len(heard_of), 32)}
        self._has_heard_more = False  # than the journal knows of
        self.stores: Callable[[BlobId], bool] = lambda _: False  # set by who has the store
        self.returned = 0  # own changes that a peer gave back: this folder is an older copy
        self.directory = Directory(directory, library, journal)
        self.digests = Digests(journal.digests())
        self.documents = Documents(self._updates, self.new_client_id)
        self.upkeep = Upkeep(
            journal, self.directory, self.documents, self.digests, self._write_entries
        )
        suspect = sorted(journal.suspect)
        for signed in (s for number in suspect for s in self.directory.shard(number)):
            self._author.note(signed)  # the last number may be lost with the rest
        self.roster, self.display, self.keys, self.sealing = self._read_root()

    def close(self) -> None:
        """Close what the catalog opened: not the journal."""
        self.directory.close()

    def _updates(self, number: int, document: int) -> list[bytes]:
        """Return all that a document is made of: what the journal has, and what is staged."""
        staged = [i.data for i in self._staged if (i.shard, i.document) == (number, document)]
        return [*self._journal.updates(number, document), *staged]

    def new_client_id(self) -> int:
        return int.from_bytes(self._world.entropy.token(7), "big") >> 3 or 1  # Yjs has 53 bits

    # --- reading -----------------------------------------------------------------------------

    def changes(self, subject: Subject) -> list[SignedChange]:
        """Return every change of a subject, effective or not; what is sealed and opens is open."""
        return self.sealing.all_opened(self.directory.changes(subject))

    def shard(self, number: int) -> Iterator[SignedChange]:
        """Return every durable change of a shard, as `changes` gives them."""
        return map(self.sealing.opened, self.directory.shard(number))

    def state(self, subject: Subject) -> SubjectState:
        """Return what is known of a subject; a state without fields if nothing is."""
        return fold(subject, self.changes(subject), self.is_effective)

    def subjects(self, number: int) -> list[Subject]:
        """Return all subjects of a shard."""
        return self.directory.subjects(number)

    def holders(self, blob: BlobId) -> frozenset[NodeId]:
        """Return the members that say they hold an original: to fetch from, never proof."""
        said = self.directory.holders(blob).items()
        return frozenset(node for node, is_held in said if is_held and self.roster.holds(node))

    def held_blobs(self, number: int) -> list[BlobId]:
        """Return the originals of a shard of which some node said something."""
        return list(dict.fromkeys(blob for blob, _, _ in self.directory.holdings(number)))

    def founding_updates(self) -> list[tuple[int, bytes]]:
        """Return the root documents, as (document, update): what a new member begins with."""
        changes, holdings = (self.documents.get(ROOT, kind) for kind in (CHANGES, HOLDINGS))
        counting = partial(filter, self.is_effective, self.directory.shard(ROOT))
        founding = founding_update(for_peers(changes.snapshot()), self.new_client_id, counting)
        return [(CHANGES, founding), (HOLDINGS, without_deletes(holdings.snapshot()))]

    def root_digest(self) -> bytes:
        """Return what everything here adds up to: equal on nodes that have the same."""
        return self.digests.root()

    def quarantined(self) -> list[Quarantined]:
        """Return the refused updates that were kept, newest first."""
        return self._journal.quarantined()

    @property
    def has_staged(self) -> bool:
        """Whether something waits for a flush."""
        return bool(self._staged)

    def housekeep(self, *, scrubs: bool = True) -> bool:
        """Do one small piece of the journal's upkeep; False when there is none left for now."""
        return not self._staged and self.upkeep.step(scrubs=scrubs)

    def is_effective(self, signed: SignedChange) -> bool:
        """Whether a change counts: its author had the right to make it."""
        return self.roster.allows(signed)

    def _read_root(self) -> Root:
        subjects = self.directory.subjects(ROOT)
        said = (signed for subject in subjects for signed in self.directory.changes(subject))
        return read_root(self.library, said, self._openers)

    # --- writing -----------------------------------------------------------------------------

    def write(
        self,
        drafts: Sequence[Draft],
        *,
        identity: Identity | None = None,
        seq: Callable[[], int] | None = None,
    ) -> list[SignedChange]:
        """Stage one change for each draft, or none. Raises NotAllowed, ChangeInvalid.

        What is to be sealed is sealed here.
        `identity` and `seq` are those of the library's authority where it signs (founding).
        """
        author, number = identity or self._identity, seq or self._author.next_number
        made: list[SignedChange] = []
        mine: dict[Subject, list[SignedChange]] = {}  # what later drafts of a subject must see
        first = self._author.number
        try:
            for draft in drafts:
                before = mine.setdefault(draft.subject, [])
                known = [*self.changes(draft.subject), *before]
                state = fold(draft.subject, known, self.is_effective)
                said = replace(draft, sets=self.sealing.sealed(draft.subject, draft.sets))
                change = self._author.change(said, state, author.node, number)
                signed = seal(author, self.library, change)
                if identity is None and not self.is_effective(signed):
                    raise NotAllowed(f"this node may not change a {draft.subject.kind}")
                require_room(known, signed)
                before.append(signed)
                made.append(signed)
        except BaseException:
            self._author.go_back(first)
            raise
        fresh = self.directory.not_here(made)
        for signed in fresh:
            self._note_fresh(signed, None)
        self._write_entries(fresh)
        return made

    def next_number(self) -> int:
        """Return the number of this node's next change, for whoever signs it and adopts it."""
        return self._author.next_number()

    def _write_entries(self, some: Iterable[SignedChange], origin: NodeId | None = None) -> None:
        """Stage changes as entries that this node writes, in updates of a bounded length."""
        entries: dict[int, dict[str, bytes]] = {}
        for signed in some:
            number = shard_of(signed.change.subject)
            entries.setdefault(number, {})[change_key(signed.id)] = signed.data
        for number, mine in entries.items():
            for piece in in_pieces(mine):
                update = self.documents.write(number, CHANGES, piece)
                self._staged.append(Announcement(number, CHANGES, update, origin))

    def hold(self, held: Mapping[BlobId, bool]) -> None:
        """Stage what this node says of its own originals: held, or dropped."""
        first: dict[int, dict[BlobId, bool]] = {}
        again: dict[int, dict[BlobId, bool]] = {}
        for blob, is_held in held.items():
            before = self.directory.holding(blob, self._identity.node)
            if (before or False) != is_held:
                says = (first if before is None else again).setdefault(shard_of_key(blob), {})
                says[blob] = is_held
        me = self._identity.node
        for said, write in ((first, self.documents.write), (again, self.documents.overwrite)):
            for number, mine in said.items():
                for piece in in_pieces(holding_entries(me, mine)):
                    update = write(number, HOLDINGS, piece)
                    self._staged.append(Announcement(number, HOLDINGS, update, None))
                holdings = [Holding(blob, me, is_held) for blob, is_held in mine.items()]
                self._note_holdings(number, holdings, self.directory.said(number, holdings))

    # --- the door ----------------------------------------------------------------------------

    def receive(self, shard: int, document: int, update: bytes, peer: bytes) -> bool:
        """Take in a peer's update, whole or not at all; False if it was refused.

        A refused update is quarantined with its reason, and nothing is another thing than before.
        """
        if is_empty(update) or self._echoes.is_known(shard, document, update):
            return True
        try:
            if len(update) > limits.UPDATE_BYTES_MAX:
                raise UpdateRefused(f"an update of {len(update):,} bytes is longer than one may be")
            take = self._receive_changes if document == CHANGES else self._receive_holdings
            take(shard, update, NodeId(peer))
        except (ChangeInvalid, UpdateRefused, DocumentFault) as error:
            if document == HOLDINGS or isinstance(error, DocumentFault):  # it may have seen some
                self.documents.forget(shard, document)
            self._quarantine(peer, str(error), update)
            return False
        self._echoes.note(shard, document, update)
        return True

    def _quarantine(self, peer: bytes, reason: str, data: bytes) -> None:
        with suppress(sqlite3.Error):  # no room to keep it; it stays refused
            self._journal.quarantine(Quarantined(peer, reason, self._world.clock.now_ms(), data))

    def _receive_changes(self, number: int, update: bytes, peer: NodeId) -> None:
        admitted = admit_changes(
            self.library, number, update, partial(self.directory.entries, number)
        )
        if admitted.fresh:
            self.documents.note(number, CHANGES, admitted.parsed)
        else:  # known changes in new blocks, or nothing new: only the document can tell
            document = self.documents.get(number, CHANGES)
            before = document.vector()
            self.documents.note(number, CHANGES, admitted.parsed)
            if document.vector() == before:
                return
        for signed in admitted.fresh:
            self._author.note(signed)
            if signed.change.author == self._identity.node:
                self.returned += 1  # others know what we do not: this is an older copy
            self._note_fresh(signed, peer)
        self._staged.append(Announcement(number, CHANGES, admitted.update, peer))

    def _receive_holdings(self, number: int, update: bytes, peer: NodeId) -> None:
        admitted = admit_holdings(number, update)
        taken, some = admitted.update, list(admitted.added or ())
        before = self.directory.said(number, some)
        if some and all(said is None for said in before):
            self.documents.note(number, HOLDINGS, admitted.parsed)
        else:  # something is overwritten, or known: only the document can tell
            delta = self.documents.get(number, HOLDINGS).apply(taken)
            taken, some = delta.update, judge_holdings(number, delta)
            before = self.directory.said(number, some)
        changed = self._note_holdings(number, some, before)
        if not is_empty(taken):
            self._staged.append(Announcement(number, HOLDINGS, taken, peer))
        self.hold({h.blob: said or False for h, said in changed if self._is_untrue(h, said)})

    def adopt(self, changes: Sequence[bytes], peer: bytes) -> int:
        """Take in changes as their authors signed them, outside of any update: all or none.

        Returns how many were new. Two nodes that adopt the same change write it under one key
        each; the documents keep one of the two. Raises ChangeInvalid.
        """
        admitted = admit_plain(self.library, changes)
        fresh = self.directory.not_here(admitted)
        for signed in fresh:
            self._author.note(signed)
            self._note_fresh(signed, NodeId(peer))
        self._write_entries(fresh, NodeId(peer))
        return len(fresh)

    # --- durability --------------------------------------------------------------------------

    def flush(self) -> Committed:
        """Make everything staged durable; return what may now be told. Raises StoreFull.

        If the disk refuses, nothing of the stage happened: documents go back to the journal.
        """
        if not self._staged:
            self.trim()
            return Committed()
        touched = {(item.shard, item.document) for item in self._staged}
        facts = self._author.facts()
        if self._has_heard_more:
            facts = {**facts, _HEARD_OF: b"".join(sorted(self._heard_of))}
        try:
            self._journal.commit(
                (Entry(item.shard, item.document, item.data) for item in self._staged),
                self.digests.some({number for number, _ in touched}),
                facts,
            )
        except (sqlite3.Error, JournalDamaged, JournalUnwritable) as error:
            need_bytes = sum(len(item.data) for item in self._staged)
            self._rollback(touched)
            if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
                raise StoreFull("the catalog's journal", need_bytes, 0) from error
            raise JournalUnwritable(f"the catalog's journal cannot be written: {error}") from error
        self._author.note_durable()
        self._has_heard_more = False
        with suppress(sqlite3.Error):  # then it keeps in memory what it could not write
            self.directory.settle()
        committed, self._pending = self._pending, Committed()
        committed.announcements, self._staged = self._staged, []
        if (ROOT, CHANGES) in touched:
            self._note_root(committed)
        self.trim()
        return committed

    def _note_root(self, committed: Committed) -> None:
        roster, shown, keys = self.roster, self.display, self.keys
        self.roster, self.display, self.keys, self.sealing = self._read_root()
        committed.roster_changed = self.roster != roster
        changed = other_rights(roster, self.roster)
        if len(self._heard_of) < limits.AUTHORS_MAX:
            changed &= self._heard_of
        committed.refold = frozenset(changed)
        committed.display_changed = self.display != shown
        committed.keys_changed = self.keys != keys

    def _rollback(self, touched: Iterable[tuple[int, int]]) -> None:
        self._staged, self._pending = [], Committed()
        self._author.go_back()
        self._echoes.clear()
        self.directory.drop_stage()
        for place in touched:
            self.documents.forget(*place)
        self.digests.reset(self._journal.digests())
        self.upkeep.redo()

    def trim(self) -> None:
        """Let go of documents that are over the bound."""
        self.documents.trim(frozenset((item.shard, item.document) for item in self._staged))

    def _note_fresh(self, signed: SignedChange, origin: NodeId | None) -> None:
        """Take in a change that is not here, and is to become durable."""
        self.directory.stage(signed)
        self.digests.add_change(shard_of(signed.change.subject), signed.id)
        self._hear_of(NodeId(signed.change.author))
        self._pending.subjects[signed.change.subject] = origin
        self._pending.fresh.append(signed)

    def _note_holdings(
        self, number: int, some: Sequence[Holding], before: Sequence[bool | None]
    ) -> list[tuple[Holding, bool | None]]:
        """Take in what nodes say now of blobs, and said before; return what is new of it."""
        changed = [(h, said) for h, said in zip(some, before, strict=True) if h.is_held != said]
        self.digests.set_holdings(number, changed)
        for holding, _ in changed:
            self.directory.stage_holding(*holding)
            self._hear_of(holding.node)
            self._pending.blobs.add(holding.blob)
        return changed

    def _is_untrue(self, holding: Holding, said: bool | None) -> bool:
        """Whether others say of this node's store what nobody else knows, and what is not so."""
        is_own = holding.node == self._identity.node
        return is_own and not (said is None and (not holding.is_held or self.stores(holding.blob)))

    def _hear_of(self, node: NodeId) -> None:
        if node not in self._heard_of and len(self._heard_of) < limits.AUTHORS_MAX:
            self._heard_of.add(node)
            self._has_heard_more = True

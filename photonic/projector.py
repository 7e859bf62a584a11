"""Brings the index after the catalog: with each commit at once, and shard by shard where it lags.

What a commit changed is projected before anybody hears of it. What takes longer (a new index, one
that lagged behind a crash, rights that changed for an author) is put on a list of stale shards and
done in small pieces between other work, so that a node answers while a million photos are indexed.
Blocking: the catalog's thread owns it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from photonic import limits
from photonic.crdt.batches import AlbumRow, Batch, EditRow
from photonic.crdt.brake import Removal, held
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import SignedChange
from photonic.crdt.commits import Committed
from photonic.crdt.fields import ALBUM_GONE, ALBUM_NAME, ALBUM_QUERY, CONFIRMED, ORIGINAL
from photonic.crdt.fold import SubjectState, fold
from photonic.crdt.index import PhotoIndex
from photonic.crdt.keys import ROOT, SHARD_COUNT, shard_of, shard_of_key
from photonic.crdt.projection import PhotoRow, is_alone, project, project_alone
from photonic.crdt.query import PhotoQuery
from photonic.crdt.tables import IN_TRASH, REMOVAL_HELD
from photonic.ids import ALBUM, PHOTO, REMOVALS, BlobId, NodeId, Subject
from photonic.journal.journal import Journal
from photonic.rebuild import Rebuild
from photonic.world import Clock

log = logging.getLogger(__name__)

_Known: TypeAlias = tuple[Subject, Sequence[SignedChange]]

# A library with more photos has no higher limit (see brake.limit_for).
_PHOTOS_THAT_MATTER = limits.BRAKE_PHOTOS_MAX * 100 // limits.BRAKE_PERCENT


class Projector:
    """See the module."""

    def __init__(
        self,
        catalog: Catalog,
        journal: Journal,
        index: PhotoIndex,
        me: NodeId,
        stored: Callable[[Collection[BlobId]], Collection[BlobId]],
        clock: Clock,
    ) -> None:
        """`stored` says which of some blobs are in this node's store."""
        self._catalog, self._journal, self._index = catalog, journal, index
        self._query = PhotoQuery(index.engine)
        self._me, self._stored, self._clock = me, stored, clock
        self._is_review_due = True  # what the brake holds may be free, or not held yet
        self._pieces: Iterator[list[_Known]] | None = None  # of the shard that is being projected
        self._stale_most = 0
        self._rebuild: Rebuild | None = None
        self._can_rebuild = True  # until it was tried in vain
        self._flood = 0  # subjects that came in large commits, one soon after another
        self._flood_at_s = 0.0

    def close(self) -> None:
        """End what is under way; it begins anew at the next start."""
        if self._rebuild is not None:
            self._rebuild.stop()
            self._rebuild = None

    @property
    def is_waiting(self) -> bool:
        """Whether `step` has nothing to do just now, but will have soon."""
        is_building = self._rebuild is not None and self._rebuild.is_building
        return is_building or bool(self._index.stale())

    @property
    def progress(self) -> tuple[int, int]:
        """How much is to be projected yet, and of how much. (0, 0): nothing is.

        Counted in shards, or in percent where the whole index is made anew.
        """
        if self._rebuild is not None:
            return max(1, 100 - self._rebuild.percent), 100
        left = len(self._index.stale())
        self._stale_most = max(self._stale_most, left) if left else 0
        return left, self._stale_most

    def catch_up(self) -> None:
        """Note what the journal has and the index has not; do it at once if it is little."""
        number = self._index.journal_number
        if number > self._journal.last_number:
            self._index.clear()  # the journal is an older copy than the index
            number = 0
        for author in self._query.removing_authors(held_only=False):
            if author != self._me:
                self._judge(author)  # a crash may have come between a removal and its judgement
        lagging = {*self._journal.shards_since(number), *self._journal.suspect} - {ROOT}
        self._mark(lagging)
        if len(lagging) <= limits.STALE_SHARDS_AT_ONCE and (
            self._catalog.digests.change_count() <= limits.STALE_CHANGES_AT_ONCE
        ):
            while self.step() is not None:
                pass

    def _mark(self, shards: Iterable[int]) -> None:
        self._pieces = None
        self._index.mark_stale(sorted(shards), self._journal.last_number)

    def follow(self, committed: Committed) -> None:
        """Project what a commit changed, or note its shards where many such commits come."""
        if committed.refold or committed.display_changed:
            self.close()
            self._mark(number for number in range(SHARD_COUNT) if number != ROOT)
        shards = {shard_of(subject) for subject in committed.subjects}
        shards |= {shard_of_key(blob) for blob in committed.blobs}
        if self._rebuild is not None:
            self._rebuild.touch(shards - {ROOT})
        if self._is_flood(len(committed.subjects) + len(committed.blobs)):
            self._mark(shards - {ROOT})
            return
        batch = self._batch(self._changes(committed.subjects), committed.fresh)
        batch.holders = {blob: self._catalog.holders(blob) for blob in committed.blobs}
        self._index.apply(batch, self._journal.last_number)
        self._brake(batch.rows, committed.subjects)
        self._is_review_due = self._is_review_due or bool(batch.rows)

    def review(self) -> bool:
        """Judge again what the brake holds: more photos may have come. False if that is done."""
        if not self._is_review_due:
            return False
        self._is_review_due = False
        for author in self._query.removing_authors(held_only=True):
            self._judge(author)
        return True

    def _is_flood(self, subjects: int) -> bool:
        """Whether a commit is one of many large ones, as when a new node hears of everything.

        A photo of any year touches pages all over the index: to project so many one commit after
        another takes longer than to make the index anew when they are all here.
        """
        if subjects < limits.FLOOD_SUBJECTS_MIN or self._index.path is None:
            return False
        if not self._is_flooded:
            self._flood = 0
        self._flood += subjects
        self._flood_at_s = self._clock.monotonic_s()
        return self._flood > limits.FLOOD_SUBJECTS_MAX + self._index.photo_count() // 2

    @property
    def _is_flooded(self) -> bool:
        calm_s = self._clock.monotonic_s() - self._flood_at_s
        return self._flood > 0 and calm_s < limits.FLOOD_CALM_S

    def step(self) -> list[Subject] | None:
        """Do a piece of what lags behind; return the subjects of which more is shown now.

        None if there is nothing to do, or nothing yet (`is_waiting`).
        """
        if self._rebuild is not None:
            return self._go_on(self._rebuild)
        stale = self._index.stale()
        if not stale or self._is_flooded:
            return None
        if self._pieces is None and self._pays_to_rebuild(stale):
            self._rebuild = Rebuild(self._index, self._everything(), self._clock.now_ms())
            return []
        number = stale[0]
        if self._pieces is None:
            self._pieces = _in_pieces(self._shard(number))
            self._index.apply(Batch(holders=self._holders(number)))
        piece = next(self._pieces, None)
        if piece is None:
            self._pieces = None
            self._index.apply(Batch(projected=[number]))
            self._catalog.trim()
            return []
        batch = self._batch(piece, None)
        self._index.apply(batch)
        subjects = [subject for subject, _ in piece]
        self._brake(batch.rows, subjects)
        return subjects

    # --- the whole index ---------------------------------------------------------------------

    def _pays_to_rebuild(self, stale: Sequence[int]) -> bool:
        """Whether most of the index is lacking, and that is much."""
        lacking = sum(self._catalog.digests.of(number).change_count for number in stale)
        known = self._index.photo_count()
        is_much = lacking > max(limits.INDEX_REBUILD_CHANGES_MIN, 2 * known)
        return self._can_rebuild and is_much and self._index.path is not None

    def _go_on(self, rebuild: Rebuild) -> list[Subject] | None:
        try:
            is_built = rebuild.step()
        except Exception:
            # No room for a second index, most likely: the old one is brought up to date in place.
            log.exception("the index cannot be made anew; it is brought up to date in pieces")
            self.close()
            self._can_rebuild = False
            return []
        if is_built:
            rebuild.finish(self._journal.last_number)
            self._rebuild = None
            for author in self._query.removing_authors(held_only=False):
                if author != self._me:
                    self._judge(author)
        return None if rebuild.is_building else []

    def _everything(self) -> Iterator[tuple[int, Batch]]:
        """Yield what the whole catalog comes to, in pieces, each with the number of its shard."""
        for number in range(ROOT):
            yield number, Batch(holders=self._holders(number))
            for piece in _in_pieces(self._shard(number)):
                yield number, self._batch(piece, None)
            self._catalog.trim()

    def _shard(self, number: int) -> Iterable[_Known]:
        """Return the subjects of a shard with all of their changes, read in one go."""
        found: dict[Subject, list[SignedChange]] = {}
        for signed in self._catalog.directory.shard(number):
            found.setdefault(signed.change.subject, []).append(signed)
        return found.items()

    def _holders(self, number: int) -> dict[BlobId, list[NodeId]]:
        """Return the members that say they hold the originals of a shard."""
        members = self._catalog.roster.members
        live = {node for node, member in members.items() if member.cut is None}
        found: dict[BlobId, list[NodeId]] = {}
        for blob, node, is_held in self._catalog.directory.holdings(number):
            nodes = found.setdefault(blob, [])
            if is_held and node in live:
                nodes.append(node)
        return found

    def _changes(self, subjects: Iterable[Subject]) -> Iterator[_Known]:
        for subject in subjects:
            yield subject, self._catalog.changes(subject)

    # --- batches -----------------------------------------------------------------------------

    def _batch(self, known: Iterable[_Known], fresh: list[SignedChange] | None) -> Batch:
        """Return what subjects come to. `fresh` are the changes to list; None: all of theirs."""
        rows: list[PhotoRow] = []
        gone: list[BlobId] = []
        albums: list[AlbumRow] = []
        said: list[SignedChange] = []
        for subject, changes in known:
            said += changes
            if subject.kind == PHOTO:
                row = self._row(subject, changes)
                if row is None:
                    gone.append(BlobId(subject.key))
                else:
                    rows.append(row)
            elif subject.kind == ALBUM:
                albums.append(_album(subject, self._catalog.state(subject)))
        blobs = [blob.ref.blob for row in rows for blob in row.blobs]
        there = frozenset(self._stored(blobs)) if blobs else frozenset()
        edits, seqs = self._listed(said if fresh is None else fresh)
        return Batch(
            rows, gone, there, albums=albums, edits=edits, seqs=seqs, now_ms=self._clock.now_ms()
        )

    def _row(self, subject: Subject, changes: Sequence[SignedChange]) -> PhotoRow | None:
        is_effective = self._catalog.is_effective
        try:
            if len(changes) == 1 and is_alone(changes[0]) and is_effective(changes[0]):
                return project_alone(changes[0])
            return project(fold(subject, changes, is_effective), self._catalog.display)
        except Exception:  # one photo that somebody wrote nonsense into must not hide the others
            log.exception("%s cannot be shown", subject)
            return None

    def _listed(
        self, said: Iterable[SignedChange]
    ) -> tuple[list[EditRow], list[tuple[NodeId, int, bytes]]]:
        """Return what of some changes is listed: edits of people, and the numbers of all."""
        edits: list[EditRow] = []
        seqs: list[tuple[NodeId, int, bytes]] = []
        for signed in said:
            change, author = signed.change, NodeId(signed.change.author)
            seqs.append((author, change.seq, signed.id))
            is_edit = change.kind == ALBUM or (change.kind == PHOTO and ORIGINAL not in change.sets)
            if is_edit and self._catalog.is_effective(signed):
                act = change.act or None
                edits.append(EditRow(signed.id, change.kind, change.key, act, author, change.at))
        return edits, seqs

    # --- the deletion brake ------------------------------------------------------------------

    def _brake(self, rows: Sequence[PhotoRow], subjects: Iterable[Subject]) -> None:
        """Judge the removals of each author of whom something new is known."""
        authors = {row.removal.author for row in rows if row.removal is not None}
        authors |= {NodeId(subject.key) for subject in subjects if subject.kind == REMOVALS}
        for author in authors - {self._me}:
            self._judge(author)

    def _judge(self, author: NodeId) -> None:
        known: dict[BlobId, tuple[Removal, bool]] = {}
        after: BlobId | None = None
        while page := self._query.removals(limits.PAGE_ITEMS_MAX, after, author=author):
            known |= {row.photo: (Removal(row.photo, row.at_ms), row.held) for row in page}
            after = page[-1].photo
        confirmed = self._catalog.state(Subject(REMOVALS, author)).fact(CONFIRMED)
        braked = held(
            (removal for removal, _ in known.values()),
            confirmed if isinstance(confirmed, int) else 0,
            lambda at_ms: self._query.photos_before(at_ms, _PHOTOS_THAT_MATTER),
        )
        changed = {
            photo: REMOVAL_HELD if photo in braked else IN_TRASH
            for photo, (_, was_held) in known.items()
            if (photo in braked) != was_held
        }
        if changed:
            self._index.set_trashed(changed)


def _album(subject: Subject, state: SubjectState) -> AlbumRow:
    name, query = state.fact(ALBUM_NAME), state.fact(ALBUM_QUERY)
    is_there = isinstance(name, str) and state.fact(ALBUM_GONE) is not True
    return AlbumRow(
        subject.key,
        name if is_there and isinstance(name, str) else None,
        query if isinstance(query, str) else None,
        state.contested(),
    )


def _in_pieces(known: Iterable[_Known]) -> Iterator[list[_Known]]:
    some = iter(known)
    while piece := list(islice(some, limits.STALE_PIECE)):
        yield piece

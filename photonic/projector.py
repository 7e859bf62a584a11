"""Brings the index after the catalog: with each commit at once, and shard by shard where it lags.

What a commit changed is projected before anybody hears of it. What takes longer (a new index, one
that lagged behind a crash, rights that changed for an author) is put on a list of stale shards and
done in small pieces between other work, so that a node answers while a million photos are indexed.
Blocking: the catalog's thread owns it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from photonic import limits
from photonic.crdt.batches import Batch
from photonic.crdt.catalog import Catalog
from photonic.crdt.commits import Committed
from photonic.crdt.index import PhotoIndex
from photonic.crdt.keys import ROOT, SHARD_COUNT, shard_of, shard_of_key
from photonic.crdt.loader import discard
from photonic.crdt.query import PhotoQuery
from photonic.crdt.root import verdict
from photonic.crdt.standpoint import Known, Standpoint, by_subject, in_pieces
from photonic.crdt.tables import VERDICT
from photonic.ids import BlobId, NodeId, Subject
from photonic.index_builders import Builder, BuilderApart, BuilderFailed, BuilderHere, Keys, Sources
from photonic.journal.journal import Journal
from photonic.judging import Judging
from photonic.laggards import Laggard, Laggards, is_heavy
from photonic.rebuild import Rebuild
from photonic.world import Clock

log = logging.getLogger(__name__)


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
        sources: Sources | None = None,
    ) -> None:
        """`stored` says which of some blobs are in this node's store.

        `sources`: where another process finds both; None keeps all work in this one.
        """
        self._catalog, self._journal, self._index = catalog, journal, index
        self._judging = Judging(catalog, index, PhotoQuery(index.engine), me)
        self._stored, self._clock = stored, clock
        self._pieces: Iterator[list[Known]] | None = None  # of the shard that is being projected
        self._stale_most = 0
        self._rebuild: Rebuild | None = None
        self._laggards = Laggards()
        self._can_rebuild = True  # until it was tried in vain
        self._sources = sources  # until it was tried in vain
        self._flood = 0  # subjects that came in large commits, one soon after another
        self._flood_at_s = 0.0
        if index.path is not None:
            discard(index.path)

    def close(self) -> None:
        """End what is under way; it begins anew at the next start."""
        if self._rebuild is not None:
            self._rebuild.stop()
            self._rebuild = None

    @property
    def is_waiting(self) -> bool:
        """Whether `step` has nothing to do just now, but will have soon."""
        return self._rebuild is not None or bool(self._index.stale()) or bool(self._laggards)

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
        self.close()  # it would not hear of what is found here
        self._laggards.clear()  # they are found, too
        number = self._index.journal_number
        if number > self._journal.last_number:
            self._index.clear()  # the journal is an older copy than the index
            number = 0
        self._note_root()
        if not self._judges_as_before():
            number = 0  # all that is there was judged otherwise, or before a crash
        self._judging.judge_all()
        lagging = {*self._journal.shards_since(number), *self._journal.suspect} - {ROOT}
        self._mark(lagging)
        self._note_verdict()
        if len(lagging) <= limits.STALE_SHARDS_AT_ONCE and (
            self._catalog.digests.change_count() <= limits.STALE_CHANGES_AT_ONCE
        ):
            while self.step() is not None:
                pass

    def _note_root(self) -> None:
        """Take in the numbers of what the root document says, which is no shard of the index.

        Founding and enrolment write it before there is an index to follow them, and an index that
        is made anew has the other shards alone. It is small, and always loaded.
        """
        said = self._catalog.shard(ROOT)
        numbers = [(NodeId(one.change.author), one.change.seq, one.id) for one in said]
        self._index.apply(Batch(seqs=numbers))

    def _judges_as_before(self) -> bool:
        """Whether the index was made with the rights, the policy and the keys that there are.

        A node may have died between a revocation and what it brings. An index that does not say is
        new, or of a version that counted every member's copies.
        """
        noted = self._index.number(VERDICT)
        if noted == 0:
            return not self._catalog.roster.uncounted
        return noted == self._verdict()

    def _verdict(self) -> int:
        catalog = self._catalog
        return verdict(catalog.roster, catalog.display, catalog.keys.here)

    def _note_verdict(self) -> None:
        """Remember how the index judges, when all that it judged otherwise is marked."""
        self._index.note_number(VERDICT, self._verdict())

    def _mark(self, shards: Iterable[int]) -> None:
        self._pieces = None
        self._index.mark_stale(sorted(shards), self._truth)

    @property
    def _truth(self) -> int:
        """Up to which entry the index is true when the newest has its effect, but for `stale`."""
        return self._laggards.truth(self._journal.last_number)

    def follow(self, committed: Committed) -> None:
        """Project what a commit changed, or note its shards where many such commits come."""
        if committed.refold or committed.display_changed or self._opens_more(committed):
            self.close()
            self._mark(number for number in range(SHARD_COUNT) if number != ROOT)
        if committed.roster_changed or committed.display_changed or committed.keys_changed:
            self._note_verdict()
        shards = {shard_of(subject) for subject in committed.subjects}
        shards |= {shard_of_key(blob) for blob in committed.blobs}
        if self._rebuild is not None:
            self._rebuild.touch(shards - {ROOT}, self._clock.monotonic_s())
        if self._is_flood(committed):
            self._mark(shards - {ROOT})
            return
        batch = self._standpoint().batch(self._prompt(committed.subjects), committed.fresh)
        batch.holders = {blob: self._catalog.holders(blob) for blob in committed.blobs}
        batch.uncounted = self._catalog.roster.uncounted
        self._index.apply(batch, self._truth)
        self._judging.follow(batch.rows, committed.subjects)
        late = self._project_late()  # under load nobody is ever idle
        if late is not None:
            committed.subjects.setdefault(late.subject, late.origin)

    def _prompt(self, subjects: Mapping[Subject, NodeId | None]) -> Iterator[Known]:
        """Return what is to be shown at once; the others wait (`laggards.py`)."""
        number = self._index.journal_number
        for subject, origin in subjects.items():
            if origin is not None and subject in self._laggards:
                continue
            changes = self._catalog.changes(subject)
            is_late = origin is not None and is_heavy(changes)
            if not (origin and is_late and self._laggards.put(Laggard(subject, origin, number))):
                self._laggards.drop(subject)
                yield subject, changes

    def _project_late(self) -> Laggard | None:
        """Project one of those that waited, if it may be."""
        began_s = self._clock.monotonic_s()
        late = self._laggards.take(began_s)
        if late is None:
            return None
        batch = self._standpoint().batch([(late.subject, self._catalog.changes(late.subject))], [])
        self._index.apply(batch, self._truth)
        self._judging.follow(batch.rows, [late.subject])
        now_s = self._clock.monotonic_s()
        self._laggards.rest(now_s - began_s, now_s)
        return late

    def _opens_more(self, committed: Committed) -> bool:
        """Whether keys came that may open what the index shows as sealed."""
        if not committed.keys_changed:
            return False
        return (
            self._rebuild is not None or bool(self._index.stale()) or self._index.count_sealed() > 0
        )

    def review(self) -> bool:
        """Judge again what the brake holds: more photos may have come. False if that is done."""
        return self._judging.review()

    def _is_flood(self, committed: Committed) -> bool:
        """Whether a commit is one of many large ones, as when a new node hears of everything.

        A photo of any year touches pages all over the index: to project so many one commit after
        another takes longer than to make the index anew when they are all here. What is said on
        this node meanwhile shows at once.
        """
        if self._index.path is None:
            return False
        subjects = len(committed.subjects) + len(committed.blobs)
        if subjects < limits.FLOOD_SUBJECTS_MIN:
            is_heard = all(origin is not None for origin in committed.subjects.values())
            return is_heard and self._is_flooded and self._is_much
        if not self._is_flooded:
            self._flood = 0
        self._flood += subjects
        self._flood_at_s = self._clock.monotonic_s()
        return self._is_much

    @property
    def _is_much(self) -> bool:
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
        if not stale:
            late = self._project_late()
            return None if late is None else [late.subject]
        if self._pieces is None and self._pays_to_rebuild(stale):
            return self._begin_rebuild(stale)
        if self._is_flooded:
            return None
        number = stale[0]
        if self._pieces is None:
            self._pieces = in_pieces(by_subject(self._catalog.shard(number)))
            said = self._catalog.directory.holdings(number)
            self._index.apply(self._standpoint().holders(said))
        piece = next(self._pieces, None)
        if piece is None:
            self._pieces = None
            self._index.apply(Batch(projected=[number]))
            self._catalog.trim()
            return []
        batch = self._standpoint().batch(piece)
        self._index.apply(batch)
        subjects = [subject for subject, _ in piece]
        self._judging.follow(batch.rows, subjects)
        return subjects

    # --- the whole index ---------------------------------------------------------------------

    def _pays_to_rebuild(self, stale: Sequence[int]) -> bool:
        """Whether most of the index is lacking, and that is much."""
        lacking = sum(self._catalog.digests.of(number).change_count for number in stale)
        known = self._index.photo_count()
        is_much = lacking > max(limits.INDEX_REBUILD_CHANGES_MIN, 2 * known)
        return self._can_rebuild and is_much and self._index.path is not None

    def _begin_rebuild(self, stale: Sequence[int]) -> list[Subject] | None:
        """Begin to make the index anew: in the middle of a flood only if it costs this one nothing.

        Who is `_flooded` and must do it alone does it when the flood is over.
        """
        path, now_ms = self._index.path, self._clock.now_ms()
        assert path is not None, "an index in memory is small"
        builder: Builder
        try:
            if self._sources is not None:
                keys = Keys(self._index.seal, self._catalog.keys.here)
                builder = BuilderApart(self._sources, path, now_ms, keys)
            elif self._is_flooded:
                return None
            else:
                builder = BuilderHere(path, now_ms, self._project_shard, self._index.seal)
        except Exception as error:  # noqa: BLE001 - it is logged
            return self._give_up(error)
        self._rebuild = Rebuild(self._index, builder, stale, self._clock.monotonic_s())
        return []

    def _go_on(self, rebuild: Rebuild) -> list[Subject] | None:
        try:
            if not self._catalog.directory.is_written:
                pass  # what it lacks nobody could take in
            elif self._is_flooded and rebuild.is_apart:
                rebuild.take_in_quiet(self._clock.monotonic_s())
            else:
                rebuild.take_in_all()
            if not rebuild.step():
                return None if rebuild.is_busy else []
            rebuild.finish(self._journal.last_number)
            self._note_verdict()
            self._note_root()
        except Exception as error:  # noqa: BLE001 - it is logged
            return self._give_up(error)
        self._rebuild = None
        self._judging.judge_all()
        return []

    def _give_up(self, error: Exception) -> list[Subject]:
        """Go on without another process, then without a second index."""
        self.close()
        if self._sources is not None and isinstance(error, BuilderFailed):
            log.warning("the index is made in the node's own process, which is slower: %s", error)
            self._sources = None
        else:
            # No room for a second index, most likely: the old one is brought up to date in place.
            log.error(
                "the index cannot be made anew; it is brought up to date in pieces", exc_info=error
            )
            self._can_rebuild = False
        return []

    def _project_shard(self, number: int) -> Iterator[Batch]:
        """Yield what a shard comes to, in pieces."""
        standpoint = self._standpoint()
        yield standpoint.holders(self._catalog.directory.holdings(number))
        for piece in in_pieces(by_subject(self._catalog.shard(number))):
            yield standpoint.batch(piece)
        self._catalog.trim()

    def _standpoint(self) -> Standpoint:
        roster, display = self._catalog.roster, self._catalog.display
        return Standpoint(roster, display, self._stored, self._clock.now_ms())

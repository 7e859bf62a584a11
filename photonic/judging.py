"""Judges which removals the deletion brake holds, where they may have come to be judged otherwise.

The rules are in `crdt/brake.py`; here is what is read for them. One removal more costs the same
however many there were: only what stands beside it is read. Blocking: the catalog's thread owns it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from photonic import limits
from photonic.crdt.brake import Removal, held, photos_that_matter, reach
from photonic.crdt.catalog import Catalog
from photonic.crdt.fields import CONFIRMED
from photonic.crdt.index import PhotoIndex
from photonic.crdt.projection import PhotoRow
from photonic.crdt.query import PhotoQuery
from photonic.crdt.removals import FIRST, Place, PlacedRemoval
from photonic.crdt.tables import IN_TRASH, REMOVAL_HELD
from photonic.ids import REMOVALS, NodeId, Subject

_NEVER_MS = 1 << 62


class Judging:
    """Keeps what the index says of removals that are held true."""

    def __init__(self, catalog: Catalog, index: PhotoIndex, query: PhotoQuery, me: NodeId) -> None:
        self._catalog, self._index, self._query, self._me = catalog, index, query, me
        self._is_review_due = True
        self._photos = -1  # when they were counted last
        self._settled_ms = (
            _NEVER_MS  # since when, as of the last review, more of them do not matter
        )

    def judge_all(self) -> None:
        """Judge every removal; a crash may have come between one and its judgement."""
        self._index.take_removals()
        for author in self._query.removing_authors(held_only=False):
            if author != self._me:
                self._judge(author)

    def follow(self, rows: Iterable[PhotoRow], subjects: Iterable[Subject]) -> None:
        """Judge what a batch that was written to the index may have changed."""
        places: defaultdict[NodeId, set[Place]] = defaultdict(set)
        for author, place in self._index.take_removals():
            places[author].add(place)
        confirmed = {NodeId(one.key) for one in subjects if one.kind == REMOVALS}
        for author in confirmed - {self._me}:
            self._judge(author)
        for author in places.keys() - confirmed - {self._me}:
            self._judge_beside(author, places[author])
        photos = self._index.photo_count()
        if photos != self._photos or any(not row.trashed for row in rows):
            self._photos, self._is_review_due = photos, True

    def review(self) -> bool:
        """Judge again what the brake holds: more photos may have come. False if that is done."""
        if not self._is_review_due:
            return False
        self._is_review_due = False
        moments = self._query.first_added(photos_that_matter())
        settled_ms = moments[-1] if len(moments) == photos_that_matter() else _NEVER_MS
        # A window that began later than both has the limit that it had at the last review.
        until_ms, self._settled_ms = max(self._settled_ms, settled_ms), settled_ms
        for author in self._query.removing_authors(held_only=True):
            if author != self._me:
                self._judge(author, until_ms)
        return True

    def _judge(self, author: NodeId, until_ms: int = _NEVER_MS) -> None:
        """Judge all windows of an author, or those that begin before a moment."""
        window_ms, place = limits.BRAKE_WINDOW_MS, FIRST
        run: list[PlacedRemoval] = []
        while page := self._query.removals_behind(author, place, limits.PAGE_ITEMS_MAX):
            run += page
            place = page[-1].place
            if place[0] >= until_ms + 2 * window_ms:
                break
        self._hold(author, run, [one for one in run if one.at_ms < until_ms + window_ms])

    def _judge_beside(self, author: NodeId, places: Iterable[Place]) -> None:
        """Judge what stands near where removals of an author came or went."""
        for run, judged in self._runs(author, deque(sorted(places))):
            self._hold(author, run, judged)

    def _runs(
        self, author: NodeId, places: deque[Place]
    ) -> Iterator[tuple[list[PlacedRemoval], list[PlacedRemoval]]]:
        """Yield removals in a row around these places, with those of them that they judge rightly.

        That is all but the outermost: beyond them something may stand that was not read.
        """
        margin = reach()
        most = 2 * margin
        while places:
            last = places.popleft()
            run = self._query.removals_before(author, last, most)
            left = margin if len(run) == most else 0
            behind, at = 0, (last[0], last[1] - 1)
            is_end = False
            while behind < most and not is_end:
                page = self._query.removals_behind(author, at, most)
                is_end = len(page) < most
                run += page
                at = page[-1].place if page else at
                while places and (is_end or places[0] <= at):
                    last = places.popleft()
                behind = _count_behind(run, last)
            yield run, run[left : len(run) if is_end else len(run) - margin]

    def _hold(
        self, author: NodeId, run: Sequence[PlacedRemoval], judged: Sequence[PlacedRemoval]
    ) -> None:
        """Show what is judged as it is, by the removals of a run."""
        if not judged:
            return
        confirmed = self._catalog.state(Subject(REMOVALS, author)).fact(CONFIRMED)
        braked = held(
            (Removal(one.photo, one.at_ms) for one in run),
            confirmed if isinstance(confirmed, int) else 0,
            self._photos_before(),
        )
        changed = {
            one.photo: REMOVAL_HELD if one.photo in braked else IN_TRASH
            for one in judged
            if (one.photo in braked) != one.held
        }
        if changed:
            self._index.set_trashed(changed)

    def _photos_before(self) -> Callable[[int], int]:
        """Return what says how many photos there were at a moment, up to those that matter."""
        added = cache(lambda: self._query.first_added(photos_that_matter()))
        return lambda at_ms: bisect_right(added(), at_ms)


def _count_behind(run: Sequence[PlacedRemoval], place: Place) -> int:
    return len(run) - bisect_right(run, place, key=lambda one: one.place)

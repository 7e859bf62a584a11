"""What the brake holds is judged beside what changed, and comes to what judging all would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.crdt.brake import Removal, held
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CONFIRMED
from photonic.crdt.index import Batch, PhotoIndex
from photonic.crdt.projection import PhotoRow, PutAway
from photonic.crdt.query import PhotoQuery
from photonic.crdt.removals import FIRST, Place, PlacedRemoval
from photonic.ids import REMOVALS, BlobId, NodeId, Subject, digest
from photonic.judging import Judging
from photonic.search.criteria import Is
from photonic.search.sample import Sample
from tests.crdt.photo_rows import row_of
from tests.crdt.replicas import Cluster

ME, OTHER = NodeId(digest(b"me")), NodeId(digest(b"other"))
_PHOTOS = 60
Removed = tuple[NodeId, int]  # by whom, and when


def _photo(number: int) -> BlobId:
    return BlobId(digest(b"%d" % number))


def _row(number: int, removed: Removed | None, added_ms: int = 0) -> PhotoRow:
    row = row_of(Sample(photo=_photo(number), added_ms=added_ms))
    return msgspec.structs.replace(row, removal=PutAway(*removed) if removed else None)


class Counting(PhotoQuery):
    """Counts what is read of removals."""

    read = 0

    def removals_behind(self, author: NodeId, place: Place, most: int) -> list[PlacedRemoval]:
        found = super().removals_behind(author, place, most)
        self.read += len(found)
        return found

    def removals_before(self, author: NodeId, place: Place, most: int) -> list[PlacedRemoval]:
        found = super().removals_before(author, place, most)
        self.read += len(found)
        return found


class Desk:
    """An index, and what it is told."""

    def __init__(self, catalog: Catalog) -> None:
        self.index = PhotoIndex(None)
        self.query = Counting(self.index.engine)
        self.judging = Judging(catalog, self.index, self.query, ME)

    def put(self, *rows: PhotoRow, gone: tuple[BlobId, ...] = ()) -> None:
        self.index.apply(Batch(rows=rows, gone=gone))
        self.judging.follow(rows, ())

    @property
    def held(self) -> set[BlobId]:
        return {row.photo for row in self.query.removals(10_000) if row.held}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Cluster(1).catalogs[0]


def _confirm(catalog: Catalog, author: NodeId, until_ms: int) -> None:
    catalog.write([Draft(Subject(REMOVALS, author), {CONFIRMED: until_ms})])
    catalog.flush()


def _expected(
    removed: Mapping[int, Removed], added: Mapping[int, int], confirmed: Mapping[NodeId, int]
) -> set[BlobId]:
    """Judge everything from scratch."""
    found: set[BlobId] = set()
    for author in {by for by, _ in removed.values()} - {ME}:
        removals = [Removal(_photo(n), at) for n, (by, at) in removed.items() if by == author]
        found |= held(
            removals,
            confirmed.get(author, 0),
            lambda at_ms: sum(moment <= at_ms for moment in added.values()),
        )
    return found


@dataclass
class Story:
    """A random history of few photos, at few moments, so that many are alike and bursts are near.

    Where the library grows, what is held is reviewed; else it is right as soon as it was followed.
    """

    dice: Random
    third: NodeId
    grows: bool

    def __post_init__(self) -> None:
        self.last_ms = self.dice.choice((10, 30, 80, 200))
        self.moments = [self.dice.randint(0, 2 * self.last_ms) for _ in range(_PHOTOS)]
        first = range(0, _PHOTOS, 4) if self.grows else range(_PHOTOS)
        self.added = {number: self.moments[number] for number in first}
        self.removed: dict[int, Removed] = {}

    def step(self) -> list[PhotoRow]:
        dice, pool = self.dice, range(_PHOTOS) if self.grows else sorted(self.added)
        rows = []
        for number in dice.sample(pool, dice.choice((1, 1, 3, 20))):
            self.removed.pop(number, None)
            if dice.random() < 0.7:
                author = dice.choice((OTHER, OTHER, OTHER, self.third, ME))
                self.removed[number] = author, dice.randint(0, self.last_ms)
            self.added[number] = self.moments[number]
            rows.append(_row(number, self.removed.get(number), self.moments[number]))
        return rows

    def lose(self) -> tuple[BlobId, ...]:
        """Take out photos that cannot be shown any more, and on which no limit depends."""
        lost = [number for number in self.added if self.moments[number] > self.last_ms][:3]
        for number in lost:
            del self.added[number]
            self.removed.pop(number, None)
        return tuple(_photo(number) for number in lost)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans())
def test_judging_beside_what_changed_is_judging_everything(
    catalog: Catalog, seed: int, grows: bool
) -> None:
    dice = Random(seed)
    confirmed_ms = dice.randint(0, 40)
    third = NodeId(digest(b"confirmed until %d" % confirmed_ms))
    _confirm(catalog, third, confirmed_ms)
    few: dict[str, Any] = {"BRAKE_PHOTOS_MIN": 2, "BRAKE_PHOTOS_MAX": 5, "BRAKE_PERCENT": 20}
    with patch.multiple(limits, **few, BRAKE_WINDOW_MS=8, PAGE_ITEMS_MAX=7):
        story, desk = Story(dice, third, grows), Desk(catalog)
        desk.put(*(_row(number, None, story.moments[number]) for number in story.added))
        for count in range(1, 16):
            desk.put(*story.step())
            if grows:
                while desk.judging.review():
                    pass
            if count % 5 == 0:
                desk.put(gone=story.lose())
            assert desk.held == _expected(story.removed, story.added, {third: confirmed_ms})
            assert desk.query.count(Is("removal-held")).count == len(desk.held)


@pytest.mark.parametrize("step_ms", [0, 40, 100_000])
def test_one_removal_more_costs_the_same_however_many_there_were(
    catalog: Catalog, step_ms: int
) -> None:
    desk, cost = Desk(catalog), list[int]()
    for count in range(1, 5):
        begin = count * 1_500
        rows = [_row(n, (OTHER, 1 + n * step_ms)) for n in range(begin, begin + 1_499)]
        desk.query.read = 0
        desk.put(*rows)
        assert desk.query.read <= 3 * len(rows), "what stands together is read together"
        desk.query.read = 0
        desk.put(_row(begin + 1_499, (OTHER, 1 + (begin + 1_499) * step_ms)))  # the last
        desk.put(_row(-begin, (OTHER, 2_000 * step_ms)))  # somewhere between
        desk.put(_row(-begin, None))
        cost.append(desk.query.read)
    assert max(cost) <= 3 * 7 * limits.BRAKE_PHOTOS_MAX
    assert len(desk.held) == (0 if step_ms == 100_000 else 6_000)


def test_a_library_that_grows_releases_only_where_its_size_matters(catalog: Catalog) -> None:
    with patch.multiple(limits, BRAKE_PHOTOS_MIN=2, BRAKE_PHOTOS_MAX=5, BRAKE_PERCENT=50):
        desk = Desk(catalog)
        desk.put(*(_row(n, (OTHER, 100 + n), 5) for n in range(4)))
        assert len(desk.held) == 4
        desk.put(*(_row(n, None, 50) for n in range(4, 8)))
        assert len(desk.held) == 4
        assert desk.judging.review() and not desk.held
        assert not desk.judging.review(), "nothing changed since"


def test_the_photo_with_which_a_library_is_large_releases_what_it_releases(
    catalog: Catalog,
) -> None:
    few: dict[str, Any] = {"BRAKE_PHOTOS_MIN": 2, "BRAKE_PHOTOS_MAX": 5, "BRAKE_PERCENT": 20}
    with patch.multiple(limits, **few, BRAKE_WINDOW_MS=8):
        desk = Desk(catalog)
        desk.put(*(_row(n, (OTHER, 28 + n) if n < 5 else None, 5) for n in range(24)))
        assert desk.judging.review() and len(desk.held) == 5
        desk.put(_row(24, None, 5))
        assert desk.judging.review() and not desk.held


def test_a_burst_that_goes_on_when_the_library_is_large_is_released_whole(
    catalog: Catalog,
) -> None:
    few: dict[str, Any] = {"BRAKE_PHOTOS_MIN": 2, "BRAKE_PHOTOS_MAX": 5, "BRAKE_PERCENT": 20}
    with patch.multiple(limits, **few, BRAKE_WINDOW_MS=8):
        desk, moments = Desk(catalog), (7, 8, 9, 11, 12)
        desk.put(*(_row(n, (OTHER, at_ms), 5) for n, at_ms in enumerate(moments)))
        desk.put(*(_row(n, None, 5) for n in range(5, 20)))
        desk.put(*(_row(n, None, 10) for n in range(20, 25)))
        while desk.judging.review():
            pass
        assert len(desk.held) == 5
        desk.put(*(_row(n, None, 6) for n in range(25, 30)))
        assert desk.judging.review() and not desk.held


def test_a_review_of_a_large_library_reads_no_removal_of_its_later_life(catalog: Catalog) -> None:
    with patch.multiple(limits, BRAKE_PHOTOS_MIN=2, BRAKE_PHOTOS_MAX=5, BRAKE_PERCENT=50):
        desk = Desk(catalog)
        later_ms = 10 * limits.BRAKE_WINDOW_MS
        desk.put(*(_row(n, (OTHER, later_ms + n), 5) for n in range(500)))
        assert len(desk.held) == 500
        desk.query.read = 0
        assert desk.judging.review()
        assert desk.query.read <= limits.PAGE_ITEMS_MAX


def test_places_are_read_in_order_on_both_sides(catalog: Catalog) -> None:
    desk = Desk(catalog)
    desk.put(*(_row(n, (OTHER, n // 3)) for n in range(30)))
    whole = desk.query.removals_behind(OTHER, FIRST, 100)
    assert [one.place for one in whole] == sorted(one.place for one in whole) and len(whole) == 30
    for position, one in enumerate(whole):
        for most in (1, 2, 7, 100):
            behind = desk.query.removals_behind(OTHER, one.place, most)
            assert behind == whole[position + 1 :][:most]
            assert desk.query.removals_before(OTHER, one.place, most) == whole[:position][-most:]

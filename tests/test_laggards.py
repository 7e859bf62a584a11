"""What is said ten thousand times of one photo is projected now and then, and not each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CAPTION, RATING
from photonic.crdt.query import PhotoQuery
from photonic.crdt.standpoint import Standpoint
from photonic.ids import BlobId, NodeId, Subject
from photonic.laggards import Laggard, Laggards
from photonic.search.criteria import Number
from tests.crdt.replicas import import_draft, photo
from tests.test_projector import Desk, assert_is_whole

MEMBER = NodeId(b"m" * 32)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=30))
def test_each_waits_once_in_the_order_of_coming_and_nothing_is_called_true_that_is_not(
    come: list[tuple[int, int]],
) -> None:
    laggards, first = Laggards(), dict[int, int]()
    for number, entry in come:
        assert laggards.put(Laggard(photo(number), MEMBER, entry))
        first.setdefault(number, entry)
    assert laggards.truth(1_000) == min((1_000, *first.values()))
    taken = [laggards.take(0) for _ in first]
    assert [one.subject for one in taken if one] == [photo(number) for number in first]
    assert laggards.take(0) is None
    assert laggards.truth(1_000) == 1_000


def test_after_each_there_is_a_rest_in_proportion() -> None:
    laggards = Laggards()
    for number in range(2):
        laggards.put(Laggard(photo(number), MEMBER, 1))
    assert laggards.take(100.0) is not None
    laggards.rest(0.2, 100.2)
    assert laggards.take(103.0) is None
    assert laggards.take(103.2) is not None


def test_no_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LAGGARDS_MAX", 1)
    laggards = Laggards()
    assert laggards.put(Laggard(photo(0), MEMBER, 1))
    assert not laggards.put(Laggard(photo(1), MEMBER, 1))
    assert laggards.put(Laggard(photo(0), MEMBER, 2)), "it is there"


# --- in the index --------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(limits, "HEAVY_SUBJECT_BYTES", 4_000)
    made = Desk(tmp_path)
    made.commit(*(import_draft(number) for number in range(3)))
    yield made
    made.close()


def flood(desk: Desk, times: int) -> None:
    for number in range(times):
        desk.receive(Draft(photo(0), {CAPTION: f"said {number}", RATING: 4}))


def test_a_flood_about_one_photo_is_projected_now_and_then_and_other_photos_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(desk, 30)
    projected: list[int] = []
    row = Standpoint._row

    def counted(self: Standpoint, subject: object, changes: list[object]) -> object:
        projected.append(len(changes))
        return row(self, subject, changes)  # type: ignore[arg-type]

    monkeypatch.setattr(Standpoint, "_row", counted)
    desk.projector._laggards.rest(10.0, desk.clock.now_s)  # as if it had taken long
    flood(desk, 1)  # it is weighed, and waits
    read: list[Subject] = []
    changes = desk.catalog.changes

    def read_of(subject: Subject) -> object:
        read.append(subject)
        return changes(subject)

    monkeypatch.setattr(desk.catalog, "changes", read_of)
    flood(desk, 50)
    assert projected == [] == read, "however much is said"
    desk.receive(Draft(photo(1), {RATING: 5}))
    assert PhotoQuery(desk.index.engine).count(Number("rating", ">=", 5)).count == 1
    assert desk.projector.is_waiting
    desk.clock.now_s += 1_000
    desk.receive(Draft(photo(2), {RATING: 5}))  # under load nobody is ever idle
    assert len(projected) == 3
    desk.settle()
    assert_is_whole(desk)


def test_what_is_said_here_is_shown_at_once_however_much_was_said(desk: Desk) -> None:
    flood(desk, 30)
    desk.projector._laggards.rest(10.0, desk.clock.now_s)
    flood(desk, 30)
    desk.commit(Draft(photo(0), {CAPTION: "the truth", RATING: 5}))
    listed = PhotoQuery(desk.index.engine).photo(BlobId(photo(0).key))
    assert listed is not None and listed.row.caption == "the truth"
    assert photo(0) not in desk.projector._laggards
    assert_is_whole(desk)


def test_a_node_that_dies_while_some_wait_finds_them_again(desk: Desk) -> None:
    flood(desk, 30)
    desk.projector._laggards.rest(10.0, desk.clock.now_s)
    flood(desk, 30)
    assert photo(0) in desk.projector._laggards
    desk.receive(Draft(photo(1), {RATING: 5}))
    assert desk.index.journal_number < desk.journal.last_number
    desk.projector.close()
    desk.projector = desk.opened()  # with nothing of what was in memory
    desk.settle()
    assert desk.index.journal_number == desk.journal.last_number
    assert_is_whole(desk)

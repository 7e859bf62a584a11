"""The index follows the catalog: commit by commit, piece by piece where it lags, or made anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from photonic import limits
from photonic.crdt.batches import Batch
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import ALBUM_NAME, RATING, TRASHED
from photonic.crdt.index import PhotoIndex
from photonic.crdt.keys import SHARD_COUNT
from photonic.crdt.loader import Loader
from photonic.crdt.policy import DISPLAY_POLICY
from photonic.crdt.query import PhotoQuery
from photonic.ids import BlobId, NodeId, album_subject
from photonic.journal.journal import Journal
from photonic.projector import Projector
from photonic.search.criteria import ALL, Is, Number
from tests.crdt.replicas import Cluster, import_draft, photo
from tests.crdt.test_index import content


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def now_ms(self) -> int:
        return round(self.now_s * 1000)

    def monotonic_s(self) -> float:
        return self.now_s


class Desk:
    """One node's catalog and index, and what is in its store."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(2)
        self.folder, self.stored, self.clock = folder, set[BlobId](), Clock()
        self.journal = Journal(folder / "journal.db")
        first = self.cluster.catalogs[0]
        self.catalog: Catalog = self._open_catalog()
        for document, update in first.founding_updates():
            assert self.catalog.receive(256, document, update, b"first")
        self.catalog.flush()
        self.index = PhotoIndex(folder / "index.db")
        self.projector = self.opened()

    def _open_catalog(self) -> Catalog:
        return self.cluster.open(0, self.journal)

    def opened(self) -> Projector:
        node = self.cluster.identities[0].node
        made = Projector(self.catalog, self.journal, self.index, node, self._stored, self.clock)
        made.catch_up()
        return made

    def _stored(self, blobs: Collection[BlobId]) -> Collection[BlobId]:
        return self.stored & set(blobs)

    def commit(self, *drafts: Draft) -> None:
        self.catalog.write(drafts)
        self.projector.follow(self.catalog.flush())

    def receive(self, *drafts: Draft) -> None:
        """Take in what another member wrote."""
        other = self.cluster.catalogs[1]
        signed = other.write(drafts)
        other.flush()
        self.catalog.adopt([one.data for one in signed], b"other")
        self.projector.follow(self.catalog.flush())

    def has(self, *numbers: int) -> None:
        """Put originals into the store."""
        self.stored |= {BlobId(photo(number).key) for number in numbers}

    def settle(self) -> None:
        """Do all that lags behind."""
        while self.projector.step() is not None or self.projector.is_waiting:
            pass

    def lose_index(self) -> None:
        self.projector.close()
        self.index.close()
        for part in self.folder.glob("index.db*"):
            part.unlink()
        self.index = PhotoIndex(self.folder / "index.db")
        self.projector = self.opened()

    def close(self) -> None:
        self.projector.close()
        self.index.close()
        self.catalog.close()
        self.journal.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few changes be many."""
    monkeypatch.setattr(limits, "STALE_CHANGES_AT_ONCE", 0)
    monkeypatch.setattr(limits, "INDEX_REBUILD_CHANGES_MIN", 10)
    monkeypatch.setattr(limits, "INDEX_RUN_BYTES", 2_000)
    monkeypatch.setattr(limits, "STALE_PIECE", 3)


def some_history(desk: Desk) -> None:
    desk.has(*range(0, 40, 2))
    desk.commit(*(import_draft(number) for number in range(40)))
    desk.commit(*(Draft(photo(number), {RATING: 4}, act=b"a" * 16) for number in range(10)))
    desk.receive(*(Draft(photo(number), {RATING: 2}) for number in range(8, 14)))
    desk.commit(Draft(album_subject(b"b" * 16), {ALBUM_NAME: "Best"}))
    desk.receive(Draft(photo(20), {TRASHED: True}))
    desk.catalog.hold({BlobId(photo(number).key): True for number in range(30)})
    desk.projector.follow(desk.catalog.flush())


def assert_is_whole(desk: Desk) -> None:
    """Compare with an index that is made in memory, of everything at once."""
    other = PhotoIndex(None)
    node = desk.cluster.identities[0].node
    made = Projector(desk.catalog, desk.journal, other, node, desk._stored, desk.clock)
    made._mark(range(256))
    made._note_root()
    made._note_verdict()
    while made.step() is not None:
        pass
    expected, found = content(other), content(desk.index)
    for name, part in expected.items():
        assert found[name] == part, name


def test_commit_by_commit_it_becomes_what_it_is_made_at_once(desk: Desk) -> None:
    some_history(desk)
    assert desk.projector.progress == (0, 0)
    assert_is_whole(desk)


@pytest.mark.usefixtures("small")
def test_a_lost_index_is_made_anew_beside_an_empty_one(desk: Desk) -> None:
    some_history(desk)
    desk.lose_index()
    left, of = desk.projector.progress
    assert left == of > 0
    assert desk.projector.step() == []
    assert desk.projector._rebuild is not None
    desk.settle()
    assert desk.projector.progress == (0, 0)
    assert desk.index.journal_number == desk.journal.last_number
    assert_is_whole(desk)
    assert sorted(part.name for part in desk.folder.glob("index.db.*")) == []


def numbers_of(desk: Desk) -> dict[NodeId, tuple[int, int]]:
    """Return what the catalog has of each author: how many numbers, and the largest."""
    found: dict[NodeId, set[int]] = {}
    for shard in range(SHARD_COUNT):
        for signed in desk.catalog.shard(shard):
            found.setdefault(NodeId(signed.change.author), set()).add(signed.change.seq)
    return {author: (len(numbers), max(numbers)) for author, numbers in found.items()}


@pytest.mark.usefixtures("small")
def test_every_number_is_in_the_index_those_of_the_root_too_however_it_was_made(
    desk: Desk,
) -> None:
    """What founds a library is written before there is an index, and no shard of it has it.

    By these numbers the doctor says what has not come yet, and a revocation where its cut is.
    """
    assert PhotoQuery(desk.index.engine).authors() == numbers_of(desk) != {}
    for number in range(40):
        desk.commit(import_draft(number))
    desk.commit(Draft(DISPLAY_POLICY, {"rating": "auto"}))
    desk.settle()
    assert PhotoQuery(desk.index.engine).authors() == numbers_of(desk)
    desk.lose_index()
    desk.settle()
    assert PhotoQuery(desk.index.engine).authors() == numbers_of(desk)


@pytest.mark.usefixtures("small")
def test_what_changes_while_the_index_is_made_anew_is_in_it(desk: Desk) -> None:
    some_history(desk)
    desk.lose_index()
    for _ in range(60):
        desk.projector.step()
    rebuild = desk.projector._rebuild
    assert rebuild is not None and 0 < rebuild.percent < 100
    desk.commit(import_draft(100), Draft(photo(1), {RATING: 5}))
    desk.catalog.hold({BlobId(photo(35).key): True})
    desk.projector.follow(desk.catalog.flush())
    assert PhotoQuery(desk.index.engine).count(ALL).count == 1 + 1  # both are shown at once
    desk.stored |= {BlobId(photo(number).key) for number in (1, 3, 100)}
    desk.index.mark_held([photo(number).key for number in (1, 3, 100)])
    desk.settle()
    assert PhotoQuery(desk.index.engine).count(Is("held")).count == 20 + 3
    assert_is_whole(desk)


@pytest.mark.usefixtures("small")
def test_a_rebuild_that_is_stopped_begins_anew_at_the_next_start(desk: Desk) -> None:
    some_history(desk)
    desk.lose_index()
    for _ in range(60):
        desk.projector.step()
    desk.projector.close()
    assert sorted(part.name for part in desk.folder.glob("index.db.*")) == []
    desk.projector = desk.opened()
    desk.settle()
    assert_is_whole(desk)


@pytest.mark.usefixtures("small")
def test_where_no_new_index_can_be_made_the_old_one_is_brought_up_to_date(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(desk)
    desk.lose_index()

    def refuse(self: Loader, batch: Batch) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Loader, "add", refuse)
    desk.projector.step()
    desk.projector.step()
    desk.settle()
    assert_is_whole(desk)


@pytest.mark.usefixtures("small")
def test_a_flood_is_indexed_when_it_is_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FLOOD_SUBJECTS_MIN", 10)
    monkeypatch.setattr(limits, "FLOOD_SUBJECTS_MAX", 30)
    query = PhotoQuery(desk.index.engine)
    for begin in range(0, 200, 20):
        desk.receive(*(import_draft(number) for number in range(begin, begin + 20)))
        desk.clock.now_s += 0.5
    shown = query.count(ALL).count
    assert 20 <= shown < 100
    assert desk.projector.step() is None
    assert desk.projector.is_waiting
    desk.commit(import_draft(500))  # what a person does is shown at once
    assert query.count(ALL).count == shown + 1
    desk.receive(import_draft(501))  # what little comes in between waits with the rest
    assert query.count(ALL).count == shown + 1
    desk.clock.now_s += limits.FLOOD_CALM_S
    desk.settle()
    assert query.count(ALL).count == 202
    assert_is_whole(desk)


def test_rights_that_change_are_folded_again_without_writing_what_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(desk)
    written: list[int] = []
    apply: Callable[..., None] = desk.index.apply

    def count(batch: Batch, *rest: int) -> None:
        written.append(desk.index._db.total_changes)
        apply(batch, *rest)

    monkeypatch.setattr(desk.index, "apply", count)
    desk.projector._mark(range(256))
    desk.settle()
    # A shard costs its own mark, and what its holders are said to be again.
    assert desk.index._db.total_changes - written[0] < 256 + 5 * 40
    assert_is_whole(desk)
    assert PhotoQuery(desk.index.engine).count(Number("rating", ">=", 4)).count == 8

"""An index that a process of its own makes: the same as any, whatever becomes of that process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from photonic import limits, wire
from photonic.blobs.files import FileStore
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING, TITLE
from photonic.crdt.index import PhotoIndex
from photonic.crdt.keys import ROOT, shard_of
from photonic.crdt.query import PhotoQuery
from photonic.identity import Identity
from photonic.ids import BlobId
from photonic.index_builders import BuilderApart, Sources, start_indexer
from photonic.index_messages import Begin, Stage
from photonic.journal.journal import Journal
from photonic.projector import Projector
from photonic.rebuild import Rebuild
from photonic.search.criteria import ALL, Is
from tests.crdt.replicas import WORLD, certificate, import_draft, photo
from tests.test_projector import Desk, assert_is_whole, some_history


class OwnDesk(Desk):
    """A desk whose catalog and store are on the disk, so that another process can read them."""

    def __init__(self, folder: Path) -> None:
        self.store = FileStore.open(folder / "blobs", WORLD)
        super().__init__(folder)

    def _open_catalog(self) -> Catalog:
        me = self.cluster.identities[0]
        return Catalog(self.cluster.library, me, self.journal, WORLD, self.folder / "directory.db")

    def opened(self) -> Projector:
        node = self.cluster.identities[0].node
        self.sources = Sources(
            self.cluster.library, self.folder / "directory.db", self.folder / "blobs"
        )
        made = Projector(
            self.catalog, self.journal, self.index, node, self._stored, self.clock, self.sources
        )
        made.catch_up()
        return made

    def _stored(self, blobs: Collection[BlobId]) -> Collection[BlobId]:
        return self.store.has_many(blobs)

    def has(self, *numbers: int) -> None:
        for number in numbers:
            assert self.store.put(b"photo %d" % number).ref.blob == photo(number).key

    def close(self) -> None:
        super().close()
        self.store.close()

    def hold(self, number: int, *, is_held: bool) -> None:
        """Say that this node holds an original, or does not."""
        self.catalog.hold({BlobId(photo(number).key): is_held})
        self.projector.follow(self.catalog.flush())

    # --- what happens to it ------------------------------------------------------------------

    @property
    def rebuild(self) -> Rebuild:
        assert self.projector._rebuild is not None
        return self.projector._rebuild

    @property
    def builder(self) -> BuilderApart:
        assert isinstance(self.rebuild._builder, BuilderApart)
        return self.rebuild._builder

    def step_until_staged(self, shards: int) -> None:
        while self.builder.staged < shards:
            assert self.projector.step() is None

    def flood(self, numbers: range) -> None:
        """Let very much come from another member."""
        for begin in range(numbers.start, numbers.stop, 20):
            some = range(begin, min(begin + 20, numbers.stop))
            self.receive(*(import_draft(number) for number in some))

    def make_again(self) -> None:
        """Lose the index, and begin to make it anew."""
        self.lose_index()
        assert self.projector.step() == []


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnDesk]:
    monkeypatch.setattr(limits, "STALE_CHANGES_AT_ONCE", 0)
    monkeypatch.setattr(limits, "INDEX_REBUILD_CHANGES_MIN", 10)
    monkeypatch.setattr(limits, "FLOOD_SUBJECTS_MIN", 10)
    monkeypatch.setattr(limits, "FLOOD_SUBJECTS_MAX", 30)
    made = OwnDesk(tmp_path)
    yield made
    made.close()


def leftovers(desk: OwnDesk) -> list[str]:
    return sorted(part.name for part in desk.folder.glob("index.db.*"))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_of_its_own_makes_what_commits_made(desk: OwnDesk) -> None:
    some_history(desk)
    desk.make_again()
    pid = desk.builder.pid
    assert desk.projector.is_waiting
    desk.settle()
    assert desk.projector.progress == (0, 0)
    assert desk.index.journal_number == desk.journal.last_number
    assert PhotoQuery(desk.index.engine).count(Is("held")).count == 20
    assert_is_whole(desk)
    assert not is_running(pid) and leftovers(desk) == []


def test_what_is_in_the_ledger_but_not_on_the_disk_is_not_held(desk: OwnDesk) -> None:
    some_history(desk)
    desk.store.path(BlobId(photo(2).key)).unlink()
    desk.make_again()
    desk.settle()
    assert PhotoQuery(desk.index.engine).count(Is("held")).count == 19
    assert_is_whole(desk)


def test_what_changes_while_it_works_is_in_the_index(desk: OwnDesk) -> None:
    some_history(desk)
    desk.make_again()
    desk.projector.step()  # all is told
    desk.commit(import_draft(100), Draft(photo(1), {RATING: 5}))
    desk.hold(35, is_held=True)
    assert PhotoQuery(desk.index.engine).count(ALL).count == 2  # both are shown at once
    while desk.builder.staged < limits.SHARDS:
        pass  # it has looked into the store
    desk.has(1, 3, 100)
    desk.index.mark_held([photo(number).key for number in (1, 3, 100)])
    desk.settle()
    assert PhotoQuery(desk.index.engine).count(Is("held")).count == 23
    assert_is_whole(desk)


def test_a_flood_is_taken_in_while_it_comes(desk: OwnDesk) -> None:
    desk.flood(range(200))
    desk.hold(150, is_held=True)
    assert desk.projector.step() == []
    assert desk.projector.step() is None
    assert desk.builder.staged == 0  # nothing was quiet yet
    desk.clock.now_s += limits.FLOOD_CALM_S - 0.5
    desk.flood(range(200, 220))  # it goes on
    late = {shard_of(photo(number)) for number in range(200, 220)}
    early = {shard_of(photo(number)) for number in range(60, 200)} - late
    desk.clock.now_s += 0.6
    desk.step_until_staged(len(early))
    assert desk.builder.merged == (0, 0)
    assert shard_of(photo(150)) in early
    desk.receive(Draft(photo(150), {TITLE: "later"}))
    desk.hold(150, is_held=False)
    desk.clock.now_s += limits.FLOOD_CALM_S
    while not desk.rebuild._is_all_told:
        desk.projector.step()
    assert desk.index.stale() != []
    while desk.projector._rebuild is not None:
        desk.projector.step()
    assert desk.index.stale() == []  # nothing was left to be done piece by piece
    assert PhotoQuery(desk.index.engine).count(ALL).count == 220
    assert_is_whole(desk)


def test_what_a_new_member_says_counts_in_the_middle_of_it(desk: OwnDesk) -> None:
    desk.flood(range(200))
    desk.projector.step()
    desk.clock.now_s += limits.FLOOD_CALM_S - 0.5
    desk.flood(range(200, 220))
    desk.clock.now_s += 0.6
    desk.step_until_staged(100)
    third = Identity.generate(WORLD)
    desk.commit(certificate(third.node))
    joined = Catalog(desk.cluster.library, third, Journal(None), WORLD)
    for document, update in desk.catalog.founding_updates():
        assert joined.receive(ROOT, document, update, b"first")
    joined.flush()
    said = joined.write([import_draft(number) for number in range(300, 320)])
    desk.catalog.adopt([one.data for one in said], b"third")
    desk.projector.follow(desk.catalog.flush())
    assert desk.builder.staged >= 100, "it did not begin anew"
    desk.clock.now_s += limits.FLOOD_CALM_S
    desk.settle()
    assert PhotoQuery(desk.index.engine).count(ALL).count == 240
    assert_is_whole(desk)


# --- when it fails -------------------------------------------------------------------------------


def assert_made_here(desk: OwnDesk, caplog: pytest.LogCaptureFixture, why: str) -> None:
    desk.settle()
    (said,) = [one.getMessage() for one in caplog.records if "own process" in one.getMessage()]
    assert why in said
    assert desk.projector._can_rebuild
    assert_is_whole(desk)
    assert leftovers(desk) == []


def test_a_process_that_is_killed_costs_time_alone(
    desk: OwnDesk, caplog: pytest.LogCaptureFixture
) -> None:
    some_history(desk)
    desk.make_again()
    os.kill(desk.builder.pid, signal.SIGKILL)
    assert_made_here(desk, caplog, "signal 9")


def test_a_process_that_cannot_start_costs_time_alone(
    desk: OwnDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(desk)
    desk.lose_index()
    monkeypatch.setattr(sys, "executable", str(desk.folder / "nowhere"))
    assert_made_here(desk, caplog, "cannot be started")


def test_a_row_that_is_unsound_is_made_good_by_its_keeper(
    desk: OwnDesk, caplog: pytest.LogCaptureFixture
) -> None:
    some_history(desk)
    with closing(sqlite3.connect(desk.folder / "directory.db")) as db, db:
        rows = db.execute("SELECT number, data FROM changes WHERE shard < 256").fetchall()
        number, data = next(row for row in rows if b"IMG_3.JPG" in row[1])
        wrong = data.replace(b"IMG_3.JPG", b"IMG_4.JPG")
        db.execute("UPDATE changes SET data=? WHERE number=?", (wrong, number))
    desk.make_again()
    assert_made_here(desk, caplog, "is not the one that it is called")


def test_a_directory_that_lacks_something_is_not_gone_by(
    desk: OwnDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_history(desk)

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    desk.make_again()
    with monkeypatch.context() as full:
        full.setattr(desk.catalog.directory, "_write", refuse)
        desk.catalog.write([import_draft(100)])
        desk.projector.follow(desk.catalog.flush())
        for _ in range(3):
            desk.projector.step()
        assert not desk.rebuild._is_all_told
    desk.commit(import_draft(101))
    desk.settle()
    assert PhotoQuery(desk.index.engine).count(ALL).count == 42
    assert_is_whole(desk)


def test_who_closes_leaves_no_process_and_no_file(desk: OwnDesk) -> None:
    some_history(desk)
    desk.make_again()
    desk.projector.step()
    pid = desk.builder.pid
    desk.projector.close()
    assert not is_running(pid) and leftovers(desk) == []


def test_what_a_killed_node_left_is_thrown_away(desk: OwnDesk) -> None:
    for name in ("index.db.new", "index.db.stage"):
        (desk.folder / name).write_bytes(b"half of it")
    desk.opened()
    assert leftovers(desk) == []


def test_the_process_ends_with_its_node(desk: OwnDesk, tmp_path: Path) -> None:
    some_history(desk)
    process = start_indexer()
    assert process.stdin is not None and process.stdout is not None
    directory, store = os.fsencode(desk.sources.directory), os.fsencode(desk.sources.store)
    index = os.fsencode(tmp_path / "other.db")
    begin = Begin(desk.cluster.library, directory, store, index, 0, bytes(64), {})
    for order in (begin, Stage(tuple(range(256)) * 50)):
        process.stdin.write(wire.frame(wire.encode(order)))
    process.stdin.flush()
    assert process.stdout.read(1), "it works"
    process.stdin.close()  # as the kernel does for a node that was killed
    try:
        assert process.wait(timeout=10) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        process.stdout.close()


# --- when shards are taken in --------------------------------------------------------------------


class Told:
    """A builder that notes what it is told."""

    is_apart = is_busy = True
    staged, merged = 0, (0, 0)

    def __init__(self) -> None:
        self.shards: list[list[int]] = []
        self.builds = 0

    def stage(self, shards: Sequence[int]) -> None:
        self.shards.append(list(shards))

    def build(self) -> None:
        self.builds += 1

    def step(self) -> Path | None:
        return None

    def stop(self) -> None:
        pass


def test_a_shard_that_goes_on_changing_is_waited_for_longer() -> None:
    told, calm_s = Told(), limits.FLOOD_CALM_S
    rebuild = Rebuild(PhotoIndex(None), told, [1, 2], 0.0)
    rebuild.take_in_quiet(calm_s - 0.1)
    assert told.shards == []
    rebuild.touch([2], calm_s - 0.1)
    rebuild.take_in_quiet(calm_s)
    assert told.shards == [[1]]
    rebuild.touch([1], 10.0)
    rebuild.take_in_quiet(10.0 + calm_s)
    rebuild.take_in_quiet(10.0 + 2 * calm_s)
    assert told.shards == [[1], [2], [1]]
    rebuild.touch([1], 20.0)
    rebuild.take_in_quiet(20.0 + 4 * calm_s - 0.1)
    assert len(told.shards) == 3
    rebuild.take_in_all()
    rebuild.take_in_all()
    assert told.shards[3] == [0, 1, *range(3, 256)]
    assert told.builds == 1
    rebuild.touch([7], 30.0)
    assert rebuild._late == {7}

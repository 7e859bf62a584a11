"""A node that dies anywhere, its unsynced writes with it, lost nothing that it said.

Two hundred real processes write to real journals, each killed at a random operation on a file; what
was not synced is dropped, kept or torn (see `power.py`). Then a catalog is opened on what is left.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.document import MapDocument
from photonic.crdt.fields import RATING
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId, NodeId, Subject
from photonic.journal.journal import Journal
from tests.crdt.replicas import WORLD, meet, photo
from tests.journal.crash_workload import Founded, Request, Said
from tests.journal.power import NOTE, Record, read_trace, rebuild, sqlite_library

POINTS, POINTS_BROKEN = 200, 24
SEED = 20_240_601
REPOSITORY = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    sqlite_library() is None, reason="sqlite3 is built in here, so that no layer fits below it"
)


class Nursery:
    """The process that children are forked from, and the folder where they write."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.journal.crash_workload"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        founded = msgspec.json.decode(self._answer(), type=Founded)
        self.library = LibraryId(bytes.fromhex(founded.library))
        self.node = Identity(bytes.fromhex(founded.node))
        self.peer = Identity(bytes.fromhex(founded.peer))
        self._folder = folder

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def run(self, seed: int, kill_at: int = 0, fault: str = "") -> list[Record]:
        """Run a child; return what it recorded."""
        folder = self._folder / "child"
        folder.mkdir()
        trace = folder / "trace"
        request = Request(str(folder / "journal.db"), str(trace), seed, kill_at, fault)
        assert self._process.stdin is not None
        print(msgspec.json.encode(request).decode(), file=self._process.stdin, flush=True)
        ended = int(self._answer())
        assert ended == (-9 if kill_at else 0), f"seed {seed}: the child ended with {ended}"
        records = list(read_trace(trace))
        shutil.rmtree(folder)
        return records

    def open(self, journal: Journal, *, peer: bool = False) -> Catalog:
        return Catalog(self.library, self.peer if peer else self.node, journal, WORLD)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def operations(nursery: Nursery) -> int:
    """How many operations on files a run that nobody kills does, at the least."""
    runs = [nursery.run(seed) for seed in range(4)]
    return min(sum(record.kind != NOTE for record in records) for records in runs)


def said_in(records: list[Record]) -> list[Said]:
    return [
        msgspec.msgpack.decode(record.data, type=Said) for record in records if record.kind == NOTE
    ]


class Lost(AssertionError):
    """Something that was said is not there."""


def check(nursery: Nursery, said: list[Said], folder: Path) -> bool:
    """Open what is left and compare it with what was said; return whether a torn tail was told."""
    path = folder / "journal.db"
    journal = Journal(path)
    node = nursery.open(journal)
    if journal.damaged or (journal.is_salvaged and said):
        raise Lost(f"a crash is no damage: {journal.notes} {journal.damaged}")
    check_answers(node, nursery.node.node, said)
    check_announcements(journal, said)
    tail = journal.torn_bytes > 0
    journal.close()

    again = Journal(path)
    assert not again.damaged and not again.torn_bytes and not again.notes, "a second start is clean"
    if said:
        check_meeting(nursery, nursery.open(again), said)
    again.close()
    return tail


def check_answers(node: Catalog, node_id: NodeId, said: list[Said]) -> None:
    for one in said:
        for kind, key, change in one.changes:
            if change not in {signed.id for signed in node.changes(Subject(kind, key))}:
                raise Lost(f"the change {change.hex()} of a {kind}")
    for blob, is_held in (said[-1].held if said else {}).items():
        if (node_id in node.holders(BlobId(blob))) != is_held:
            raise Lost(f"whether {blob.hex()} is held")


def check_announcements(journal: Journal, said: list[Said]) -> None:
    """What a peer heard, all in all, is in the journal with the same values."""
    heard: dict[tuple[int, int], MapDocument] = {}
    for one in said:
        for shard, document, update in one.announced:
            heard.setdefault((shard, document), MapDocument()).apply(update)
    for place, replica in heard.items():
        here = MapDocument(journal.updates(*place))
        if not replica.entries().items() <= here.entries().items():
            raise Lost(f"what was announced of {place}")


def check_meeting(nursery: Nursery, node: Catalog, said: list[Said]) -> None:
    """The node goes on: it writes, and meets a peer that heard all that it announced."""
    peer = nursery.open(Journal(None), peer=True)
    for one in said:
        for shard, document, update in one.announced:
            assert peer.receive(shard, document, update, b"node")
    peer.flush()
    node.write([Draft(photo(1), {RATING: 5})])
    node.flush()
    meet(peer, node)
    if peer.root_digest() != node.root_digest():
        raise Lost("the peer and the node differ after they met")
    assert {version.value for version in peer.state(photo(1)).fields[RATING].versions} == {5}


def crash(
    nursery: Nursery, folder: Path, seed: int, kill_at: int, fault: str = ""
) -> tuple[int, bool]:
    """Crash once and look; return how often the node had said something, and if a tail was torn."""
    records = nursery.run(seed, kill_at, fault)
    place = folder / f"{fault or 'sound'}-{seed}"
    place.mkdir()
    rebuild(records, place, seed)
    said = said_in(records)
    try:
        tail = check(nursery, said, place)
    except BaseException as error:
        error.add_note(f"seed {seed}, killed at operation {kill_at}; what is left: {place}")
        raise
    shutil.rmtree(place)
    return len(said), tail


@pytest.mark.slow
def test_two_hundred_crashes_lose_nothing_that_was_said(
    nursery: Nursery, operations: int, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    answers, tails = [], 0
    for seed in range(POINTS):
        kill_at = chance.randrange(1, operations + 1)
        said, tail = crash(nursery, tmp_path, seed, kill_at)
        answers.append(said)
        tails += tail
    print(
        f"\n{POINTS} crashes within {operations} operations (seed {SEED}): the nodes had answered"
        f" {sum(answers):,} times, {tails} found a torn tail"
    )
    assert sum(answers) > 10 * POINTS
    assert tails > POINTS // 20, "a disk that tears nothing tests nothing"


@pytest.mark.parametrize("fault", ["unsynced", "early"])
def test_a_journal_without_its_protection_is_caught(
    nursery: Nursery, operations: int, tmp_path: Path, fault: str
) -> None:
    """Commits that are not synced; updates that are announced before they are committed."""
    chance = random.Random(SEED)
    caught = 0
    for seed in range(POINTS_BROKEN):
        kill_at = chance.randrange(operations // 4, operations // 2)
        try:
            crash(nursery, tmp_path, seed, kill_at, fault)
        except (Lost, KeyError):
            caught += 1
    assert caught > 0
    print(f"\n{fault}: {caught} of {POINTS_BROKEN} crashes lost what was said")

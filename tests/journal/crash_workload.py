"""A catalog that writes much, in a process of its own that ends where it is told to.

Run as a module it is a nursery: it builds the library once, then forks a child for each line that
it reads, so that two hundred crashes take seconds. A child writes to a real journal file under the
recorder of `power.py`; after each flush, when a node would answer and announce, it notes in the
trace what it would say.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.document import merge
from photonic.crdt.fields import CAPTION, RATING, TAGS
from photonic.crdt.keys import ROOT, shard_of
from photonic.ids import BlobId
from photonic.journal.journal import Journal
from photonic.world import World
from simulations.world import SeededEntropy
from tests.crdt.replicas import Cluster, import_draft, photo
from tests.journal.power import Recorder, sqlite_library

STEPS = 60
SHARDS_USED = 3
_NUMBERS = [number for number in range(12_000) if shard_of(photo(number)) < SHARDS_USED]


class Request(msgspec.Struct, frozen=True):
    """One child to run."""

    journal: str  # its file; the folder must be there
    trace: str
    seed: int
    kill_at: int  # the operation before which it ends; 0 lets it run to its end
    fault: str = ""  # a protection to break: "unsynced" or "early"


class Said(msgspec.Struct, array_like=True, frozen=True):
    """What a node answered and announced after a flush, or before it with the fault "early"."""

    changes: list[tuple[str, bytes, bytes]]  # kind and key of the subject, id of the change
    held: dict[bytes, bool]  # what it said of its own originals
    announced: list[tuple[int, int, bytes]]  # shard, document, update


class Founded(msgspec.Struct, frozen=True):
    """The library, for who looks at what a child left: the keys of its two members."""

    library: str
    peer: str
    node: str  # the one that crashes


class Workload:
    """What one child does."""

    def __init__(self, cluster: Cluster, request: Request, note: Callable[[bytes], None]) -> None:
        self._cluster, self._request, self._note = cluster, request, note
        self._chance = random.Random(request.seed)
        self._world = World(entropy=SeededEntropy(request.seed + 1_000))
        self._peer = cluster.catalogs[0]
        self._photos: list[int] = []
        self._next = self._chance.randrange(20)
        self._held: dict[bytes, bool] = {}
        self._open()

    def _open(self) -> None:
        self._journal = Journal(Path(self._request.journal))
        # Checkpoints often, and unsynced if that is the fault to show.
        self._journal._db.execute("PRAGMA wal_autocheckpoint=40")
        if self._request.fault == "unsynced":
            self._journal._db.execute("PRAGMA synchronous=OFF")
        library, identity = self._cluster.library, self._cluster.identities[1]
        self._catalog = Catalog(library, identity, self._journal, self._world)

    def run(self) -> None:
        for document, update in self._peer.founding_updates():
            assert self._catalog.receive(ROOT, document, update, b"first")
        self._flush()
        deeds = (
            self._import, self._import, self._edit, self._edit, self._edit, self._hold,
            self._receive, self._receive, self._compact, self._checkpoint,
        )  # fmt: skip
        for _ in itertools.count() if self._request.kill_at else range(STEPS):
            for _ in range(self._chance.choice((1, 1, 1, 2, 3))):
                self._chance.choice(deeds)()
            self._flush()
            if self._chance.random() < 0.04:
                self._journal.close()
                self._open()
        self._journal.close()

    def _flush(self) -> None:
        if self._request.fault == "early":
            staged = [(one.shard, one.document, one.data) for one in self._catalog._staged]
            self._note(msgspec.msgpack.encode(Said([], {}, staged)))
        committed = self._catalog.flush()
        if not committed.announcements:
            return
        said = Said(
            [(*one.change.subject, one.id) for one in committed.fresh],
            dict(self._held),
            [(one.shard, one.document, one.data) for one in committed.announcements],
        )
        self._note(msgspec.msgpack.encode(said))

    def _fresh_numbers(self, count: int) -> list[int]:
        self._next += count
        return _NUMBERS[self._next - count : self._next]

    def _import(self) -> None:
        numbers = self._fresh_numbers(self._chance.randrange(1, 4))
        self._catalog.write([import_draft(number) for number in numbers])
        self._photos += numbers

    def _edit(self) -> None:
        if self._photos:
            self._catalog.write([self._some_edit()])

    def _some_edit(self) -> Draft:
        subject = photo(self._chance.choice(self._photos))
        match self._chance.randrange(3):
            case 0:
                return Draft(subject, {RATING: self._chance.randrange(6)})
            case 1:
                return Draft(subject, {CAPTION: "x" * self._chance.randrange(1, 6_000)})
            case _:
                return Draft(subject, {}, adds={TAGS: [f"tag {self._chance.randrange(9)}"]})

    def _hold(self) -> None:
        if self._photos:
            blob = BlobId(photo(self._chance.choice(self._photos)).key)
            is_held = self._chance.random() < 0.7
            self._catalog.hold({blob: is_held})
            if is_held or blob in self._held:
                self._held[blob] = is_held

    def _receive(self) -> None:
        """Take in what the peer writes, which has it on a disk that does not fail."""
        numbers = self._fresh_numbers(self._chance.randrange(1, 3))
        self._peer.write([import_draft(number) for number in numbers])
        self._peer.hold({BlobId(photo(number).key): True for number in numbers})
        for one in self._peer.flush().announcements:
            assert self._catalog.receive(one.shard, one.document, one.data, b"peer")
        self._photos += numbers

    def _compact(self) -> None:
        if due := self._journal.compaction_due():
            assert self._journal.compact_step(*due, merge)

    def _checkpoint(self) -> None:
        kind = self._chance.choice(("PASSIVE", "RESTART", "TRUNCATE"))
        self._journal._db.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()


def _run_child(cluster: Cluster, recorder: Recorder, request: Request) -> None:
    recorder.begin(Path(request.trace), request.kill_at)
    Workload(cluster, request, recorder.note).run()


def main() -> None:
    """Answer each request on standard input with how its child ended: 0, or minus a signal."""
    library = sqlite_library()
    assert library is not None
    recorder = Recorder(library)
    # So that a short run merges often.
    limits.JOURNAL_UPDATES_PER_SEGMENT = 8
    cluster = Cluster(2)
    peer, node = (identity.seed.hex() for identity in cluster.identities)
    print(msgspec.json.encode(Founded(cluster.library.hex(), peer, node)).decode(), flush=True)
    for line in sys.stdin:
        request = msgspec.json.decode(line, type=Request)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _run_child(cluster, recorder, request)
                code = 0
            except Exception:  # noqa: BLE001 - told, and shown by the code
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()

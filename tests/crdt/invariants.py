"""The invariants of the catalog as properties of random histories.

Each property is a plain function of a history, so that `test_invariants.py` can hold it against
hundreds of histories, and `test_mutations.py` can take a protection away and see that it fails.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft, SignedChange
from photonic.crdt.commits import Committed
from photonic.crdt.document import MapDocument
from photonic.crdt.fields import RATING, TAGS, TITLE
from photonic.crdt.fold import fold
from photonic.crdt.keys import shard_of
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.sync import AskIds, Message, Reconciler
from photonic.ids import ChangeId
from photonic.journal.journal import CHANGES, Journal
from tests.crdt.replicas import Cluster, import_draft, photo

NODES, PHOTOS = 3, 2
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

Act = tuple[Any, ...]
_NODE = st.integers(0, NODES - 1)
_PHOTO = st.integers(0, PHOTOS - 1)
WRITES = st.one_of(
    st.tuples(st.just("set"), _NODE, _PHOTO, st.sampled_from([RATING, TITLE]), st.integers(0, 3)),
    st.tuples(st.just("add"), _NODE, _PHOTO, st.sampled_from(["bird", "sea"])),
    st.tuples(st.just("remove"), _NODE, _PHOTO, st.sampled_from(["bird", "sea"])),
)
MEETINGS = st.tuples(st.just("meet"), _NODE, _NODE, st.integers(1, 12))
CRASHES = st.tuples(st.just("crash"), _NODE)
ROLLBACKS = st.one_of(
    st.tuples(st.just("backup"), _NODE), st.tuples(st.just("restore"), _NODE)
)  # fmt: skip
_ANY = st.lists(st.one_of(WRITES, WRITES, MEETINGS, CRASHES, ROLLBACKS), max_size=20)


def _rolled_back(node: int, before: list[Act], lost: list[Act], after: list[Act]) -> list[Act]:
    """A node tells others what its old copy does not know, and goes on from the old copy."""
    told: list[Act] = [("meet", node, (node + 1) % NODES, 12)]
    return [*before, ("backup", node), *lost, *told, ("restore", node), *after]


HISTORIES = st.one_of(_ANY, st.builds(_rolled_back, _NODE, _ANY, _ANY, _ANY))


class Play:
    """Three nodes on real journal files, taken through a history."""

    def __init__(self, folder: Path) -> None:
        self.cluster, self.folder = Cluster(NODES), folder
        self.catalogs: list[Catalog] = []
        self.journals: list[Journal] = []
        self.durable: list[dict[ChangeId, SignedChange]] = [{} for _ in range(NODES)]
        self.asked_plainly = 0
        for position in range(NODES):
            self.journals.append(Journal(self._path(position)))
            self.catalogs.append(self.cluster.open(position, self.journals[position]))
            self._exchange(self.cluster.catalogs[0], self.catalogs[position])
        for number in range(PHOTOS):
            self._write(0, import_draft(number))
        for position in range(1, NODES):
            self._exchange(self.catalogs[0], self.catalogs[position])

    def _path(self, position: int, of: str = "journal") -> Path:
        return self.folder / f"{of}-{position}" / "journal.db"

    def play(self, history: list[Act], after_each: Callable[[], None] = lambda: None) -> None:
        for act in history:
            getattr(self, f"_act_{act[0]}")(*act[1:])
            after_each()

    # --- acts --------------------------------------------------------------------------------

    def _act_set(self, node: int, number: int, name: str, value: int) -> None:
        self._write(node, Draft(photo(number), {name: value}))

    def _act_add(self, node: int, number: int, tag: str) -> None:
        self._write(node, Draft(photo(number), adds={TAGS: (tag,)}))

    def _act_remove(self, node: int, number: int, tag: str) -> None:
        self._write(node, Draft(photo(number), removes={TAGS: (tag,)}))

    def _act_meet(self, left: int, right: int, messages: int) -> None:
        if left != right:
            self._exchange(self.catalogs[left], self.catalogs[right], messages)

    def _act_crash(self, node: int) -> None:
        """Something is written and not durable when the power goes."""
        self.catalogs[node].write([Draft(photo(0), {TITLE: "never durable"})])
        self._reopen(node)

    def _act_backup(self, node: int) -> None:
        self.journals[node].close()
        shutil.copytree(self._path(node).parent, self._path(node, "backup").parent,
                        dirs_exist_ok=True)  # fmt: skip
        self._reopen(node)

    def _act_restore(self, node: int) -> None:
        if not self._path(node, "backup").exists():
            return
        self.journals[node].close()
        shutil.rmtree(self._path(node).parent)
        shutil.copytree(self._path(node, "backup").parent, self._path(node).parent)
        self.durable[node].clear()
        self._reopen(node)

    def _write(self, node: int, draft: Draft) -> None:
        self.catalogs[node].write([draft])
        self._note(self.catalogs[node], self.catalogs[node].flush())

    def _reopen(self, node: int) -> None:
        self.journals[node].close()
        self.journals[node] = Journal(self._path(node))
        self.catalogs[node] = self.cluster.open(node, self.journals[node])

    def _exchange(self, left: Catalog, right: Catalog, messages: int = 1_000) -> None:
        machines = (
            Reconciler(CatalogReplica(left), b"right"),
            Reconciler(CatalogReplica(right), b"left"),
        )
        for _ in range(2):  # the second round sees what the first one could not settle
            waiting: deque[tuple[int, Message]] = deque((1, m) for m in machines[0].begin())
            while waiting and messages:
                receiver, message = waiting.popleft()
                messages -= 1
                self.asked_plainly += isinstance(message, AskIds)
                answers = machines[receiver].handle(message)
                for catalog in (left, right):
                    self._note(catalog, catalog.flush())
                waiting.extend((1 - receiver, answer) for answer in answers)

    def _note(self, catalog: Catalog, committed: Committed) -> None:
        if catalog in self.catalogs:
            fresh = {signed.id: signed for signed in committed.fresh}
            self.durable[self.catalogs.index(catalog)] |= fresh

    def heal(self) -> None:
        for _ in range(4):
            for left, right in combinations(self.catalogs, 2):
                self._exchange(left, right)

    def changes(self, node: int) -> dict[ChangeId, SignedChange]:
        catalog = self.catalogs[node]
        found = [s for number in range(PHOTOS) for s in catalog.changes(photo(number))]
        return {signed.id: signed for signed in found}


def _played(history: list[Act], check: Callable[[Play], None]) -> None:
    with TemporaryDirectory(dir=_MEMORY) as folder:
        play = Play(Path(folder))
        try:
            play.play(history)
            check(play)
        finally:
            for journal in play.journals:
                journal.close()


# --- the properties --------------------------------------------------------------------------


def check_convergence(history: list[Act]) -> None:
    """I1: nodes that have met show the same, and their documents agree by themselves."""

    def check(play: Play) -> None:
        play.heal()
        first, *others = play.catalogs
        for other in others:
            assert other.root_digest() == first.root_digest(), "nodes hold different changes"
            for number in range(PHOTOS):
                mine, theirs = first.state(photo(number)), other.state(photo(number))
                assert mine == theirs, "nodes show different states"
                assert repr(mine.fields) == repr(theirs.fields), "nodes show different states"
        assert play.asked_plainly == 0, "documents did not agree by themselves"

    _played(history, check)


def check_no_lost_edit(history: list[Act]) -> None:
    """I2: what any node has stands in the end, or one that had seen it wrote the field."""

    def check(play: Play) -> None:
        before: dict[ChangeId, SignedChange] = {}
        for node in range(NODES):
            before |= play.changes(node)
        play.heal()
        catalog = play.catalogs[1]
        for signed in before.values():
            state = catalog.state(signed.change.subject)
            there = play.changes(1)
            assert signed.id in there, "a change is nowhere"
            for name in signed.change.sets:
                if signed.id in {version.change for version in state.fields[name].versions}:
                    continue
                assert _is_written_over(there, signed.id, name), "an edit is gone"

    _played(history, check)


def _is_written_over(there: dict[ChangeId, SignedChange], earlier: ChangeId, name: str) -> bool:
    """Whether a change that had seen `earlier` writes the field; by the parents alone."""
    seers: set[bytes] = {earlier}
    grown = True
    while grown:
        more = {s.id for s in there.values() if seers & set(s.change.parents)} - seers
        seers |= more
        grown = bool(more)
    return any(name in there[ChangeId(seer)].change.sets for seer in seers - {earlier})


def check_one_author_never_contests(history: list[Act]) -> None:
    """I2: a node that goes on editing supersedes what it said itself."""

    def check(play: Play) -> None:
        for node, catalog in enumerate(play.catalogs):
            for number in range(PHOTOS):
                for name in (RATING, TITLE):
                    catalog.write([Draft(photo(number), {name: 7 + node})])
                catalog.flush()
                assert catalog.state(photo(number)).contested() == (), "it contests its own words"

    _played(history, check)


def check_persisted_before_told(history: list[Act]) -> None:
    """I3: after any crash a node still has all that it told, or was told, since its last backup."""
    with TemporaryDirectory(dir=_MEMORY) as folder:
        play = Play(Path(folder))

        def check() -> None:
            for node in range(NODES):
                play._reopen(node)
                here = play.changes(node)
                for signed in play.durable[node].values():
                    if signed.change.kind == "photo":
                        assert signed.id in here, "a node forgot what it told"

        try:
            play.play([act for act in history if act[0] not in ("backup", "restore")], check)
        finally:
            for journal in play.journals:
                journal.close()


def check_append_only(history: list[Act]) -> None:
    """I4: no entry of a `changes` document ever goes or changes, whatever arrives."""
    with TemporaryDirectory(dir=_MEMORY) as folder:
        play = Play(Path(folder))
        seen: list[dict[str, bytes]] = [{} for _ in range(NODES)]

        def check() -> None:
            for node, catalog in enumerate(play.catalogs):
                here: dict[str, bytes] = {}
                for number in {shard_of(photo(n)) for n in range(PHOTOS)}:
                    here |= catalog.documents.get(number, CHANGES).entries()
                assert seen[node].items() <= here.items(), "an entry is gone, or another one"
                seen[node] = here

        try:
            play.play([act for act in history if act[0] != "restore"], check)
            _attack(play)
            check()
        finally:
            for journal in play.journals:
                journal.close()


def _attack(play: Play) -> None:
    """A member sends updates that overwrite and delete what others have."""
    for number in {shard_of(photo(n)) for n in range(PHOTOS)}:
        document = MapDocument([play.catalogs[0].documents.get(number, CHANGES).snapshot()])
        vector = play.catalogs[1].documents.get(number, CHANGES).vector()
        for key, value in document.entries().items():
            document.insert({key: value[:-1] + bytes([value[-1] ^ 1])})
        for victim in (1, 2):
            play.catalogs[victim].receive(number, CHANGES, document.missing_for(vector), b"evil")
            play.catalogs[victim].flush()


def check_fold_is_a_function_of_the_set(history: list[Act], order: list[int]) -> None:
    """I1: neither order nor repetition changes what changes add up to."""

    def check(play: Play) -> None:
        for number in range(PHOTOS):
            changes = play.catalogs[0].changes(photo(number))
            shuffled = [changes[position % len(changes)] for position in order] + changes
            states = [fold(photo(number), some) for some in (changes, shuffled)]
            assert states[0] == states[1], "the order decides"
            assert repr(states[0].fields) == repr(states[1].fields), "the order decides"

    _played(history, check)

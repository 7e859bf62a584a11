"""Hostile updates through the door into documents: nothing panics, hangs, grows or gets in.

5,000 updates in the common run; `tox -e fuzz` sends 100,000 and says what became of them.
"""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.changes import Change, SignedChange, seal
from photonic.crdt.document import DocumentFault, MapDocument, is_empty, merge
from photonic.crdt.door import admit_changes, admit_holdings, judge_holdings
from photonic.crdt.keys import DROPPED, HELD, change_key, holding_key, parse_holding, shard_of
from photonic.crdt.updates import UpdateInvalid, first_part, for_peers, parse, read_vector
from photonic.errors import ChangeInvalid, UpdateRefused
from photonic.identity import Identity
from photonic.ids import BlobId, LibraryId, NodeId, digest
from tests.crdt.fuzzing import Bender, Forger, Replicas
from tests.crdt.replicas import WORLD, photo

ROUNDS = int(os.environ.get("PHOTONIC_FUZZ_UPDATES", "5000"))
UPDATES_PER_DOCUMENT = 100
LIBRARY = LibraryId(digest(b"library"))
AUTHORS = [Identity.generate(WORLD) for _ in range(3)]
SUBJECT = photo(0)
SHARD = shard_of(SUBJECT)


def _sealed(position: int) -> SignedChange:
    author = AUTHORS[position % len(AUTHORS)]
    said = {"rating": position, "title": "x" * (position % 7 * 20)}
    return seal(author, LIBRARY, Change(*SUBJECT, (), author.node, position + 1, position, said))


CHANGES = [_sealed(position) for position in range(24)]
ENTRIES = {change_key(signed.id): signed.data for signed in CHANGES}
KEYS = list(ENTRIES)
HOLDING_KEYS = [
    holding_key(BlobId(SUBJECT.key), NodeId(digest(b"node %d" % node))) for node in range(6)
]


def _real_updates(grows_only: bool) -> tuple[list[bytes], list[int]]:
    """Return updates of several kinds that honest nodes make, and the client ids in them."""
    if grows_only:
        replicas = Replicas(True, KEYS.__getitem__, lambda n, _: ENTRIES[KEYS[n]], for_peers)
    else:
        replicas = Replicas(False, HOLDING_KEYS.__getitem__, lambda _, s: (HELD, DROPPED)[s % 2])
    for step in range(60):
        replicas.write(step % 4, step * 5 % len(KEYS if grows_only else HOLDING_KEYS), step // 3)
        if step % 9 == 8:
            replicas.meet(step % 4, (step + 1) % 4)
    made = list(replicas.updates)
    snapshots = [document.snapshot() for document in replicas.documents]
    made += [for_peers(data) for data in snapshots] if grows_only else snapshots
    made += [merge(replicas.updates[start::3]) for start in range(6)]  # with gaps
    clients = [document.client_id for document in replicas.documents]
    return [data for data in made if not is_empty(data)], clients


class Victim:
    """A node that takes in what the door lets through, and writes in between."""

    def __init__(self, tally: Counter[str], client: int) -> None:
        self.tally, self.document, self.client = tally, MapDocument((), client), client
        self.journal: list[bytes] = []
        self.known: dict[str, bytes] = {}
        self.passed: list[bytes] = []  # all that the door let through, gaps and places taken twice
        self.heard: dict[str, bytes] = {}

    def _known(self, _keys: object) -> dict[str, bytes]:
        return self.heard

    def receive_changes(self, update: bytes) -> None:
        admission = admit_changes(LIBRARY, SHARD, update, self._known)
        fresh = {change_key(signed.id): signed.data for signed in admission.fresh}
        assert not fresh.keys() & self.heard.keys()
        assert fresh.items() <= ENTRIES.items(), "what gets in was signed, byte for byte"
        delta = self.document.apply(admission.update)
        assert delta.added.items() <= {**self.heard, **fresh}.items()
        assert not delta.overwritten and not delta.removed
        self.journal.append(delta.update)
        self.known |= delta.added
        self.passed.append(admission.update)
        self.heard |= fresh

    def receive_holdings(self, update: bytes) -> None:
        try:
            delta = self.document.apply(admit_holdings(SHARD, update).update)
            judge_holdings(SHARD, delta)
        except UpdateRefused:
            self.document = MapDocument(self.journal, self.client)
            assert self.document.entries() == self.known
            raise
        self.journal.append(delta.update)
        self.known |= {**delta.added, **delta.overwritten}
        assert self.document.entries() == self.known, "events tell all that happened"

    def check_changes(self) -> None:
        """Look at what is left of it all, and write: none of that may fail or be lost."""
        assert self.document.entries() == self.known, "events tell all that happened"
        assert MapDocument(self.journal).entries() == self.known
        assert read_vector(MapDocument(self.journal).vector()) == read_vector(
            self.document.vector()
        )
        assert dict(parse(merge(self.passed)).entries()) == self.heard
        assert MapDocument([merge(self.passed)]).entries().items() <= self.heard.items()
        assert MapDocument(self.passed).entries().items() <= self.heard.items()
        lacking = {key: ENTRIES[key] for key in KEYS if key not in self.document.entries()}
        self.journal.append(self.document.insert(lacking))
        self.known |= lacking
        assert self.document.entries() == ENTRIES
        assert dict(parse(merge(self.journal)).entries()) == ENTRIES
        assert MapDocument([merge(self.journal)]).entries() == ENTRIES
        peer = MapDocument()
        sent = for_peers(self.document.snapshot())
        peer.apply(admit_changes(LIBRARY, SHARD, sent, lambda _: peer.entries()).update)
        assert peer.entries() == ENTRIES
        self._send_parts(for_peers)

    def check_holdings(self) -> None:
        for key, value in self.document.entries().items():
            assert parse_holding(key, value).is_held == (value == HELD)
        wanted = {**self.document.entries(), **dict.fromkeys(HOLDING_KEYS, HELD)}
        self.journal.append(self.document.insert(dict.fromkeys(HOLDING_KEYS, HELD)))
        assert self.document.entries() == wanted
        assert MapDocument(self.journal).entries() == wanted
        assert MapDocument([merge(self.journal)]).entries() == wanted
        peer = self._send_parts(lambda data: data)
        assert peer.entries() == wanted

    def _send_parts(self, fit: Callable[[bytes], bytes]) -> MapDocument:
        peer = MapDocument()
        for _ in range(1_000):
            before = peer.vector()
            part, is_all = first_part(self.document.missing_for(before), 700)
            peer.apply(fit(part))
            if is_all or peer.vector() == before:
                return peer
        raise AssertionError("it never ends")


def _attack(grows_only: bool, rounds: int, seed: int) -> Counter[str]:
    updates, clients = _real_updates(grows_only)
    holdings: Mapping[str, bytes] = dict.fromkeys(HOLDING_KEYS, HELD)
    bender = Bender(seed)
    forger = Forger(seed, ENTRIES if grows_only else holdings, [*clients, 5])
    tally: Counter[str] = Counter()
    victim = Victim(tally, clients[0])
    for number in range(rounds):
        how = ("bent", "forged")[number % 3 == 0]
        update = bender.bend(updates) if how == "bent" else forger.forge(not grows_only)
        try:
            if grows_only:
                victim.receive_changes(update)
            else:
                victim.receive_holdings(update)
            tally[f"{how}, taken in"] += 1
        except (UpdateRefused, ChangeInvalid):
            tally[f"{how}, refused"] += 1
        if number % UPDATES_PER_DOCUMENT == UPDATES_PER_DOCUMENT - 1:
            victim.check_changes() if grows_only else victim.check_holdings()
            victim = Victim(tally, clients[number // UPDATES_PER_DOCUMENT % len(clients)])
    return tally


@pytest.mark.parametrize("grows_only", [True, False], ids=["changes", "holdings"])
def test_bent_and_forged_updates_do_no_harm(grows_only: bool) -> None:
    before_kib, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    tally = _attack(grows_only, ROUNDS // 2, seed=ROUNDS)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib) >> 10
    took_s = time.monotonic() - start
    print(f"\n{ROUNDS // 2:,} updates in {took_s:.1f} s, {grown_mib} MiB more:", dict(tally))
    assert tally.total() == ROUNDS // 2
    assert min(tally.values()) > ROUNDS // 500, "each kind is tried"
    assert grown_mib < 100


@given(st.binary(max_size=200))
def test_any_bytes_are_an_update_or_are_refused(data: bytes) -> None:
    try:
        parsed = parse(data)
    except UpdateInvalid:
        return
    MapDocument().apply(parsed.without_deletes())


@given(st.data())
def test_a_vector_may_be_any_bytes(data: st.DataObject) -> None:
    document = MapDocument((), 5)
    document.insert(ENTRIES)
    vector = bytearray(document.vector())
    for _ in range(data.draw(st.integers(1, 3))):
        vector[data.draw(st.integers(0, len(vector) - 1))] = data.draw(st.integers(0, 255))
    for bad in (bytes(vector), data.draw(st.binary(max_size=40))):
        try:
            part, _ = first_part(document.missing_for(bad), 1_000)
        except DocumentFault:
            continue
        parse(for_peers(part))

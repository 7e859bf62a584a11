"""Several processes use one store: none of them believes what another one has changed.

Locks belong to an open file and not to a process, so two stores in one process stand for two
processes wherever only their claims matter; the last tests use real ones.
"""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.claims import Claims
from photonic.blobs.files import FileStore
from photonic.blobs.packs import entries
from photonic.errors import BlobMissing, LedgerDamaged, StoreBusy
from photonic.ids import digest
from photonic.world import World
from tests.blobs.lander import blob_of
from tests.blobs.samples import noise
from tests.blobs.store_contract import BIG, pieces
from tests.source import ROOT

FOUND = scan_bytes(BIG)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STORE_SETTLE_WAIT_S", 0.1)


def test_a_claim_is_one_process_s_until_it_ends(tmp_path: Path) -> None:
    first, second = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    name, other = noise(32, 1), noise(32, 2)
    assert first.take(name)
    assert first.take(name), "a claim is counted"
    assert not second.take(name)
    assert second.take(other)
    first.release(name)
    assert not second.take(name), "it was taken twice"
    first.release(name)
    assert second.take(name)
    second.close()
    assert first.take(name)


@pytest.mark.usefixtures("impatient")
def test_a_store_is_alone_only_while_nobody_uses_it(tmp_path: Path) -> None:
    first, second = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    assert first.use_alone()
    with pytest.raises(StoreBusy):
        second.use()
    first.use()
    second.use()
    assert not first.use_alone()
    second.close()
    assert first.use_alone()


def test_what_another_process_does_is_seen_at_once(tmp_path: Path) -> None:
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    for data in (BIG, noise(500)):
        ref = owner.put(data).ref
        assert carrier.has(ref.blob)
        assert carrier.has_many([ref.blob]) == {ref.blob}
        assert carrier.read(ref.blob) == data
        assert carrier.chunk_list(ref.blob).id == ref.chunks
        first = carrier.held(ref.blob)
        owner.verify(ref.blob)
        assert carrier.held(ref.blob) != first, "it was verified since"
        owner.discard(ref.blob)
        assert not carrier.has(ref.blob)
        assert carrier.has_many([ref.blob]) == frozenset()
        with pytest.raises(BlobMissing):
            carrier.chunk_list(ref.blob)
        with pytest.raises(BlobMissing):
            carrier.read(ref.blob)


def test_a_blob_on_its_way_in_belongs_to_one_process(tmp_path: Path) -> None:
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    right = pieces(BIG, FOUND)
    partial = carrier.begin(FOUND.ref, FOUND.chunks)
    partial.write(1, right[1])
    with pytest.raises(StoreBusy):
        owner.begin(FOUND.ref, FOUND.chunks)
    with pytest.raises(StoreBusy):
        owner.resume(FOUND.ref)
    owner.drop_partial(FOUND.ref.blob)
    for index in partial.missing():
        partial.write(index, right[index])
    assert partial.finish().ref == FOUND.ref
    assert owner.read(FOUND.ref.blob) == BIG


def test_whoever_comes_next_takes_over_what_a_process_left(tmp_path: Path) -> None:
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    carrier.begin(FOUND.ref, FOUND.chunks).write(1, pieces(BIG, FOUND)[1])
    carrier.close()  # the kernel does this for one that dies
    resumed = owner.resume(FOUND.ref)
    assert resumed is not None
    assert 1 not in resumed.missing()
    assert 0 in resumed.missing()


def test_a_dropped_partial_never_becomes_a_blob(tmp_path: Path) -> None:
    store, right = FileStore.open(tmp_path, World()), pieces(BIG, FOUND)
    partial = store.begin(FOUND.ref, FOUND.chunks)
    partial.write(0, right[0])
    store.drop_partial(FOUND.ref.blob)
    for index in range(1, len(right)):
        partial.write(index, right[index])
    assert list((tmp_path / "partial").iterdir()) == [], "the file would be another partial's"
    with pytest.raises(BlobMissing):
        partial.finish()
    assert not store.has(FOUND.ref.blob)
    assert len(store.begin(FOUND.ref, FOUND.chunks).missing()) == len(right)


@pytest.mark.usefixtures("impatient")
def test_only_an_owner_that_is_alone_settles_what_a_crash_left(tmp_path: Path) -> None:
    FileStore.open(tmp_path, World()).close()
    left = tmp_path / "partial" / "00.copy"
    left.write_bytes(b"being adopted by a process that is well")
    carrier = FileStore.attach(tmp_path, World())
    assert left.exists()
    FileStore.open(tmp_path, World()).close()
    assert left.exists(), "the carrier of an earlier run may still be at it"
    carrier.close()
    FileStore.open(tmp_path, World()).close()
    assert not left.exists()


def test_a_damaged_ledger_is_the_owner_s_to_put_aside(tmp_path: Path) -> None:
    FileStore.open(tmp_path, World()).close()
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database at all" * 500)
    with pytest.raises(LedgerDamaged):
        FileStore.attach(tmp_path, World())
    assert not list(tmp_path.glob("ledger.damaged-*"))


def test_a_ledger_that_is_busy_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_WAIT_S", 0.05)
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    with owner._ledger._transaction():
        with pytest.raises(StoreBusy):
            carrier.put(b"while another process writes for long")
        FileStore.attach(tmp_path, World()).close()
    assert carrier.put(b"afterwards").ref.size_bytes == 10


def test_each_process_writes_packs_of_its_own(tmp_path: Path) -> None:
    owner, carrier = FileStore.open(tmp_path, World()), FileStore.attach(tmp_path, World())
    put = {}
    for seed in range(10):
        for store in (owner, carrier):
            data = noise(1_000 + (store is owner), seed)
            put[store.put(data).ref.blob] = data
    packs = sorted((tmp_path / "packs").iterdir())
    assert len(packs) == 2
    assert sorted(e.blob for p in packs for e in entries(p)) == sorted(put)
    for store in (owner, carrier):
        assert {blob: store.read(blob) for blob in put} == put
    carrier.close()
    owner.close()
    third = FileStore.open(tmp_path, World())
    third.put(b"one more")
    assert len(list((tmp_path / "packs").iterdir())) == 2, "one of them is gone on with"


def start(root: Path, seeds: list[int]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.blobs.lander", str(root), *map(str, seeds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def check_store(root: Path, seeds: set[int]) -> None:
    store = FileStore.open(root, World())
    assert {ref.blob for ref in store.refs()} == {digest(blob_of(seed)) for seed in seeds}
    for seed in seeds:
        assert store.read(scan_bytes(blob_of(seed)).ref.blob) == blob_of(seed)
    assert [held for held in store.verify_many([r.blob for r in store.refs()]) if held.error] == []
    assert store.partials() == ()
    for path in (root / "blobs").rglob("*"):
        assert path.is_dir() or digest(path.read_bytes()).hex() == path.name
    store.close()


def test_two_processes_land_the_same_and_different_blobs_at_once(tmp_path: Path) -> None:
    FileStore.open(tmp_path, World()).close()
    shared, own = list(range(30)), [list(range(100, 112)), list(range(200, 212))]
    processes = []
    for number in range(2):
        seeds = shared + own[number]
        random.Random(number).shuffle(seeds)
        processes.append(start(tmp_path, seeds))
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0] for process in processes]
    assert answers == ["42\n", "42\n"]
    check_store(tmp_path, {*shared, *own[0], *own[1]})


HOLDER = """
import sys
from pathlib import Path
from photonic.blobs.files import FileStore
from photonic.world import World
store = FileStore.open(Path(sys.argv[1]), World())
store.put(b"held")
print("held", flush=True)
sys.stdin.readline()
"""


def test_what_a_killed_process_left_to_be_seen_is_made_durable_first(tmp_path: Path) -> None:
    """What it was committing may be in the ledger's log, and not on the disk yet."""
    victim = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"held\n"
    victim.kill()
    victim.communicate(timeout=60)
    log = tmp_path / "ledger.sqlite3-wal"
    assert log.stat().st_size
    store = FileStore.open(tmp_path, World())
    assert log.stat().st_size == 0
    assert [ref.size_bytes for ref in store.refs()] == [4]


def test_a_process_that_is_killed_leaves_its_blobs_to_the_others(tmp_path: Path) -> None:
    owner = FileStore.open(tmp_path, World())
    seeds = list(range(60))
    victim = start(tmp_path, seeds)
    assert victim.stdin is not None
    victim.stdin.write("go\n")
    victim.stdin.flush()
    seen = (ref for _ in iter(int, 1) for ref in owner.refs())
    next(seen)  # it has landed one, and is at the next ones
    victim.kill()
    victim.communicate(timeout=60)
    survivor = start(tmp_path, seeds)
    assert survivor.communicate("go\n", timeout=120)[0] == "60\n"
    owner.close()
    check_store(tmp_path, set(seeds))

"""Verifying a store: what is sound stays, what is not leaves the held ones, wherever it crashes."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photonic.blobs import verify
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.ledger import Ledger
from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import Backlog, Soundness, Verifiable
from photonic.errors import BlobDamaged, BlobMissing, BlobUnreadable
from photonic.ids import BlobId, digest
from photonic.world import World
from tests.blobs.crashes import Crash, FailingDisk
from tests.blobs.damage import Fault, failing_reads, faults
from tests.blobs.samples import StepClock, jpeg, noise, small_world
from tests.blobs.store_contract import pieces

BIG, SMALL = jpeg(noise(30_000, 1), noise(1_500_000, 1)), noise(700_000, 2)
FAULTS = {"some": Fault("flip", 0.6), "end": Fault("truncate", 0.5), "all": Fault("delete")}


def test_the_oldest_comes_first_and_a_wrong_clock_before_it(tmp_path: Path) -> None:
    clock = StepClock()
    stores: list[Verifiable] = [
        FileStore.open(tmp_path, World(clock=clock)), MemoryStore(World(clock=clock)),
    ]  # fmt: skip
    for store in stores:
        assert isinstance(store, FileStore | MemoryStore)
        blobs = [store.put(noise(1_000, seed)).ref.blob for seed in range(5)]
        times = {blob: found.verified_at_ms for blob in blobs if (found := store.held(blob))}
        assert [one.ref.blob for one in store.oldest(9, clock.ms)] == blobs
        store.verify_many(blobs[:2])
        assert [one.ref.blob for one in store.oldest(9, clock.ms)] == [*blobs[2:], *blobs[:2]]
        assert [one.ref.blob for one in store.oldest(2, clock.ms)] == blobs[2:4]
        before_ms = times[blobs[2]]
        assert [one.ref.blob for one in store.oldest(2, before_ms)] == blobs[3:]
        assert store.overdue(times[blobs[4]]) == Backlog(2, 2_000)
        assert store.overdue(0) == Backlog(0, 0)


def test_what_is_read_is_told_to_the_pace_which_may_end_it(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, small_world())
    blobs = [store.put(noise(300_000, seed)).ref.blob for seed in range(3)]
    before = [store.held(blob) for blob in blobs]
    read: list[int] = []

    def pace(size_bytes: int) -> None:
        if sum(read) >= 600_000:
            raise KeyboardInterrupt
        read.append(size_bytes)

    with pytest.raises(KeyboardInterrupt):
        store.verify_many(blobs, pace)
    assert sum(read) == 600_000
    after = [store.held(blob) for blob in blobs]
    assert [b != a for b, a in zip(before, after, strict=True)] == [True, True, False]


def test_the_bytes_are_read_from_the_disk_and_leave_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    told: list[str] = []
    read, forget = verify._read_at, verify._forget_cached

    def noted_read(*where: int) -> bytes:
        told.append("read")
        return read(*where)

    def noted_forget(handle: int) -> None:
        told.append("forget")
        forget(handle)

    monkeypatch.setattr(verify, "_read_at", noted_read)
    monkeypatch.setattr(verify, "_forget_cached", noted_forget)
    store.verify(blob)
    assert told[0] == "forget", "else a copy in memory would hide what rots on the disk"
    assert told[1:] == ["read", "forget"] * len(store.chunk_list(blob))


def test_one_wrong_read_condemns_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    real, garbled = verify._read_at, list[int]()

    def read(handle: int, offset: int, size_bytes: int) -> bytes:
        data = real(handle, offset, size_bytes)
        if offset and not garbled:
            garbled.append(offset)
            return bytes([data[0] ^ 1]) + data[1:]
        return data

    monkeypatch.setattr(verify, "_read_at", read)
    assert store.verify_many([blob])[0].soundness is Soundness.SOUND
    assert garbled
    assert store.damaged() == ()


def test_each_kind_of_trouble_has_its_own_error(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    damaged, lost, unread = (store.put(noise(300_000, seed)).ref.blob for seed in range(3))
    absent = BlobId(digest(b"nobody has this"))
    Fault("flip", 0.5).happen(store.path(damaged))
    Fault("delete").happen(store.path(lost))
    with pytest.raises(BlobDamaged, match=r"1 of \d chunks"):
        store.verify(damaged)
    with pytest.raises(BlobDamaged, match="is gone"):
        store.verify(lost)
    with failing_reads(store.path(unread), 0, 1), pytest.raises(BlobUnreadable, match="Input"):
        store.verify(unread)
    with pytest.raises(BlobMissing):
        store.verify(absent)
    assert {one.blob for one in store.damaged()} == {damaged, lost}
    assert [ref.blob for ref in store.refs()] == [unread]


def test_a_store_that_is_not_mounted_has_lost_nothing(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    shutil.move(tmp_path / "blobs", tmp_path / "elsewhere")
    for _ in range(2):
        (verdict,) = store.verify_many([blob])
        assert verdict.soundness is Soundness.UNREADABLE
        assert "mounted" in verdict.what
        (tmp_path / "blobs").mkdir(exist_ok=True)  # an empty place to mount it on
    (tmp_path / "blobs").rmdir()
    shutil.move(tmp_path / "elsewhere", tmp_path / "blobs")
    assert store.verify(blob).ref.blob == blob


@pytest.mark.parametrize("column", ["chunks", "chunks_id"])
def test_a_chunk_list_that_rots_in_the_ledger_condemns_no_file(tmp_path: Path, column: str) -> None:
    store = FileStore.open(tmp_path, World())
    blob, rotten = (store.put(noise(900_000, seed)).ref.blob for seed in range(2))
    ref = scan_bytes(noise(900_000, 0)).ref
    Fault("flip", 0.5).happen(store.path(rotten))
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as db:
        db.execute(f"UPDATE blobs SET {column} = ?", (b"PCL1" + bytes(28),))
    db.close()
    good, bad = store.verify_many([blob, rotten])
    assert good.soundness is Soundness.SOUND
    assert good.held is not None
    assert good.held.ref == ref
    assert store.chunk_list(blob).id == ref.chunks
    assert bad.soundness is Soundness.DAMAGED
    assert store.damaged()[0].ref is None, "nobody knows how it was cut"


def test_what_was_dropped_on_purpose_is_not_damaged(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    Fault("flip", 0.5).happen(store.path(blob))
    store.verify_many([blob])
    store.discard(blob)
    assert store.damaged() == ()
    assert store.partials() == ()


def test_another_process_may_find_the_damage_and_another_repair_it(tmp_path: Path) -> None:
    owner = FileStore.open(tmp_path, World())
    blob, found = owner.put(BIG).ref.blob, scan_bytes(BIG)
    Fault("flip", 0.5).happen(owner.path(blob))
    other = FileStore.attach(tmp_path, World())
    assert other.verify_many([blob])[0].soundness is Soundness.DAMAGED
    assert not owner.has(blob)
    (damage,) = owner.damaged()
    assert damage.ref == found.ref
    partial = other.resume(found.ref)
    assert partial is not None
    assert len(partial.missing()) == 1
    for index in partial.missing():
        partial.write(index, pieces(BIG, found)[index])
    partial.finish()
    assert owner.read(blob) == BIG
    assert owner.damaged() == ()


def repair(root: Path) -> int:
    """Verify and repair a store as a node would; return how many chunks it had to fetch."""
    store, fetched = FileStore.open(root, World()), 0
    try:
        for data in (BIG, SMALL):
            store.verify_many([BlobId(digest(data))])
        for data in (BIG, SMALL):
            found = scan_bytes(data)
            if store.has(found.ref.blob):
                continue
            assert found.ref.blob in {damage.blob for damage in store.damaged()}
            partial = store.resume(found.ref) or store.begin(found.ref, found.chunks)
            for index in partial.missing():
                partial.write(index, pieces(data, found)[index])
                fetched += 1
            partial.finish()
    finally:
        store.close()
    return fetched


def prepared(root: Path, faults_of: list[Fault]) -> int:
    """Make a store with damaged files; return how many of its chunks are wrong."""
    store, wrong = FileStore.open(root, World()), set[tuple[BlobId, int]]()
    for data, fault in zip((BIG, SMALL), faults_of, strict=True):
        blob = store.put(data).ref.blob
        wrong |= {(blob, index) for index in fault.hit(store.chunk_list(blob).offsets)}
        fault.happen(store.path(blob))
    store.close()
    return len(wrong)


def wrap(patch: pytest.MonkeyPatch, disk: FailingDisk) -> None:
    """Let the machine stop before and after each commit, too."""
    for name in ("intend", "record", "forget", "touch"):
        real = getattr(Ledger, name)

        def wrapped(self: Ledger, *args: Any, _real: Any = real) -> Any:
            disk.step()
            result = _real(self, *args)
            disk.step()
            return result

        patch.setattr(Ledger, name, wrapped)


def steps_of_a_repair(faults_of: list[Fault]) -> int:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        prepared(Path(folder), faults_of)
        disk = FailingDisk(patch, Path(folder), 1 << 30)
        wrap(patch, disk)
        repair(Path(folder))
        return disk.seen


STEPS = max(steps_of_a_repair([one, two]) for one in FAULTS.values() for two in FAULTS.values())


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_after_every_single_step_it_is_known_what_to_fetch(fault: Fault) -> None:
    for steps in range(STEPS + 1):
        with tempfile.TemporaryDirectory() as folder:
            root, is_over = Path(folder), False
            wrong, fetched = prepared(root, [fault, fault]), 0
            with pytest.MonkeyPatch.context() as patch:
                disk = FailingDisk(patch, root, steps)
                wrap(patch, disk)
                try:
                    repair(root)
                    is_over = True
                except Crash:
                    pass
            store = FileStore.open(root, World())
            for damage in store.damaged():
                assert damage.ref is not None, f"after step {steps} nobody knows how it was cut"
                partial = store.resume(damage.ref)
                assert partial is not None
                fetched += len(partial.missing())
            assert fetched <= wrong, f"after step {steps} more is asked for than is wrong"
            store.close()
        if is_over:
            return
    pytest.fail("there are more steps than were counted")


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(faults("flip", "truncate", "extend", "delete"), min_size=2, max_size=2),
    st.lists(st.integers(0, STEPS), min_size=1, max_size=3),
    st.data(),
)
def test_a_repair_that_is_interrupted_anywhere_is_finished(
    faults_of: list[Fault], crash_after: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        wrong, loses_power = prepared(root, faults_of), data.draw(st.booleans(), label="power")
        fetched = 0
        for steps in crash_after:
            with pytest.MonkeyPatch.context() as patch:
                disk = FailingDisk(patch, root, steps)
                wrap(patch, disk)
                try:
                    fetched += repair(root)
                except Crash:
                    if loses_power:
                        disk.lose_power(lambda: data.draw(st.booleans(), label="lost"))
            store = FileStore.open(root, World())
            assert None not in [one.ref for one in store.damaged()], "how was it cut?"
            for ref in store.refs():
                path = store._shelf.final(ref.blob)
                if path.exists() and digest(path.read_bytes()) != ref.blob:
                    assert ref.blob not in {d.blob for d in store.damaged()}, "held, and not"
                    assert store.verify_many([ref.blob])[0].soundness is not Soundness.SOUND
            store.close()
        fetched += repair(root)
        store = FileStore.open(root, World())
        assert [store.read(BlobId(digest(one))) for one in (BIG, SMALL)] == [BIG, SMALL]
        assert store.damaged() == ()
        assert store.partials() == ()
        assert list((root / "damaged").iterdir()) == []
        if not loses_power:  # what a process wrote outlives it: nothing right came again
            assert fetched <= wrong
        store.close()

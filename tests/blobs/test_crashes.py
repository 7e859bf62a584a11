"""Wherever the machine stops, a final name holds verified bytes, and opening again heals."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.shelf import Shelf
from photonic.blobs.store import Held, Partial
from photonic.ids import BlobId, digest
from photonic.world import World
from tests.blobs.crashes import Crash, FailingDisk, wrap_ledger
from tests.blobs.samples import SeededEntropy, jpeg, noise
from tests.blobs.store_contract import pieces

PACKED = limits.PACKED_BLOB_BYTES_MAX
PUT, SMALL, BIG = b"put here", noise(150_000, 1), jpeg(noise(60_000, 2), noise(1_500_000, 3))
FILES = [noise(90_000, 4), noise(70_000, 5), noise(90_000, 4)]
PREVIEWS = [noise(40_000, seed) for seed in range(4)]
EVERYTHING = {digest(data): data for data in (PUT, SMALL, BIG, *FILES, *PREVIEWS)}


def live(root: Path, sources: list[Path], promised: set[BlobId], seed: int = 0) -> None:
    """Do what a node does with its store; note in `promised` what it may announce as held."""
    store = FileStore.open(root, World(entropy=SeededEntropy(seed)))
    try:
        promised.add(store.put(PUT).ref.blob)
        promised.add(store.put(PREVIEWS[0]).ref.blob)
        found = scan_bytes(BIG)
        big = store.resume(found.ref) or store.begin(found.ref, found.chunks)
        for index in big.missing():
            big.write(index, pieces(BIG, found)[index])
        staged = [store.stage(path) for path in sources]
        small_found = scan_bytes(SMALL)
        small = store.resume(small_found.ref) or store.begin(small_found.ref, small_found.chunks)
        for index in small.missing():
            small.write(index, pieces(SMALL, small_found)[index])
        results = store.finish_many([*staged, small, *(received(store, p) for p in PREVIEWS[1:])])
        promised.update(result.ref.blob for result in results if hasattr(result, "ref"))
        promised.add(big.finish().ref.blob)
    finally:
        store.close()


def received(store: FileStore, data: bytes) -> Partial:
    found = scan_bytes(data)
    partial = store.begin(found.ref, found.chunks)
    for index in partial.missing():
        partial.write(index, pieces(data, found)[index])
    return partial


def check_final_names(root: Path) -> None:
    for path in (root / "blobs").rglob("*"):
        if path.is_file():
            assert digest(path.read_bytes()) == bytes.fromhex(path.name)


def steps_of_a_life() -> int:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        sources = write_sources(Path(folder))
        disk = FailingDisk(patch, Path(folder, "store"), 1 << 30)
        wrap_ledger(patch, disk)
        live(Path(folder, "store"), sources, set())
        return disk.seen


def write_sources(folder: Path) -> list[Path]:
    sources = [folder / f"{number}.jpg" for number in range(len(FILES))]
    for path, data in zip(sources, FILES, strict=True):
        path.write_bytes(data)
    return sources


with pytest.MonkeyPatch.context() as noting:
    noting.setattr(limits, "PARTIAL_NOTE_BYTES", 300_000)
    STEPS = steps_of_a_life()


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, STEPS), min_size=1, max_size=3), st.data())
def test_a_crash_at_any_point_loses_nothing_that_was_promised(
    crash_after: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as noting:
        noting.setattr(limits, "PARTIAL_NOTE_BYTES", 300_000)
        root, sources = Path(folder, "store"), write_sources(Path(folder))
        promised: set[BlobId] = set()
        for life, steps in enumerate(crash_after):
            with pytest.MonkeyPatch.context() as patch:
                disk = FailingDisk(patch, root, steps)
                wrap_ledger(patch, disk)
                try:
                    live(root, sources, promised, life)
                except Crash:
                    disk.lose_power(lambda: data.draw(st.booleans(), label="lost"))
            check_final_names(root)
            store = FileStore.open(root, World())
            held = {ref.blob for ref in store.refs()}
            assert promised <= held, "a blob was announced and is not held any more"
            assert all(store.read(blob) == EVERYTHING[blob] for blob in held)
            named = {path.name for path in (root / "blobs").rglob("*") if path.is_file()}
            plain = {blob.hex() for blob in held if len(EVERYTHING[blob]) > PACKED}
            assert named == plain, "a file that no ledger knows"
            leftovers = [p for p in (root / "partial").iterdir() if p.suffix in (".copy", ".tmp")]
            assert leftovers == []
            store.close()

        live(root, sources, promised, len(crash_after))
        store = FileStore.open(root, World())
        assert {ref.blob for ref in store.refs()} == set(EVERYTHING)
        assert store.partials() == ()
        before = {ref: store.chunk_list(ref.blob) for ref in store.refs()}
        store.close()
        for path in root.glob("ledger*"):
            path.unlink()
        again = FileStore.open(root, World())
        again.rebuild()
        assert {ref: again.chunk_list(ref.blob) for ref in again.refs()} == before
        again.close()


def pack_and_drop(root: Path, promised: set[BlobId], life: int) -> None:
    """Land small blobs, drop some, give some a file of their own, and compact what is left."""
    store = FileStore.open(root, World(entropy=SeededEntropy(life)))
    try:
        for batch in (PREVIEWS[:2], PREVIEWS[2:], NOTES):
            done = store.finish_many([received(store, data) for data in batch])
            promised.update(result.ref.blob for result in done if isinstance(result, Held))
        for data in (PREVIEWS[0], NOTES[1], PREVIEWS[3]):
            promised.discard(BlobId(digest(data)))
            store.discard(BlobId(digest(data)))
        store.path(BlobId(digest(NOTES[0])))
        promised.add(store.put(PREVIEWS[3]).ref.blob)
    finally:
        store.close()


NOTES = [noise(3_000 + 700 * seed, seed) for seed in range(3)]
SMALL_ONES = {digest(data): data for data in (*PREVIEWS, *NOTES)}


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 130), min_size=1, max_size=3), st.data())
def test_a_crash_while_packs_grow_and_shrink_loses_nothing_that_is_held(
    crash_after: list[int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as small:
        small.setattr(limits, "PACK_BYTES_MAX", 100_000)
        root = Path(folder, "store")
        promised: set[BlobId] = set()
        for life, steps in enumerate(crash_after):
            with pytest.MonkeyPatch.context() as patch:
                disk = FailingDisk(patch, root, steps)
                wrap_ledger(patch, disk)
                try:
                    pack_and_drop(root, promised, life)
                except Crash:
                    disk.lose_power(lambda: data.draw(st.booleans(), label="lost"))
            check_final_names(root)
            store = FileStore.open(root, World(entropy=SeededEntropy(100 + life)))
            held = {ref.blob for ref in store.refs() if store.has(ref.blob)}
            assert promised <= held, "a blob was announced and is not held any more"
            verdicts = store.verify_many(sorted(held))
            assert all(verdict.error is None for verdict in verdicts)
            assert all(store.read(blob) == SMALL_ONES[blob] for blob in held)
            store.close()
        before = {blob for blob in held if blob in promised}
        for path in root.glob("ledger*"):
            path.unlink()
        again = FileStore.open(root, World())
        if again.needs_rebuild:
            again.rebuild()
        assert before <= {ref.blob for ref in again.refs()}
        assert all(again.read(ref.blob) == SMALL_ONES[ref.blob] for ref in again.refs())
        again.close()


def test_the_check_itself_sees_an_unsynced_rename(tmp_path: Path) -> None:
    """The disk of this test would catch a store that renames first and syncs later."""
    data = noise(1_000)
    with pytest.MonkeyPatch.context() as patch:
        disk = FailingDisk(patch, tmp_path, 1 << 30)
        final = tmp_path / "blobs" / digest(data).hex()
        final.parent.mkdir()
        files = World().files
        files.write_at(tmp_path / "temporary", 0, data)
        (tmp_path / "temporary").replace(final)
        answers = iter([False, True, True])
        disk.lose_power(lambda: next(answers))
    with pytest.raises(AssertionError):
        check_final_names(tmp_path)


def test_an_intent_whose_file_is_wrong_is_put_aside(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, World())
    found = scan_bytes(BIG)
    shelf.ledger.intend([found], FileStore.open(tmp_path / "x", World()).put(PUT).origin)
    final = shelf.final(found.ref.blob)
    final.parent.mkdir(parents=True)
    final.write_bytes(b"never verified")
    shelf.settle()
    assert shelf.ledger.held(found.ref.blob) is None
    assert shelf.ledger.intended() == []
    assert not final.exists()

"""Whatever happens to a stored file, only what is wrong of it crosses the wire again."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photonic import wire
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.store import BlobStore, Soundness
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.blob_messages import AskChunks, Question
from photonic.p2p.holders import Counters
from photonic.p2p.serving import BlobServer
from photonic.p2p.transport import Stream
from photonic.world import World
from tests.blobs.damage import Fault, failing_reads, faults
from tests.blobs.samples import jpeg, noise
from tests.p2p.transfer_cluster import TransferCluster, filled, run_with_ticks

BIG = jpeg(noise(30_000, 1), noise(3_000_000, 1))
SMALL = noise(900_000, 2)  # one message, and several chunks
OTHER = noise(2_000_000, 3)
KINDS = ("flip", "truncate", "extend", "delete")
SLOW = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Heard:
    """An honest server that remembers which chunks it was asked for."""

    def __init__(self, store: BlobStore) -> None:
        self.store = store
        self.chunks: Counter[tuple[bytes, int]] = Counter()
        self.others = 0  # questions for lists and for whole blobs

    async def serve(self, stream: Stream) -> None:
        server = BlobServer(self.store, anyio.CapacityLimiter(2), Counters())
        await server.serve(_Listened(stream, self))

    def hear(self, question: Question) -> None:
        if isinstance(question, AskChunks):
            self.chunks.update((question.blob, index) for index in question.indices)
        else:
            self.others += 1


class _Listened:
    """A stream whose incoming questions are noted."""

    def __init__(self, inner: Stream, heard: Heard) -> None:
        self._inner, self._heard, self._reader = inner, heard, wire.FrameReader()
        self.send, self.close = inner.send, inner.close

    @property
    def peer(self) -> NodeId:
        return self._inner.peer

    async def receive(self, size_bytes: int) -> bytes:
        data = await self._inner.receive(size_bytes)
        for body in self._reader.feed(data):
            self._heard.hear(wire.decode(body, Question))  # type: ignore[arg-type]
        return data


def repair(store: FileStore, datas: Sequence[bytes]) -> Heard:
    """Let a store get back what it lost from a peer that holds everything."""
    heard = Heard(filled(datas))

    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", heard.store, serve=heard.serve)
        sink = await nodes.start("sink", store)
        await nodes.join(sink, source)
        refs = [damage.ref for damage in store.damaged()]
        sink.want([ref for ref in refs if ref is not None], [source])
        await sink.wait_for_all()

    run_with_ticks(main)
    return heard


@pytest.mark.parametrize("data", [BIG, SMALL], ids=["big", "small"])
@SLOW
@given(some=st.lists(faults(*KINDS), min_size=1, max_size=3))
def test_only_the_damaged_chunks_are_asked_for_again(data: bytes, some: list[Fault]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore.open(Path(folder), World())
        blob, other = (store.put(one).ref.blob for one in (data, OTHER))
        offsets = store.chunk_list(blob).offsets
        path, before = store.path(blob), store.held(other)
        for fault in some:
            if path.exists() and path.stat().st_size:
                fault.happen(path)
        right = set(range(len(offsets) - 1)) - _wrong(path, data, offsets)

        (verdict,) = store.verify_many([blob])
        if path.exists() and digest(path.read_bytes()) == blob:  # flipped back, or only too long
            assert verdict.soundness in (Soundness.SOUND, Soundness.MENDED)
            assert store.damaged() == ()
        else:
            assert verdict.soundness in (Soundness.DAMAGED, Soundness.LOST)
            assert not store.has(blob)
            heard = repair(store, [data, OTHER])
            wanted = {(bytes(blob), index) for index in range(len(offsets) - 1)}
            wanted -= {(bytes(blob), index) for index in right}
            assert heard.chunks == Counter(wanted)
            assert heard.others == 0
        assert store.read(blob) == data
        assert store.verify(blob).ref.blob == blob
        assert store.damaged() == ()
        assert store.partials() == ()
        assert list((Path(folder) / "damaged").iterdir()) == []
        assert store.held(other) == before
        store.close()


def _wrong(path: Path, data: bytes, offsets: Sequence[int]) -> set[int]:
    """Return which chunks a file does not have, found by comparing bytes and nothing else."""
    found = path.read_bytes() if path.exists() else b""
    pairs = enumerate(pairwise(offsets))
    return {index for index, (a, b) in pairs if found[a:b] != data[a:b]}


@SLOW
@given(at=st.floats(0, 1, exclude_max=True), length=st.integers(1, 1_200_000))
def test_what_the_disk_does_not_give_is_held_until_it_is_given_up(at: float, length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore.open(Path(folder), World())
        blob = store.put(BIG).ref.blob
        offsets, path, held = store.chunk_list(blob).offsets, store.path(blob), store.held(blob)
        start = int(at * len(BIG))
        with failing_reads(path, start, length) as failed:
            (verdict,) = store.verify_many([blob])
            assert verdict.soundness is Soundness.UNREADABLE
            assert verdict.what == "Input/output error"
            assert store.held(blob) == held, "nothing is known of it, so nothing is changed"
            unread = {index for index in range(len(offsets) - 1) if offsets[index] in failed}
            with failing_reads(Path(folder) / "damaged" / blob.hex(), start, length):
                (verdict,) = store.verify_many([blob], gives_up=True)
                assert verdict.soundness is Soundness.DAMAGED
                heard = repair(store, [BIG])
        assert heard.chunks == Counter((bytes(blob), index) for index in unread)
        assert heard.others == 0
        assert store.read(blob) == BIG
        store.close()


def test_a_disk_that_gives_the_bytes_again_was_never_damaged(tmp_path: Path) -> None:
    store = FileStore.open(tmp_path, World())
    blob = store.put(BIG).ref.blob
    with failing_reads(store.path(blob), 0, len(BIG)):
        assert store.verify_many([blob])[0].soundness is Soundness.UNREADABLE
    assert store.verify_many([blob])[0].soundness is Soundness.SOUND


def test_a_damaged_blob_is_served_by_nobody_and_repaired_where_it_was_found(
    tmp_path: Path,
) -> None:
    """A peer's question finds the damage; the damaged chunk alone comes back from another."""
    rotten = FileStore.open(tmp_path, World())
    blob = rotten.put(BIG).ref.blob
    fault = Fault("flip", 0.7)
    hit = fault.hit(rotten.chunk_list(blob).offsets)
    fault.happen(rotten.path(blob))

    async def main(nodes: TransferCluster) -> None:
        one = await nodes.start("rotten", rotten)
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, one)
        sink.want([scan_bytes(BIG).ref], [one])
        await sink.wait_for(lambda: bool(rotten.damaged()))

    run_with_ticks(main)
    heard = repair(rotten, [BIG])
    assert heard.chunks == Counter((bytes(blob), index) for index in hit)
    assert rotten.read(BlobId(digest(BIG))) == BIG

"""Peers that are silent, lie, rot or hold nothing cost a transfer time, and never a wrong byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from photonic import limits, wire
from photonic.blobs.chunks import Chunk, ChunkList
from photonic.blobs.files import FileStore
from photonic.blobs.store import BlobStore
from photonic.errors import PhotonicError, StoreFull
from photonic.ids import BlobId, NodeId, digest
from photonic.p2p.blob_messages import (
    AskList,
    GiveChunk,
    GiveList,
    Question,
)
from photonic.p2p.holders import Counters
from photonic.p2p.jobs import TransferState
from photonic.p2p.planner import WantPage, WantsAsked
from photonic.p2p.serving import BlobServer
from photonic.p2p.transport import Stream
from photonic.photos import BlobRef
from photonic.world import World
from tests.blobs.samples import noise
from tests.p2p.transfer_cluster import (
    BIG,
    SMALL,
    TransferCluster,
    assert_held,
    decode_answer,
    filled,
    refs,
    run,
    run_with_ticks,
)


async def never_answer(stream: Stream) -> None:
    while await stream.receive(limits.READ_BYTES):
        pass


def test_a_silent_peer_is_given_up() -> None:
    async def main(nodes: TransferCluster) -> None:
        silent = await nodes.start("silent", filled(BIG), serve=never_answer)
        other = await nodes.start("other", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, silent)
        sink.want(refs(BIG), [silent, other])
        await sink.wait_for(lambda: sink.transfers.counters.retries > 0)
        assert sink.transfers.scores()[silent.node].failures > 0
        await nodes.join(sink, other)
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run_with_ticks(main)


@dataclass
class Liar:
    """Answers like an honest server, but twists the chunks."""

    store: BlobStore
    twist: Callable[[bytes], bytes]

    async def serve(self, stream: Stream) -> None:
        server = BlobServer(self.store, anyio.CapacityLimiter(2), Counters())
        await server.serve(_Twisted(stream, self.twist))


class _Twisted:
    """A stream whose outgoing chunks are twisted."""

    def __init__(self, inner: Stream, twist: Callable[[bytes], bytes]) -> None:
        self._inner, self._twist = inner, twist
        self.receive, self.close = inner.receive, inner.close

    @property
    def peer(self) -> NodeId:
        return self._inner.peer

    async def send(self, data: bytes) -> None:
        reader = wire.FrameReader()
        for body in reader.feed(data):
            answer = decode_answer(body)
            if isinstance(answer, GiveChunk):
                answer = GiveChunk(answer.number, answer.index, self._twist(answer.data))
            await self._inner.send(wire.frame(wire.encode(answer)))


@pytest.mark.parametrize(
    "twist", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d + b"x", lambda d: b""]
)
def test_a_peer_that_lies_is_found_out_and_barred(twist: Callable[[bytes], bytes]) -> None:
    async def main(nodes: TransferCluster) -> None:
        liar = await nodes.start("liar", filled([]), serve=Liar(filled(BIG), twist).serve)
        honest = await nodes.start("honest", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, liar)
        sink.want(refs(BIG), [liar, honest])
        await sink.wait_for(lambda: sink.transfers.counters.chunks_corrupt > 0)
        await nodes.join(sink, honest)
        await sink.wait_for_all()
        assert_held(sink.store, BIG)
        score = sink.transfers.scores()[liar.node]
        assert score.corrupt >= 1
        assert score.barred_s > anyio.current_time()
        assert sink.transfers.scores()[honest.node].corrupt == 0

    run_with_ticks(main)


def test_a_holder_that_holds_nothing_is_not_asked_again_and_others_are() -> None:
    async def main(nodes: TransferCluster) -> None:
        mistaken = await nodes.start("mistaken", filled([]))
        honest = await nodes.start("honest", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, mistaken, honest)
        sink.want(refs(BIG), [mistaken, honest])
        await sink.wait_for_all()
        assert_held(sink.store, BIG)
        assert sink.transfers.scores()[mistaken.node].failures == 0
        assert sink.transfers.scores()[mistaken.node].corrupt == 0

    run(main)


def test_rot_on_the_servers_disk_is_not_sent(tmp_path: Path) -> None:
    async def main(nodes: TransferCluster) -> None:
        rotten = FileStore.open(tmp_path, World())
        for data in BIG:
            rotten.put(data)
        path = rotten.path(BlobId(digest(BIG[0])))
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(2_000_000)
            file.write(b"rot")
        one = await nodes.start("rotten", rotten)
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, one)
        sink.want(refs(BIG), [one])
        await sink.wait_for(lambda: len(sink.wants.arrivals) == len(BIG) - 1)
        await sink.wait_for(lambda: not rotten.has(BlobId(digest(BIG[0]))))
        assert sink.transfers.counters.chunks_corrupt == 0
        assert sink.transfers.scores()[one.node].corrupt == 0
        other = await nodes.start("other", filled(BIG))
        await nodes.join(sink, other)
        sink.wants.wants.clear()
        sink.want(refs(BIG[:1]), [one, other])
        await sink.wait_for_all()
        assert_held(sink.store, BIG)

    run_with_ticks(main)


def test_a_chunk_list_that_lies_blocks_its_blob_and_no_other() -> None:
    other = noise(1_500_000, 9)
    chunks = ChunkList((Chunk(digest(other), len(other)),))
    liar = BlobRef(BlobId(digest(b"something else")), len(other), chunks.id)

    async def serve(stream: Stream) -> None:
        """Answer for the lie; everything else goes to an honest server."""
        reader = wire.FrameReader()
        while data := await stream.receive(limits.READ_BYTES):
            for body in reader.feed(data):
                question: Question = wire.decode(body, Question)  # type: ignore[arg-type]
                if isinstance(question, AskList):
                    answer = wire.encode(GiveList(question.number, chunks.encoded))
                else:
                    answer = wire.encode(GiveChunk(question.number, 0, other))
                await stream.send(wire.frame(answer))

    async def main(nodes: TransferCluster) -> None:
        crooked = await nodes.start("crooked", filled([]), serve=serve)
        honest = await nodes.start("honest", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(sink, crooked, honest)
        sink.want([liar], [crooked])
        sink.want(refs(BIG), [honest])
        await sink.wait_for(lambda: len(sink.wants.arrivals) == len(BIG))
        await sink.wait_for(lambda: sink.transfers.problem is not None)
        assert not sink.store.has(liar.blob)
        (view,) = sink.transfers.snapshot()
        assert view.state is TransferState.BLOCKED
        assert sink.transfers.scores()[crooked.node].corrupt == 0

    run_with_ticks(main)


@pytest.mark.parametrize("error", [StoreFull("the journal", 1, 0), RuntimeError("a bug")])
def test_a_catalog_that_refuses_for_a_while_is_told_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(nodes: TransferCluster) -> None:
        one = await nodes.start("one", filled(SMALL))
        sink = await nodes.start("sink", filled([]))
        refusals: list[str] = []
        arrived, wanted = sink.wants.arrived, sink.wants.wanted

        async def refuse_to_hear(some: Sequence[BlobRef]) -> None:
            if refusals.count("arrived") < 3:
                refusals.append("arrived")
                raise error
            await arrived(some)

        async def refuse_to_say(asked: WantsAsked) -> WantPage:
            if not refusals:
                refusals.append("wanted")
                raise error
            return await wanted(asked)

        monkeypatch.setattr(sink.wants, "arrived", refuse_to_hear)
        monkeypatch.setattr(sink.wants, "wanted", refuse_to_say)
        sink.want(refs(SMALL), [one])
        await nodes.join(sink, one)
        await sink.wait_for(lambda: refusals.count("arrived") > 0)
        told = sink.transfers.problem
        assert told is error or isinstance(told, PhotonicError)
        await sink.wait_for_all()
        assert_held(sink.store, SMALL)
        await sink.wait_for(lambda: sink.transfers.problem is None)
        assert sink.transfers.snapshot() == ()
        assert refusals == ["wanted", "arrived", "arrived", "arrived"]

    run_with_ticks(main)

"""A server answers what it is asked, within bounds, and nonsense costs only who says it."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.errors import StreamBroken
from photonic.p2p.blob_messages import (
    Answer,
    AskBlob,
    AskChunks,
    AskList,
    Busy,
    GiveChunk,
    Missing,
)
from photonic.p2p.messages import BLOB_PROTOCOL
from photonic.p2p.transport import Stream
from tests.p2p.transfer_cluster import (
    BIG,
    SMALL,
    TransferCluster,
    assert_held,
    decode_answer,
    filled,
    refs,
    run,
)


def test_a_peer_with_too_many_streams_hears_that_we_are_busy() -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(SMALL))
        greedy = await nodes.start("greedy", filled([]))
        await nodes.join(source, greedy)
        ref = refs(SMALL)[0]
        question = wire.frame(wire.encode(AskBlob(1, ref.blob, ref.chunks)))
        streams = []
        for _ in range(limits.SERVED_STREAMS_PER_PEER_MAX):
            streams.append(await greedy.transport.open(source.node, BLOB_PROTOCOL))
            await streams[-1].send(question)
            assert not isinstance(await read_answer(streams[-1]), Busy)
        extra = await greedy.transport.open(source.node, BLOB_PROTOCOL)
        await extra.send(question)
        assert isinstance(await read_answer(extra), Busy)
        for stream in (*streams, extra):
            await stream.close()

    run(main)


async def read_answer(stream: Stream) -> Answer | None:
    reader = wire.FrameReader()
    while data := await stream.receive(limits.READ_BYTES):
        for body in reader.feed(data):
            return decode_answer(body)
    return None


@settings(deadline=None, max_examples=15)
@given(st.lists(st.binary(max_size=64), min_size=1, max_size=5), st.booleans())
def test_nonsense_costs_a_peer_its_stream_and_nothing_else(said: list[bytes], framed: bool) -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(SMALL[:1]))
        fool = await nodes.start("fool", filled([]))
        await nodes.join(source, fool)
        stream = await fool.transport.open(source.node, BLOB_PROTOCOL)
        with suppress(StreamBroken):  # it may have been thrown out after the first word
            for data in said:
                if data:
                    await stream.send(wire.frame(data) if framed else data)
        await stream.close()
        fool.want(refs(SMALL[:1]), [source])
        await fool.wait_for_all()
        assert_held(fool.store, SMALL[:1])

    run(main)


def test_an_absent_chunk_and_a_wrong_list_are_missing() -> None:
    async def main(nodes: TransferCluster) -> None:
        source = await nodes.start("source", filled(BIG))
        sink = await nodes.start("sink", filled([]))
        await nodes.join(source, sink)
        stream = await sink.transport.open(source.node, BLOB_PROTOCOL)
        ref = refs(BIG)[0]
        for question in (
            AskChunks(1, ref.blob, ref.chunks, (0, 5_000)),
            AskList(2, ref.blob, bytes(32)),
            AskBlob(3, ref.blob, ref.chunks),  # it is not small
        ):
            await stream.send(wire.frame(wire.encode(question)))
        answers: list[Answer] = []
        reader = wire.FrameReader()
        while len(answers) < 4:
            bodies = reader.feed(await stream.receive(limits.READ_BYTES))
            answers += [decode_answer(body) for body in bodies]
        assert isinstance(answers[0], GiveChunk)
        assert answers[1:] == [Missing(1), Missing(2), Missing(3)]
        await stream.close()

    run(main)

"""What we add to the multiplexer's streams, and what breaks without it.

Where a claim names a change in brackets, the test was seen to fail with that change taken out.
"""

from __future__ import annotations

import anyio
import pytest
import trio.testing
from libp2p.exceptions import BaseLibp2pError

from photonic.errors import StreamBroken
from photonic.p2p.streams import DATA, PING, SYN, WINDOW_UPDATE, header
from photonic.p2p.transport import PeerDown, PeerUp, Stream
from tests.p2p.peer import ECHO, SINK, connected_pair, echo, read_all, running, send_for_ever
from tests.p2p.raw_peer import as_raw, make, open_files, run, stranger


def test_5000_streams_one_after_the_other_leave_nothing_behind() -> None:
    async def main() -> None:
        transport_a, transport_b = make(), make()
        async with running(transport_a) as a, running(transport_b) as b:
            await a.dial(b)
            await a.ask(b, ECHO, b"first")
            files = open_files()
            for number in range(5_000):
                assert await a.ask(b, ECHO, data := number.to_bytes(4, "big")) == data
            await trio.testing.wait_all_tasks_blocked()
            for transport in (transport_a, transport_b):
                [muxer] = transport._muxers.values()
                assert len(muxer.streams) <= 1
                assert len(muxer.stream_buffers) <= 1
                assert muxer.served <= 1
                assert muxer.stream_backlog_semaphore.value == 256
            assert open_files() == files

    run(main, 120)


def test_too_many_streams_is_an_error_and_not_a_wait_for_ever() -> None:
    """[the check in open] The library waits for a slot with no bound."""

    async def main() -> None:
        async with connected_pair(make, {ECHO: echo}) as (a, b):
            streams = [await a.transport.open(b.node, ECHO) for _ in range(256)]
            with anyio.fail_after(5), pytest.raises(StreamBroken):
                await a.transport.open(b.node, ECHO)
            for stream in streams:
                await stream.close()
            assert await a.ask(b, ECHO, b"slots are back") == b"slots are back"

    run(main)


def test_a_peer_that_exceeds_its_window_is_cut() -> None:
    """[Unread] The library logs a warning and keeps the bytes."""

    async def forgetful(stream: Stream) -> None:
        await anyio.sleep_forever()

    async def main() -> None:
        identity = stranger()
        async with running(make(), {SINK: forgetful}) as b, as_raw(identity, b) as raw:
            await raw.choose_yamux()
            await raw.open_stream(1, SINK)
            with anyio.fail_after(20), pytest.raises(BaseLibp2pError):
                await raw.send_for_ever(header(DATA, 0, 1, 60_000) + bytes(60_000))
            await b.wait_kinds(identity.node, PeerUp, PeerDown)

    run(main)


def test_a_peer_with_a_full_pipe_still_hears_what_we_say() -> None:
    """[the queue of answers in _Muxer] As shipped the reader waits until its answer is taken.

    The raw peer reads nothing at all while our handlers flood it; then it opens one more stream
    (whose opening must be acknowledged into the full pipe) and sends on an older one.
    """
    heard = anyio.Event()

    async def listen(stream: Stream) -> None:
        while await stream.receive(64) != b"now":
            pass
        heard.set()

    async def main() -> None:
        identity = stranger()
        async with (
            running(make(), {ECHO: listen, SINK: send_for_ever}) as b,
            as_raw(identity, b) as raw,
        ):
            await raw.choose_yamux()
            await raw.open_stream(1, ECHO)
            for stream_id in range(3, 203, 2):  # 100 windows of 256 KiB: more than a pipe holds
                await raw.open_stream(stream_id, SINK)
                await raw.send_frame(WINDOW_UPDATE, 0, stream_id, 1 << 20)
            await trio.testing.wait_all_tasks_blocked(0.3)
            for stream_id in range(203, 303, 2):
                await raw.send_frame(WINDOW_UPDATE, SYN, stream_id)
            await raw.send_frame(DATA, 0, 1, b"now")
            with anyio.fail_after(4):
                await heard.wait()

    run(main)


def test_a_peer_that_asks_and_never_reads_is_cut() -> None:
    """[the bound of the queue of answers]"""

    async def main() -> None:
        identity = stranger()
        async with running(make()) as b, as_raw(identity, b) as raw:
            await raw.choose_yamux()
            with anyio.fail_after(30), pytest.raises(BaseLibp2pError):
                await raw.send_for_ever(header(PING, SYN, 0, 1) * 5_000)
            await b.wait_kinds(identity.node, PeerUp, PeerDown)

    run(main)


def test_a_receive_that_is_cancelled_loses_nothing() -> None:
    """[the shield in MuxedStream.receive] Bytes leave the buffer before credit is returned."""
    data, may_end = bytes(3 << 19), anyio.Event()

    async def give(stream: Stream) -> None:
        await stream.send(data)
        await may_end.wait()

    async def main() -> None:
        async with connected_pair(make, {SINK: give, ECHO: echo}) as (a, b):
            stream = await a.transport.open(b.node, SINK)
            while await a.ask(b, ECHO, b"what came before this has arrived"):
                [muxer] = a.transport._muxers.values()  # type: ignore[attr-defined]
                if sum(map(len, muxer.stream_buffers.values())) == len(data):
                    break
            got = b""
            with anyio.CancelScope() as scope:
                scope.cancel()
                got = await stream.receive(len(data))
            may_end.set()
            assert len(got) + len(await read_all(stream)) == len(data)

    run(main)


@pytest.mark.slow
def test_a_reader_that_pauses_for_longer_than_the_library_waits_breaks_nothing() -> None:
    """[_wait_room] The library resets a stream whose window stays shut for five seconds."""
    may_read = anyio.Event()

    async def late(stream: Stream) -> None:
        await may_read.wait()
        await stream.send(len(await read_all(stream)).to_bytes(8, "big"))

    async def main() -> None:
        async with connected_pair(make, {SINK: late}) as (a, b):
            stream = await a.transport.open(b.node, SINK)
            ended = anyio.Event()

            async def send() -> None:
                await stream.send(bytes(8 << 20))
                await stream.close()
                ended.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                with anyio.move_on_after(6.5) as patience:
                    await ended.wait()
                assert patience.cancelled_caught, "the sender was to wait"
                may_read.set()
                assert int.from_bytes(await read_all(stream), "big") == 8 << 20

    run(main)

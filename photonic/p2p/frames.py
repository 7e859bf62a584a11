"""Messages on a stream: what wire.py frames, sent and read with a time limit on each read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import trio

from photonic import limits, wire
from photonic.errors import StreamBroken
from photonic.ids import NodeId
from photonic.p2p.transport import Stream, Transport

_READ_BYTES = 64 * limits.KIB


async def send_message(stream: Stream, message: object) -> None:
    """Send one message, compressed if that pays. Raises StreamBroken, FrameInvalid."""
    await stream.send(wire.frame(wire.encode(message), compress=True))


async def read_message(
    stream: Stream,
    kind: Any,
    timeout_s: float,
    *,
    frame_bytes_max: int = limits.FRAME_BYTES_MAX,
) -> Any:
    """Read the one message that is expected; None if the stream ends before it.

    Raises StreamBroken (torn or too slow), FrameInvalid.
    """
    with trio.move_on_after(timeout_s):
        reader = wire.FrameReader(frame_bytes_max)
        while data := await stream.receive(_READ_BYTES):
            for body in reader.feed(data):
                return wire.decode(body, kind)
        if reader.is_mid_frame:
            raise StreamBroken("the stream ended in the middle of a message")
        return None
    raise StreamBroken(f"the peer said nothing for {timeout_s:.0f} s")


async def ask_once(
    transport: Transport, node: NodeId, protocol: str, question: object, kind: Any, timeout_s: float
) -> Any:
    """Ask a connected peer one thing on a stream of its own and return the short answer.

    Raises PeerUnreachable, StreamBroken (too slow, too), FrameInvalid.
    """
    answer = None
    with trio.move_on_after(timeout_s):
        stream = await transport.open(node, protocol)
        try:
            await send_message(stream, question)
            answer = await _read_short(stream, kind)
        finally:
            with trio.CancelScope(shield=True):
                await stream.close()
    if answer is None:
        raise StreamBroken("the peer did not answer")
    return answer


async def read_question(stream: Stream, kind: Any) -> Any:
    """Read what a peer asks with `ask_once`. Raises StreamBroken, FrameInvalid."""
    with trio.move_on_after(limits.REQUEST_TIMEOUT_S):
        return await _read_short(stream, kind)
    raise StreamBroken("the peer asked nothing")


async def _read_short(stream: Stream, kind: Any) -> Any:
    reader = wire.FrameReader(limits.LANE_FRAME_BYTES_MAX)
    while data := await stream.receive(limits.LANE_FRAME_BYTES_MAX):
        for body in reader.feed(data):
            return wire.decode(body, kind)
    raise StreamBroken("the peer ended the stream instead of speaking")


async def messages(
    stream: Stream, kind: Any, *, frame_bytes_max: int = limits.FRAME_BYTES_MAX
) -> AsyncIterator[Any]:
    """Yield messages until the stream ends. Raises StreamBroken if that is inside of one."""
    async with aclosing(message_batches(stream, kind, frame_bytes_max=frame_bytes_max)) as batches:
        async for batch in batches:
            for message in batch:
                yield message


async def message_batches(
    stream: Stream, kind: Any, *, frame_bytes_max: int = limits.FRAME_BYTES_MAX
) -> AsyncGenerator[list[Any], None]:
    """Yield messages as `messages` does, together what came together."""
    reader = wire.FrameReader(frame_bytes_max)
    while data := await stream.receive(_READ_BYTES):
        batch = [wire.decode(body, kind) for body in reader.feed(data)]
        if batch:
            yield batch
    if reader.is_mid_frame:
        raise StreamBroken("the stream ended in the middle of a message")

"""Promises on the wire: one question on a stream of its own, and its answer.

What is asked and answered is `attestations.py`'s; what is worth promising is decided above.
"""

from __future__ import annotations

from collections.abc import Collection

import trio

from photonic import limits
from photonic.errors import StreamBroken
from photonic.ids import BlobId, NodeId
from photonic.p2p.attestations import PROMISE_PROTOCOL, AskPromises, Promises, Question
from photonic.p2p.frames import read_message, send_message
from photonic.p2p.transport import Stream, Transport


async def ask_promises(
    transport: Transport, node: NodeId, question: Question, blobs: Collection[BlobId]
) -> Promises:
    """Ask a connected peer to promise some of the question's blobs. Nothing of it is judged yet.

    Raises PeerUnreachable, StreamBroken (too slow, too), FrameInvalid.
    """
    with trio.move_on_after(limits.PROMISE_ANSWER_S):
        stream = await transport.open(node, PROMISE_PROTOCOL)
        try:
            await send_message(stream, question.message(blobs))
            answer = await _read(stream, Promises, limits.PROMISE_ANSWER_S)
        finally:
            with trio.CancelScope(shield=True):
                await stream.close()
        assert isinstance(answer, Promises)
        return answer
    raise StreamBroken("the peer promised nothing in time")


async def read_ask(stream: Stream) -> AskPromises:
    """Read what a peer asks. Raises StreamBroken, FrameInvalid."""
    asked = await _read(stream, AskPromises, limits.REQUEST_TIMEOUT_S)
    assert isinstance(asked, AskPromises)
    return asked


async def _read(stream: Stream, kind: type, timeout_s: float) -> object:
    message = await read_message(
        stream, kind, timeout_s, frame_bytes_max=limits.PROMISE_FRAME_BYTES_MAX
    )
    if message is None:
        raise StreamBroken("the peer ended the stream instead of speaking")
    return message

"""A daemon that lies to whoever fetches from it: all of it is real but what its carrier gives.

`python -m simulations.liar --home HOME node ...` is `python -m photonic` with another carrier, this
module again. How it lies stands in the file `lie` of the home, a name of `LIES`, and may change
while it runs; without the file it is honest.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from photonic import wire
from photonic.blobs.chunks import ChunkList
from photonic.cli import app
from photonic.p2p import answering, carrier, lane_serving
from photonic.p2p.blob_messages import Answer, GiveChunk, GiveList

Lie = Callable[[list[bytes]], list[bytes]]

_CARRIER = "photonic.p2p.carrier"
_WHERE = "LIE_FILE"
_SLOW_S = 4.0  # before each megabyte: just not so long that it counts as silence


def _twisted(twist: Callable[[Answer], Answer]) -> Lie:
    """Return a lie that changes each answer."""

    def lie(frames: list[bytes]) -> list[bytes]:
        told: list[bytes] = []
        reader = wire.FrameReader()
        for frame in frames:
            for body in reader.feed(frame):
                answer: Answer = wire.decode(body, Answer)  # type: ignore[arg-type]
                told.append(wire.frame(wire.encode(twist(answer))))
        return told

    return lie


def _wrong_bytes(answer: Answer) -> Answer:
    if isinstance(answer, GiveChunk):
        wrong = answer.data[:-1] + bytes([answer.data[-1] ^ 1])
        return GiveChunk(answer.number, answer.index, wrong)
    return answer


def _too_long(answer: Answer) -> Answer:
    if isinstance(answer, GiveChunk):
        return GiveChunk(answer.number, answer.index, answer.data + b"!")
    return answer


def _wrong_list(answer: Answer) -> Answer:
    if isinstance(answer, GiveList):
        chunks = ChunkList.decode(answer.chunk_list).chunks
        return GiveList(answer.number, ChunkList(chunks[:-1]).encoded)
    return answer


def _too_slow(frames: list[bytes]) -> list[bytes]:
    threading.Event().wait(_SLOW_S)
    return frames


LIES: dict[str, Lie] = {
    "wrong bytes": _twisted(_wrong_bytes),
    "too long": _twisted(_too_long),
    "a wrong chunk list": _twisted(_wrong_list),
    "too slow": _too_slow,
    "never": lambda frames: [],
}


def _carry() -> None:
    """Be the carrier."""
    honest, where = answering.read_some, Path(os.environ[_WHERE])

    def read_some(*arguments: Any) -> None:
        honest(*arguments)
        reading = arguments[2]
        if where.exists():
            reading.frames = LIES[where.read_text()](reading.frames)

    lane_serving.read_some = read_some  # type: ignore[assignment, attr-defined]
    carrier.main()


def _live() -> None:
    """Be the daemon."""
    os.environ[_WHERE] = str(Path(sys.argv[sys.argv.index("--home") + 1]) / "lie")
    honest = trio.lowlevel.open_process

    async def open_process(command: list[str], **rest: Any) -> trio.Process:
        here = [__spec__.name if word == _CARRIER else word for word in command]
        return await honest(here, **rest)

    trio.lowlevel.open_process = open_process  # type: ignore[assignment]
    app.main()


if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        _carry()
    else:
        _live()

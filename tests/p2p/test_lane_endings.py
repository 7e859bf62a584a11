"""However a lane ends, what had come over it by then is kept, and need not come again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from photonic import limits, wire
from photonic.errors import FrameInvalid, StreamBroken
from photonic.p2p.blob_messages import AskBlob, Missing, Question
from photonic.p2p.exchange import Effect
from photonic.p2p.lane_messages import Answered
from tests.p2p.test_lane_faults import SMALL, Fetcher, honest, whole

COUNT = 6
WITHIN_S = 10.0


class Slow(socket.socket):
    """A socket that gives an answer at a time."""

    def __init__(self, inner: socket.socket) -> None:
        super().__init__(fileno=inner.detach())

    def recv_into(self, window: memoryview) -> int:  # type: ignore[override]
        return super().recv_into(window[: len(SMALL)])


@contextmanager
def answered(*, hangs_up: bool) -> Iterator[tuple[Slow, threading.Event]]:
    """Give a lane whose peer answers COUNT questions at once, and an event: all is on its way."""
    near, theirs = socket.socketpair()
    ours, sent, over = Slow(near), threading.Event(), threading.Event()

    def answer() -> None:
        reader, frames = wire.FrameReader(), list[bytes]()
        with theirs:
            while len(frames) < COUNT:
                for body in reader.feed(theirs.recv(limits.READ_BYTES)):
                    question: Question = wire.decode(body, Question)  # type: ignore[arg-type]
                    frames += [wire.frame(wire.encode(said)) for said in honest(question)]
            theirs.sendall(b"".join(frames))
            sent.set()
            if not hangs_up:
                over.wait(WITHIN_S)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with ours:
            yield ours, sent
    finally:
        over.set()
        thread.join()


def answers(fetcher: Fetcher) -> int:
    return sum(isinstance(event, Answered) for event in fetcher.told)


def test_what_was_read_before_the_end_is_kept() -> None:
    with answered(hangs_up=True) as (lane, _):
        fetcher = Fetcher(lane)
        with pytest.raises(StreamBroken):
            fetcher.run(*[whole(SMALL) for _ in range(COUNT)])
    assert answers(fetcher) == COUNT


def test_what_was_read_before_a_lie_is_kept() -> None:
    near, theirs = socket.socketpair()
    with near, theirs:
        fetcher = Fetcher(near)
        ref = whole(SMALL).ref
        right = [said for n in (1, 2) for said in honest(AskBlob(n, ref.blob, ref.chunks))]
        lie = Missing(17)
        theirs.sendall(b"".join(wire.frame(wire.encode(said)) for said in [*right, lie]))
        with pytest.raises(FrameInvalid):
            fetcher.run(*[whole(SMALL) for _ in range(COUNT)])
    assert answers(fetcher) == 2


def test_what_was_here_unread_when_it_was_stopped_is_kept() -> None:
    class Stopped(Fetcher):
        """Stops when the first answer is here, and all of them are on their way."""

        def keep(self, effects: Sequence[Effect], size_bytes: int) -> None:
            assert_set(sent)
            self.fetch.stop()
            super().keep(effects, size_bytes)

    with answered(hangs_up=False) as (lane, sent):
        fetcher = Stopped(lane)
        fetcher.run(*[whole(SMALL) for _ in range(COUNT)])
    assert answers(fetcher) == COUNT


def assert_set(event: threading.Event) -> None:
    assert event.wait(WITHIN_S)

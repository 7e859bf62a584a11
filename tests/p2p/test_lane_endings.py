"""However a lane ends, what had come over it by then is kept, and need not come again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from photonic import limits, wire
from photonic.errors import StreamBroken
from photonic.p2p.blob_messages import Question
from photonic.p2p.exchange import Effect
from photonic.p2p.lane_messages import Answered
from tests.p2p.test_lane_faults import SMALL, Fetcher, honest, whole

COUNT = 6
WITHIN_S = 10.0


class Watched(socket.socket):
    """A socket that gives an answer at a time, and says when its end was read."""

    def __init__(self, inner: socket.socket) -> None:
        super().__init__(fileno=inner.detach())
        self.end_was_read = threading.Event()

    def recv_into(self, window: memoryview) -> int:  # type: ignore[override]
        count = super().recv_into(window[: len(SMALL)])
        if not count:
            self.end_was_read.set()
        return count


@contextmanager
def answered(*, hangs_up: bool) -> Iterator[tuple[Watched, threading.Event]]:
    """Give a lane whose peer answers COUNT questions at once, and an event: all is on its way."""
    near, theirs = socket.socketpair()
    ours, sent, over = Watched(near), threading.Event(), threading.Event()

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


class Patient(Fetcher):
    """Keeps nothing before something has happened."""

    def wait(self) -> None:
        """Wait for it; done once."""

    def keep(self, effects: Sequence[Effect], size_bytes: int) -> None:
        self.wait()
        super().keep(effects, size_bytes)

    @property
    def answers(self) -> int:
        return sum(isinstance(event, Answered) for event in self.told)


def test_what_was_read_before_the_end_is_kept() -> None:
    with answered(hangs_up=True) as (lane, _):
        fetcher = Patient(lane)
        fetcher.wait = lambda: assert_set(lane.end_was_read)  # type: ignore[method-assign]
        with pytest.raises(StreamBroken):
            fetcher.run(*[whole(SMALL) for _ in range(COUNT)])
    assert fetcher.answers == COUNT


def test_what_was_here_unread_when_it_was_stopped_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LANE_AHEAD_MESSAGES", 1)  # else there is nothing unread
    with answered(hangs_up=False) as (lane, sent):
        fetcher = Patient(lane)

        def stop() -> None:
            assert_set(sent)
            fetcher.fetch.stop()

        fetcher.wait = stop  # type: ignore[method-assign]
        fetcher.run(*[whole(SMALL) for _ in range(COUNT)])
    assert fetcher.answers == COUNT


def assert_set(event: threading.Event) -> None:
    assert event.wait(WITHIN_S)

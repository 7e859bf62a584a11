"""Which stream is asked: the parts of a blob come in order, and no stream starves for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.blobs.chunks import Chunk, ChunkList
from photonic.errors import PhotonicError
from photonic.ids import BlobId, NodeId
from photonic.p2p.exchange import ChunksWanted, Wanted
from photonic.p2p.holders import bringer
from photonic.photos import BlobRef

LIST = ChunkList((Chunk(bytes(32), limits.MIB),))


class Stream:
    """What is asked on a stream that brings nothing."""

    node = NodeId(bytes(32))
    rate_bytes_s = 0.0
    is_leaving = False
    round_trip_s: float | None = None

    def __init__(self, blobs: Sequence[int] = ()) -> None:
        self.in_flight_bytes = 0
        self.questions: deque[tuple[Wanted, float]] = deque()
        for number in blobs:
            self.ask(wanted(number))

    @property
    def unanswered(self) -> tuple[Wanted, ...]:
        return tuple(one for one, _ in self.questions)

    def ask(self, wanted: Wanted) -> None:
        self.questions.append((wanted, 0.0))
        self.in_flight_bytes += limits.MIB

    def leave(self) -> None:
        raise AssertionError("nobody asked for that")

    def give_up(self, error: PhotonicError) -> None:
        raise error


def blob(number: int) -> BlobId:
    return BlobId(number.to_bytes(32, "big"))


def wanted(number: int) -> ChunksWanted:
    return ChunksWanted(BlobRef(blob(number), limits.MIB, bytes(32)), LIST, (0,))


def test_a_blob_goes_on_over_the_stream_that_brings_it() -> None:
    idler, busier = Stream([1] * 5), Stream([2] * 9)
    assert bringer([idler, busier], blob(2)) is busier
    assert bringer([busier, idler], blob(1)) is idler


def test_a_blob_that_nobody_brings_goes_to_the_least_busy() -> None:
    idler, busier = Stream([1] * 5), Stream([3, *[2] * 8])
    assert bringer([busier, idler], blob(3)) is idler


def test_a_stream_that_starves_gets_parts_of_what_another_brings() -> None:
    starving, busy = Stream([1]), Stream([2] * 9)
    assert bringer([busy, starving], blob(2)) is starving


@given(st.lists(st.lists(st.integers(0, 3), max_size=20), min_size=1, max_size=4))
def test_one_blob_alone_keeps_all_streams_busy(asked: list[list[int]]) -> None:
    streams = [Stream(blobs) for blobs in asked]
    for _ in range(40):
        bringer(streams, blob(0)).ask(wanted(0))
    assert min(stream.in_flight_bytes for stream in streams) >= limits.LANE_STARVED_BYTES

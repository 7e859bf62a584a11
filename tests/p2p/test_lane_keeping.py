"""What comes over a lane is stored at once, and told a little later, together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from photonic import limits
from photonic.blobs.chunks import scan_bytes
from photonic.blobs.memory import MemoryStore
from photonic.errors import BlobCorrupt
from photonic.p2p import lane_messages as said
from photonic.p2p.arrivals import Arrivals
from photonic.p2p.exchange import ChunkCame
from photonic.p2p.lane_keeping import LaneKeeping
from photonic.world import World
from tests.blobs.samples import noise
from tests.p2p.clock import Clock

BIG = noise(4 * limits.MIB)
FOUND = scan_bytes(BIG)


class Lane:
    """Keeps what comes, and notes what is told of it."""

    def __init__(self) -> None:
        self.clock, self.store = Clock(), MemoryStore(World())
        self.told: list[tuple[list[said.Event], int]] = []
        arrivals = Arrivals(self.store, lambda fates: None)
        self.keeping = LaneKeeping(arrivals, lambda wanted: 1, self.tell, self.clock)

    def tell(self, events: Sequence[said.Event], size_bytes: int) -> None:
        self.told.append((list(events), size_bytes))

    def keep(self, index: int, data: bytes | None = None) -> None:
        start, end = FOUND.chunks.offsets[index : index + 2]
        data = BIG[start:end] if data is None else data
        self.keeping.keep([ChunkCame(FOUND.ref, FOUND.chunks, index, data)], len(data))


def test_what_comes_within_a_moment_is_told_in_one() -> None:
    lane = Lane()
    for index in range(3):
        lane.keep(index)
    assert not lane.told and lane.keeping.wait_s() == pytest.approx(limits.LANE_CAME_S)
    assert not {0, 1, 2} & set(lane.store.begin(FOUND.ref, FOUND.chunks).missing()), "it is stored"
    lane.clock.now_s += 2 * limits.LANE_CAME_S
    assert lane.keeping.wait_s() == 0.0
    lane.keep(3)
    ((events, size_bytes),) = lane.told
    assert events == [said.Stored(FOUND.ref.blob, (0, 1, 2, 3))]
    assert size_bytes == FOUND.chunks.offsets[4]


def test_nothing_is_told_twice_nor_forgotten() -> None:
    lane = Lane()
    lane.keep(0)
    lane.keeping.tell()
    lane.keeping.tell()
    assert len(lane.told) == 1 and lane.keeping.wait_s() is None


def test_what_was_stored_before_a_lie_is_told() -> None:
    lane = Lane()
    lane.keep(0)
    with pytest.raises(BlobCorrupt):
        lane.keep(1, bytes(FOUND.chunks.chunks[1].size_bytes))
    lane.keeping.tell()
    assert lane.told[0][0] == [said.Stored(FOUND.ref.blob, (0,))]

"""kill -9 of either side in the middle of a transfer: all of it arrives, next to nothing twice."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import ChunkList, scan
from photonic.ids import digest
from simulations.daemons import Daemon, daemons, join, photonic
from tests.system.kill_story import Story, told

# What the holder gives is limited, so that a busy machine moves the kills about, but not what is
# under way when they come: what waits in a slow fetcher's sockets is lost with it.
RATE = 50_000_000
SHORT = Story(files=8, size_bytes=25_000_000, kills=6, seed=1, out_bytes_s=RATE)
LONG = Story(files=80, size_bytes=25_000_000, kills=24, seed=1, out_bytes_s=RATE)
STORY = LONG if os.environ.get("PHOTONIC_LONG") else SHORT  # `tox -e long`
FLOWS_S_MAX, MEMORY_MB_MAX = 10.0, 300.0
HEADERS = 0.005  # of the bytes, on the wire: what a transfer without a kill has on top
LOST_BYTES_MAX = 2 * (limits.BIG_CHUNK_BYTES_MAX + limits.LANE_BUFFER_BYTES)  # by one kill
TWICE_MAX = 0.02

COUNT, SIZE_BYTES = 24, 12_000_000
STREAMS = limits.STREAMS_PER_PEER_MAX


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    for number in range(COUNT):
        # No picture, but a name that says RAW: such a file is kept, and told.
        (folder / f"IMG_{number:04}.CR3").write_bytes(os.urandom(SIZE_BYTES))
    return folder


def on_disk(home: Path, lists: dict[str, ChunkList]) -> int:
    """Count the sound chunks in the store of a node that was killed, in whole and partial files."""
    count = 0
    for path in (home / "blobs").rglob("*"):
        chunks = lists.get(path.name.split(".")[0])
        if chunks is None or not path.is_file():
            continue
        data = path.read_bytes()
        for chunk, start in zip(chunks.chunks, chunks.offsets, strict=False):
            count += digest(data[start : start + chunk.size_bytes]) == chunk.hash
    return count


def received(node: Daemon) -> int:
    return int(node.metrics()["photonic_chunks_received_total"])


@pytest.mark.parametrize("victim", ["fetcher", "holder"])
def test_a_kill_in_the_middle_costs_nothing_but_the_chunks_under_way(
    tmp_path: Path, folder: Path, victim: str
) -> None:
    scans = [scan(path) for path in folder.iterdir()]
    lists = {found.ref.blob.hex(): found.chunks for found in scans}
    chunks = sum(map(len, lists.values()))
    with daemons(tmp_path / "a", tmp_path / "b") as (holder, fetcher):
        holder.start()
        photonic(holder.home, "import", str(folder), check=False, within_s=300)
        assert holder.status()["photos"] == COUNT
        join(holder, fetcher)
        address = holder.listen[0]
        fetcher.start("--peer", address)
        fetcher.wait_until(lambda: received(fetcher) >= chunks // 4)
        before = received(fetcher)
        assert before < chunks, "the transfer was over before it could be cut"
        if victim == "fetcher":
            fetcher.kill()
            there = on_disk(fetcher.home, lists)
            assert before <= there < chunks
            fetcher.start("--peer", address)
        else:
            holder.kill()
            holder.start("--listen", address.split("/p2p/")[0])
        fetcher.wait_until(lambda: fetcher.status()["holdings"]["held"] == COUNT)
        if victim == "fetcher":  # only what was not on its disk is fetched, to the chunk
            assert received(fetcher) == chunks - there
        else:
            assert received(fetcher) <= chunks + STREAMS
        assert {
            hashlib.sha256(fetcher.bytes(f"/photos/{photo}/original")).digest()
            for photo in fetcher.photos()
        } == {hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}


@pytest.mark.root
def test_many_kills_at_any_moment_cost_little_time_and_hardly_a_byte(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with told(STORY, tmp_path) as ending:
        if STORY is LONG:
            with capsys.disabled():
                print("", ending.words(STORY), sep="\n", end="")
        assert (ending.lost, ending.damaged, ending.left_over) == (0, [], [])
        assert [kill for kill in ending.kills if kill.flows_s >= FLOWS_S_MAX] == []
        lost_bytes = ending.given_bytes - (1 + HEADERS) * STORY.bytes
        assert lost_bytes <= STORY.kills * LOST_BYTES_MAX
        if STORY is LONG:
            assert lost_bytes < TWICE_MAX * STORY.bytes
        assert {name: mb for name, mb in ending.peaks_mb.items() if mb >= MEMORY_MB_MAX} == {}

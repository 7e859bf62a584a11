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

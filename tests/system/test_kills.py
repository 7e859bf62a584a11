"""kill -9 of either side in the middle of a transfer: all of it arrives, next to nothing twice."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from photonic import limits
from photonic.blobs.chunks import scan
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


def received(node: Daemon) -> int:
    return int(node.metrics()["photonic_chunks_received_total"])


@pytest.mark.parametrize("victim", ["fetcher", "holder"])
def test_a_kill_in_the_middle_costs_nothing_but_the_chunks_under_way(
    tmp_path: Path, folder: Path, victim: str
) -> None:
    chunks = sum(len(scan(path).chunks) for path in folder.iterdir())
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
            fetcher.start("--peer", address)
        else:
            holder.kill()
            holder.start("--listen", address.split("/p2p/")[0])
        fetcher.wait_until(lambda: fetcher.status()["holdings"]["held"] == COUNT)
        total = received(fetcher) + (before if victim == "fetcher" else 0)
        # `before` was read a moment before the kill: what came in between is counted by nobody,
        # so that the sum is at most what there is, plus what was under way in each stream.
        assert total <= chunks + STREAMS
        assert {
            hashlib.sha256(fetcher.bytes(f"/photos/{photo}/original")).digest()
            for photo in fetcher.photos()
        } == {hashlib.sha256(path.read_bytes()).digest() for path in folder.iterdir()}

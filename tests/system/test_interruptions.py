"""Sleep and new addresses in the middle of a transfer: it goes on by itself, and nothing is lost.

Each node lives in a network namespace of its own, whose address changes, and whose wire is read.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.meter import tree
from benchmarks.ours import OurNode, our_nodes
from photonic.blobs.chunks import scan
from simulations.ends import wait_for
from simulations.rooms import Room, lan
from tests.system.kill_story import FLOWS_BYTES, PORT, Watch

pytestmark = pytest.mark.root

COUNT, SIZE_BYTES = 20, 10_000_000
RATE = 20_000_000
BYTES = COUNT * SIZE_BYTES
BEGUN_BYTES = BYTES // 4
SLEEP_S, WITHIN_S = 20.0, 120.0
AWAKE_S_MAX, MOVED_S_MAX = 10.0, 30.0  # to find out that an address is gone takes two heartbeats
MORE_BYTES_MAX = 0.01 * BYTES + 40e6  # headers; and what was asked for and under way, once


@dataclass
class Scene:
    """A transfer that has begun."""

    rooms: dict[str, Room]
    nodes: dict[str, OurNode]
    watch: Watch


@contextmanager
def moving(tmp_path: Path) -> Iterator[Scene]:
    """Give a transfer in its midst; afterwards it must come to its end, and be right."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(COUNT):
        (source / f"IMG_{number:04}.CR3").write_bytes(os.urandom(SIZE_BYTES))
    names = {scan(path).ref.blob.hex() for path in source.iterdir()}
    with lan(2) as rooms, our_nodes(tmp_path, *rooms) as (holder, fetcher):
        nodes = {"holder": holder, "fetcher": fetcher}
        for node, room in zip(nodes.values(), rooms, strict=True):
            node.port, room.address = PORT, "0.0.0.0"  # whatever the room has
        holder.start()
        holder.take_in(source)
        holder.send("PUT", "/limits", {"out_bytes_s": RATE})
        holder.invite(fetcher)
        with Watch(rooms[0], nodes) as watch:
            fetcher.start("--peer", holder.listen[0])
            wait_for(lambda: watch.given_bytes > BEGUN_BYTES, WITHIN_S)
            yield Scene(dict(zip(nodes, rooms, strict=True)), nodes, watch)
            wait_for(lambda: fetcher.counts() == (COUNT, COUNT), WITHIN_S)
        assert watch.given_bytes < BYTES + MORE_BYTES_MAX
        stored = [p for p in (fetcher.home / "blobs/blobs").rglob("*") if p.is_file()]
        assert {scan(path).ref.blob.hex() for path in stored} == names == {p.name for p in stored}
    shutil.rmtree(tmp_path)


def wait_flows(watch: Watch, since_s: float, most_s: float) -> None:
    """Wait until bytes flow again."""
    start = watch.looks[-1].sent_bytes
    wait_for(lambda: watch.looks[-1].sent_bytes > start + FLOWS_BYTES, most_s)
    assert time.monotonic() - since_s < most_s


@pytest.mark.parametrize("sleeper", ["holder", "fetcher"])
def test_a_transfer_goes_on_soon_after_a_sleep(tmp_path: Path, sleeper: str) -> None:
    with moving(tmp_path) as scene:
        processes = tree(scene.nodes[sleeper].pid)
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        before = scene.watch.given_bytes
        threading.Event().wait(SLEEP_S)
        assert scene.watch.given_bytes < before + MORE_BYTES_MAX, "somebody is awake"
        assert scene.watch.given_bytes < BYTES / 2 + MORE_BYTES_MAX
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
        wait_flows(scene.watch, time.monotonic(), AWAKE_S_MAX)


@pytest.mark.parametrize("mover", ["holder", "fetcher"])
def test_a_transfer_goes_on_at_another_address(tmp_path: Path, mover: str) -> None:
    with moving(tmp_path) as scene:
        room, old = scene.rooms[mover], {"holder": "10.99.0.1", "fetcher": "10.99.0.2"}[mover]
        room.run("ip", "address", "del", f"{old}/24", "dev", "eth0")
        room.run("ip", "address", "add", f"{old}7/24", "dev", "eth0")
        wait_flows(scene.watch, time.monotonic(), MOVED_S_MAX)


def test_a_holder_that_comes_back_elsewhere_is_found_again(tmp_path: Path) -> None:
    with moving(tmp_path) as scene:
        holder, room = scene.nodes["holder"], scene.rooms["holder"]
        holder.kill()
        room.run("ip", "address", "del", "10.99.0.1/24", "dev", "eth0")
        room.run("ip", "address", "add", "10.99.0.17/24", "dev", "eth0")
        holder.port = PORT + 100
        holder.start()
        wait_flows(scene.watch, time.monotonic(), AWAKE_S_MAX)

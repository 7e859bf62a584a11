"""What LZ4 costs and saves on a lane: `python -m benchmarks.compression [FOLDER]`.

Two ends of a lane in one process, without TLS, over a wire that is as fast as it can be or held to
a rate; the same bytes once as they are, once with LZ4 where it pays. FOLDER holds photos: the
pixels of its largest JPEGs stand for uncompressed TIFFs, its DNGs and sidecars for themselves.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from msgspec.structs import replace
from PIL import Image

from photonic.blobs.chunks import scan_bytes
from photonic.blobs.memory import MemoryStore
from photonic.errors import PhotonicError
from photonic.ids import NodeId
from photonic.p2p import lane_fetching
from photonic.p2p.blob_messages import AskList, Question
from photonic.p2p.exchange import Asker, ChunkCame, ChunksWanted, Effect, Wanted
from photonic.p2p.lane_serving import Rules, serve
from photonic.p2p.rates import Bandwidth, Direction
from photonic.p2p.throttle import Throttle
from photonic.p2p.turnstile import Allowance
from photonic.world import SystemClock, World

_WIRES = (None, 500_000_000, 125_000_000, 12_500_000)
_PEER = NodeId(bytes(32))
_SIZE_BYTES = 120_000_000  # each sample is repeated to this: LZ4 looks back 64 KiB only
_SLOW_BYTES = 30_000_000  # and to this on the slowest wire
_CHUNKS, _FOLDERS = 4, 3


class Run(NamedTuple):
    """What one way of moving took."""

    wire_bytes: int
    seconds: float
    cpu_s: float


class _PlainAsker(Asker):
    """An older photonic, which takes no compressed bytes."""

    def ask(self, wanted: Wanted, bytes_s: int | None = None) -> Question:
        question = super().ask(wanted, bytes_s)
        return question if isinstance(question, AskList) else replace(question, takes_lz4=False)


class _Counter:
    """Keeps nothing of what comes, and says when all of it did."""

    def __init__(self, size_bytes: int) -> None:
        self.left_bytes = size_bytes
        self.all_came: Callable[[], None] = lambda: None

    def keep(self, effects: Sequence[Effect], _size_bytes: int) -> None:
        self.left_bytes -= sum(len(one.data) for one in effects if isinstance(one, ChunkCame))
        if self.left_bytes <= 0:
            self.all_came()

    def wait_s(self) -> float | None:
        return None

    def tell(self) -> None:
        pass


def samples(folder: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of what is moved."""
    yield "noise", np.random.default_rng(1).bytes(_SIZE_BYTES)
    if folder is None:
        return
    largest: dict[str, Path] = {}  # of each folder
    for path in sorted(folder.rglob("*.[jJ][pP][gG]"), key=lambda p: -p.stat().st_size):
        largest.setdefault(path.relative_to(folder).parts[0], path)
    for path in list(largest.values())[:_FOLDERS]:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        yield f"TIFF, 8 bit: {path.name}", b"II*\0" + pixels.tobytes()
    for path in sorted(folder.rglob("*.dng")):
        yield f"DNG: {path.name}", path.read_bytes()
    yield "sidecars", b"".join(path.read_bytes() for path in sorted(folder.rglob("*.xmp")))


def move(data: bytes, bytes_s: int | None, *, lz4: bool) -> Run:
    """Move `data` over a lane, and count."""
    store, found = MemoryStore(World()), scan_bytes(data)
    store.put(data)
    throttle = Throttle(SystemClock(), Bandwidth(out_bytes_s=bytes_s))
    sent: list[int] = []
    rules = Rules(
        lambda size: throttle.take_some_blocking(_PEER, Direction.OUT, size),
        lambda size: True,
        lambda size, chunks: sent.append(size),
        lambda blob: None,
    )
    ours, theirs = socket.socketpair()
    counter = _Counter(len(data))

    def give() -> None:
        with suppress(PhotonicError, OSError), theirs:
            serve(theirs, store, rules, SystemClock())

    asker = Asker if lz4 else _PlainAsker
    with mock.patch.object(lane_fetching, "Asker", asker):
        fetch = lane_fetching.LaneFetch(
            ours, counter, Allowance(lambda size, over: None, lambda size: None, lambda: None)
        )
    counter.all_came = fetch.stop
    indices = deque(range(len(found.chunks)))
    wanted: list[Wanted] = []
    while indices:
        some = tuple(indices.popleft() for _ in range(min(_CHUNKS, len(indices))))
        wanted.append(ChunksWanted(found.ref, found.chunks, some))
    giver = threading.Thread(target=give)
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    giver.start()
    with ours:
        fetch.ask(wanted)
        fetch.run()
        seconds, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        ours.shutdown(socket.SHUT_RDWR)
    giver.join()
    assert counter.left_bytes <= 0
    return Run(sum(sent), seconds, cpu_s)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(f"{'':40} {'wire':>10} {'moved':>12} {'seconds':>14} {'CPU s per GB':>15}")
    for name, sample in samples(folder):
        for bytes_s in _WIRES:
            is_slow = bytes_s is not None and bytes_s < min(filter(None, _WIRES)) * 2
            size_bytes = _SLOW_BYTES if is_slow else _SIZE_BYTES
            data = (sample * (size_bytes // len(sample) + 1))[:size_bytes]
            plain, packed = move(data, bytes_s, lz4=False), move(data, bytes_s, lz4=True)
            per_gb = 1e9 / len(data)
            wire = "full" if bytes_s is None else f"{bytes_s / 1e6:g} MB/s"
            print(
                f"{name[:40]:40} {wire:>10} {packed.wire_bytes / plain.wire_bytes:>11.0%} "
                f"{plain.seconds:>6.2f} ->{packed.seconds:>5.2f} "
                f"{plain.cpu_s * per_gb:>6.2f} ->{packed.cpu_s * per_gb:>5.2f}"
            )


if __name__ == "__main__":
    main()

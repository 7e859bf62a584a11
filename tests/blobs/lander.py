"""A process that lands blobs in a store that others use, too: `python -m tests.blobs.lander`.

Arguments: the store's folder, and seeds of blobs, in the order in which to land them. It says
`ready`, waits for a line, and says how many are held when all of them are.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.blobs.store import Partial
from photonic.errors import StoreBusy
from photonic.world import World
from tests.blobs.samples import noise
from tests.blobs.store_contract import pieces

TRIES_MAX = 2_000


def blob_of(seed: int) -> bytes:
    """Return a blob that is packed, one that comes whole, or one that comes in chunks."""
    return noise((20_000, 300_000, 1_600_000)[seed % 3], seed)


def begin(store: FileStore, data: bytes) -> Partial:
    """Begin a blob as soon as no other process is at it."""
    found = scan_bytes(data)
    for _ in range(TRIES_MAX):
        try:
            return store.begin(found.ref, found.chunks)
        except StoreBusy:
            threading.Event().wait(0.005)
    raise TimeoutError(f"another process keeps {found.ref.blob.hex()}")


def land(store: FileStore, seeds: list[int]) -> None:
    for start in range(0, len(seeds), 4):
        partials = []
        for data in map(blob_of, seeds[start : start + 4]):
            # One at a time: two processes that each wait for what the other has would be stuck.
            partial = begin(store, data)
            for index in partial.missing():
                partial.write(index, pieces(data, scan_bytes(data))[index])
            if len(data) > 1_000_000:
                partial.finish()
            else:
                partials.append(partial)
                store.finish_many(partials)


def main() -> None:
    store = FileStore.attach(Path(sys.argv[1]), World())
    seeds = [int(seed) for seed in sys.argv[2:]]
    print("ready", flush=True)
    sys.stdin.readline()
    land(store, seeds)
    held = sum(store.has(scan_bytes(blob_of(seed)).ref.blob) for seed in seeds)
    print(held, flush=True)


if __name__ == "__main__":
    main()

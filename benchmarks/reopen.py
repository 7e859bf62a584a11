"""How long it takes until a partial goes on: `python -m benchmarks.reopen [FOLDER] [GB]`.

A store below FOLDER receives GB (2) gigabytes of noise, all but the last chunk, and is left. It is
opened again, with the note of what is there (`blobs/notes.py`) and without it, and beside these
the same file is read and hashed by plain BLAKE3. What is in the page cache is dropped before each
(a file on tmpfs cannot be dropped, and is read from memory). The seconds for 10 GB are the measured
ones times 10 GB over the file's size; with a note they do not grow with the file, for what is read
again is what came since the last note: at most `limits.PARTIAL_NOTE_BYTES`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from photonic import limits
from photonic.blobs.chunks import Scan, scan
from photonic.blobs.files import FileStore
from photonic.blobs.verify import forget_cached, hash_file
from photonic.world import World

_ROUNDS = 5
_BLOCK_BYTES = 16 << 20
_SHOWN_GB = 10


def make_noise(path: Path, size_bytes: int) -> Scan:
    random = np.random.default_rng(1)
    with path.open("wb") as file:
        for offset in range(0, size_bytes, _BLOCK_BYTES):
            file.write(random.bytes(min(_BLOCK_BYTES, size_bytes - offset)))
    return scan(path)


def receive(root: Path, source: Path, found: Scan) -> None:
    """Leave a partial that lacks its last chunk, as a process that dies does."""
    store = FileStore.open(root, World())
    partial = store.begin(found.ref, found.chunks)
    with source.open("rb") as file:
        for index, chunk in enumerate(found.chunks.chunks[:-1]):
            partial.write(index, file.read(chunk.size_bytes))
    store.close()


def resume(root: Path, found: Scan) -> float:
    """Return how many seconds pass until the store knows what is missing."""
    store = FileStore.open(root, World())
    begin = time.perf_counter()
    partial = store.resume(found.ref)
    seconds = time.perf_counter() - begin
    assert partial is not None
    assert partial.missing() == (len(found.chunks) - 1,), "it has all that was stored"
    store.close()
    return seconds


def measure(folder: Path, size_bytes: int) -> dict[str, float]:
    """Return the seconds of each way, medians of rounds that take turns."""
    root, source = folder / "store", folder / "noise"
    found = make_noise(source, size_bytes)
    receive(root, source, found)
    source.unlink()
    path = root / "partial" / found.ref.blob.hex()
    note = path.with_name(f"{path.name}.have")
    aside = folder / "note"
    os.sync()

    def without() -> float:
        note.rename(aside)
        try:
            return resume(root, found)
        finally:
            aside.rename(note)

    def plain() -> float:
        begin = time.perf_counter()
        hash_file(path)
        return time.perf_counter() - begin

    ways: dict[str, Callable[[], float]] = {
        "with the note": lambda: resume(root, found),
        "without it": without,
        "plain BLAKE3": plain,
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            forget_cached(path)
            taken[name].append(way())
    return {name: median(seconds) for name, seconds in taken.items()}


def main() -> None:
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    size_bytes = int(float(sys.argv[2] if len(sys.argv) > 2 else 2) * 1e9)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        taken = measure(Path(folder), size_bytes)
    plain_s = taken["plain BLAKE3"]
    print(f"{size_bytes / 1e9:g} GB of noise, a note each {limits.PARTIAL_NOTE_BYTES >> 20} MiB")
    for name, seconds in taken.items():
        grown = 1 if name == "with the note" else _SHOWN_GB * 1e9 / size_bytes
        print(
            f"{name:14} {seconds:6.2f} s, {seconds / plain_s:5.2f} x plain;"
            f" {_SHOWN_GB} GB: {seconds * grown:6.2f} s"
        )


if __name__ == "__main__":
    main()

"""Stores with small blobs in packs, for the tests of these."""

from __future__ import annotations

from pathlib import Path

from photonic.blobs.chunks import scan_bytes
from photonic.blobs.files import FileStore
from photonic.ids import BlobId, digest
from photonic.world import World
from tests.blobs.samples import noise
from tests.blobs.store_contract import pieces

SMALL = [noise(3_000 + 500 * seed, seed) for seed in range(20)]


def open_with(folder: Path, datas: list[bytes] = SMALL) -> FileStore:
    store = FileStore.open(folder, World())
    receive(store, datas)
    return store


def receive(store: FileStore, datas: list[bytes]) -> None:
    """Take blobs in as one batch."""
    begun = []
    for data in datas:
        found = scan_bytes(data)
        partial = store.begin(found.ref, found.chunks)
        for index, piece in enumerate(pieces(data, found)):
            partial.write(index, piece)
        begun.append(partial)
    store.finish_many(begun)


def pack_files(folder: Path) -> list[Path]:
    return sorted((folder / "packs").glob("*.pack"))


def name(data: bytes) -> BlobId:
    return BlobId(digest(data))

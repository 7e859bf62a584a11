"""The memory store keeps the contract."""

from __future__ import annotations

from pathlib import Path

from photonic.blobs.memory import MemoryStore
from photonic.blobs.store import BlobStore
from tests.blobs.samples import small_world
from tests.blobs.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    def make(self, folder: Path) -> BlobStore:
        return MemoryStore(small_world())

    def leave_room(self, store: BlobStore, size_bytes: int) -> None:
        assert isinstance(store, MemoryStore)
        store.capacity_bytes = size_bytes

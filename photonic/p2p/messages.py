"""What members say to each other on the catalog stream, beside the anti-entropy of crdt/sync.py."""

from __future__ import annotations

import msgspec

from photonic.crdt.sync import Message as SyncMessage

CATALOG_PROTOCOL = "/photonic/catalog/1"
ENROL_PROTOCOL = "/photonic/enrol/1"
BLOB_PROTOCOL = "/photonic/blobs/1"


class Hello(msgspec.Struct, tag="hello", frozen=True, kw_only=True):
    """Who I am and how I am: said first on a stream, and again when it changes."""

    name: str
    host: str
    role: str
    state: str
    mode: str
    version: str
    addresses: tuple[str, ...]  # multiaddresses without /p2p
    capacity_bytes: int | None = None
    free_bytes: int | None = None
    capabilities: tuple[str, ...] = ()
    gives_originals: bool = True  # not while its link is metered
    now_ms: int | None = None  # by its clock, when it said so


class Neighbours(msgspec.Struct, tag="neighbours", frozen=True):
    """Where I reach other members: peer ID to multiaddresses."""

    addresses: dict[str, tuple[str, ...]]


Message = Hello | Neighbours | SyncMessage

"""What members say to each other on the catalog stream, beside the anti-entropy of crdt/sync.py."""

from __future__ import annotations

from typing import Annotated

import msgspec

from photonic import limits
from photonic.crdt.sync import Message as SyncMessage

CATALOG_PROTOCOL = "/photonic/catalog/1"
ENROL_PROTOCOL = "/photonic/enrol/1"
BLOB_PROTOCOL = "/photonic/blobs/1"


# A frame may be long, for an update is; what a peer says of itself is kept, and shown.
Word = Annotated[str, msgspec.Meta(max_length=limits.PEER_WORD_CHARS_MAX)]
Addresses = Annotated[tuple[Word, ...], msgspec.Meta(max_length=limits.PEER_ADDRESSES_SAID_MAX)]
Capabilities = Annotated[tuple[Word, ...], msgspec.Meta(max_length=limits.PEER_CAPABILITIES_MAX)]
Bytes = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class Hello(msgspec.Struct, tag="hello", frozen=True, kw_only=True):
    """Who I am and how I am: said first on a stream, and again when it changes."""

    name: Word
    host: Word
    role: Word
    state: Word
    mode: Word
    version: Word
    addresses: Addresses  # multiaddresses without /p2p
    capacity_bytes: Bytes | None = None
    free_bytes: Bytes | None = None
    capabilities: Capabilities = ()
    gives_originals: bool = True  # not while its link is metered
    now_ms: int | None = None  # by its clock, when it said so


class Neighbours(msgspec.Struct, tag="neighbours", frozen=True):
    """Where I reach other members: peer ID to multiaddresses."""

    addresses: Annotated[dict[Word, Addresses], msgspec.Meta(max_length=limits.PEERS_KNOWN_MAX)]


Message = Hello | Neighbours | SyncMessage

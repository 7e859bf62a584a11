"""Names of things: what identifies a node, a library, a subject, a change and a blob.

All of them are raw bytes inside and text at the rim (REST, CLI, log). A node is named by its
Ed25519 public key; its text form is the libp2p peer ID, which carries the same 32 bytes.
Nothing here reads a clock, a disk or a socket.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, NewType

import base58
import blake3

BlobId = NewType("BlobId", bytes)  # BLAKE3 of the bytes, 32 bytes
ChangeId = NewType("ChangeId", bytes)  # BLAKE3 of the signed bytes, 32 bytes
NodeId = NewType("NodeId", bytes)  # Ed25519 public key, 32 bytes
LibraryId = NewType("LibraryId", bytes)  # first 16 bytes of BLAKE3 of the authority's public key

HASH_BYTES = 32
LIBRARY_BYTES = 16

# multihash(identity, 36 bytes){ protobuf(PublicKey){ type = Ed25519, data = 32 bytes } }:
# the libp2p peer ID specification, "Ed25519 keys are inlined".
_PEER_ID_PREFIX = bytes.fromhex("0024080112 20".replace(" ", ""))

_PEER_ID_CHARS_MAX = 64  # 52 in fact

PHOTO, ALBUM, SHOOT, STACK, JOB = "photo", "album", "shoot", "stack", "job"
REMOVALS = "removals"  # what was decided about the removals of one node; its key is the node
MEMBER, LIBRARY, POLICY = "member", "library", "policy"


class Subject(NamedTuple):
    """What a change is about: a kind ("photo", "member", ...) and the key within the kind."""

    kind: str
    key: bytes

    def __str__(self) -> str:
        return f"{self.kind}:{self.key.hex()}"


def digest(data: bytes | bytearray | memoryview) -> bytes:
    """Return the BLAKE3 of `data`, 32 bytes."""
    return blake3.blake3(data).digest()


def photo_subject(original: BlobId) -> Subject:
    """Return the subject of the photo whose first imported original is `original`."""
    return Subject(PHOTO, original)


def album_subject(album: bytes) -> Subject:
    """Return the subject of an album; its id is random, so that two albums may share a name."""
    return Subject(ALBUM, album)


def member_subject(node: NodeId) -> Subject:
    """Return the subject that carries the membership of `node`."""
    return Subject(MEMBER, node)


def library_id(authority: bytes) -> LibraryId:
    """Return the id of the library that the authority with this public key founded."""
    return LibraryId(digest(b"photonic library 1" + authority)[:LIBRARY_BYTES])


def parse_hash(text: str) -> bytes:
    """Parse 64 hex digits. Raises ValueError."""
    raw = bytes.fromhex(text)
    if len(raw) != HASH_BYTES or len(text) != 2 * HASH_BYTES:
        raise ValueError(f"expected {2 * HASH_BYTES} hex digits, got {len(text)} characters")
    return raw


@lru_cache(maxsize=4096)
def peer_id(node: NodeId) -> str:
    """Return the libp2p peer ID of `node`, its text form everywhere outside."""
    return base58.b58encode(_PEER_ID_PREFIX + node).decode()


def parse_peer_id(text: str) -> NodeId:
    """Parse a libp2p peer ID of an Ed25519 key. Raises ValueError."""
    if len(text) > _PEER_ID_CHARS_MAX:  # to decode base 58 takes time with the square of its length
        raise ValueError(f"{len(text):,} characters are not the peer ID of an Ed25519 key")
    raw = base58.b58decode(text)
    if len(raw) != len(_PEER_ID_PREFIX) + 32 or not raw.startswith(_PEER_ID_PREFIX):
        raise ValueError(f"{text!r} is not the peer ID of an Ed25519 key")
    return NodeId(raw[len(_PEER_ID_PREFIX) :])

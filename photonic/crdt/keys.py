"""Where a subject's changes live, and how entries are named in the documents. Pure."""

from __future__ import annotations

from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from typing import NamedTuple

from photonic import limits
from photonic.ids import (
    HASH_BYTES,
    LIBRARY,
    MEMBER,
    POLICY,
    BlobId,
    ChangeId,
    NodeId,
    Subject,
    digest,
)

ROOT = limits.SHARDS  # members, policies, the library itself: always loaded, synced first
SHARD_COUNT = limits.SHARDS + 1
HELD, DROPPED = b"\x01", b"\x00"

_ROOT_KINDS = frozenset((MEMBER, LIBRARY, POLICY))
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")  # what is in no name becomes what is no base64
_KEY_CHARS = -(-HASH_BYTES * 4 // 3)
_LAST_CHARS = frozenset("AEIMQUYcgkosw048")  # the bits that are over are zero


def shard_of(subject: Subject) -> int:
    """Return the shard of a subject: the root, or by the first bits of the hash of its key."""
    if subject.kind in _ROOT_KINDS:
        return ROOT
    return shard_of_key(subject.key)


@lru_cache(maxsize=4_096)
def shard_of_key(key: bytes) -> int:
    """Return the shard of what is named by `key` and is not in the root."""
    first = int.from_bytes(digest(key)[:4], "big")
    return first * limits.SHARDS >> 32


def change_key(change: bytes) -> str:
    """Return the name of a change in its document: URL-safe base64 without padding."""
    return b2a_base64(change, newline=False).rstrip(b"=").translate(_TO_URL).decode()


def parse_change_key(key: str) -> ChangeId:
    """Parse the name of a change. Raises ValueError unless it is spelt in the one way there is."""
    if len(key) != _KEY_CHARS or key[-1] not in _LAST_CHARS:
        raise ValueError(f"{key!r} names no change")
    try:
        return ChangeId(
            a2b_base64(key.encode("ascii").translate(_FROM_URL) + b"=", strict_mode=True)
        )
    except (BinasciiError, UnicodeEncodeError) as error:
        raise ValueError(f"{key!r} names no change") from error


class Holding(NamedTuple):
    """What a node says of a blob."""

    blob: BlobId
    node: NodeId
    is_held: bool


def holding_key(blob: BlobId, node: NodeId) -> str:
    return f"{change_key(blob)}.{_node_key(node)}"


@lru_cache(maxsize=limits.PEERS_KNOWN_MAX)
def _node_key(node: NodeId) -> str:
    return change_key(node)


def parse_holding_key(key: str) -> tuple[BlobId, NodeId]:
    """Parse a key of a holdings document. Raises ValueError."""
    blob, _, node = key.partition(".")
    return BlobId(parse_change_key(blob)), _parse_node_key(node)


@lru_cache(maxsize=limits.PEERS_KNOWN_MAX)
def _parse_node_key(key: str) -> NodeId:
    return NodeId(parse_change_key(key))


def parse_holding(key: str, value: bytes) -> Holding:
    """Read an entry of a holdings document.

    Raises ValueError unless it is written in the one way there is: two would not converge.
    """
    if value not in (HELD, DROPPED):
        raise ValueError("a holding is neither yes nor no")
    return Holding(*parse_holding_key(key), value == HELD)

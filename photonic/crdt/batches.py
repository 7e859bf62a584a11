"""What a commit, or a part of a shard, comes to in the index."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from photonic.crdt.projection import PhotoRow
from photonic.ids import BlobId, NodeId


@dataclass(frozen=True, slots=True)
class EditRow:
    """One change after a subject's first. `act` is None for one that shares it with no other."""

    change: bytes
    kind: str
    key: bytes
    act: bytes | None
    author: NodeId
    at: int


@dataclass(frozen=True, slots=True)
class AlbumRow:
    """One album as it is listed; `name` None: it was deleted, or nobody named it."""

    album: bytes
    name: str | None
    query: str | None
    conflicts: tuple[str, ...]


@dataclass(slots=True)
class Batch:
    """What one commit, or a part of a shard, comes to. Everything may be empty."""

    rows: Sequence[PhotoRow] = ()
    gone: Sequence[BlobId] = ()  # photos that cannot be shown (any more)
    held: Collection[bytes] = frozenset()  # of the rows' blobs, those in this node's store
    holders: Mapping[BlobId, Collection[NodeId]] = field(default_factory=dict)  # to fetch from
    uncounted: Collection[NodeId] = frozenset()  # of the holders: their copies do not count
    albums: Sequence[AlbumRow] = ()
    edits: Sequence[EditRow] = ()
    seqs: Sequence[tuple[NodeId, int, bytes]] = ()  # author, number and id of changes
    now_ms: int = 0
    projected: Collection[int] = ()  # shards that are up to date when this is applied


def write_albums(db: sqlite3.Connection, albums: Iterable[AlbumRow]) -> None:
    """Write albums, or take out those that were deleted."""
    for row in albums:
        if row.name is None:
            db.execute("DELETE FROM album WHERE album = ?", (row.album,))
        else:
            values = (row.album, row.name, row.query, " ".join(row.conflicts))
            db.execute("INSERT OR REPLACE INTO album VALUES (?, ?, ?, ?)", values)


def write_edits(db: sqlite3.Connection, edits: Iterable[EditRow]) -> None:
    """Write changes; those that are known stay as they are."""
    db.executemany(
        "INSERT OR IGNORE INTO edit (change, kind, key, act, author, at, leads)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?4 IS NULL"
        " OR NOT EXISTS (SELECT 1 FROM edit WHERE act = ?4))",
        [(e.change, e.kind, e.key, e.act, e.author, e.at) for e in edits],
    )

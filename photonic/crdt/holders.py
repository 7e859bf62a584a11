"""Who says to hold which blob, in the index: nodes have numbers there."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence

from photonic.crdt.rows import KEY_BYTES, numbered, numbers_in
from photonic.ids import BlobId, NodeId

_AT_ONCE = 500


class Holders:
    """Within a transaction of `PhotoIndex`; whoever rolls it back calls `forget`."""

    def __init__(self, db: sqlite3.Connection, *, is_new: bool = False) -> None:
        """`is_new`: what is put is only staged, for a `loader.Loader`."""
        self._db, self._is_new = db, is_new
        self._numbers: dict[bytes, int] = {}
        self._nodes: dict[int, NodeId] = {}

    def forget(self) -> None:
        self._numbers.clear()
        self._nodes.clear()

    def number_of(self, node: bytes) -> int:
        """Return the number of a node in this index; a new one gets the next."""
        number = self._numbers.get(node)
        if number is None:
            self._db.execute("INSERT OR IGNORE INTO node (node) VALUES (?)", (node,))
            row = self._db.execute("SELECT id FROM node WHERE node = ?", (node,)).fetchone()
            number = self._numbers[node] = int(row[0])
        return number

    def node(self, number: int) -> NodeId:
        node = self._nodes.get(number)
        if node is None:
            row = self._db.execute("SELECT node FROM node WHERE id = ?", (number,)).fetchone()
            node = self._nodes[number] = NodeId(row[0])
        return node

    def seq_rows(self, seqs: Iterable[tuple[NodeId, int, bytes]]) -> list[tuple[int, int, bytes]]:
        """Return rows of the table seq, in its order."""
        number_of = self.number_of
        return sorted((number_of(author), seq, change[:8]) for author, seq, change in seqs)

    def put(self, holders: Mapping[BlobId, Collection[NodeId]]) -> None:
        """Replace what is known of who holds these blobs."""
        some, none = [], []
        for blob, nodes in holders.items():
            if nodes:
                some.append((blob[:KEY_BYTES], numbered(map(self.number_of, nodes))))
            else:
                none.append((blob[:KEY_BYTES],))
        if self._is_new:
            self._db.executemany("INSERT INTO stage.holder VALUES (?, ?)", some)
            return
        self._db.executemany("INSERT OR REPLACE INTO holder VALUES (?, ?)", sorted(some))
        self._db.executemany("DELETE FROM holder WHERE key = ?", none)

    def of(self, blobs: Iterable[bytes]) -> dict[bytes, Sequence[int]]:
        """Return the numbers of the nodes that hold blobs, by the blobs' keys."""
        keys = list({blob[:KEY_BYTES] for blob in blobs})
        found: dict[bytes, Sequence[int]] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(
                f"SELECT key, nodes FROM holder WHERE key IN ({marks})",  # noqa: S608
                some,
            )
            found |= {key: numbers_in(nodes) for key, nodes in rows}
        return found

"""Who says to hold which blob, in the index, and whose copies count: nodes have numbers there."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from photonic.crdt.rows import KEY_BYTES, numbered, numbers_in
from photonic.ids import BlobId, NodeId

_AT_ONCE = 500

Packed: TypeAlias = tuple[bytes, bytes]
"""As a row has them: `nodes` and `hints`."""


class Numbers(NamedTuple):
    """The members that say they hold a blob, by number: all, and those whose copies don't count."""

    nodes: Sequence[int]
    hints: Sequence[int]

    @property
    def copies(self) -> int:
        """How many copies count."""
        return len(self.nodes) - len(self.hints)


NOBODY: Final = Numbers((), ())


class Holders:
    """Within a transaction of `PhotoIndex`; whoever rolls it back calls `forget`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
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

    def put(
        self, holders: Mapping[BlobId, Collection[NodeId]], uncounted: Collection[NodeId]
    ) -> None:
        """Replace what is known of who holds these blobs, and whose copies do not count."""
        rows = self.rows(holders, uncounted)
        some, none = [row for row in rows if row[1]], [row[:1] for row in rows if not row[1]]
        self._db.executemany("INSERT OR REPLACE INTO holder VALUES (?, ?, ?)", sorted(some))
        self._db.executemany("DELETE FROM holder WHERE key = ?", none)

    def rows(
        self, holders: Mapping[BlobId, Collection[NodeId]], uncounted: Collection[NodeId]
    ) -> list[tuple[bytes, bytes, bytes]]:
        """Return rows of the table holder; what nobody holds has none, and is empty here."""
        number_of = self.number_of
        return [
            (
                blob[:KEY_BYTES],
                numbered(map(number_of, nodes)),
                numbered(number_of(node) for node in nodes if node in uncounted),
            )
            for blob, nodes in holders.items()
        ]

    def of(self, blobs: Iterable[bytes]) -> dict[bytes, Numbers]:
        """Return who holds blobs, by the blobs' keys."""
        packed = self.packed_of(blobs).items()
        return {key: Numbers(*map(numbers_in, row)) for key, row in packed}

    def packed_of(self, blobs: Iterable[bytes]) -> dict[bytes, Packed]:
        """Return the same, the numbers as a row has them."""
        keys = list({blob[:KEY_BYTES] for blob in blobs})
        found: dict[bytes, Packed] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._db.execute(
                f"SELECT key, nodes, hints FROM holder WHERE key IN ({marks})",  # noqa: S608
                some,
            )
            found.update((key, (nodes, hints)) for key, nodes, hints in rows)
        return found

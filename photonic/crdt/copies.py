"""On which nodes the photos are, as the index knows it: one line for each set of holders."""

from __future__ import annotations

from dataclasses import dataclass

from photonic.crdt.lexicon import Read
from photonic.crdt.rows import numbers_in
from photonic.ids import NodeId


@dataclass(frozen=True, slots=True)
class CopySet:
    """Photos that the same nodes say to hold.

    `nodes` are those whose copies count, `hints` the others; `is_here`: in this node's store.
    """

    nodes: frozenset[NodeId]
    hints: frozenset[NodeId]
    is_here: bool
    photos: int
    size_bytes: int


def copy_sets(read: Read) -> list[CopySet]:
    """Return where all photos are that are not in the trash. Reads each of them, once.

    A photo whose original is contested counts with each of the originals that somebody holds.
    """
    names = {number: NodeId(node) for number, node in read("SELECT id, node FROM node", ())}
    rows = read(
        "SELECT h.nodes, h.hints, p.held, count(*), total(p.size_bytes) FROM holder h"
        " JOIN blob_key k ON k.key = h.key JOIN photo p ON p.n = k.n WHERE p.trashed <> 1"
        " GROUP BY h.nodes, h.hints, p.held",
        (),
    )
    found = []
    for said, hinted, is_here, photos, size_bytes in rows:
        hints = frozenset(names[number] for number in numbers_in(hinted))
        nodes = frozenset(names[number] for number in numbers_in(said)) - hints
        found.append(CopySet(nodes, hints, bool(is_here), photos, int(size_bytes)))
    rows = read(
        "SELECT p.held, count(*), total(p.size_bytes) FROM photo p WHERE p.trashed <> 1"
        " AND NOT EXISTS (SELECT 1 FROM blob_key k JOIN holder h ON h.key = k.key WHERE k.n = p.n)"
        " GROUP BY p.held",
        (),
    )
    for is_here, photos, size_bytes in rows:
        found.append(CopySet(frozenset(), frozenset(), bool(is_here), photos, int(size_bytes)))
    return found

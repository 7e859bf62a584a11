"""Which change of a subject had seen which: ancestors as bit sets. Immutable.

A change names its parents; what the parents saw, it saw. Ancestors are kept transitively closed
over the changes that are here, so a change that comes late (its descendants were delivered first)
joins them. A bit set of a history of 1,000 changes has 125 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from photonic.ids import ChangeId

_NOBODY: frozenset[ChangeId] = frozenset()


@dataclass(frozen=True, slots=True)
class _Node:
    position: int
    ancestors: int  # bits of every change that this one had seen, itself not among them


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """The ancestry of the changes that are here. Equal if it holds the same changes."""

    _nodes: Mapping[ChangeId, _Node] = field(default_factory=dict)
    _awaited: Mapping[ChangeId, frozenset[ChangeId]] = field(default_factory=dict)

    @classmethod
    def of(cls, parents: Mapping[ChangeId, Sequence[bytes]]) -> Lineage:
        """Return the lineage of changes, given the parents of each, in one go."""
        if len(parents) == 1:
            ((name, named),) = parents.items()
            alone = frozenset((name,))
            return cls({name: _Node(0, 0)}, {ChangeId(parent): alone for parent in named})
        bits = {name: 1 << position for position, name in enumerate(parents)}
        known = _closure(parents, bits)
        nodes = {name: _Node(i, known[name]) for i, name in enumerate(parents)}
        awaited: dict[ChangeId, frozenset[ChangeId]] = {}
        for name, named in parents.items():
            for parent in named:
                if parent not in bits:
                    waiting = awaited.get(ChangeId(parent), _NOBODY)
                    awaited[ChangeId(parent)] = waiting | {name}
        return cls(nodes, awaited)

    def extended(self, name: ChangeId, parents: Sequence[bytes]) -> Lineage:
        """Return the lineage with one change more. One that is here already changes nothing."""
        if name in self._nodes:
            return self
        nodes, position = dict(self._nodes), len(self._nodes)
        bit, ancestors = 1 << position, 0
        for parent in parents:
            there = nodes.get(ChangeId(parent))
            if there is not None:
                ancestors |= there.ancestors | 1 << there.position
        nodes[name] = _Node(position, ancestors)
        children = self._awaited.get(name, _NOBODY)
        if children:
            joined = bit | ancestors
            first = 0
            for child in children:
                first |= 1 << nodes[child].position
            for other, node in nodes.items():
                if other in children or node.ancestors & first:
                    nodes[other] = _Node(node.position, node.ancestors | joined)
        awaited = {parent: some for parent, some in self._awaited.items() if parent != name}
        for parent in parents:
            if parent not in nodes:
                waiting = awaited.get(ChangeId(parent), _NOBODY)
                awaited[ChangeId(parent)] = waiting | {name}
        return Lineage(nodes, awaited)

    def is_knotted(self, name: ChangeId) -> bool:
        """Whether some change that is here had seen `name`."""
        bit = 1 << self._nodes[name].position
        return any(node.ancestors & bit for node in self._nodes.values())

    def had_seen(self, later: ChangeId, earlier: ChangeId) -> bool:
        """Whether `later` had seen `earlier`; both must be here."""
        return bool(self._nodes[later].ancestors & 1 << self._nodes[earlier].position)

    def latest(self, names: Iterable[ChangeId]) -> frozenset[ChangeId]:
        """Return those of `names` that no other of them had seen."""
        some = list(names)
        if len(some) < 2:
            return frozenset(some)
        seen = 0
        for name in some:
            seen |= self._nodes[name].ancestors
        return frozenset(name for name in some if not seen & 1 << self._nodes[name].position)

    def earliest(self, names: Iterable[ChangeId]) -> frozenset[ChangeId]:
        """Return those of `names` that had seen none of the others."""
        some = list(names)
        bits = 0
        for name in some:
            bits |= 1 << self._nodes[name].position
        return frozenset(name for name in some if not self._nodes[name].ancestors & bits)

    def missing(self) -> frozenset[ChangeId]:
        """Return the parents that are named and not here: a delivery that is not complete."""
        return frozenset(self._awaited)

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[ChangeId]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lineage) and self._nodes.keys() == other._nodes.keys()

    def __hash__(self) -> int:
        return hash(frozenset(self._nodes))


def _closure(
    parents: Mapping[ChangeId, Sequence[bytes]], bits: Mapping[ChangeId, int]
) -> dict[ChangeId, int]:
    """Return the ancestors of each. Iterative: a chain of edits may be longer than the stack."""
    known: dict[ChangeId, int] = {}
    for start in parents:
        stack = [start]
        while stack:
            name = stack[-1]
            if name in known:
                stack.pop()
                continue
            here = [ChangeId(parent) for parent in parents[name] if parent in bits]
            open_ones = [parent for parent in here if parent not in known]
            if open_ones:
                stack.extend(open_ones)
                continue
            found = 0
            for parent in here:
                found |= known[parent] | bits[parent]
            known[name] = found
            stack.pop()
    return known

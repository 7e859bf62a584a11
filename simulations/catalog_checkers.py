"""What must hold: safety at every step, agreement after healing. Each raises Violation."""

from __future__ import annotations

from photonic.ids import ChangeId, Subject
from simulations.cluster import Cluster


class Violation(AssertionError):
    """An invariant that does not hold."""


class Ledger:
    """Every change that some node made durable: none may ever be missing there again."""

    def __init__(self) -> None:
        self._durable: dict[str, dict[ChangeId, Subject]] = {}

    def check_nothing_forgotten(self, cluster: Cluster, subjects: list[Subject]) -> None:
        """I3, I4: what a node once had durable, it still has, and its state shows it (I2)."""
        for name, node in cluster.nodes.items():
            known = self._durable.setdefault(name, {})
            here: set[ChangeId] = set()
            for subject in subjects:
                changes = {signed.id for signed in node.catalog.changes(subject)}
                here |= changes
                known.update(dict.fromkeys(changes, subject))
                heads = node.catalog.state(subject).heads
                if changes and not heads:
                    raise Violation(f"{name} has changes of {subject}, and none of them counts")
            forgotten = known.keys() - here
            if forgotten:
                raise Violation(f"{name} forgot {len(forgotten)} changes")


def check_agreement(cluster: Cluster, subjects: list[Subject]) -> None:
    """I1: after healing all nodes show the same."""
    names = list(cluster.nodes)
    first = cluster.nodes[names[0]].catalog
    for name in names[1:]:
        catalog = cluster.nodes[name].catalog
        if catalog.root_digest() != first.root_digest():
            raise Violation(f"{names[0]} and {name} hold different changes")
        for subject in subjects:
            if catalog.state(subject) != first.state(subject):
                raise Violation(f"{names[0]} and {name} show {subject} differently")

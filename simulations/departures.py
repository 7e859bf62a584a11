"""What leaves a node leaves enough others, and who promised to keep something keeps it (I6).

Copies are counted from outside, by the files on the other machines' disks, at the moment at which a
node lets its own go; off or cut off, a disk has what it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulations.checkers import Promise
from simulations.observations import Observation
from simulations.scenario import Scenario
from simulations.trace import Event


class NeverBelowTheFloor(Promise):
    """An eviction leaves `min_copies` copies on other nodes, and so do all of them together."""

    name = "I6 never below the floor"

    def __init__(self, scenario: Scenario) -> None:
        plans = scenario.nodes.values()
        self._floor = min(p.settings.get("min_copies", scenario.min_copies) for p in plans)
        self._hurt: set[tuple[str, str]] = set()  # node and photo, lost by force
        self._evicted: dict[str, set[str]] = {}  # photos, and who let them go
        self._wrong: list[str] = []

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "rotted":
            self._hurt.add((event.node, facts["photo"]))
        elif event.kind == "evicted":
            photo, others = facts["photo"], facts["others"]
            self._evicted.setdefault(photo, set()).add(event.node)
            hurt = {node for node, hurt in self._hurt if hurt == photo} - {event.node}
            if len({*others, *hurt}) < self._floor:
                self._wrong.append(f"{event.node} let {photo} go, which {others} hold")

    def see(self, seen: Observation) -> Iterator[str]:
        del seen
        wrong, self._wrong = self._wrong, []
        yield from wrong

    def settle(self, seen: Mapping[str, Observation]) -> Iterator[str]:
        for photo in sorted(self._evicted):
            holders = {
                name
                for name, one in seen.items()
                if (photo in one.photos and one.photos[photo].held) or (name, photo) in self._hurt
            }
            if len(holders) < self._floor:
                yield f"{photo} was let go, and {sorted(holders)} hold it"


class KeptPromises(Promise):
    """Who promised to keep a photo keeps it for so long, over restarts and by whatever clock."""

    name = "I6 kept promises"

    def __init__(self) -> None:
        self._until_s: dict[tuple[str, str], float] = {}
        self._wrong: list[str] = []

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "promised":
            for photo in facts["photos"]:
                self._until_s[event.node, photo] = event.at_s + float(facts["keep_s"])
        elif event.kind == "rolled back":  # its disk does not know any more
            self._until_s = {k: s for k, s in self._until_s.items() if k[0] != event.node}
        elif event.kind == "evicted":
            until_s = self._until_s.get((event.node, facts["photo"]), 0.0)
            if event.at_s < until_s:
                self._wrong.append(f"{event.node} promised to keep {facts['photo']}, and let it go")

    def see(self, seen: Observation) -> Iterator[str]:
        del seen
        wrong, self._wrong = self._wrong, []
        yield from wrong

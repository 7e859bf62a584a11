"""How many sound copies each photo has, from the events of a trace, and when it became safe.

A copy counts wherever its disk is: off, away or cut off. A copy that rotted does not count until
its node has fetched the photo anew, and a photo in the trash is no photo at all. Pure: `note` is
called with every event, in their order.
"""

from __future__ import annotations

from collections import Counter

from simulations.trace import Event

MANY = 3  # copies; more are not told apart


class Copies:
    """What is known of all photos up to the last event. `min_copies` are safe, two at least."""

    def __init__(self, min_copies: int = 2) -> None:
        self.min_copies = min_copies
        self.safe_after_s: dict[str, float] = {}  # since it first had a copy; the first time
        self._born_s: dict[str, float] = {}
        self._holders: dict[str, frozenset[str]] = {}
        self._rotten: set[tuple[str, str]] = set()  # photo, node
        self._trashed: set[str] = set()

    def note(self, event: Event) -> bool:
        """Hear what happened; return whether a photo has another number of copies now."""
        if event.kind == "began":
            self.min_copies = max(2, int(event.facts.get("min_copies", 2)))
        if event.kind == "accepted":
            return self._note_trash(event)
        if event.kind not in ("copies", "rotted"):
            return False
        photo = str(event.facts["photo"])
        if event.kind == "rotted":
            self._rotten.add((photo, event.node))
        else:
            self._hold(photo, frozenset(event.facts["holders"]))
        self._born_s.setdefault(photo, event.at_s)
        if self.count(photo) >= self.min_copies:
            self.safe_after_s.setdefault(photo, event.at_s - self._born_s[photo])
        return True

    def _note_trash(self, event: Event) -> bool:
        photo = str(event.facts.get("photo", ""))
        if event.facts["act"] == "delete":
            self._trashed.add(photo)
        elif event.facts["act"] == "undelete":
            self._trashed.discard(photo)
        return event.facts["act"] in ("delete", "undelete")

    def _hold(self, photo: str, holders: frozenset[str]) -> None:
        self._holders[photo] = holders
        self._rotten = {(p, n) for p, n in self._rotten if p != photo or n in holders}

    def count(self, photo: str) -> int:
        """Return how many sound copies a photo has."""
        return sum((photo, name) not in self._rotten for name in self._holders.get(photo, ()))

    def levels(self) -> tuple[int, ...]:
        """Return how many photos have no copy, one, two, and three or more."""
        found = Counter(min(MANY, self.count(photo)) for photo in self._kept())
        return tuple(found[number] for number in range(MANY + 1))

    def _kept(self) -> list[str]:
        return [photo for photo in self._born_s if photo not in self._trashed]

    @property
    def unsafe(self) -> int:
        """How many photos that are kept never had enough copies."""
        return sum(photo not in self.safe_after_s for photo in self._kept())

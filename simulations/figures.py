"""What a history came to in figures: how soon photos were safe, what was moved beyond the ideal.

The ideal is that each original comes once to each node that has it in the end and did not take it
in itself; what is moved beyond is previews, the catalog, and what was moved in vain.
"""

from __future__ import annotations

import statistics

from simulations.trace import Event


class Figures:
    """Hears a trace, and adds up."""

    def __init__(self, photo_bytes: int) -> None:
        """`photo_bytes` is what an original takes on the wire."""
        self._photo_bytes = photo_bytes
        self._taken: dict[str, dict[str, float]] = {}  # by photo: who took it in, and when
        self._holders: dict[str, list[str]] = {}
        self._safe_s: dict[str, float] = {}

    def note(self, event: Event) -> None:
        facts = event.facts
        if event.kind == "accepted" and facts["act"] in ("shoot", "import"):
            self._taken.setdefault(facts["photo"], {}).setdefault(event.node, event.at_s)
        elif event.kind == "copies":
            photo = facts["photo"]
            self._holders[photo] = facts["holders"]
            if len(facts["holders"]) > 1:
                self._safe_s.setdefault(photo, event.at_s)

    def result(self, moved_bytes: int) -> dict[str, float]:
        """Return the figures; `safe_s` is from when a photo was taken until two nodes have it."""
        waits = [
            max(0.0, at_s - min(self._taken[photo].values()))
            for photo, at_s in self._safe_s.items()
            if photo in self._taken
        ]
        fetched = sum(
            len(set(holders) - self._taken.get(photo, {}).keys())
            for photo, holders in self._holders.items()
        )
        ideal_bytes = fetched * self._photo_bytes
        return {
            "photos": len(self._taken),
            "safe": len(waits),
            "safe_s_median": round(statistics.median(waits), 3) if waits else 0.0,
            "safe_s_max": round(max(waits), 3) if waits else 0.0,
            "moved_bytes": moved_bytes,
            "ideal_bytes": ideal_bytes,
            "beyond_bytes": max(0, moved_bytes - ideal_bytes),
        }

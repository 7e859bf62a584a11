"""How fast something goes calm and under a flood, on a machine that has others' work to do, too.

Calm and flooded rounds take turns, and each flooded one is compared with the calm ones on its two
sides. Where those differ from each other by much, the machine was not the same in between, and the
round says nothing: only then there is another one. Pure but for who is asked.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

SLOWER_MAX: Final = 2.0  # times the normal latency
NOISE_MAX: Final = 1.4  # two calm rounds on a machine that nobody else loads differ by less
ROUNDS, ATTEMPTS_MAX = 3, 10

Lasts = Sequence[float]  # how long each of some equal acts took, ms


@dataclass(frozen=True, slots=True)
class Round:
    """A flooded round between two calm ones."""

    before: Lasts
    flooded: Lasts
    after: Lasts

    @property
    def is_noisy(self) -> bool:
        """Whether the machine was another one afterwards."""
        medians = sorted(map(statistics.median, (self.before, self.after)))
        return medians[1] > NOISE_MAX * medians[0]


@dataclass(slots=True)
class Paces:
    """What was measured; `ratio` is what the flood cost."""

    attempts_max: int = ATTEMPTS_MAX
    rounds: list[Round] = field(default_factory=list)

    @property
    def counting(self) -> list[Round]:
        """The rounds that say something; all of them, where the machine never stood still."""
        return [one for one in self.rounds if not one.is_noisy] or self.rounds

    @property
    def calm_ms(self) -> float:
        return statistics.median(x for one in self.counting for x in (*one.before, *one.after))

    @property
    def flooded_ms(self) -> float:
        return statistics.median(x for one in self.counting for x in one.flooded)

    @property
    def worst_ms(self) -> float:
        return max(x for one in self.rounds for x in one.flooded)

    @property
    def ratio(self) -> float:
        return self.flooded_ms / self.calm_ms

    @property
    def is_enough(self) -> bool:
        quiet = sum(not one.is_noisy for one in self.rounds)
        return quiet >= ROUNDS or len(self.rounds) >= self.attempts_max

    def __str__(self) -> str:
        return (
            f"calm {self.calm_ms:.1f} ms, flooded {self.flooded_ms:.1f} ms: {self.ratio:.2f} times"
            f" (worst {self.worst_ms:.0f}; {len(self.counting)} of {len(self.rounds)} rounds)"
        )


def measure(
    calm: Callable[[], Lasts], flooded: Callable[[], Lasts], attempts_max: int = ATTEMPTS_MAX
) -> Paces:
    """Take rounds in turn until enough of them say something."""
    paces, before = Paces(attempts_max), calm()
    while not paces.is_enough:
        during, after = flooded(), calm()
        paces.rounds.append(Round(before, during, after))
        before = after
    return paces

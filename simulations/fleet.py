"""Plays many histories, in several processes, and adds up what they came to."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from simulations.genesis import keep_in
from simulations.histories import draw
from simulations.outcomes import Outcome
from simulations.play import play
from simulations.sandbox import memory_folder
from simulations.scenario import Scenario, load

# Scenarios of chance, and how many turns each has.
MIX = {"everyday": 6, "members": 2, "rollbacks": 2, "crowd": 1, "carried": 1, "buffers": 3}
_HISTORIES_PER_PROCESS = 200  # then it ends, and gives back what libraries kept
# Of one process: some nodes at a time, of a few photos each. Who holds more forgets nothing.
MEMORY_BYTES_MAX = 600_000_000


def replay_line(outcome: Outcome, acts: Path | None = None) -> str:
    """Return the command that plays a history again."""
    rest = f" --acts {acts}" if acts is not None else ""
    return f"python -m simulations replay {outcome.seed} {outcome.scenario}{rest}"


def mixed(seeds: Iterable[int]) -> list[tuple[Scenario, int]]:
    """Return what is played where no scenario is named: chance in turn, `everyday` most often."""
    loaded = {name: load(name) for name in MIX}
    turns = [name for name, turns in MIX.items() for _ in range(turns)]
    return [(loaded[turns[seed % len(turns)]], seed) for seed in seeds]


def _play(one: tuple[Scenario, int]) -> Outcome:
    scenario, seed = one
    return play(scenario, draw(scenario, seed))[0]


class Fleet:
    """The sum of many histories."""

    def __init__(self) -> None:
        self.count = self.failures = self.acts = self.passed_over = self.events = 0
        self.faults: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()
        self.evicting = 0  # histories in which something was let go
        self.peak_bytes = 0
        self.virtual_s = self.cpu_s = 0.0
        self.converged_s: list[float] = []
        self._began_s = time.monotonic()

    @contextmanager
    def playing(
        self, histories: Sequence[tuple[Scenario, int]], jobs: int
    ) -> Iterator[Iterator[Outcome]]:
        """Give the outcomes of scenarios and seeds, in that order, while they are played."""
        if jobs <= 1:
            yield self._noted(map(_play, histories))
            return
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["simulations.play"])
        with (
            memory_folder() as homes,
            context.Pool(jobs, keep_in, (homes,), _HISTORIES_PER_PROCESS) as pool,
        ):
            yield self._noted(pool.imap(_play, histories))

    def _noted(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            self.count += 1
            self.failures += not outcome.is_good
            self.acts += outcome.acts
            self.passed_over += outcome.passed_over
            self.events += outcome.events
            self.faults.update(outcome.faults)
            self.kept.update(outcome.kept)
            self.evicting += outcome.kept.get("evicted", 0) > 0
            self.peak_bytes = max(self.peak_bytes, outcome.peak_bytes)
            self.virtual_s += outcome.virtual_s
            self.cpu_s += outcome.cpu_s
            if "converged_s" in outcome.figures:
                self.converged_s.append(outcome.figures["converged_s"])
            yield outcome

    @property
    def is_good(self) -> bool:
        """Whether every history held, and their memory was bounded."""
        return not self.failures and self.peak_bytes <= MEMORY_BYTES_MAX

    def summary(self) -> str:
        """Return what it came to, in a few lines."""
        mix = ", ".join(f"{count:,} {name}" for name, count in sorted(self.faults.items()))
        wall_s = time.monotonic() - self._began_s
        times = sorted(self.converged_s) or [0.0]
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        done = self.acts - self.passed_over
        return (
            f"{self.count:,} histories, {self.virtual_s / 3_600:,.1f} virtual hours,"
            f" {self.events:,} events in {wall_s:,.0f} s"
            f" ({self.cpu_s / max(1, self.count):.2f} CPU s each)\n"
            f"{done:,} acts done, {self.passed_over:,} passed over; faults: {mix or 'none'}\n"
            f"{self.kept['evicted']:,} originals let go in {self.evicting:,} histories,"
            f" {self.kept['refused']:,} kept when asked for,"
            f" {self.kept['promised']:,} promised to be kept\n"
            f"converged after healing: median {statistics.median(times):.1f} s, p99 {p99:.1f} s;"
            f" memory of a process: {self.peak_bytes / 1e6:,.0f} MB at most,"
            f" {MEMORY_BYTES_MAX / 1e6:,.0f} MB are allowed\n"
            f"{self.failures:,} histories with violations"
        )

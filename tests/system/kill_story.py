"""Two daemons, a transfer, and many kills of either side: what it cost, as the wire tells it.

Each daemon lives in a network namespace of its own, so what is moved is read from the kernel: it
does not matter what the program counts, nor that a count dies with whoever kept it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.meter import tree
from benchmarks.ours import OurNode, our_nodes
from photonic.blobs.chunks import scan
from simulations.daemons import peaks_mb
from simulations.ends import wait_for
from simulations.residents import Resident
from simulations.rooms import Room, lan

LOOK_S, MEMORY_LOOK_S = 0.005, 0.25
PORT = 4001
FLOWS_BYTES = 512_000  # more than questions, acknowledgements and the catalog weigh
SETTLED_S = 0.1  # until what was on the wire when one was killed is through
FIRST, LAST = 0.02, 0.85  # of the bytes, between which kills come
WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Story:
    """What happens: so many files, and half as many kills of each side, at moments from a seed."""

    files: int
    size_bytes: int
    kills: int
    seed: int
    out_bytes_s: int | None = None  # what the holder may give; None: what the machine can

    @property
    def bytes(self) -> int:
        return self.files * self.size_bytes


class Look(NamedTuple):
    """What had left the holder at a moment, in bytes, headers included."""

    at_s: float
    sent_bytes: int


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill -9, and how long it was until bytes flowed again: the restart is in it."""

    victim: str
    with_children: bool
    at_bytes: int
    flows_s: float


@dataclass(slots=True)
class Ending:
    """How it came out."""

    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0
    given_bytes: int = 0  # that left the holder, with all headers, the catalog and so on
    peaks_mb: dict[str, float] = field(default_factory=dict)  # of each side's processes
    damaged: list[str] = field(default_factory=list)  # files that are not as they were
    lost: int = 0  # files that did not arrive
    left_over: list[Path] = field(default_factory=list)  # partial files nobody needs

    def words(self, story: Story) -> str:
        """Say it in a few lines."""
        slowest = max((kill.flows_s for kill in self.kills), default=0.0)
        victims = Counter(kill.victim for kill in self.kills)
        counts = ", ".join(f"{count} of the {side}" for side, count in victims.items())
        peaks = ", ".join(f"{name} {mb:.0f} MB" for name, mb in sorted(self.peaks_mb.items()))
        return (
            f"{story.bytes / 1e6:,.0f} MB through {counts} killed in {self.seconds:.1f} s\n"
            f"the holder gave {self.given_bytes / story.bytes:.4f} of the files' bytes\n"
            f"until bytes flowed again: at most {slowest:.1f} s\n"
            f"memory at most: {peaks}\n"
        )


class Watch:
    """Reads, while its context lasts, what leaves the rooms, and what their processes need."""

    def __init__(self, holder: Room, nodes: dict[str, OurNode]) -> None:
        self._holder, self._nodes = holder, nodes
        self._over = threading.Event()
        self._watchers = [
            threading.Thread(target=each, daemon=True) for each in (self._watch, self._weigh)
        ]
        self.peaks_mb: defaultdict[str, float] = defaultdict(float)
        self.looks = [self._look()]

    def _look(self) -> Look:
        return Look(time.monotonic(), self._holder.sent_bytes())

    def __enter__(self) -> Self:
        for watcher in self._watchers:
            watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for watcher in self._watchers:
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            self.looks.append(self._look())

    def _weigh(self) -> None:
        while not self._over.wait(MEMORY_LOOK_S):
            for side, node in self._nodes.items():
                process = node.process
                found = peaks_mb(process.pid) if process is not None else {}
                for program, peak_mb in found.items():
                    name = f"{side}'s {program}"
                    self.peaks_mb[name] = max(self.peaks_mb[name], peak_mb)

    @property
    def given_bytes(self) -> int:
        """What left the holder since this began."""
        return self.looks[-1].sent_bytes - self.looks[0].sent_bytes

    def flows_s(self, killed_s: float) -> float:
        """Return how long after a kill bytes flowed again. Raises StopIteration: not yet."""
        after = [look for look in self.looks if look.at_s >= killed_s + SETTLED_S]
        start = after[0].sent_bytes if after else 0
        return next(n.at_s for n in after if n.sent_bytes >= start + FLOWS_BYTES) - killed_s


@contextmanager
def told(story: Story, place: Path) -> Iterator[Ending]:
    """Let it happen in a folder, and say how it came out; nothing is left of it afterwards."""
    source, work = place / "source", place / "work"
    source.mkdir()
    try:
        for number in range(story.files):
            # No picture, but a name that says RAW: such a file is kept, and told.
            (source / f"IMG_{number:04}.CR3").write_bytes(os.urandom(story.size_bytes))
        yield _let_happen(story, source, work)
    finally:
        for folder in (source, work):
            shutil.rmtree(folder, ignore_errors=True)


def _let_happen(story: Story, source: Path, work: Path) -> Ending:
    ending = Ending()
    moments: list[float] = []
    with lan(2) as rooms, our_nodes(work, *rooms) as (holder, fetcher):
        holder.port, fetcher.port = PORT, PORT
        holder.start()
        holder.take_in(source)
        holder.invite(fetcher)
        if story.out_bytes_s is not None:
            holder.send("PUT", "/limits", {"out_bytes_s": story.out_bytes_s})
        holder.stop()
        holder.start()  # without what the import left in its memory
        nodes = {"holder": holder, "fetcher": fetcher}
        with Watch(rooms[0], nodes) as watch:
            fetcher.launch("--peer", holder.listen[0])
            for victim, with_children, at_bytes in _plan(story):
                wait_for(lambda: watch.given_bytes >= at_bytes, WITHIN_S, share=0)  # noqa: B023
                moments.append(time.monotonic())
                kill(nodes[victim], with_children=with_children)
                ending.kills.append(Kill(victim, with_children, watch.given_bytes, 0.0))
                nodes[victim].launch(*(["--peer", holder.listen[0]] * (victim == "fetcher")))
                # Bytes flow before the next: a kill while nothing moves proves less.
                wait_for(lambda: _flows(watch, moments[-1]), WITHIN_S, share=0)
            fetcher.wait_ready()
            wait_for(lambda: fetcher.counts() == (story.files, story.files), WITHIN_S)
            ending.seconds = watch.looks[-1].at_s - watch.looks[0].at_s
        ending.given_bytes, ending.peaks_mb = watch.given_bytes, dict(watch.peaks_mb)
        ending.kills = [
            Kill(kill.victim, kill.with_children, kill.at_bytes, watch.flows_s(at_s))
            for kill, at_s in zip(ending.kills, moments, strict=True)
        ]
        fetcher.stop()
    _compare(ending, source, fetcher.home / "blobs")
    return ending


def _flows(watch: Watch, killed_s: float) -> bool:
    try:
        return watch.flows_s(killed_s) > 0
    except StopIteration:
        return False


def _plan(story: Story) -> list[tuple[str, bool, int]]:
    """Return victims, whether their children die with them, and moments in bytes."""
    dice = random.Random(story.seed)
    victims = ["holder", "fetcher"] * (story.kills // 2)
    dice.shuffle(victims)
    moments = sorted(dice.uniform(FIRST, LAST) for _ in victims)
    return [
        (victim, dice.random() < 0.5, int(moment * story.bytes))
        for victim, moment in zip(victims, moments, strict=True)
    ]


def kill(node: Resident, *, with_children: bool) -> None:
    """kill -9: as a crash of the daemon, whose carrier finds out, or of all of it."""
    children = tree(node.pid)[1:] if with_children else []
    node.kill()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _compare(ending: Ending, source: Path, store: Path) -> None:
    """Read every byte of what was stored, and compare with what there was."""
    names = {scan(path).ref.blob.hex() for path in source.iterdir()}
    stored = {path.name: path for path in (store / "blobs").rglob("*") if path.is_file()}
    ending.lost = len(names - stored.keys())
    ending.damaged = [n for n, path in stored.items() if scan(path).ref.blob.hex() != n]
    ending.left_over = sorted((store / "partial").iterdir())

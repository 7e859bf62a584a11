"""Two holders of everything, each limited to a rate, and one that fetches; then one holder is gone.

Seen from the wire: what leaves each holder's network is read from the kernel, so it does not matter
how the bytes move or what the program says of them. A holder goes in two ways: killed (-9, with its
children, so that its kernel ends the connections) and unplugged (nothing more comes or goes, which
only time tells).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.meter import tree
from benchmarks.ours import OurNode, our_nodes
from benchmarks.samples import Sample
from simulations.daemons import forget_peaks, peaks_mb
from simulations.ends import Failed, wait_for
from simulations.rooms import Room, lan, unplug

_LOOK_S = 0.02
_GONE_AT = 0.4  # of the bytes
_FLOWS_BYTES = 512_000  # more than questions, acknowledgements and gossip weigh in a few seconds
_HEARD_BYTES = 64_000
_LIMITED = 1.2  # how much more than the limits allow is still a burst, and headers
_AGAIN = 0.8  # of the rate that the other one is limited to, over ...
_OVER_S = 1.0


class Look(NamedTuple):
    """What had left the holders at a moment, in bytes."""

    at_s: float
    stays: int
    goes: int


@dataclass(frozen=True, slots=True)
class Loss:
    """How the fetcher fared."""

    how: str
    before_mb_s: float  # from both, while both were there
    flows_s: float  # from the loss until bytes came from the other: _FLOWS_BYTES of them
    silent_s: float  # the longest time afterwards in which next to nothing came from the other
    again_s: float | None  # until the other gave what it may give; None: never
    seconds: float  # for everything
    moved_share: float  # of the files' size, with all headers; from both
    peaks_mb: dict[str, float] = field(default_factory=dict)  # of each node's processes


def leave_killed(_room: Room, node: OurNode) -> None:
    """End a node and its children at once, as a crash of all of it would."""
    for pid in tree(node.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def leave_unplugged(room: Room, _node: OurNode) -> None:
    """Pull the cable."""
    unplug(room)


LEAVINGS: dict[str, Callable[[Room, OurNode], None]] = {
    "killed": leave_killed,
    "unplugged": leave_unplugged,
}


def lose_a_holder(how: str, sample: Sample, limit_mb_s: float, work: Path, within_s: float) -> Loss:
    """Fetch from two holders, lose one in the middle, and say what happened."""
    source = sample.make(work / "source")
    with lan(3) as rooms, our_nodes(work, *rooms) as (stays, goes, fetcher):
        stays.start()
        stays.take_in(source)
        stays.invite(goes)
        stays.invite(fetcher)
        goes.start("--peer", stays.listen[0])
        wait_for(lambda: goes.counts() == stays.counts(), within_s)
        for holder in (stays, goes):
            holder.send("PUT", "/limits", {"out_bytes_s": round(limit_mb_s * 1e6)})
        forget_peaks(stays.pid)  # the import's
        watch = Watch(rooms[0], rooms[1])
        fetcher.start("--peer", stays.listen[0], "--peer", goes.listen[0])
        with watch:
            wait_for(lambda: watch.moved_bytes > _GONE_AT * sample.bytes, within_s)
            if fetcher.counts() == stays.counts():
                raise Failed("everything was there before a holder was lost")
            lost_s = time.monotonic()
            LEAVINGS[how](rooms[1], goes)
            wait_for(lambda: fetcher.counts() == stays.counts(), within_s)
            peaks = {f"{node.home.name} {name}": mb for node in (stays, fetcher)
                     for name, mb in peaks_mb(node.pid).items()}  # fmt: skip
        return replace(judge(how, watch.looks, lost_s, limit_mb_s, sample.bytes), peaks_mb=peaks)


def judge(
    how: str, looks: Sequence[Look], lost_s: float, limit_mb_s: float, size_bytes: int
) -> Loss:
    """Say what the looks show. They must go beyond the loss."""
    began = next(
        (one for one, after in pairwise(looks) if moved(looks[0], after) > _FLOWS_BYTES), looks[0]
    )
    before = [look for look in looks if look.at_s <= lost_s]
    after = [look for look in looks if look.at_s >= lost_s]
    at_loss = before[-1]
    flowing = [look for look in after if look.stays - at_loss.stays >= _FLOWS_BYTES]
    if not flowing:
        raise Failed("nothing came from the other holder")
    full = [look.at_s for look in after if _rate(after, look) >= _AGAIN * limit_mb_s]
    span_s = at_loss.at_s - began.at_s
    before_mb_s = moved(began, at_loss) / 1e6 / span_s if span_s > 0 else 0.0
    if before_mb_s > _LIMITED * 2 * limit_mb_s:
        raise Failed(f"two holders that may give {limit_mb_s:g} MB/s each gave {before_mb_s:.0f}")
    return Loss(
        how=how,
        before_mb_s=before_mb_s,
        flows_s=flowing[0].at_s - lost_s,
        silent_s=silence_s(after),
        again_s=full[0] - lost_s if full else None,
        seconds=looks[-1].at_s - began.at_s,
        moved_share=moved(looks[0], looks[-1]) / size_bytes,
    )


def silence_s(looks: Sequence[Look]) -> float:
    """Return the longest time in which next to nothing left the holder that stays."""
    longest_s, heard = 0.0, looks[0]
    for look in looks:
        if look.stays - heard.stays >= _HEARD_BYTES:
            heard = look
        longest_s = max(longest_s, look.at_s - heard.at_s)
    return longest_s


def moved(one: Look, other: Look) -> int:
    """Return the bytes that left both holders in between."""
    return other.stays - one.stays + other.goes - one.goes


def _rate(looks: Sequence[Look], last: Look) -> float:
    """Return what came from the holder that stays over the span that ends at `last`, in MB/s."""
    first = looks[bisect_left(looks, last.at_s - _OVER_S, key=attrgetter("at_s"))]
    if looks[0].at_s > last.at_s - _OVER_S or first is last:
        return 0.0  # too early to tell
    return (last.stays - first.stays) / 1e6 / (last.at_s - first.at_s)


class Watch:
    """Reads what left the two holders, again and again, while its context lasts."""

    def __init__(self, stays: Room, goes: Room) -> None:
        self._stays, self._goes = stays, goes
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.looks = [self._look()]

    def _look(self) -> Look:
        return Look(time.monotonic(), self._stays.sent_bytes(), self._goes.sent_bytes())

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        self.looks.append(self._look())

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.looks.append(self._look())

    @property
    def moved_bytes(self) -> int:
        return moved(self.looks[0], self.looks[-1])

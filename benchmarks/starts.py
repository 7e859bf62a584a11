"""The start of a real daemon on a library that lies on a cold disk, and what it answers then."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.homes import resident_mb
from simulations.daemons import daemons

STATUS = "status"


@dataclass(frozen=True, slots=True)
class Start:
    """From the start of a process to its first answer."""

    ready_s: float  # it says that it serves
    first_page_s: float
    resident_mb: float  # with the first page answered
    asked_s: dict[str, list[float]]  # by the name of the question, over REST
    peak_mb: float  # after all the questions


def start(folder: Path, questions: Mapping[str, Sequence[str]] | None = None) -> Start:
    """Start a daemon on a home folder, ask for the first page, then ask these questions."""
    with daemons(folder) as (node,):
        node.role = "mobile"
        began_s = time.perf_counter()
        node.start()
        ready_s = time.perf_counter() - began_s
        node.get("/photos", limit=100)
        first_page_s = time.perf_counter() - began_s
        assert node.process is not None
        resident, _ = resident_mb(node.process.pid)
        asked = {
            name: [_timed(partial(node.get, "/photos", q=text)) for text in texts]
            for name, texts in (questions or {}).items()
        }
        if asked:
            asked[STATUS] = [_timed(node.status) for _ in range(50)]
        _, peak = resident_mb(node.process.pid)
        node.stop()
    return Start(ready_s, first_page_s, resident, asked, peak)


def _timed(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s

"""Where a history is played: a folder in memory, one thread, chance from a seed, and no noise."""

from __future__ import annotations

import gc
import logging
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trio._core import _run as trio_run

from photonic import identity
from photonic.cli import app
from simulations.threads import fibers, substituted

PRODUCT = app  # all modules of it are loaded here, so that all can be given fibers
_IN_MEMORY = Path("/dev/shm")


@contextmanager
def sandbox(seed: str) -> Iterator[Path]:
    """Give a folder in which a history is played. Process-wide; not to be entered twice."""
    with memory_folder() as folder, _one_thread(seed), fibers():
        yield folder


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Give a folder in memory, with a name that is always as long."""
    folder = make_memory_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_memory_folder(where: Path | None = None) -> Path:
    where = where or (_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None)
    return Path(tempfile.mkdtemp(prefix="simulation-", dir=where))


@contextmanager
def _one_thread(seed: str) -> Iterator[None]:
    """Let trio schedule by the seed, verify signatures here, and collect garbage afterwards."""
    level, scheduling = logging.root.manager.disable, trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_run._r.seed(f"{seed} scheduling")
    random.seed(seed)
    logging.disable(logging.CRITICAL)  # what nodes think of each other is no output of ours
    gc.disable()
    try:
        with substituted(identity, "_threads", lambda: 1):
            yield
    finally:
        gc.enable()
        logging.disable(level)
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = scheduling  # type: ignore[misc]

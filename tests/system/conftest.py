"""The machines that run this are of many speeds: what is seen may take its time, starts may not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from playwright.sync_api import expect

from simulations.preloaded import preloaded

EXPECTED_WITHIN_MS = 30_000

expect.set_options(timeout=EXPECTED_WITHIN_MS)


@pytest.fixture(scope="session", autouse=True)
def started_by_forks() -> Iterator[None]:
    """Fork daemons and verbs from a process that has imported photonic; not at full length."""
    with nullcontext() if os.environ.get("PHOTONIC_LONG") else preloaded():
        yield

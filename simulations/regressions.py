"""The histories that failed once: `simulations/seeds.toml`, committed with the mending of each."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

SEEDS = Path(__file__).with_name("seeds.toml")


class Regression(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seed, and what it found."""

    scenario: str
    seed: int
    found: str


def committed() -> list[Regression]:
    """Return all of them, in the order of the file."""
    document = tomllib.loads(SEEDS.read_text(encoding="utf-8"))
    return msgspec.convert(document.get("history", []), list[Regression])

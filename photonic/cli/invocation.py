"""What every verb is called with: the home folder, how to answer, and how much to tell.

`--home`, `--json` and `--debug` stand before or after the verb; the later one wins. `options.py`
declares them for Typer and remembers them here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from photonic.errors import HomeUnusable
from photonic.home import resolve_home


@dataclass(slots=True)
class Invocation:
    """The options that all verbs share, as they were given so far."""

    home_flag: str | None = None
    json: bool = False
    debug: bool = False

    @property
    def home(self) -> Path:
        return resolve_home(self.home_flag, os.environ)


def make_home(home: Path) -> None:
    """Make the home folder, readable by its owner only. Raises HomeUnusable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable(str(home), error.strerror or str(error)) from error

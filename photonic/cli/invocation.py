"""What every verb is called with: the home folder, which library, how to answer, how much to tell.

`--home`, `--library`, `--json` and `--debug` stand before or after the verb; the later one wins.
`options.py` declares them for Typer and remembers them here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from photonic.errors import HomeUnusable, LibraryUnknown
from photonic.home import resolve_home
from photonic.lodging import FIRST, Lodging, check_library_name, find_lodging


@dataclass(slots=True)
class Invocation:
    """The options that all verbs share, as they were given so far."""

    home_flag: str | None = None
    library: str = FIRST
    json: bool = False
    debug: bool = False

    @property
    def main_home(self) -> Path:
        """The home folder of the daemon, which is that of its first library."""
        return resolve_home(self.home_flag, os.environ)

    @property
    def home(self) -> Path:
        """The home folder of the library that is meant. Raises LibraryUnknown."""
        lodging = self.find_lodging()
        return self.main_home if lodging is None else lodging.home

    def find_lodging(self) -> Lodging | None:
        """Return where the library that is meant lives; None for the first.

        Raises LibraryNameInvalid, LibraryUnknown.
        """
        if self.library == FIRST:
            return None
        found = find_lodging(self.main_home, check_library_name(self.library))
        if found is None:
            raise LibraryUnknown(f"{self.main_home} has no library {self.library}")
        return found


def make_home(home: Path) -> None:
    """Make the home folder, readable by its owner only. Raises HomeUnusable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable(str(home), error.strerror or str(error)) from error

"""What every verb is called with: the home folder, which library, how to answer, how much to tell.

`--home`, `--library`, `--json` and the others stand before or after the verb; the later one wins.
`options.py` declares them for Typer and remembers them here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from photonic.cli.remote import Remote, parse_remote, read_token
from photonic.errors import HomeUnusable, LibraryUnknown, UsageInvalid
from photonic.home import FINGERPRINT_VARIABLE, NODE_VARIABLE, TOKEN_VARIABLE, resolve_home
from photonic.lodging import FIRST, Lodging, check_library_name, find_lodging


@dataclass(slots=True)
class Invocation:
    """The options that all verbs share, as they were given so far."""

    home_flag: str | None = None
    library: str = FIRST
    json: bool = False
    debug: bool = False

    node_flag: str | None = None
    token_flag: str | None = None
    fingerprint_flag: str | None = None

    @property
    def main_home(self) -> Path:
        """The home folder of the daemon, which is that of its first library."""
        return resolve_home(self.home_flag, os.environ)

    @property
    def home(self) -> Path:
        """The home folder of the library that is meant.

        Raises LibraryUnknown, and UsageInvalid where another machine's node is meant.
        """
        if self.remote is not None:
            raise UsageInvalid(f"this works on this machine alone, and --node is {self.node}")
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

    @property
    def node(self) -> str:
        return self.node_flag or os.environ.get(NODE_VARIABLE, "")

    @property
    def remote(self) -> Remote | None:
        """The node that is meant, if it is not the one of a home folder. Raises UsageInvalid."""
        if not self.node:
            return None
        return parse_remote(
            self.node, self.fingerprint_flag or os.environ.get(FINGERPRINT_VARIABLE, "")
        )

    @property
    def token(self) -> str | None:
        """What to show to the node, where it wants to see something. Raises UsageInvalid."""
        file = self.token_flag or os.environ.get(TOKEN_VARIABLE, "")
        return read_token(file) if file else None


def make_home(home: Path) -> None:
    """Make the home folder, readable by its owner only. Raises HomeUnusable."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnusable(str(home), error.strerror or str(error)) from error

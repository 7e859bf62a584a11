"""Where a node keeps what is its own: which folder, and the names inside that others ask for.

The folder is chosen here and nowhere else: a flag, else PHOTONIC_HOME, else the place that the
operating system has for a program's data. Nothing here creates, reads or writes a file, and
nothing heavy is imported: every verb of the command line asks this first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import platformdirs

HOME_VARIABLE = "PHOTONIC_HOME"
# Which node the verbs talk to, where it is not the one of a home folder.
NODE_VARIABLE, TOKEN_VARIABLE = "PHOTONIC_NODE", "PHOTONIC_TOKEN_FILE"
FINGERPRINT_VARIABLE = "PHOTONIC_FINGERPRINT"
# These are for the command line alone, and no settings.
CLI_VARIABLES = frozenset((HOME_VARIABLE, NODE_VARIABLE, TOKEN_VARIABLE, FINGERPRINT_VARIABLE))

SETTINGS_FILE = "photonic.yaml"  # what the user writes
NODE_FILE = "node.json"  # how to reach the running node; there only while it runs
NODE_LOG = "node.log"
CLI_LOG = "cli.log"


def default_home() -> Path:
    """Return the home folder of a user who names none."""
    return Path(platformdirs.user_data_path("photonic", appauthor=False))


def resolve_home(flag: str | Path | None, environ: Mapping[str, str]) -> Path:
    """Return the absolute home folder: `flag`, else PHOTONIC_HOME, else the default.

    An empty string counts as not given. The folder need not exist.
    """
    chosen = flag or environ.get(HOME_VARIABLE) or default_home()
    return Path(chosen).expanduser().absolute()

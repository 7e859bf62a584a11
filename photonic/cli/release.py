"""Which photonic this is, told without Typer: the entry point answers `version` by itself."""

from __future__ import annotations

import platform

from photonic import __version__
from photonic.cli import output


def show_version(*, as_json: bool) -> None:
    """Print the version."""
    if as_json:
        output.print_json({"version": __version__, "python": platform.python_version()})
    else:
        output.print_line(f"photonic {__version__}")

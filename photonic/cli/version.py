"""`photonic version`, where other options stand beside it; see `release.py`."""

from __future__ import annotations

import typer

from photonic.cli.options import invocation_of
from photonic.cli.release import show_version


def run(context: typer.Context) -> None:
    """Print the version."""
    show_version(as_json=invocation_of(context).json)

"""`photonic export-catalog FOLDER`: everything that is in the catalog, readable without photonic.

The running node does the work. The photos themselves are not copied: see docs/export-format.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.catalog_tasks import finish_task
from photonic.cli.client import connect
from photonic.cli.options import invocation_of


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="New or empty folder to write.")],
) -> None:
    """Write the catalog as JSON lines and XMP sidecars, without the photos themselves."""
    invocation = invocation_of(context)
    folder = folder.expanduser().absolute()
    with connect(invocation.home) as node:
        done = finish_task(node, "/export", {"folder": str(folder)}, is_quiet=invocation.json)
    if invocation.json:
        output.print_json(done)
        return
    counts = done["counts"]
    output.print_line(
        f"{counts.get('photos', 0):,} photos, {counts.get('changes', 0):,} changes and"
        f" {counts.get('sidecars', 0):,} sidecars written to {folder}"
    )

"""`photonic import-catalog FOLDER`: take in what `photonic export-catalog` wrote.

The running node does the work. Of the same library the signed changes go back as they are; those of
another one are said again by this node. Interrupted or repeated, it goes on with what is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.catalog_tasks import finish_task
from photonic.cli.client import connect
from photonic.cli.options import invocation_of
from photonic.errors import FolderUnknown


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that export-catalog wrote; only read.")],
    merge: Annotated[
        bool,
        typer.Option(
            "--merge",
            help="Take in another library's export although this library has photos already.",
        ),
    ] = False,
) -> None:
    """Take in an exported catalog: into its own library, or into a new one."""
    invocation = invocation_of(context)
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise FolderUnknown(f"there is no folder {folder}")
    with connect(invocation.home) as node:
        body = {"folder": str(folder), "merge": merge}
        done = finish_task(node, "/import-catalog", body, is_quiet=invocation.json)
    if invocation.json:
        output.print_json(done)
        return
    counts = done["counts"]
    output.print_line(
        f"{counts.get('fresh', 0):,} changes taken in, {counts.get('known', 0):,} known before,"
        f" {counts.get('left_out', 0):,} left out"
    )

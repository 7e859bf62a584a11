"""`photonic init`: make a library, with this node as its first member."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from photonic.cli import output
from photonic.cli.loading import load_node, load_settings
from photonic.cli.options import invocation_of
from photonic.errors import UsageInvalid
from photonic.lodging import FIRST


def run(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Option("--name", metavar="LIBRARY", help="What the library is called.")
    ] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="mobile, central or archive; else central.")
    ] = None,
    node_name: Annotated[
        str | None, typer.Option("--node-name", help="What this node is called on the others.")
    ] = None,
) -> None:
    """Make a library in the home folder."""
    invocation = invocation_of(context)
    if invocation.library != FIRST:
        raise UsageInvalid("`photonic library add NAME` makes a further library")
    settings = load_settings(
        {"home": invocation.home, "library_name": name, "role": role, "name": node_name}
    )
    library = anyio.run(load_node().initialise, settings, backend="trio")
    if invocation.json:
        output.print_json(
            {"library": {"id": library.id, "name": library.name}, "home": str(settings.home)}
        )
        return
    output.print_line(f"library {library.name} ({library.id}) in {settings.home}")
    output.note("Start its first node: `photonic node`; invite others: `photonic invite`.")

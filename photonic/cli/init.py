"""`photonic init`: make a library, with this node as its first member."""

from __future__ import annotations

import sys
from typing import Annotated

import anyio
import typer

from photonic.cli import output
from photonic.cli.loading import load_node, load_settings
from photonic.cli.options import invocation_of
from photonic.cli.recovery_kit import forget_when_typed_back, show_kit
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
    kit: Annotated[
        bool,
        typer.Option("--kit", help="Print the recovery kit, too, even if no terminal shows it."),
    ] = False,
    forget_key: Annotated[
        bool,
        typer.Option(
            "--forget-key", help="Once the kit is on paper, take the key away from this machine."
        ),
    ] = False,
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
    recovery = load_node().recovery_kit(settings)
    if kit or forget_key or sys.stdout.isatty():
        show_kit(recovery, as_json=False)
        output.note("Print this page now. `photonic recovery-kit` shows it again.")
    else:
        output.note("Print its recovery kit and keep it on paper: `photonic recovery-kit`.")
    if forget_key:
        forget_when_typed_back(settings, recovery)
    output.note("Start its first node: `photonic node`; invite others: `photonic invite`.")

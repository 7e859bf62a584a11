"""`photonic join CODE`: become a member of the library that the code invites to."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer

from photonic.cli import output
from photonic.cli.client import connect_if_running
from photonic.cli.loading import load_node, load_settings, set_up_logs
from photonic.cli.options import invocation_of
from photonic.home import CLI_LOG


def run(
    context: typer.Context,
    code: Annotated[str, typer.Argument(help="The line that `photonic invite` printed.")],
    node_name: Annotated[
        str | None, typer.Option("--node-name", help="What this node is called on the others.")
    ] = None,
) -> None:
    """Join a library with a code; the node may run or not."""
    invocation = invocation_of(context)
    client = connect_if_running(invocation.home)
    if client is not None:
        with client:
            library = client.post("/join", {"code": code})
    else:
        lodging = invocation.find_lodging()
        settings = load_settings({"home": invocation.main_home, "name": node_name}, lodging)
        settings = settings.model_copy(update={"log_level": "error"})  # the answer says it all
        set_up_logs(settings, invocation.home / CLI_LOG)
        enrolled = anyio.run(load_node().enrol, settings, code, backend="trio")
        library = {"id": enrolled.id, "name": enrolled.name}
    if invocation.json:
        output.print_json({"library": library, "home": str(invocation.home)})
    else:
        output.print_line(f"joined library {library['name']} ({library['id']})")

"""`photonic recover KIT`: make this machine an admin of a library by its recovery kit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import anyio
import typer

from photonic.cli import output
from photonic.cli.loading import load_node, load_settings, set_up_logs
from photonic.cli.options import invocation_of
from photonic.errors import KitInvalid
from photonic.home import CLI_LOG


def run(
    context: typer.Context,
    kit: Annotated[
        str | None,
        typer.Argument(help="The kit's one line, or a file with it; else its lines are asked for."),
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option("--peer", metavar="ADDRESS", help="Where a member is: /ip4/…/p2p/ID."),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="No member is left: begin the library again, empty.")
    ] = False,
    role: Annotated[
        str | None, typer.Option("--role", help="mobile, central or archive; else central.")
    ] = None,
    node_name: Annotated[
        str | None, typer.Option("--node-name", help="What this node is called on the others.")
    ] = None,
    no_discovery: Annotated[
        bool, typer.Option("--no-discovery", help="Do not look for members on this network.")
    ] = False,
) -> None:
    """Become an admin of a library with its recovery kit, whatever became of the other admins."""
    invocation = invocation_of(context)
    text = read_kit(kit)
    flags: dict[str, object] = {"home": invocation.home, "role": role, "name": node_name}
    if peer:
        flags["peers"] = tuple(peer)
    if no_discovery:
        flags["discovery"] = False
    settings = load_settings(flags).model_copy(update={"log_level": "error"})
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    set_up_logs(settings, invocation.home / CLI_LOG)
    node = load_node()

    async def recover() -> tuple[str, str, int]:
        found = await node.recover_with(settings, text, alone=alone)
        return found.record.id, found.record.name, len(found.told)

    library, name, told = anyio.run(recover, backend="trio")
    if invocation.json:
        output.print_json({"library": {"id": library, "name": name}, "told": told})
        return
    members = "member was" if told == 1 else "members were"
    output.print_line(f"recovered library {name} ({library}); {told:,} {members} told")
    output.note("Start its node: `photonic node`. The authority key is on this machine now, too.")
    if alone:
        output.note("When a member returns: `photonic recover KIT --peer ITS-ADDRESS`.")


def read_kit(kit: str | None) -> str:
    """Return the text of the kit: given, from a file, or typed line by line until it is whole."""
    if kit is None:
        output.note("Type the lines of the kit, then an empty one (or paste what the code says):")
        lines = []
        while (line := sys.stdin.readline()).strip():
            lines.append(line)
        return "".join(lines)
    path = Path(kit)
    try:
        return path.read_text() if len(kit) < 256 and path.is_file() else kit
    except (OSError, UnicodeDecodeError) as error:
        raise KitInvalid(f"{path} cannot be read: {error}") from error

"""`photonic resume`: go on with what `photonic pause` left alone."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli.client import connect
from photonic.cli.options import invocation_of
from photonic.cli.pause import Album, Peer, Shoot, chosen, show
from photonic.errors import UsageInvalid


def run(
    context: typer.Context,
    peer: Peer = None,
    album: Album = None,
    shoot: Shoot = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Whatever was paused, in whichever way.")
    ] = False,
) -> None:
    """Go on with the library, or with one node, album or shoot that was paused."""
    if everything and (peer, album, shoot) != (None, None, None):
        raise UsageInvalid("--all goes with nothing else")
    invocation = invocation_of(context)
    with connect(invocation) as node:
        body = {} if everything else chosen(node, peer, album, shoot)
        told = node.post("/pauses/end", body)
    show(told, as_json=invocation.json)

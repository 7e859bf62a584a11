"""`photonic pause` (and `resume`): leave the library, a node, an album or a shoot alone."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.choosing import find_album
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.cli.transfers import pauses_in_words
from photonic.errors import UsageInvalid

Peer = Annotated[
    str | None, typer.Option("--peer", metavar="NAME", help="Of this node, by name or id.")
]
Album = Annotated[str | None, typer.Option("--album", metavar="NAME", help="Photos of this album.")]
Shoot = Annotated[str | None, typer.Option("--shoot", metavar="ID", help="Photos of this shoot.")]


def run(
    context: typer.Context, peer: Peer = None, album: Album = None, shoot: Shoot = None
) -> None:
    """Fetch nothing any more, or nothing of one node, album or shoot, until `photonic resume`."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        told = node.post("/pauses", chosen(node, peer, album, shoot))
    show(told, as_json=invocation.json)


def chosen(
    node: NodeClient, peer: str | None, album: str | None, shoot: str | None
) -> dict[str, object]:
    """Return the body that names what is meant. Raises UsageInvalid, AlbumUnknown."""
    if sum(one is not None for one in (peer, album, shoot)) > 1:
        raise UsageInvalid("one of --peer, --album and --shoot at a time")
    if peer is not None:
        return {"kind": "peer", "id": peer}
    if album is not None:
        return {"kind": "album", "id": find_album(node, album)["id"]}
    if shoot is not None:
        return {"kind": "shoot", "id": shoot.lower()}
    return {"kind": "library"}


def show(told: Answer, *, as_json: bool) -> None:
    """Tell what is paused now."""
    if as_json:
        output.print_json(told)
    else:
        output.print_line(f"paused: {pauses_in_words(told['items']) or 'nothing'}")

"""`photonic undo ID`: take back a change of one photo, or an act on many."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.errors import SaidUnknown, UsageInvalid

_ACT_DIGITS_MAX = 32


def run(
    context: typer.Context,
    said: Annotated[
        str,
        typer.Argument(metavar="ID", help="A change or an act, as `photonic log` tells it."),
    ],
) -> None:
    """Take back what was said. What somebody wrote over since stays as it is."""
    invocation = invocation_of(context)
    if not re.fullmatch("[0-9a-fA-F]{6,64}", said):
        raise UsageInvalid(f"{said!r} is no id: 6 to 64 digits of a change or an act are")
    with connect(invocation) as node:
        answer = _undo(node, said.lower())
    if invocation.json:
        output.print_json(answer)
        return
    photos, albums = answer["undone"], answer["albums"]
    if albums:
        output.print_line(
            "The album is as before." if albums == 1 else f"{albums:,} albums are as before."
        )
    if photos or not albums:
        output.print_line(f"{_photos(photos)} as before.")
    for kept in answer["kept"]:
        output.print_line(f"not undone: {kept['name']}: {kept['reason']}")
    more = answer["kept_count"] - len(answer["kept"])
    if more > 0:
        output.print_line(f"not undone: {more:,} more")
    if answer["act"]:
        short = answer["act"][: limits.SHORT_ID_DIGITS]
        output.note(f"`photonic undo {short}` takes this back.")


def _undo(node: NodeClient, said: str) -> Answer:
    """An act has fewer digits than a change; the beginning of an id may be that of either."""
    if len(said) <= _ACT_DIGITS_MAX:
        try:
            return node.post("/undo", {"act": said}, is_long=True)
        except SaidUnknown:
            pass
    return node.post("/undo", {"change": said})


def _photos(count: int) -> str:
    return "1 is" if count == 1 else f"{count:,} are"

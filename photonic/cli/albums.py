"""`photonic albums`: list them, and make, rename, fill or delete one."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.choosing import find_album
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import UsageInvalid

_HEADINGS = ("name", "query", "contested", "id")
_WORDS = {"list": 0, "create": 1, "rename": 2, "query": 1, "delete": 1}  # and how many follow


def run(
    context: typer.Context,
    word: Annotated[
        str, typer.Argument(help="list; create NAME; rename ALBUM NAME; query ALBUM; delete ALBUM.")
    ] = "list",
    names: Annotated[
        list[str] | None, typer.Argument(help="An album is named by its name or its id.")
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", help='What a saved album finds; "" makes it one filled by hand.'),
    ] = None,
) -> None:
    """List albums, or change one. `photonic edit QUERY --album NAME` puts photos into one."""
    invocation = invocation_of(context)
    given = names or []
    if word not in _WORDS or len(given) != _WORDS[word]:
        raise UsageInvalid("photonic albums: list, create NAME, rename ALBUM NAME, query ALBUM,"
                           " delete ALBUM")  # fmt: skip
    if (word == "query" and query is None) or (word not in ("query", "create") and query):
        raise UsageInvalid("--query goes with `albums create` and `albums query`")
    with connect(invocation) as node:
        answer = _do(node, word, given, query)
    if invocation.json:
        output.print_json(answer)
    elif word != "list":
        output.print_line(f"{answer['id']}  {answer['name']}")
        if word == "delete":
            short = answer["act"][: limits.SHORT_ID_DIGITS]
            output.note(f"Its photos stay; `photonic undo {short}` brings the album back.")
    elif answer["items"]:
        print_table(_HEADINGS, map(_row, answer["items"]))
    else:
        output.note("There is no album yet; `photonic albums create NAME` makes one.")


def _do(node: NodeClient, word: str, names: list[str], query: str | None) -> Answer:
    match word:
        case "create":
            return node.post("/albums", {"name": names[0], "query": query or None})
        case "rename":
            return node.patch(_path(node, names[0]), {"name": names[1]})
        case "query":
            return node.patch(_path(node, names[0]), {"query": query or None})
        case "delete":
            return node.delete(_path(node, names[0]))
    return node.get("/albums")


def _path(node: NodeClient, name: str) -> str:
    return f"/albums/{find_album(node, name)['id']}"


def _row(album: Answer) -> tuple[object, ...]:
    return (album["name"], album["query"], ", ".join(album["conflicts"]), album["id"])

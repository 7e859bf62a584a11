"""`photonic pin` (and `unpin`): have a node keep the originals of an album or of a query.

A pin is a rule of placement of its own, `where QUERY: keep on NODE`, on all nodes.
"""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.choosing import find_album, query_of
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import MemberUnknown, UsageInvalid

_KEEP = ": keep on "

Query = Annotated[str, typer.Argument(help="What to keep there; without it, pins are listed.")]
Album = Annotated[str | None, typer.Option("--album", metavar="NAME", help="This album.")]
On = Annotated[
    str | None, typer.Option("--on", metavar="NODE", help="By name or id; without it, this node.")
]


def run(context: typer.Context, query: Query = "", album: Album = None, on: On = None) -> None:
    """Have a node keep the originals of what a query finds, or of an album, and never evict."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        if not query and album is None:
            _list(node, as_json=invocation.json)
            return
        told = node.patch("/policies/placement", {"add": [rule_of(node, query, album, on)]})
    if invocation.json:
        output.print_json(told)
    else:
        output.print_line("pinned; `photonic pin` lists what is")


def rule_of(node: NodeClient, query: str, album: str | None, on: str | None) -> str:
    """Return the rule that a pin is. Raises UsageInvalid, AlbumUnknown, MemberUnknown."""
    if bool(query) == (album is not None):
        raise UsageInvalid("name a query or an album with --album, one of the two")
    found = query_of(query) if album is None else f"album:{find_album(node, album)['id']}"
    return f"where {found}{_KEEP}{_member(node, on)}"


def _member(node: NodeClient, on: str | None) -> str:
    """Return the peer ID of a member."""
    me: Answer = node.get("/status")["node"]
    if on is None:
        return str(me["id"])
    members = [me, *node.get("/peers")["items"]]
    found = [one["id"] for one in members if on in (one["id"], one["name"])]
    if len(found) != 1:
        known = ", ".join(f"{one['name']} ({one['id']})" for one in members)
        what = f"{len(found)} members are called {on}" if found else f"no member is called {on}"
        raise MemberUnknown(f"{what}; there are {known}")
    return str(found[0])


def _list(node: NodeClient, *, as_json: bool) -> None:
    rules: list[Answer] = node.get("/policies/placement")["rules"]
    pins = [rule for rule in rules if _KEEP in rule["text"]]
    if as_json:
        output.print_json({"items": pins})
        return
    if not pins:
        output.note("Nothing is pinned.")
        return
    print_table(("photos#", "rule"), ((rule["photos"], rule["text"]) for rule in pins))

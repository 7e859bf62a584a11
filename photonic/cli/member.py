"""`photonic member`: give a member other rights, or make a revoked one a member again."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.members import rights_in_words
from photonic.cli.options import invocation_of
from photonic.errors import MemberUnknown, UsageInvalid

_ADMIN = "members.admin"


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="admin NODE; plain NODE; scopes NODE SCOPE...; restore NODE."),
    ] = None,
) -> None:
    """Make a member an admin, or a plain member; give it other scopes; restore a revoked one."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        match words or []:
            case ["admin", name]:
                answer = _give(node, name, [*_scopes_of(node, name), _ADMIN])
            case ["plain", name]:
                answer = _give(node, name, [s for s in _scopes_of(node, name) if s != _ADMIN])
            case ["scopes", name, *scopes] if scopes:
                answer = _give(node, name, scopes)
            case ["restore", name]:
                answer = node.post(f"/members/{_path_of(node, name)}/restore", {})
            case _:
                raise UsageInvalid("admin NODE, plain NODE, scopes NODE SCOPE... or restore NODE")
    if invocation.json:
        output.print_json(answer)
        return
    rights = rights_in_words(answer["scopes"])
    output.print_line(f"{answer['name']}: {'revoked' if answer['revoked'] else rights}")


def _give(node: NodeClient, name: str, scopes: list[str]) -> Answer:
    body = {"scopes": list(dict.fromkeys(scopes))}
    return node.post(f"/members/{_path_of(node, name)}/scopes", body)


def member_named(node: NodeClient, name: str) -> Answer:
    """Return the member with this name or ID. Raises MemberUnknown."""
    items = node.get("/members")["items"]
    found: list[Answer] = [one for one in items if name in (one["id"], one["name"])]
    if len(found) != 1:
        raise MemberUnknown(f"{len(found) or 'no'} members are called {name}")
    return found[0]


def _path_of(node: NodeClient, name: str) -> str:
    return str(member_named(node, name)["id"])


def _scopes_of(node: NodeClient, name: str) -> list[str]:
    return list(member_named(node, name)["scopes"])

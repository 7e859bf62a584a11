"""`photonic why`: how many copies of a photo are wanted and where, and what is missing."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.choosing import find_photo
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table

_NODES = ("node", "role", "copy", "verified", "wanted", "evicts", "in the way")


def run(
    context: typer.Context,
    photo: Annotated[
        str, typer.Argument(help="Id, beginning of one, or a query that one photo matches.")
    ],
) -> None:
    """Tell which rules a photo is under, who holds it, and what is in the way of its copies."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        told = node.get(f"/photos/{find_photo(node, photo)['id']}/placement")
    if invocation.json:
        output.print_json(told)
        return
    output.print_line(f"{told['name']}  {told['photo']}")
    for line in sentences(told):
        output.print_line(line)
    print_table(_NODES, map(_row, told["nodes"]))


def sentences(told: Answer) -> list[str]:
    """Say what is wanted and what is missing."""
    found = [_rule(rule) for rule in told["rules"]] or ["rule: none is about it; the floor holds"]
    found.append(f"wanted: {_copies(told['copies'])}{_on(told['on'])}")
    if told["missing"]:
        found.append(f"missing: {told['missing']}{_on(told['missing_on'])}")
    else:
        found.append(f"there: {told['held']}, so nothing is missing")
    if told["nobody"]:
        found.append(f"no member is there to take {told['nobody']} of them: add one, or pin it")
    if told["not_on"]:
        found.append(f"not on: {', '.join(told['not_on'])}")
    if told["yielding"]:
        roles = ", ".join(told["yielding"])
        found.append(f"not on {roles} gives way: too few other members would be left")
    found += [f"no member is called {name}, whom a rule names" for name in told["unknown"]]
    if told["unread"]:
        found.append("a rule cannot be read here, so nothing is evicted: " + told["unread"][0])
    return found


def _rule(rule: Answer) -> str:
    contested = " (contested: only what asks for more counts)" if rule["contested"] else ""
    return f"rule: {rule['text']}{contested}"


def _copies(count: int) -> str:
    return "1 copy" if count == 1 else f"{count} copies"


def _on(roles: dict[str, int]) -> str:
    return "".join(f", {count} on {role}" for role, count in roles.items())


def _row(node: Answer) -> tuple[object, ...]:
    copy = "yes" if node["held"] and node["counts"] else "no copy" if node["held"] else ""
    wanted = "pinned" if node["pinned"] else "yes" if node["wanted"] else "no"
    return (
        node["name"] + (" (here)" if node["here"] else ""),
        node["role"],
        copy,
        (node["verified_at"] or "")[:16].replace("T", " "),
        wanted,
        node["evict"],
        node["obstacle"] or "",
    )

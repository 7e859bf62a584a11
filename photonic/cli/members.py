"""`photonic members`: who belongs to the library, what each may do, and until when."""

from __future__ import annotations

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table

_HEADINGS = ("name", "role", "rights", "until", "last seen", "id")


def run(context: typer.Context) -> None:
    """List the members of the library, and those that were revoked."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        answer = node.get("/members")
    if invocation.json:
        output.print_json(answer)
        return
    print_table(_HEADINGS, map(_row, answer["items"]))


def _row(member: Answer) -> tuple[object, ...]:
    seen = "now" if member["connected"] else (member["last_seen"] or "never")[:16]
    until = (member["expires"] or "")[:10]
    if member["revoked"]:
        until = f"revoked after {member['cut']} of {member['known'] or 0}"
    return (
        member["name"] + (" (this node)" if member["this_node"] else ""),
        member["role"],
        rights_in_words(member["scopes"]),
        until,
        seen.replace("T", " "),
        member["id"],
    )


def rights_in_words(scopes: list[str]) -> str:
    """Say in a word what somebody may do, or name the scopes."""
    if "members.admin" in scopes:
        return "admin"
    if {"catalog.write", "blobs.hold"} <= set(scopes):
        return "member" if "catalog.unseal" in scopes else "member without the library key"
    return " ".join(scopes)

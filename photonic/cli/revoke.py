"""`photonic revoke NODE`: shut a machine out, for it was stolen, sold or lost."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.member import member_named
from photonic.cli.options import invocation_of
from photonic.errors import NotConfirmed


def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NODE", help="Its name or its ID.")],
    cut: Annotated[
        int | None,
        typer.Option("--cut", min=0, help="The last of its changes that counts; else all known."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Shut a member out of the library, or move the cut of one that is out already."""
    invocation = invocation_of(context)
    body: dict[str, object] = {"cut": cut}
    with connect(invocation) as node:
        path = f"/members/{member_named(node, name)['id']}/revoke"
        if not yes:
            _explain(node.post(path, {**body, "dry_run": True}))
            if not output.confirm("Revoke it?"):
                raise NotConfirmed(f"{name} was to be revoked")
        answer = node.post(path, body)
    if invocation.json:
        output.print_json(answer)
        return
    output.print_line(f"{answer['name']} is revoked: {_what_counts(answer)}")
    if yes:
        _explain(answer)
    output.note(f"If it is found: `photonic member restore {answer['name']}`.")


def _what_counts(answer: Answer) -> str:
    known, cut = answer["known"], answer["cut"]
    if known == 0:
        return "no change of it is known here"
    if cut >= known:
        return (
            f"all {known:,} changes that are known here count"
            if known > 1
            else "its one change counts"
        )
    return f"{cut:,} of the {known:,} changes that are known here count"


def _explain(answer: Answer) -> None:
    """Say what a revocation means, on standard error."""
    size = output.readable_bytes(answer["bytes"])
    output.note(f"{answer['name']}: its connections end everywhere, and its copies do not count.")
    output.note(f"It says to hold {answer['originals']:,} originals ({size}).")
    if answer["only_there"]:
        output.note(f"Of {answer['only_there']:,} of them it says to have the only copy.")
    output.note(f"Of what it said: {_what_counts(answer)}.")
    for words in answer["could_read"]:
        output.note(f"Whoever has it can read: {words}.")

"""`photonic invite`: print a code that lets one more node join the library."""

from __future__ import annotations

import sys
from typing import Annotated

import segno
import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.client import connect
from photonic.cli.durations import parse_duration
from photonic.cli.options import invocation_of


def run(
    context: typer.Context,
    role: Annotated[str, typer.Option("--role", help="mobile, central or archive.")] = "mobile",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; again for each. Else all but members.admin."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="How long the code works: 7d; else a day."),
    ] = None,
    member_expires: Annotated[
        str | None,
        typer.Option(
            "--member-expires",
            metavar="TIME",
            help="How long the membership is good before an admin's node renews it: 90d.",
        ),
    ] = None,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="Without the library key: it keeps what it cannot read."),
    ] = False,
    qr: Annotated[
        bool | None,
        typer.Option("--qr/--no-qr", help="Show a QR code on standard error; else if it is seen."),
    ] = None,
) -> None:
    """Print an invitation code: one line, for one node, for a limited time."""
    invocation = invocation_of(context)
    body: dict[str, object] = {
        "role": role,
        "ttl_s": parse_duration(expires) if expires else limits.INVITATION_TTL_S,
        "sealed": sealed,
    }
    if scope:
        body["scopes"] = list(dict.fromkeys(scope))
    if member_expires is not None:
        body["life_s"] = parse_duration(member_expires)
    with connect(invocation) as node:
        invitation = node.post("/invitations", body)
    code = str(invitation["code"])
    if qr or (qr is None and sys.stdout.isatty() and sys.stderr.isatty()):
        segno.make(code.upper(), error="l").terminal(out=sys.stderr, compact=True)
    if invocation.json:
        output.print_json({"code": code, "expires": invitation.get("expires"), "role": role})
    else:
        output.print_line(code)
        if sys.stdout.isatty():
            output.note("On the other machine: `photonic join CODE`. It works once.")

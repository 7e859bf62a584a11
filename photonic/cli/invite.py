"""`photonic invite`: print a code that lets one more node join the library."""

from __future__ import annotations

import sys
from typing import Annotated

import segno
import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.client import connect
from photonic.cli.options import invocation_of


def run(
    context: typer.Context,
    role: Annotated[str, typer.Option("--role", help="mobile, central or archive.")] = "mobile",
    ttl: Annotated[
        int, typer.Option("--ttl", min=60, help="Seconds for which the code works.")
    ] = limits.INVITATION_TTL_S,
    sealed: Annotated[
        bool,
        typer.Option("--sealed", help="Without the library key: it keeps what it cannot read."),
    ] = False,
    qr: Annotated[
        bool, typer.Option("--qr", help="Show the code as a QR code, too, on standard error.")
    ] = False,
) -> None:
    """Print an invitation code: one line, for one node, for a limited time."""
    invocation = invocation_of(context)
    with connect(invocation.home) as node:
        invitation = node.post("/invitations", {"role": role, "ttl_s": ttl, "sealed": sealed})
    code = str(invitation["code"])
    if qr:
        segno.make(code, error="l").terminal(out=sys.stderr, compact=True)
    if invocation.json:
        output.print_json({"code": code, "expires": invitation.get("expires"), "role": role})
    else:
        output.print_line(code)

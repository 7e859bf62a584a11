"""`photonic unpin`: let a node give up again what `photonic pin` had it keep."""

from __future__ import annotations

import typer

from photonic.cli import output
from photonic.cli.client import connect
from photonic.cli.options import invocation_of
from photonic.cli.pin import Album, On, Query, rule_of
from photonic.errors import UsageInvalid


def run(context: typer.Context, query: Query = "", album: Album = None, on: On = None) -> None:
    """Take back a pin: named as it was given, or by its rule as `photonic pin` shows it."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        rules = [rule["text"] for rule in node.get("/policies/placement")["rules"]]
        rule = query if query in rules else rule_of(node, query, album, on)
        if rule not in rules:
            raise UsageInvalid(f"there is no such pin: {rule}; `photonic pin` lists them")
        told = node.patch("/policies/placement", {"remove": [rule]})
    if invocation.json:
        output.print_json(told)
    else:
        output.print_line("not pinned any more")

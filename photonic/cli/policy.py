"""`photonic policy`: which of several concurrent values is shown; `policy placement`: the rules."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import connect
from photonic.cli.options import invocation_of
from photonic.cli.rulebook import run_placement
from photonic.errors import UsageInvalid


def run(
    context: typer.Context,
    field: Annotated[
        str,
        typer.Argument(help='A field such as rating, "*" for all without a rule, or "placement".'),
    ] = "",
    rule: Annotated[
        str, typer.Argument(help="auto, manual, prefer:ROLE, or none to forget the field's rule.")
    ] = "",
    target: Annotated[
        str, typer.Argument(help="For placement: a FILE with rules, or one rule.")
    ] = "",
) -> None:
    """Show the rules by which contested fields are shown, or set one. It settles no contest.

    `policy placement [show]` shows the rules of how many copies there are and where; `set FILE`,
    `check FILE`, `add RULE` and `remove RULE` change or try them.
    """
    invocation = invocation_of(context)
    if field == "placement":
        with connect(invocation) as node:
            run_placement(node, rule, target, as_json=invocation.json)
        return
    if target:
        raise UsageInvalid("a field has one rule: auto, manual, prefer:ROLE or none")
    if field and not rule:
        raise UsageInvalid("name the rule, too: auto, manual, prefer:ROLE or none")
    with connect(invocation) as node:
        rules = node.get("/policies/display")
        if field:
            wanted = {name: value for name, value in rules.items() if name != field}
            if rule != "none":
                wanted[field] = rule
            rules = node.put("/policies/display", wanted)
    if invocation.json:
        output.print_json(rules)
    else:
        output.print_pairs(rules)

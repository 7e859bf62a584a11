"""`photonic nfs`: the tree of photos on this node, and who may mount it."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.errors import ExporterOff, UsageInvalid


def run(
    context: typer.Context,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="RULE", help="`192.168.1.0/24 rw`, `10.0.0.7 ro`."),
    ] = None,
    forbid: Annotated[
        list[str] | None,
        typer.Option("--forbid", metavar="CLIENT", help="Take the rules of a client away."),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Go back to the rules of the settings.")
    ] = False,
) -> None:
    """Show the tree of photos and who may mount it over NFS, or change that."""
    invocation = invocation_of(context)
    if reset and (allow or forbid):
        raise UsageInvalid("--reset, or --allow and --forbid")
    with connect(invocation) as node:
        if reset:
            told = node.delete("/exports/rules")
        else:
            told = node.get("/exports")
            if allow or forbid:
                if told["nfs"] is None:
                    raise ExporterOff("nothing is exported over NFS")
                rules = _changed(told["nfs"]["rules"], allow or [], forbid or [])
                told = node.put("/exports/rules", {"rules": rules})
    if invocation.json:
        output.print_json(told)
    else:
        _print(told)


def _changed(rules: list[str], allow: list[str], forbid: list[str]) -> list[str]:
    """Return rules without those of some clients, and with others in their places."""
    gone = {text.strip() for text in forbid}
    unknown = gone - {client_of(rule) for rule in rules}
    if unknown:
        raise UsageInvalid(f"no rule is for {', '.join(sorted(unknown))}")
    gone |= {client_of(rule) for rule in allow}
    return [rule for rule in rules if client_of(rule) not in gone] + list(allow)


def client_of(rule: str) -> str:
    return rule.split()[0] if rule.split() else ""


def _print(told: Answer) -> None:
    tree, nfs = told["tree"], told["nfs"]
    pairs: dict[str, object] = {"tree": "none (set `tree` in photonic.yaml)"}
    if tree is not None:
        left = f", {tree['left']:,} to look at" if tree["left"] else ""
        pairs["tree"] = f"{output.clean(tree['folder'])} ({tree['state']}{left})"
        pairs["shows"] = f"{tree['originals']:,} photos, {tree['sidecars']:,} sidecars"
        pairs["written there"] = f"{tree['taken_in']:,} sidecars since the start"
    pairs["nfs"] = "off"
    if nfs is not None:
        pairs["nfs"] = f"{nfs['kind']} at {nfs['address']} ({nfs['state']})"
        pairs["clients write as"] = output.clean(nfs["user"])
        pairs["may mount"] = ", ".join(nfs["rules"]) or "nobody"
    output.print_pairs(pairs)

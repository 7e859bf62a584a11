"""`photonic policy placement`: the rules of how many copies a photo has, and where."""

from __future__ import annotations

import sys
from pathlib import Path

from photonic.cli import output
from photonic.cli.client import Answer, NodeClient
from photonic.cli.tables import print_table
from photonic.errors import UsageInvalid

_PATH = "/policies/placement"
_ACTS = "show, set FILE, check FILE, add RULE or remove RULE"


def run_placement(node: NodeClient, act: str, target: str, *, as_json: bool) -> None:
    """Do what `photonic policy placement` was asked for. Raises UsageInvalid, RuleInvalid."""
    match act or "show", target:
        case "show", "":
            told = node.get(_PATH)
        case "set", file if file:
            told = node.put(_PATH, {"rules": _lines(file)})
        case "check", file if file:
            told = node.post(f"{_PATH}/check", {"rules": _lines(file)})
        case (("add" | "remove"), rule) if rule:
            told = node.patch(_PATH, {act: [rule]})
        case _:
            raise UsageInvalid(f"`photonic policy placement` knows {_ACTS}")
    if as_json:
        output.print_json(told)
    else:
        _show(told)


def _lines(file: str) -> list[str]:
    """Return the rules of a file, "-" being standard input, without comments and empty lines."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageInvalid(f"{file} cannot be read: {error}") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _show(told: Answer) -> None:
    if told["rules"]:
        print_table(("photos#", "rule"), map(_row, told["rules"]))
    for rule in told["rules"]:
        if rule["contested"]:
            output.note(f"Contested, so only what asks for more counts: {rule['text']}")
            for version in rule["versions"]:
                said = version["text"] or "(removed)"
                output.note(f"  {version['author_name'] or version['author']}: {said}")
    least = f", and never fewer than {told['least']}" if told["least"] > 1 else ""
    output.note(f"Of a photo of which no rule gives a number: {told['copies']} copies{least}.")
    if told["holds_evictions"]:
        output.note("A rule cannot be read here, so this node evicts nothing.")


def _row(rule: Answer) -> tuple[object, ...]:
    return ("?" if rule["photos"] is None else f"{rule['photos']:,}", rule["text"])

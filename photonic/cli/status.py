"""`photonic status`: how the running node is, what its role wants, and what is wrong."""

from __future__ import annotations

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.evict import buffer_in_words
from photonic.cli.limits import limits_in_words
from photonic.cli.options import invocation_of
from photonic.cli.transfers import pauses_in_words, safety_in_words


def run(context: typer.Context) -> None:
    """Show the state of the running node."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        status = node.get("/status")
    if invocation.json:
        output.print_json(status)
    else:
        _print_status(status)


def _print_status(status: Answer) -> None:
    node, library, holdings = status["node"], status["library"], status["holdings"]
    pairs: dict[str, object] = {
        "node": f"{node['name']} ({node['id']})",
        "role": node["role"],
        "state": f"{node['state']}, {node['mode']}",
        "library": f"{library['name']} ({library['id']})",
        "page": status.get("http", ""),
        **_elsewhere(status),
        "listens": ", ".join(status.get("listen", ())) or "nowhere",
        "photos": f"{status['photos']:,}",
        "conflicts": f"{status['conflicts']:,}",
        "originals": f"{holdings['held']:,} of {holdings['wanted']:,} wanted are here, "
        f"{output.readable_bytes(holdings['bytes'])}",
        "peers": f"{status['peers']:,} connected",
    }
    if status.get("safety"):
        pairs["safety"] = safety_in_words(status["safety"])
    if status.get("buffer"):
        pairs["buffer"] = buffer_in_words(status["buffer"])
    if status.get("pauses"):
        pairs["paused"] = pauses_in_words(status["pauses"])
    scrub = status.get("scrub")
    if scrub:
        pairs["verified"] = _verified(scrub)
    pairs |= _exports(status.get("exports") or {})
    limits = status.get("limits")
    if limits and (words := limits_in_words(limits)):
        pairs["limits"] = words
    for word, value in status.get("wants", {}).items():
        pairs[f"wants {word}"] = value
    output.print_pairs(pairs)
    for transfer in status.get("transfers", ()):
        done, total = transfer["done_bytes"], transfer["total_bytes"]
        share = f"{done / total:.0%}" if total else ""
        output.print_line(f"fetching {transfer['name']}: {share} {transfer['state']}")
    for found in status.get("imports", ()):
        if not found["finished"]:
            taken = found["imported"] + found["known"]
            output.print_line(f"importing {found['folder']}: {taken:,} of {found['found']:,}")
    show_problems(status["problems"])


def _elsewhere(status: Answer) -> dict[str, object]:
    """Say where other machines may come, and what to compare there."""
    if not status.get("https"):
        return {}
    return {"with a token": status["https"], "fingerprint": status["fingerprint"]}


def _exports(exports: Answer) -> dict[str, object]:
    """Say what is shown of photos as files, where something is."""
    tree, nfs = exports.get("tree"), exports.get("nfs")
    found: dict[str, object] = {}
    if tree:
        found["tree"] = f"{tree['originals']:,} photos ({tree['state']})"
    if nfs:
        found["nfs"] = f"{nfs['kind']} at {nfs['address']} ({nfs['state']})"
    return found


def _verified(scrub: Answer) -> str:
    """Say when stored files were last read and found right."""
    if scrub["oldest"] is None:
        return "nothing is stored yet"
    words = f"every stored file since {scrub['oldest'][:10]}"
    if scrub["overdue"] and scrub["days"]:
        words += f"; {scrub['overdue']:,} are due"
    if scrub["damaged"]:
        words += f"; {scrub['damaged']:,} are damaged and wait for their repair"
    return words + ("; paused" if scrub["paused"] and scrub["days"] else "")


def show_problems(problems: list[Answer]) -> None:
    """Print each problem with its place and its fix."""
    for problem in problems:
        place = f"{problem['path']}: " if problem.get("path") else ""
        output.print_line(f"problem: {place}{problem['message']}")
        output.print_line(f"   → {problem['fix']}")

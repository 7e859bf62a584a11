"""`photonic redundancy`: how many copies of the photos there are, and on which nodes."""

from __future__ import annotations

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table

_HEADINGS = ("node", "role", "state", "photos#", "size#", "only there#", "awaited#")


def run(context: typer.Context) -> None:
    """Tell how many copies of the photos there are, where, and what waits for which node."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        told = node.get("/redundancy")
    if invocation.json:
        output.print_json(told)
        return
    for line in lines_of(told):
        output.print_line(line)
    print_table(_HEADINGS, map(_row, told["nodes"]))


def lines_of(told: Answer) -> list[str]:
    """Return what is to be said of all photos."""
    lines = [f"{told['photos']:,} photos; {told['min_copies']} copies are wanted of each"]
    for one in told["copies"]:
        if one["photos"]:
            more = " or more" if one is told["copies"][-1] else ""
            copies = "no copy that counts" if not one["copies"] else (
                "1 copy" if one["copies"] == 1 else f"{one['copies']}{more} copies"
            )  # fmt: skip
            size = output.readable_bytes(one["bytes"])
            lines.append(f"  {copies}: {one['photos']:,} photos, {size}")
    if told["below"]:
        lines.append(f"{told['below']:,} have too few: `photonic ls 'copies<{told['min_copies']}'`")
    for one in told["roles"]:
        lacking = f", not of {one['lacking']:,}" if one["lacking"] else ""
        lines.append(f"on a node of the role {one['role']}: {one['photos']:,}{lacking}")
    if told["awaited"]:
        size = output.readable_bytes(told["awaited_bytes"])
        words = f"{told['awaited']:,} originals are wanted here and not here yet, {size}"
        if told["unreachable"]:
            words += f"; {told['unreachable']:,} of them are on no node that is connected"
        lines.append(words)
    if told["oldest"]:
        due = f"; {told['overdue']:,} are due" if told["overdue"] else ""
        lines.append(f"every file here was verified since {told['oldest'][:10]}{due}")
    return lines


def _row(node: Answer) -> tuple[object, ...]:
    return (
        node["name"], node["role"], "connected" if node["connected"] else "away",
        f"{node['photos']:,}", output.readable_bytes(node["bytes"]), f"{node['only_there']:,}",
        f"{node['awaited']:,}",
    )  # fmt: skip

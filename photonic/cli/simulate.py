"""`photonic simulate`: a whole library of machines on a virtual clock, and what becomes of it.

The machines run this same program; only their clocks, disks and network are made up. Nothing of
this machine's library is touched. What may be promised is checked at each step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.loading import load_simulator
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import PromiseBroken, UsageInvalid


def run(
    context: typer.Context,
    scenario: Annotated[
        str, typer.Argument(help="A scenario's name, or the path of a TOML file.")
    ] = "everyday",
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Play this history again; another one if unset."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the page goes that draws it.")] = Path(
        "simulation.html"
    ),
    lists: Annotated[bool, typer.Option("--list", help="Tell which scenarios there are.")] = False,
) -> None:
    """Play what may happen to a library, and draw it: partitions, power cuts, wrong clocks."""
    invocation, simulator = invocation_of(context), load_simulator()
    if lists:
        titles = simulator.titles()
        if invocation.json:
            output.print_json({"items": [{"name": n, "title": t} for n, t in titles.items()]})
        else:
            print_table(("SCENARIO", "WHAT IT IS ABOUT"), titles.items())
        return
    out = out.expanduser().absolute()
    try:
        seen = simulator.watch(scenario, seed, out)
    except (ValueError, OSError) as error:
        raise UsageInvalid(str(error)) from error
    if invocation.json:
        output.print_json(
            {
                "scenario": scenario, "seed": seen.seed, "title": seen.title, "nodes": seen.nodes,
                "acts": seen.acts, "virtual_s": seen.virtual_s, "faults": dict(seen.faults),
                "broken": list(seen.broken), "page": str(out),
            }
        )  # fmt: skip
    else:
        faults = ", ".join(f"{count} {name}" for name, count in sorted(seen.faults.items()))
        output.print_line(seen.title)
        output.print_line(
            f"{seen.nodes} machines, {seen.acts:,} acts in {seen.virtual_s:,.0f} virtual seconds;"
            f" {faults or 'no faults'}"
        )
        output.print_line(f"drawn: {out}")
        output.print_line(f"again: photonic simulate {scenario} --seed {seen.seed}")
    if seen.broken:
        raise PromiseBroken("; ".join(seen.broken[:3]))

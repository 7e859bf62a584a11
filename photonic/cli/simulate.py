"""`photonic simulate`: a whole library of machines on a virtual clock, and what becomes of it.

The machines run this same program; only their clocks, disks and network are made up. Nothing of
this machine's library is touched. What may be promised is checked at each step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.invocation import Invocation
from photonic.cli.loading import load_simulator, load_trip_planner
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import PromiseBroken, UsageInvalid

_DEFAULT = "everyday"
_NOBODY_KNOWS_BYTES = 10**13  # the room of a machine that did not say


def run(
    context: typer.Context,
    scenario: Annotated[
        str, typer.Argument(help="A scenario's name, or the path of a TOML file.")
    ] = _DEFAULT,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Play this history again; another one if unset."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the page goes that draws it.")] = Path(
        "simulation.html"
    ),
    trip: Annotated[
        str,
        typer.Option(
            "--trip",
            help="Plan a trip with this library's machines: '14 days, hotel-wifi, 120 GB a day'.",
        ),
    ] = "",
    lists: Annotated[bool, typer.Option("--list", help="Tell which scenarios there are.")] = False,
) -> None:
    """Play what may happen to a library, and draw it: partitions, power cuts, wrong clocks."""
    invocation = invocation_of(context)
    out = out.expanduser().absolute()
    if trip:
        if lists or scenario != _DEFAULT:
            raise UsageInvalid("--trip is played with this library, and not with a scenario")
        _plan(invocation, trip, 0 if seed is None else seed, out)
        return
    simulator = load_simulator()
    if lists:
        titles = simulator.titles()
        if invocation.json:
            output.print_json({"items": [{"name": n, "title": t} for n, t in titles.items()]})
        else:
            print_table(("SCENARIO", "WHAT IT IS ABOUT"), titles.items())
        return
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


def _plan(invocation: Invocation, trip: str, seed: int, out: Path) -> None:
    """Foresee a trip of this machine, away from the others that keep what they have for good."""
    with connect(invocation) as node:
        status, peers = node.get("/status"), node.get("/peers")["items"]
        rules = [rule["text"] for rule in node.get("/policies/placement")["rules"]]
    buffer, planner = status.get("buffer"), load_trip_planner()
    if buffer is None:
        raise UsageInvalid("this node tells nothing of its buffer; is it an older photonic?")
    stuck_bytes = max(0, buffer["used_bytes"] - buffer["may_go_bytes"])
    away = planner.machine("laptop", "mobile", buffer["size_bytes"], stuck_bytes)
    others = [
        planner.machine(
            f"{peer['role']} {number}", peer["role"], peer["free_bytes"] or _NOBODY_KNOWS_BYTES, 0
        )
        for number, peer in enumerate(sorted(peers, key=_goes_first), 1)
        if peer["role"] != "mobile"
    ]
    try:
        copies = status["safety"]["min_copies"]
        seen = planner.foresee(trip, away, others, copies, seed, out, rules)
    except (ValueError, OSError) as error:
        raise UsageInvalid(str(error)) from error
    if invocation.json:
        output.print_json(planner.facts(seen) | {"page": str(out)})
    else:
        print_table([word.upper() for word in planner.columns()], planner.rows(seen))
        output.print_line(planner.verdict(seen))
        output.print_line(f"drawn: {out}")
    if seen.broken:
        raise PromiseBroken("; ".join(seen.broken[:3]))


def _goes_first(peer: Answer) -> tuple[bool, str]:
    """A central machine is where the network of a trip leads to."""
    return peer["role"] != "central", peer["name"]

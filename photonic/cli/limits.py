"""`photonic limits`: how much of the network this node may use, and changing it while it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.errors import LimitsInvalid, UsageInvalid
from photonic.p2p.rates import parse_rate, parse_schedule, show_rate

_NONE = "none"
_KEPT = (
    "in_bytes_s", "out_bytes_s", "schedule", "metered", "metered_bytes_s", "parallel"
)  # fmt: skip


def run(
    context: typer.Context,
    in_: Annotated[
        str | None,
        typer.Option("--in", metavar="RATE", help="What may come in: 5MB/s, 40Mbit/s, or full."),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="RATE", help="What may go out.")
    ] = None,
    peer: Annotated[
        str | None,
        typer.Option("--peer", metavar="NAME", help="Then --in and --out are for this node alone."),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule",
            metavar="TEXT",
            help="By the time of day, each way: `08:00-22:00 2MB/s, otherwise full`, or none.",
        ),
    ] = None,
    metered: Annotated[
        str | None,
        typer.Option(
            "--metered",
            metavar="on|off|RATE",
            help="On a link that costs money originals wait, or all goes on at a rate.",
        ),
    ] = None,
    parallel: Annotated[
        str | None,
        typer.Option("--parallel", metavar="N", help="Files fetched at one time, or none."),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Go back to the limits of the settings.")
    ] = False,
) -> None:
    """Show the limits of the running node, or change them: at once, and over restarts."""
    invocation = invocation_of(context)
    others = (schedule, metered, parallel)
    is_change = any(one is not None for one in (in_, out, *others))
    if peer is not None and in_ is None and out is None:
        raise UsageInvalid("say with --in or --out what holds for --peer")
    if reset and (is_change or peer is not None):
        raise UsageInvalid("--reset takes back all limits, and nothing else is to be given with it")
    changes = {
        **({} if schedule is None else {"schedule": _schedule(schedule)}),
        **({} if metered is None else _metered(metered)),
        **({} if parallel is None else {"parallel": _parallel(parallel)}),
    }
    rates = {
        name: parse_rate(text)
        for name, text in (("in_bytes_s", in_), ("out_bytes_s", out))
        if text is not None
    }
    with connect(invocation) as node:
        if reset:
            told = node.delete("/limits")
        elif is_change:
            told = _change(node, peer, rates, changes)
        else:
            told = node.get("/limits")
    if invocation.json:
        output.print_json(told)
    else:
        _print_limits(told)


def _change(
    node: NodeClient, peer: str | None, rates: dict[str, int | None], changes: dict[str, object]
) -> Answer:
    """Change what is given and leave the rest as it is."""
    told = node.get("/limits")
    body: dict[str, object] = {name: told[name] for name in _KEPT} | changes
    limits = [
        {"peer": one["peer"], "in_bytes_s": one["in_bytes_s"], "out_bytes_s": one["out_bytes_s"]}
        for one in told["peers"]
    ]
    if peer is None:
        body |= rates
    else:
        named = {one["peer"] for one in told["peers"] if peer in (one["peer"], one["name"])}
        known = [one for one in limits if one["peer"] in named]
        if len(known) == 1:
            known[0] |= rates
        else:
            limits.append({"peer": peer, **rates})
    return node.put("/limits", body | {"peers": limits})


def _schedule(text: str) -> str:
    if text.strip().lower() == _NONE:
        return ""
    parse_schedule(text)
    return text.strip()


def _metered(text: str) -> dict[str, object]:
    word = text.strip().lower()
    if word in ("on", "off"):
        return {"metered": word == "on", "metered_bytes_s": None}
    rate = parse_rate(text)
    if rate is None:
        raise LimitsInvalid("metered: on, off, or a rate at which everything goes on")
    return {"metered": True, "metered_bytes_s": rate}


def _parallel(text: str) -> int | None:
    if text.strip().lower() == _NONE:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise LimitsInvalid("parallel: a number of files, or none for no limit")
    return int(text)


def _print_limits(told: Answer) -> None:
    pairs: dict[str, object] = {
        "in": show_rate(told["in_bytes_s"]),
        "out": show_rate(told["out_bytes_s"]),
        "schedule": told["schedule"] or _NONE,
        "metered": _metered_words(told),
        "parallel": _NONE if told["parallel"] is None else f"{told['parallel']:,} files",
        "now": _both(told["now_in_bytes_s"], told["now_out_bytes_s"]),
    }
    for one in told["peers"]:
        pairs[f"peer {one['name'] or one['peer']}"] = _both(one["in_bytes_s"], one["out_bytes_s"])
    output.print_pairs(pairs)


def limits_in_words(told: Answer) -> str:
    """Say in one line what is limited now; nothing if nothing is."""
    words = []
    if told["now_in_bytes_s"] is not None or told["now_out_bytes_s"] is not None:
        words.append(_both(told["now_in_bytes_s"], told["now_out_bytes_s"]))
    if told["peers"]:
        words.append("of their own for " + ", ".join(p["name"] or p["peer"] for p in told["peers"]))
    if told["schedule"]:
        words.append(f"by schedule: {told['schedule']}")
    if told["metered"]:
        words.append(f"metered {_metered_words(told)}")
    if told["parallel"] is not None:
        words.append(f"{told['parallel']:,} files at one time")
    return "; ".join(words)


def _both(in_bytes_s: int | None, out_bytes_s: int | None) -> str:
    return f"in {show_rate(in_bytes_s)}, out {show_rate(out_bytes_s)}"


def _metered_words(told: Answer) -> str:
    if not told["metered"]:
        return "off"
    rate = told["metered_bytes_s"]
    return "on: originals wait" if rate is None else f"on: everything at {show_rate(rate)}"

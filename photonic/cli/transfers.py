"""`photonic transfers`: what is being fetched, how fast, and when every photo is safe."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from photonic import limits
from photonic.cli import output
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.durations import readable_wait
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.world import SystemClock

_HEADINGS = ("name", "state", "done#", "size#", "rate#", "left#", "from#")
_LIVE_INTERVAL_S, _LIVE_ROWS, _PLAIN_ROWS = 0.25, 15, 100


def run(
    context: typer.Context,
    once: Annotated[
        bool, typer.Option("--once", help="Tell how it is now and end, also in a terminal.")
    ] = False,
) -> None:
    """Show what is being fetched; in a terminal live, until Ctrl-C."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        if invocation.json:
            output.print_json(_ask(node, limits.PAGE_ITEMS_MAX))
        elif once or not sys.stdout.isatty():
            _print_plain(_ask(node, _PLAIN_ROWS))
        else:
            _show_live(node)


def _ask(node: NodeClient, rows: int) -> Answer:
    return node.get("/transfers", {"limit": rows})


def _print_plain(told: Answer) -> None:
    for line in lines_of(told):
        output.print_line(line)
    if told["items"]:
        print_table(_HEADINGS, map(_row, told["items"]))
    for item in told["items"]:
        if item["problem"]:
            output.print_line(f"{item['name']}: {item['problem']}")


def lines_of(told: Answer) -> list[str]:
    """Return what is to be said of everything that moves."""
    more = told["in_view"] - len(told["items"])
    words = f"{told['in_view']:,} in view" + (
        f", {more:,} more than are listed" if more > 0 else ""
    )
    if not told["in_view"]:
        words = "nothing is being fetched"
    elif told["rate_bytes_s"] >= 1:
        words += f", {output.readable_bytes(round(told['rate_bytes_s']))}/s"
    if told["previews_first"]:
        words += "; the link is slow, previews come first"
    paused = pauses_in_words(told["pauses"])
    return [words, safety_in_words(told["safety"]), *([f"paused: {paused}"] if paused else [])]


def safety_in_words(safety: Answer) -> str:
    """Say in one line how safe the photos are."""
    copies, photos = safety["min_copies"], safety["photos_at_risk"]
    nodes = "1 node" if copies == 1 else f"{copies} nodes"
    if safety["state"] == "unknown":
        return "safe: not counted yet"
    if safety["state"] == "safe":
        return f"safe: every photo is on {nodes} at least"
    some = "1 photo is" if photos == 1 else f"{photos:,} photos are"
    words = f"not safe: {some} on fewer than {nodes},"
    words += f" {output.readable_bytes(safety['bytes_left'])} left; "
    return words + {
        "moving": f"safe in {readable_wait(safety['eta_s'])}"
        if safety["eta_s"] is not None
        else "when they are safe is unknown yet",
        "paused": "when is unknown, for fetching is paused here",
        "too-few-nodes": "the library has too few nodes: `photonic invite` adds one",
    }.get(safety["state"], "when is unknown, for nothing moves")


def pauses_in_words(pauses: list[Answer]) -> str:
    """Say in one line what is left alone; nothing if nothing is."""
    return ", ".join(
        "everything" if one["kind"] == "library" else f"{one['kind']} {one['name'] or one['id']}"
        for one in pauses
    )


def _row(item: Answer) -> tuple[object, ...]:
    total, rate = item["total_bytes"], item["rate_bytes_s"]
    return (
        item["name"],
        item["state"],
        f"{item['done_bytes'] / total:.0%}" if total else "",
        output.readable_bytes(total),
        f"{output.readable_bytes(round(rate))}/s" if rate >= 1 else "",
        "" if item["eta_s"] is None else readable_wait(item["eta_s"]),
        f"{len(item['peers'])}" if item["peers"] else "",
    )


# --- live ----------------------------------------------------------------------------------------


def _show_live(node: NodeClient) -> None:
    """Show it anew whenever something happened, a few times a second at most."""
    clock, shown_s = SystemClock(), float("-inf")
    console = Console(file=sys.stdout)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for _ in node.changes():
            if clock.monotonic_s() - shown_s < _LIVE_INTERVAL_S:
                continue
            shown_s = clock.monotonic_s()
            live.update(picture_of(_ask(node, _LIVE_ROWS)), refresh=True)


def picture_of(told: Answer) -> Group:
    """Return what a terminal shows: the lines, then a bar for each of the first transfers."""
    table = Table.grid(padding=(0, 2))
    for item in told["items"]:
        name, _, *words = (output.clean(str(cell)) for cell in _row(item))
        state = "" if item["state"] == "fetching" else item["state"]
        table.add_row(
            Text(name, no_wrap=True, overflow="ellipsis"),
            ProgressBar(max(1, item["total_bytes"]), item["done_bytes"], width=24),
            *(Text(word, justify="right") for word in words),
            Text(state, style="dim"),
        )
    return Group(*(Text(output.clean(line)) for line in lines_of(told)), table)

"""`photonic evict`: what this node would let go, and why the rest stays; letting it go now."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.durations import readable_wait
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import UsageInvalid

_HEADINGS = ("name", "size#", "", "on")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_ROWS = 20
_REASONS = {
    "proven": "went",
    "seems-safe": "would go",
    "wanted-here": "stays: it is wanted here",
    "promised-to-others": "stays: another node relies on it",
    "opened-lately": "stays: somebody opened it lately",
    "too-few-promises": "stays",
    "role-is-lacking": "stays",
    "not-here": "stays",
}


def run(
    context: typer.Context,
    size: Annotated[
        str | None,
        typer.Argument(help="How much is to go: 20GB. Without it: down to the low mark."),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Let it go, if others prove it safe.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell; that is what happens without --now, too.")
    ] = False,
) -> None:
    """Show which originals may leave this node's buffer, or let them go. Previews stay."""
    invocation = invocation_of(context)
    if now and dry_run:
        raise UsageInvalid("either --now or --dry-run")
    wanted = None if size is None else parse_size(size)
    with connect(invocation) as node:
        if now:
            told = node.post("/evictions", {"bytes": wanted}, is_long=True)
        else:
            told = node.get("/evictions", {} if wanted is None else {"bytes": wanted})
    if invocation.json:
        output.print_json(told)
        return
    for line in lines_of(told):
        output.print_line(line)
    shown = [*told["going"][:_ROWS], *told["staying"][:_ROWS]]
    if shown:
        print_table(_HEADINGS, map(_row, shown))


def parse_size(text: str) -> int:
    """Return bytes: `20GB`, `500 MB`, `1.5T`. Raises UsageInvalid."""
    word = text.strip().lower().replace(" ", "").removesuffix("b")
    unit = word[-1:] if word[-1:] in _UNITS else ""
    number = word.removesuffix(unit)
    try:
        found = float(number) * _UNITS[unit]
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e18:
        raise UsageInvalid(f"{text} is no size: 20GB, 500MB")
    return int(found)


def lines_of(told: Answer) -> list[str]:
    """Say in words what would go, or went."""
    size, count = output.readable_bytes(told["going_bytes"]), len(told["going"])
    if not told["to_free_bytes"]:
        return ["Nothing need go: the buffer is at or below its low mark."]
    wanted = output.readable_bytes(told["to_free_bytes"])
    verb = "went" if told["is_done"] else "would go, if other nodes prove that they hold them"
    lines = [f"{size} of {wanted}: {count:,} originals {verb}."]
    if told["staying"]:
        lines.append(f"{len(told['staying']):,} stay although it is their turn.")
    return lines


def buffer_in_words(buffer: Answer) -> str:
    """Say in one line how full the buffer is."""
    share = buffer["used_bytes"] / buffer["size_bytes"] if buffer["size_bytes"] else 1.0
    words = f"{share:.0%} of {output.readable_bytes(buffer['size_bytes'])} used"
    state = buffer["state"]
    if state != "calm":
        words += {
            "evicting": "; letting the oldest originals go",
            "filling": "; filling up, and too little may go",
            "stuck": "; over its mark, and too little may go",
            "full": "; full",
        }.get(state, f"; {state}")
    if buffer["full_in_s"]:
        words += f"; full in {readable_wait(buffer['full_in_s'])} at this rate"
    if buffer["evicted"]:
        words += f"; {buffer['evicted']:,} originals went since the start"
    return words


def _row(item: Answer) -> tuple[object, ...]:
    why = _REASONS.get(item["reason"], item["reason"])
    lacks = f": {item['lacks']}" if item["lacks"] and item["reason"] != "proven" else ""
    return (
        item["name"], output.readable_bytes(item["bytes"]), f"{why}{lacks}",
        ", ".join(item["nodes"]),
    )  # fmt: skip

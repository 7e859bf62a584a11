"""`photonic log`: who said what and when; of one photo, or of all of them lately."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.choosing import find_photo
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table

_ACTS = ("when", "who", "what", "of#", "name", "undo by")


def run(
    context: typer.Context,
    photo: Annotated[
        str, typer.Argument(help="Id, beginning of one, or a query that one photo matches.")
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=limits.PAGE_ITEMS_MAX, help="At most this many.")
    ] = limits.LS_PHOTOS_DEFAULT,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="Go on where `next` of --json ended.")
    ] = None,
) -> None:
    """Tell the history of a photo, or what was done to photos lately."""
    invocation = invocation_of(context)
    query: dict[str, str | int | bool] = {"limit": limit}
    if cursor is not None:
        query["cursor"] = cursor
    with connect(invocation) as node:
        path = f"/photos/{find_photo(node, photo)['id']}/log" if photo else "/log"
        answer = node.get(path, query)
    if invocation.json:
        output.print_json(answer)
        return
    if photo:
        _print_photo(answer)
    elif answer["items"]:
        print_table(_ACTS, map(_act_row, answer["items"]))
    else:
        output.note("Nobody said anything of a photo yet.")
    if answer["next"]:
        output.note(f"The latest {len(answer['items']):,} are shown; --limit shows more.")


def _act_row(act: Answer) -> tuple[object, ...]:
    return (
        _moment(act["at"]),
        _author(act),
        ", ".join(act["fields"]),
        f"{act['count']:,}",
        act["name"],
        act["id"][: limits.SHORT_ID_DIGITS],
    )


def _print_photo(log: Answer) -> None:
    output.print_line(f"{log['name']}  {log['photo']}")
    for said in log["items"]:
        short = said["change"][: limits.SHORT_ID_DIGITS]
        act = f", act {said['act'][: limits.SHORT_ID_DIGITS]}" if said["act"] else ""
        notes = "" if said["counts"] else "  (without the right to; it does not count)"
        output.print_line(f"{short}  {_moment(said['at'])}  {_author(said)}{act}{notes}")
        if said["first"]:
            output.print_line("    brought the photo in")
        for field in said["fields"]:
            state = "" if field["stands"] or not said["counts"] else "  (changed since)"
            output.print_line(f"    {_told(field)}{state}")


def _told(field: Answer) -> str:
    name = field["field"]
    match field["kind"]:
        case "added":
            return f"{name} + {', '.join(field['new'])}"
        case "removed":
            return f"{name} - {', '.join(field['new'])}"
    if name.startswith("sidecar/") or name == "original":
        return f"{name}: another file"
    return f"{name}: {_value(field['old'])} → {_value(field['new'])}"


def _value(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        parts = (f"{word} {part}" for word, part in value.items() if part is not None)
        return ", ".join(parts)
    return f'"{value}"' if isinstance(value, str) and " " in value else str(value)


def _author(said: Answer) -> str:
    author = str(said["author_name"] or said["author"])
    return f"{said['origin']} (imported by {author})" if said["origin"] else author


def _moment(at: str) -> str:
    return at[:19].replace("T", " ") + "Z"

"""`photonic edit QUERY`: say the same of all photos that a query finds, as one act."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.choosing import find_album, query_of
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.errors import NotConfirmed, UsageInvalid

_NONE = "none"


def run(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Which photos, as `photonic ls` finds them.")],
    rating: Annotated[
        str | None, typer.Option("--rating", metavar="STARS", help="0 to 5, -1 rejects, or none.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="red, yellow, green, blue, purple or none.")
    ] = None,
    flag: Annotated[str | None, typer.Option("--flag", help="pick, reject or none.")] = None,
    title: Annotated[str | None, typer.Option("--title", help='"" clears it.')] = None,
    caption: Annotated[str | None, typer.Option("--caption", help='"" clears it.')] = None,
    gps: Annotated[
        str | None, typer.Option("--gps", metavar="LAT,LON", help="Degrees: 64.1,-21.9; or none.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", help="+harbour adds it, --tag=-harbour takes it away; repeat it."),
    ] = None,
    album: Annotated[
        list[str] | None,
        typer.Option("--album", help="Name or id: +Iceland puts them in, --album=-Iceland out."),
    ] = None,
    shoot: Annotated[str | None, typer.Option("--shoot", metavar="ID", help="Or none.")] = None,
    stack: Annotated[str | None, typer.Option("--stack", metavar="ID", help="Or none.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the photos that are meant.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Edit photos: one act, which `photonic undo` takes back."""
    invocation = invocation_of(context)
    said = _registers(
        {
            "rating": rating,
            "label": label,
            "flag": flag,
            "title": title,
            "caption": caption,
            "gps": gps,
            "shoot": shoot,
            "stack": stack,
        }
    )
    if tag:
        said["tags"] = _signed(tag)
    with connect(invocation) as node:
        if album:
            said["albums"] = _albums(node, album)
        if not said:
            raise UsageInvalid("name what to change: --rating, --tag, --album, ...")
        answer = _edit(node, said | {"q": query_of(query)}, dry_run=dry_run, asks=not yes)
    if invocation.json:
        output.print_json(answer)
    elif dry_run:
        output.print_line(f"{answer['count']:,} photos are meant; nothing was changed.")
    else:
        _tell(answer["count"], answer["act"])


def _edit(node: NodeClient, body: dict[str, object], *, dry_run: bool, asks: bool) -> Answer:
    """Count, ask, edit. Raises NotConfirmed."""
    if dry_run or asks:
        counted = node.post("/photos/edit", body | {"dry_run": True})
        if dry_run:
            return counted
        _ask(counted["count"])
    return node.post("/photos/edit", body, is_long=True)


def _ask(count: int) -> None:
    if count > 1 and not output.confirm(f"{count:,} photos are meant. Change them?"):
        raise NotConfirmed(f"{count:,} photos were to be changed")


def _albums(node: NodeClient, words: list[str]) -> dict[str, list[str]]:
    return {
        side: [find_album(node, name)["id"] for name in names]
        for side, names in _signed(words).items()
    }


def _tell(count: int, act: str | None) -> None:
    output.print_line("1 photo changed." if count == 1 else f"{count:,} photos changed.")
    if act:
        output.print_line(f"act {act}")
        output.note(f"`photonic undo {act[: limits.SHORT_ID_DIGITS]}` takes it back.")


def _registers(given: dict[str, str | None]) -> dict[str, object]:
    """Read the values of the fields that were given. Raises UsageInvalid."""
    said: dict[str, object] = {}
    for name, text in given.items():
        if text is None:
            continue
        is_text = name in ("title", "caption")
        if text == ("" if is_text else _NONE):
            said[name] = None
        elif name == "rating":
            said[name] = _stars(text)
        elif name == "gps":
            said[name] = _place(text)
        else:
            said[name] = text
    return said


def _stars(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageInvalid(f"--rating {text}: -1 to 5 stars or none") from None


def _place(text: str) -> dict[str, float]:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageInvalid(f"--gps {text}: two numbers with a comma, or none") from None
    return {"latitude": latitude, "longitude": longitude}


def _signed(words: list[str]) -> dict[str, list[str]]:
    """Tell words that begin with a minus from the others, whose plus may be left out."""
    return {
        "add": [word.removeprefix("+") for word in words if not word.startswith("-")],
        "remove": [word.removeprefix("-") for word in words if word.startswith("-")],
    }

"""`photonic ls`: list the photos that a query finds."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.choosing import query_of
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table

_HEADINGS = ("taken", "name", "rating", "size#", "bytes#", "here", "contested", "id")


def run(
    context: typer.Context,
    text: Annotated[
        str,
        typer.Argument(
            metavar="QUERY", help='Words and conditions: "rating>=3 taken:2024-05 -flag:reject".'
        ),
    ] = "",
    sort: Annotated[
        str | None,
        typer.Option("--sort", help="taken or added: newest first; --sort=-taken: oldest first."),
    ] = None,
    rating: Annotated[
        int | None, typer.Option("--rating", min=-1, max=5, help="At least this many stars.")
    ] = None,
    camera: Annotated[str | None, typer.Option("--camera", help="Its whole name.")] = None,
    lens: Annotated[str | None, typer.Option("--lens", help="Its whole name.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="Has this tag.")] = None,
    taken_from: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="Taken then or later: 2024-05.")
    ] = None,
    taken_to: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Taken then or earlier.")
    ] = None,
    media: Annotated[str | None, typer.Option("--media", help="raw, image or video.")] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Only photos with contested fields.")
    ] = False,
    held: Annotated[
        bool | None, typer.Option("--held/--not-held", help="Original on this node, or not.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="At most this many; 0: all.")
    ] = limits.LS_PHOTOS_DEFAULT,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="Go on where `next` of --json ended.")
    ] = None,
) -> None:
    """List photos."""
    given = {
        "q": query_of(text) or None,
        "sort": sort,
        "rating": rating,
        "camera": camera,
        "lens": lens,
        "tag": tag,
        "taken_from": taken_from,
        "taken_to": taken_to,
        "media": media,
        "conflicts": conflicts or None,
        "held": held,
    }
    query = {name: value for name, value in given.items() if value is not None}
    invocation = invocation_of(context)
    with connect(invocation) as node:
        photos, following = _collect(node, query, limit, cursor)
    if invocation.json:
        output.print_json({"items": photos, "next": following})
        return
    if photos:
        print_table(_HEADINGS, map(_row, photos))
    if following:
        output.note(f"The first {len(photos):,} are shown; --limit 0 shows all.")
    if not photos:
        output.note("No photo matches." if query else "There is no photo yet.")


def _collect(
    node: NodeClient, query: dict[str, str | int | bool], limit: int, cursor: str | None
) -> tuple[list[Answer], str | None]:
    """Read pages until `limit` photos (0: all) are there; return them and the next cursor."""
    photos: list[Answer] = []
    while True:
        size = limits.PAGE_ITEMS_MAX
        if limit:
            size = min(size, limit - len(photos))
        page = node.get("/photos", query | {"limit": size} | ({"cursor": cursor} if cursor else {}))
        photos += page["items"]
        cursor = page["next"]
        if cursor is None or (limit and len(photos) >= limit):
            return photos, cursor


def _row(photo: Answer) -> tuple[object, ...]:
    width, height = photo.get("width"), photo.get("height")
    return (
        (photo.get("taken") or "")[:19].replace("T", " "),
        photo["name"],
        output.stars(photo.get("rating")),
        f"{width}x{height}" if width and height else "",
        output.readable_bytes(photo["bytes"]),
        "yes" if photo["held"] else "no",
        ", ".join(photo["conflicts"]),
        photo["id"][: limits.SHORT_ID_DIGITS],
    )

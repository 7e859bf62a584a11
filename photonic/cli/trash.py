"""`photonic trash`: put photos into the trash, list it, take them back, confirm what is held."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.choosing import query_of
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import NotConfirmed, UsageInvalid

_HEADINGS = ("name", "by", "when", "may go", "id")
# No query by themselves: who forgets the rest of `restore QUERY` must not throw photos away.
_FIXED = ("list", "empty", "restore", "confirm")


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="QUERY; list; restore QUERY; confirm NODE; empty."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="However many they are, it is meant.")
    ] = False,
) -> None:
    """Put photos into the trash; their bytes stay for `trash_days`, and `photonic undo` works."""
    invocation = invocation_of(context)
    given = words or ["list"]
    with connect(invocation) as node:
        match given:
            case ["list"]:
                _list(node, as_json=invocation.json)
            case ["empty"]:
                answer = node.post("/trash/empty", {}, is_long=True)
                size = output.readable_bytes(answer["bytes"])
                _tell(answer, f"{answer['photos']:,} photos are gone from here, {size}.",
                      as_json=invocation.json)  # fmt: skip
            case ["restore", query]:
                answer = node.post("/trash/restore", {"q": query_of(query)}, is_long=True)
                _tell(answer, f"{answer['count']:,} photos are back.", as_json=invocation.json)
            case ["confirm", name]:
                answer = node.post("/trash/confirm", {"node": _node_id(node, name)})
                _tell(answer, "It is meant; all nodes follow.", as_json=invocation.json)
            case [query] if query not in _FIXED:
                answer = _discard(node, query_of(query), asks=not yes, confirm=confirm)
                _tell(answer, f"{answer['count']:,} photos are in the trash.",
                      as_json=invocation.json)  # fmt: skip
            case _:
                raise UsageInvalid("QUERY, list, restore QUERY, confirm NODE or empty")


def _discard(node: NodeClient, query: str, *, asks: bool, confirm: bool) -> Answer:
    """Count, ask, discard. Raises NotConfirmed."""
    if asks:
        count = node.post("/trash", {"q": query, "dry_run": True})["count"]
        question = f"{count:,} photos go into the trash. Is that meant?"
        if count > 1 and not output.confirm(question):
            raise NotConfirmed(f"{count:,} photos were to go into the trash")
    return node.post("/trash", {"q": query, "confirm": confirm}, is_long=True)


def _node_id(node: NodeClient, name: str) -> str:
    """Return the peer ID of a node that is named by its name or by its ID."""
    named = [peer["id"] for peer in node.get("/peers")["items"] if peer["name"] == name]
    me = node.get("/status")["node"]
    named += [me["id"]] if me["name"] == name else []
    return named[0] if len(named) == 1 else name


def _list(node: NodeClient, *, as_json: bool) -> None:
    items: list[Answer] = []
    cursor: str | None = None
    while True:
        query = {"limit": limits.PAGE_ITEMS_MAX} | ({"cursor": cursor} if cursor else {})
        page = node.get("/trash", query)
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    if as_json:
        output.print_json({"items": items, "held": page["held"]})
        return
    if items:
        print_table(_HEADINGS, map(_row, items))
    else:
        output.note("Nothing is in the trash.")
    for one in page["held"]:
        output.note(
            f"{one['count']:,} removals by {one['name'] or one['node']} are held until somebody"
            f" confirms them: photonic trash confirm {one['name'] or one['node']}"
        )


def _row(item: Answer) -> tuple[object, ...]:
    photo = item["photo"]
    return (
        photo["name"],
        item["author_name"] or item["author"],
        item["at"][:19].replace("T", " "),
        (item["purge_at"] or "held")[:10],
        photo["id"][: limits.SHORT_ID_DIGITS],
    )


def _tell(answer: Answer, sentence: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(answer)
        return
    output.print_line(sentence)
    act = answer.get("act")
    if act:
        output.note(f"`photonic undo {act[: limits.SHORT_ID_DIGITS]}` takes it back.")

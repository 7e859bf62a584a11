"""`photonic audit`: what was done that matters for security, and whether the log is sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from photonic import audit, limits
from photonic.cli import output
from photonic.cli.client import connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import AuditBroken, UsageInvalid
from photonic.ids import parse_peer_id

_VERIFY = "verify"


def run(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            help="`verify` judges the whole log; an act, as `photos` or `photos.trashed`, lists"
            " those alone."
        ),
    ] = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=limits.PAGE_ITEMS_MAX, help="At most this many.")
    ] = limits.LS_PHOTOS_DEFAULT,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="Go on where `next` of --json ended.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Verify this copy of a log, without a node; needs --of."),
    ] = None,
    of: Annotated[
        str, typer.Option("--of", metavar="ID", help="The ID of the node whose log it is.")
    ] = "",
) -> None:
    """List what was done on this node that matters for security, or verify the log of it."""
    invocation = invocation_of(context)
    if folder is not None or of:
        if what != _VERIFY or folder is None or not of:
            raise UsageInvalid("`verify` of a copy takes --folder and --of, both")
        _tell_verdict(_verify_copy(folder, of), as_json=invocation.json)
        return
    query: dict[str, str | int | bool] = {"limit": limit}
    if cursor is not None:
        query["cursor"] = cursor
    with connect(invocation) as client:
        if what == _VERIFY:
            _tell_verdict(client.get("/audit/verdict"), as_json=invocation.json)
            return
        answer = client.get("/audit", query | ({"act": what} if what else {}))
    if invocation.json:
        output.print_json(answer)
        return
    rows = (
        (entry["n"], entry["at"][:19].replace("T", " ") + "Z", entry["act"], _facts(entry["facts"]))
        for entry in answer["items"]
    )
    if answer["items"]:
        print_table(("number#", "when", "what", "facts"), rows)
    else:
        output.note("Nothing of this kind is in the log.")
    if answer["next"]:
        output.note(f"Older ones: --cursor {answer['next']}")


def _verify_copy(folder: Path, node: str) -> dict[str, Any]:
    try:
        key = parse_peer_id(node)
    except ValueError:
        raise UsageInvalid(f"{node[:80]} is no peer ID") from None
    if not folder.is_dir():
        raise UsageInvalid(f"{folder} is no folder")
    verdict = audit.verify(folder, key)
    return {name: getattr(verdict, name) for name in verdict.__slots__}


def _tell_verdict(verdict: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(verdict)
    else:
        signed = f"signed by {verdict['node']} until entry {verdict['signed_to']:,}"
        output.print_line(f"{verdict['entries']:,} entries are chained, {signed}")
        if verdict["first"] > 1:
            output.print_line(f"those before {verdict['first']:,} were dropped, for they are old")
        if verdict["torn"]:
            output.print_line(
                f"crashes tore {verdict['torn']} pieces off, which are kept beside it"
            )
    if verdict["problem"]:
        raise AuditBroken(verdict["problem"])


def _facts(facts: dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())

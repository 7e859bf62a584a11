"""`photonic token`: who else may use the node's page and REST face."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import segno
import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import UsageInvalid

_WORDS = {"list": 0, "create": 0, "revoke": 1}  # and how many follow
_HEADINGS = ("name", "id", "scopes", "expires", "last used")
_UNITS_S = {"min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"(?P<count>[0-9]{1,6}) ?(?P<unit>min|h|d|w)")
_LOOKING = ("catalog.read", "blobs.read")


def run(
    context: typer.Context,
    word: Annotated[str, typer.Argument(help="list; create; revoke ID.")] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="ID, or the name of one.")] = None,
    name: Annotated[str, typer.Option("--name", help="Whose it is, as `phone`.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="What it may do; repeatable. Unset: look at photos."),
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="SPAN", help="12h, 30d or 4w from now.")
    ] = "90d",
    qr: Annotated[
        bool, typer.Option("--qr", help="Show the link that logs in as a QR code, too.")
    ] = False,
) -> None:
    """List tokens, make one, or revoke one: at once, for whatever is being sent to it."""
    invocation, given = invocation_of(context), names or []
    if word not in _WORDS or len(given) != _WORDS[word]:
        raise UsageInvalid("photonic token: list, create --name NAME, revoke ID")
    if word == "create" and not name.strip():
        raise UsageInvalid("photonic token create: say with --name whose it is")
    seconds = parse_span(expires)
    with connect(invocation) as node:
        if word == "create":
            wish = {"name": name.strip(), "scopes": scope or list(_LOOKING), "ttl_s": seconds}
            answer = node.post("/tokens", wish)
        elif word == "revoke":
            answer = node.delete(f"/tokens/{_find(node.get('/tokens')['items'], given[0])}")
        else:
            answer = node.get("/tokens")
    if qr and answer.get("link"):
        segno.make(answer["link"], error="l").terminal(out=sys.stderr, compact=True)
    if invocation.json:
        output.print_json(answer)
    elif word == "create":
        _print_new(answer)
    elif word == "revoke":
        output.print_line(f"{answer['id']}  {answer['name']} is revoked")
    elif answer["items"]:
        print_table(_HEADINGS, map(_row, answer["items"]))
    else:
        output.note("There is no token; `photonic token create --name NAME` makes one.")


def parse_span(text: str) -> int:
    """Return the seconds of a span as `30d`. Raises UsageInvalid."""
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None or not int(match["count"]):
        raise UsageInvalid(f"--expires {text}: a span as 12h, 30d or 4w")
    return int(match["count"]) * _UNITS_S[match["unit"]]


def _find(tokens: list[Answer], text: str) -> str:
    found = [t["id"] for t in tokens if text in (t["id"], t["name"])]
    if len(found) > 1:
        raise UsageInvalid(f"{len(found)} tokens are called {text}; name one by its id")
    return str(found[0]) if found else text


def _print_new(answer: Answer) -> None:
    output.print_line(answer["text"])
    token = answer["token"]
    output.note(
        f"This is told once. {token['name']} ({token['id']}) may {', '.join(token['scopes'])}"
        f" until {token['expires'][:16]}Z."
    )
    if answer.get("link"):
        output.note(f"This opens the page with it: {answer['link']}")


def _row(token: Answer) -> tuple[object, ...]:
    used = token["last_used"]
    return (
        token["name"],
        token["id"],
        " ".join(token["scopes"]),
        f"{token['expires'][:16]}Z",
        f"{used[:16]}Z" if used else "never",
    )

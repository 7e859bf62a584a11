"""`photonic peers`: the other members of the library, and how they can be reached."""

from __future__ import annotations

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table

_HEADINGS = ("name", "role", "state", "link", "latency#", "free#", "last seen", "id")


def run(context: typer.Context) -> None:
    """List the other nodes of the library."""
    invocation = invocation_of(context)
    with connect(invocation) as node:
        answer = node.get("/peers")
    if invocation.json:
        output.print_json(answer)
    elif answer["items"]:
        print_table(_HEADINGS, map(_row, answer["items"]))
        for peer in answer["items"]:
            if peer.get("why_not_better"):
                words = "not connected" if peer["link"] == "none" else "no better link"
                output.note(f"{peer['name'] or peer['id']}: {words}: {peer['why_not_better']}")
    else:
        output.note("No other node is a member yet; `photonic invite` makes a code for one.")


def _row(peer: Answer) -> tuple[object, ...]:
    latency, free = peer.get("latency_ms"), peer.get("free_bytes")
    return (
        peer["name"],
        peer["role"],
        peer["state"],
        _link(peer),
        "" if latency is None else f"{latency:.1f} ms",
        "" if free is None else output.readable_bytes(free),
        peer.get("last_seen"),
        peer["id"],
    )


def _link(peer: Answer) -> str:
    """Say on which link a peer is, and where that leads."""
    words = str(peer["link"])
    if peer.get("via"):
        return f"{words} through {peer['via']}"
    return f"{words} {_plain(peer['address'])}" if peer.get("address") else words


def _plain(address: str) -> str:
    """Return a multiaddress as people write it."""
    match address.split("/"):
        case [_, "ip6", host, "tcp", port, *_]:
            return f"[{host}]:{port}"
        case [_, _, host, "tcp", port, *_]:
            return f"{host}:{port}"
    return address

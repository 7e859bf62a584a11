"""The options that every verb shares, as Typer reads them, and where their values go."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli.invocation import Invocation
from photonic.lodging import check_library_name


def invocation_of(context: typer.Context) -> Invocation:
    """Return the invocation that `context` belongs to."""
    invocation = context.find_root().obj
    assert isinstance(invocation, Invocation)
    return invocation


def _remember_home(context: typer.Context, value: str | None) -> None:
    if value:
        invocation_of(context).home_flag = value


def _remember_node(context: typer.Context, value: str | None) -> None:
    if value:
        invocation_of(context).node_flag = value


def _remember_token(context: typer.Context, value: str | None) -> None:
    if value:
        invocation_of(context).token_flag = value


def _remember_fingerprint(context: typer.Context, value: str | None) -> None:
    if value:
        invocation_of(context).fingerprint_flag = value


def _remember_library(context: typer.Context, value: str | None) -> None:
    if value:
        invocation_of(context).library = check_library_name(value)


def _remember_json(context: typer.Context, value: bool) -> None:
    if value:
        invocation_of(context).json = True


def _remember_debug(context: typer.Context, value: bool) -> None:
    if value:
        invocation_of(context).debug = True


def common_options(
    home: Annotated[
        str | None,
        typer.Option(
            callback=_remember_home,
            metavar="DIR",
            help="Home folder of the node; else PHOTONIC_HOME, else the user's data folder.",
        ),
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(
            callback=_remember_node,
            metavar="URL",
            help="Ask the node at https://HOST:PORT instead; else PHOTONIC_NODE.",
        ),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(
            callback=_remember_token,
            metavar="FILE",
            help="File with the token to show it; else PHOTONIC_TOKEN_FILE.",
        ),
    ] = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            callback=_remember_fingerprint,
            metavar="SHA256",
            help="The certificate that it shows; else PHOTONIC_FINGERPRINT.",
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(
            callback=_remember_library,
            metavar="NAME",
            help="Which library of the daemon is meant; else the first.",
        ),
    ] = None,
    json: Annotated[
        bool,
        typer.Option("--json", callback=_remember_json, help="Answer and fail in JSON."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", callback=_remember_debug, help="Show the traceback of a crash."),
    ] = False,
) -> None:
    """Declare the options for Typer; the callbacks have done the work when this is called."""

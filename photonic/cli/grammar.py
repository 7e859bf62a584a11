"""The command line as Typer reads it: verbs, each imported when it is asked for, and options.

Typer brings pydantic with it, which takes longer to import than `photonic version` may take, so
the entry point (`app.py`) loads this file only when there is something to parse.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from photonic.cli.invocation import Invocation
from photonic.cli.loading import GROUPS, QUERY_VERBS, VERBS, load_verb
from photonic.cli.options import common_options
from photonic.errors import UsageInvalid


def run_command_line(given: Sequence[str], invocation: Invocation) -> int:
    """Do what the arguments `given` say and return the exit status.

    Raises UsageInvalid if they cannot be read, KeyboardInterrupt, and whatever the verb raises.
    """
    try:
        status = typer.main.get_command(_make_app()).main(
            args=list(given), prog_name="photonic", standalone_mode=False, obj=invocation
        )
    except typer.TyperException as error:
        raise UsageInvalid(error.format_message()) from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    return status if isinstance(status, int) else 0


class Verbs(TyperGroup):
    """The verbs, each imported when it is asked for."""

    # Typer's own types are private names, hence Any.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        verb = typer.Typer(add_completion=False)
        verb.command(cmd_name, rich_help_panel=_group_of(cmd_name))(load_verb(cmd_name))
        command = typer.main.get_command(verb)
        command.params.extend(_common_parameters())
        if cmd_name in QUERY_VERBS:
            command.context_settings["ignore_unknown_options"] = True
        return command


def _group_of(verb: str) -> str:
    group = ""
    for name in VERBS:
        group = GROUPS.get(name, group)
        if name == verb:
            break
    return group


def _common_parameters() -> list[Any]:
    """Return the options that all verbs share, for one; their values go to the invocation alone."""
    carrier = typer.Typer(add_completion=False)
    carrier.command()(common_options)
    shared = inspect.signature(common_options).parameters
    parameters = [one for one in typer.main.get_command(carrier).params if one.name in shared]
    for parameter in parameters:
        parameter.expose_value = False
    return parameters


def _make_app() -> typer.Typer:
    app = typer.Typer(
        cls=Verbs,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="A photo catalog that lives whole on each of your machines.",
        epilog="Settings, verbs and errors are described in docs/.",
    )
    app.callback()(common_options)
    return app

"""`photonic recovery-kit`: print the library's authority key for paper, where the key is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from photonic.cli import output
from photonic.cli.loading import load_node, load_settings
from photonic.cli.options import invocation_of
from photonic.errors import NotConfirmed
from photonic.world import SystemEntropy

if TYPE_CHECKING:
    from photonic.config import Settings
    from photonic.recovery_kit import RecoveryKit


def run(
    context: typer.Context,
    forget_key: Annotated[
        bool,
        typer.Option("--forget-key", help="Then take the key away from this machine; asks first."),
    ] = False,
) -> None:
    """Print what recovers the library if every admin's machine is lost. Keep it on paper."""
    invocation = invocation_of(context)
    settings = load_settings({"home": invocation.home})
    kit = load_node().recovery_kit(settings)
    show_kit(kit, as_json=invocation.json)
    if forget_key:
        forget_when_typed_back(settings, kit)


def show_kit(kit: RecoveryKit, *, as_json: bool) -> None:
    """Print the kit: the page for paper, or its parts as JSON."""
    if as_json:
        output.print_json({"library": kit.library.hex(), "name": kit.name, "kit": kit.line()})
        return
    for line in kit.page().splitlines():
        sys.stdout.write(line + "\n")  # as it is: the QR code has characters that `clean` keeps
    sys.stdout.flush()


def forget_when_typed_back(settings: Settings, kit: RecoveryKit) -> None:
    """Take the key away from this machine once a person typed a line of the kit from the paper.

    Raises NotConfirmed; then the key stays.
    """
    number = SystemEntropy().token(1)[0] % len(kit.lines()) + 1
    output.note("After this the printed kit is the only copy of the key.")
    sys.stderr.write(f"Type line {number} from the paper: ")
    sys.stderr.flush()
    if not load_node().is_typed_back(kit, number, sys.stdin.readline()):
        raise NotConfirmed("that is not the line; the key stays on this machine")
    load_node().forget_key(settings)
    output.note("The authority key is not on this machine any more.")

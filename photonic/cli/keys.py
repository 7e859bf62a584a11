"""`photonic keys`: who has the library key, a new one, and how this node keeps its own keys."""

from __future__ import annotations

from typing import Annotated

import typer

from photonic.cli import output
from photonic.cli.client import Answer, connect
from photonic.cli.invocation import Invocation
from photonic.cli.loading import load_node, load_settings
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import UsageInvalid
from photonic.system_keyring import keyring_hint, keyring_name
from photonic.vault import Kept

_HEADINGS = ("key", "number", "", "members that have it")
_NAME_DIGITS = 8
_KEPT = {
    Kept.FILE: "The keys are kept without a passphrase, readable by their owner only.",
    Kept.PASSPHRASE: "The keys are kept under the passphrase. Without it this node is lost.",
    Kept.KEYRING: "The keys are kept under a passphrase that the system's keyring keeps."
    " Without the keyring, or that passphrase on paper, this node is lost.",
}


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Nothing to show them; rotate; seal [FIELD...]; reseal; passphrase."),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="With passphrase: keep the keys without one.")
    ] = False,
    keyring: Annotated[
        bool,
        typer.Option("--keyring", help="With passphrase: a random one, in the system's keyring."),
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="With --keyring: show that one, once, for paper.")
    ] = False,
) -> None:
    """Show who has the library key; make a new one; set the passphrase of this node's keys."""
    invocation = invocation_of(context)
    given = words or []
    if (remove or keyring) and given != ["passphrase"]:
        raise UsageInvalid("--remove and --keyring go with `photonic keys passphrase`")
    if (remove and keyring) or (show and not keyring):
        raise UsageInvalid("--remove or --keyring, and --show with --keyring")
    match given:
        case []:
            with connect(invocation) as node:
                _show(node.get("/keys"), invocation)
        case ["rotate"]:
            with connect(invocation) as node:
                _show(node.post("/keys/rotate", {}), invocation)
        case ["reseal"]:
            with connect(invocation) as node:
                answer = node.post("/keys/reseal", {}, is_long=True)
            if invocation.json:
                output.print_json(answer)
            else:
                output.print_line(f"Something of {answer['photos']:,} photos was sealed again.")
        case ["seal", *fields]:
            with connect(invocation) as node:
                _show(node.put("/keys/fields", {"fields": fields}), invocation)
        case ["passphrase"]:
            way = Kept.FILE if remove else Kept.KEYRING if keyring else Kept.PASSPHRASE
            _set_passphrase(invocation, way, shows=show)
        case _:
            raise UsageInvalid("rotate, seal [FIELD...], reseal or passphrase")


def _set_passphrase(invocation: Invocation, way: Kept, *, shows: bool) -> None:
    """Work on the home folder itself: its node must not run."""
    settings = load_settings({"home": invocation.home})
    done = load_node().keep_keys(settings, way)
    if invocation.json:
        answer = {"passphrase": way is not Kept.FILE, "kept": way.value, "files": done.files}
        output.print_json(answer | ({"shown": done.passphrase} if shows else {}))
    else:
        output.print_line(_KEPT[way])
        if shows:
            output.print_line("Write it on paper, and keep it on no disk:")
            output.print_line(f"    {done.passphrase}")
        elif way is Kept.KEYRING:
            output.note("Nobody has seen the passphrase. `--show` makes one for paper, too.")
    for name in done.left:
        output.note(f"The keyring has still {name!r}: it opens old copies. Take it out yourself.")


def _show(answer: Answer, invocation: Invocation) -> None:
    if invocation.json:
        output.print_json(answer)
        return
    if answer["keys"]:
        print_table(_HEADINGS, map(_row, answer["keys"]))
    else:
        output.note("The library has no key yet: an admin's node makes it.")
    output.print_line(f"sealed: {', '.join(answer['sealed_fields']) or 'nothing'}")
    for one in answer["files"]:
        output.print_line(f"{one['secret']}: {one['path']} ({one['kept']})")
    if any(one["kept"] == Kept.FILE.value for one in answer["files"]) and (there := keyring_name()):
        output.note(keyring_hint(there))
    for one in answer["lacking"]:
        output.note(f"{one['name'] or one['id']} has not been given the key yet.")
    if answer["unread"]:
        output.note(f"Something of {answer['unread']:,} photos cannot be read here.")


def _row(key: Answer) -> tuple[object, ...]:
    states = {"current": key["current"], "not here": not key["here"], "revoked": not key["counts"]}
    names = sorted(one["name"] or one["id"][-_NAME_DIGITS:] for one in key["holders"])
    told = ", ".join(state for state, is_so in states.items() if is_so)
    return key["name"][:_NAME_DIGITS], key["number"], told, ", ".join(names)

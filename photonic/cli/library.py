"""`photonic library`: the libraries that the daemon of this machine serves.

Adding and taking out work on the folders (lodging.py), with and without a daemon; one that runs
notices within a moment, and this command waits until it has.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import anyio
import httpx
import typer

from photonic import limits
from photonic.cli import output
from photonic.cli.client import read_node_file
from photonic.cli.invocation import Invocation
from photonic.cli.loading import load_node, load_settings, set_up_logs
from photonic.cli.options import invocation_of
from photonic.cli.tables import print_table
from photonic.errors import (
    HomeInUse,
    LibraryNotServing,
    LibraryUnknown,
    NotConfirmed,
    UsageInvalid,
)
from photonic.home import CLI_LOG
from photonic.layout import Layout
from photonic.lodging import (
    FIRST,
    Lodging,
    check_library_name,
    find_lodging,
    let_in,
    lodgings,
    make_lodging,
    put_out,
)

if TYPE_CHECKING:
    from photonic.views import LibraryView

_FIRST_SHOWN = "(the first)"
_LOOKS = int(limits.CLI_LIBRARY_WAIT_S / limits.CLI_LIBRARY_LOOK_S)
_Start = Callable[[Lodging], "LibraryView"]


@dataclass(frozen=True, slots=True)
class _Row:
    """One library, as `list` shows it."""

    name: str
    library: str
    state: str
    problem: str
    fix: str
    home: str


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="list; add NAME; join NAME CODE; remove NAME."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="LIBRARY", help="What its members call a new library."),
    ] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="Of this node in a new library; else central.")
    ] = None,
    delete_everything: Annotated[
        bool,
        typer.Option(
            "--delete-everything", help="With remove: delete its keys, catalog and photos here."
        ),
    ] = False,
) -> None:
    """List the libraries of this machine, add one, join one beside the others, or take one out."""
    invocation = invocation_of(context)
    match words or ["list"]:
        case ["list"]:
            _list(invocation)
        case ["add", one]:
            _add(invocation, one, name, role)
        case ["join", one, code]:
            _join(invocation, one, code)
        case ["remove", one]:
            _remove(invocation, one, deletes=delete_everything)
        case _:
            raise UsageInvalid("list, add NAME, join NAME CODE or remove NAME")


# --- list --------------------------------------------------------------------------------------


def _list(invocation: Invocation) -> None:
    told = _told_by_daemon(invocation)
    home = invocation.main_home
    unasked = "not running" if told is None else "starting"
    rows = [
        _row(FIRST, told, str(home), unasked),
        *(
            _row(one.name, told, str(one.home), unasked if one.serves else "out")
            for one in lodgings(home)
        ),
    ]
    if invocation.json:
        output.print_json({"items": [asdict(row) for row in rows]})
        return
    shown = [(row.name or _FIRST_SHOWN, row.library, row.state, row.home) for row in rows]
    print_table(("name", "library", "state", "home"), shown)
    for row in rows:
        if row.problem:
            output.print_line(f"problem: {row.name or _FIRST_SHOWN}: {row.problem}")
            output.print_line(f"   → {row.fix}")


def _row(name: str, told: dict[str, dict[str, object]] | None, home: str, otherwise: str) -> _Row:
    one = (told or {}).get(name)
    if one is None:
        return _Row(name, "", otherwise, "", "", home)
    problem = one["problem"]
    message, fix = (str(problem["message"]), str(problem["fix"])) if isinstance(
        problem, dict) else ("", "")  # fmt: skip
    return _Row(name, str(one["library"]), str(one["state"]), message, fix, home)


def _told_by_daemon(invocation: Invocation) -> dict[str, dict[str, object]] | None:
    """Return what the daemon says of its libraries; None if none answers."""
    homes = [invocation.main_home, *(one.home for one in lodgings(invocation.main_home))]
    for home in homes:  # any of its libraries knows where it listens
        told = read_node_file(home)
        if told is None:
            continue
        base = httpx.URL(told.http).copy_with(path="/api/libraries")
        try:
            answer = httpx.get(base, trust_env=False, timeout=limits.CLI_CONNECT_TIMEOUT_S)
            if answer.is_success:
                return {one["name"]: one for one in answer.json()["items"]}
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            continue
    return None


# --- add, join, remove -------------------------------------------------------------------------


def _add(invocation: Invocation, name: str, library_name: str | None, role: str | None) -> None:
    def found(lodging: Lodging) -> LibraryView:
        settings = load_settings({"home": invocation.main_home}, lodging)
        if library_name is not None or role is not None:
            given = load_settings({"library_name": library_name, "role": role})
            update = {"library_name": given.library_name} if library_name is not None else {}
            settings = settings.model_copy(update=update | ({"role": role} if role else {}))
        return anyio.run(load_node().initialise, settings, backend="trio")

    known = find_lodging(invocation.main_home, check_library_name(name))
    if known is not None and not known.serves and (known.home / "library.json").exists():
        let_in(known)  # it was taken out, and all of it is still there
        _tell(invocation, known, f"library {name} is served again from {known.home}")
        return
    lodging, library = _lodge(invocation, name, found)
    _tell(invocation, lodging, f"library {library.name} ({library.id}) in {lodging.home}")


def _join(invocation: Invocation, name: str, code: str) -> None:
    def enrolled(lodging: Lodging) -> LibraryView:
        settings = load_settings({"home": invocation.main_home}, lodging)
        settings = settings.model_copy(update={"log_level": "error"})  # the answer says it all
        set_up_logs(settings, lodging.home / CLI_LOG)
        return anyio.run(load_node().enrol, settings, code, backend="trio")

    lodging, library = _lodge(invocation, name, enrolled)
    _tell(invocation, lodging, f"joined library {library.name} ({library.id}) in {lodging.home}")


def _lodge(invocation: Invocation, name: str, start: _Start) -> tuple[Lodging, LibraryView]:
    """Make a lodging, have a library begin in it, and have it served; or leave nothing behind."""
    lodging = make_lodging(invocation.main_home, name)
    try:
        library = start(lodging)
    except BaseException:
        if not (lodging.home / "library.json").exists():
            shutil.rmtree(lodging.home, ignore_errors=True)
        raise
    let_in(lodging)
    return lodging, library


def _tell(invocation: Invocation, lodging: Lodging, words: str) -> None:
    serves = _wait_served(invocation, lodging)
    if invocation.json:
        output.print_json({"name": lodging.name, "home": str(lodging.home), "serves": serves})
        return
    output.print_line(words)
    if not serves:
        output.note("Start the daemon to have it served: `photonic node`.")
    output.note(f"Its verbs: `photonic --library {lodging.name} ...`.")


def _wait_served(invocation: Invocation, lodging: Lodging) -> bool:
    """Wait until the daemon serves a library, if one runs. Raises LibraryNotServing."""
    for _ in range(_LOOKS):
        if (told := _told_by_daemon(invocation)) is None:
            return False
        one = told.get(lodging.name)
        if one is not None and one["state"] == "serving":
            return True
        if one is not None and isinstance(problem := one["problem"], dict):
            error = LibraryNotServing(f"{lodging.name} is added, but: {problem['message']}")
            error.fix = str(problem["fix"])
            raise error
        _pause()
    raise LibraryNotServing(f"{lodging.name} is added, but the daemon does not serve it yet")


def _pause() -> None:
    anyio.run(anyio.sleep, limits.CLI_LIBRARY_LOOK_S, backend="trio")


def _remove(invocation: Invocation, name: str, *, deletes: bool) -> None:
    lodging = find_lodging(invocation.main_home, check_library_name(name))
    if lodging is None:
        raise LibraryUnknown(f"{invocation.main_home} has no library {name}")
    if deletes:
        question = f"Keys, catalog and photos in {lodging.home} are deleted for good."
        if output.ask(f"{question} Type the name of the library to go on: ") != name:
            raise NotConfirmed(f"{lodging.home} was to be deleted")
    put_out(lodging)
    with _alone_in(lodging):
        if deletes:
            shutil.rmtree(lodging.home)
    if invocation.json:
        output.print_json({"name": name, "home": str(lodging.home), "deleted": deletes})
    elif deletes:
        output.print_line(f"library {name} is gone from this machine")
    else:
        output.print_line(f"library {name} is not served any more; all of it is in {lodging.home}")


@contextmanager
def _alone_in(lodging: Lodging) -> Iterator[None]:
    """Wait until the daemon has left a lodging, and keep everybody out. Raises HomeInUse."""
    with ExitStack() as stack:
        for look in range(_LOOKS):
            try:
                stack.enter_context(Layout(lodging.home).lock())
                break
            except HomeInUse:
                if look == _LOOKS - 1:
                    raise
            _pause()
        yield

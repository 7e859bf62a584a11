"""`photonic import FOLDER`: take in a folder's photos and wait until it is done.

The running node does the work; without one, a node is run in this process for as long as it takes,
which listens to nobody. Either way the folder is only read. Interrupting this command does not stop
an import in a running node; run again, it takes in only what is missing.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import anyio.to_thread
import trio
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from photonic.cli import output
from photonic.cli.client import Answer, NodeClient, connect_if_running
from photonic.cli.invocation import Invocation, make_home
from photonic.cli.loading import load_node, load_settings, set_up_logs
from photonic.cli.options import invocation_of
from photonic.cli.status import show_problems
from photonic.errors import FolderUnknown, ImportCancelled, ImportIncomplete
from photonic.home import CLI_LOG

if TYPE_CHECKING:
    from photonic.views import StatusView


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with photos; it is only read.")],
) -> None:
    """Take in all photos below a folder; the node may run or not."""
    invocation = invocation_of(context)
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise FolderUnknown(f"there is no folder {folder}")
    shows_progress = not invocation.json and sys.stderr.isatty()
    client = connect_if_running(invocation.home)
    if client is not None:
        with client:
            done, problems = import_folder(client, folder, shows_progress=shows_progress)
    else:
        invocation.find_lodging()
        make_home(invocation.home)
        done, problems = anyio.run(
            _import_alone, invocation, folder, shows_progress, backend="trio"
        )
    if invocation.json:
        output.print_json(done | {"problems": problems})
    else:
        output.print_line(
            f"{done['imported']:,} photos taken in, {done['known']:,} known before,"
            f" {done['failed']:,} failed"
        )
        show_problems(problems)
    if done["failed"]:
        raise ImportIncomplete(str(folder), done["failed"])


def import_folder(
    node: NodeClient, folder: Path, *, shows_progress: bool
) -> tuple[Answer, list[Answer]]:
    """Import through a running node; return how it ended and the problems below `folder`."""
    with ExitStack() as stack:
        progress = stack.enter_context(_progress()) if shows_progress else None
        task = progress.add_task("looking for photos", total=None) if progress else None
        changes = node.changes()
        next(changes)
        told = node.post("/imports", {"folder": str(folder)})
        while not told["finished"]:
            if progress is not None and task is not None:
                done = told["imported"] + told["known"] + told["failed"]
                progress.update(
                    task, description="importing", completed=done, total=told["found"] or None
                )
            next(changes)
            told = find_import(node.get("/imports")["items"], told["folder"])
    problems = node.get("/status")["problems"]
    return told, [problem for problem in problems if _is_below(problem.get("path"), folder)]


async def _import_alone(
    invocation: Invocation, folder: Path, shows_progress: bool
) -> tuple[Answer, list[Answer]]:
    """Run a node in this process that talks to nobody, import through it, and stop it."""
    home, lodging = invocation.home, invocation.find_lodging()
    settings = load_settings({"home": invocation.main_home}, lodging).model_copy(
        update={
            "listen": (),
            "peers": (),
            "watch": (),
            "discovery": False,
            "http": "127.0.0.1:0",
            "log_level": "warning",
        }
    )
    node = load_node()
    set_up_logs(settings, home / CLI_LOG)
    stop, is_ready = trio.Event(), trio.Event()
    statuses: list[StatusView] = []
    outcome: list[tuple[Answer, list[Answer]]] = []

    def note_ready(status: StatusView) -> None:
        statuses.append(status)
        is_ready.set()

    def work() -> None:
        with NodeClient(statuses[0].http, home) as client:
            outcome.append(import_folder(client, folder, shows_progress=shows_progress))

    async def work_then_stop() -> None:
        await is_ready.wait()
        try:
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        finally:
            stop.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work_then_stop)
        await node.run_node(settings, ready=note_ready, stop=stop)
        if not outcome:
            tasks.cancel_scope.cancel()
    return outcome[0]


def find_import(imports: list[Answer], folder: str) -> Answer:
    """Return the newest import of `folder`. Raises ImportCancelled if the node forgot it."""
    for told in reversed(imports):
        if told["folder"] == folder:
            return told
    raise ImportCancelled(f"the node does not know of the import of {folder} any more")


def _is_below(path: str | None, folder: Path) -> bool:
    return path is not None and Path(path).is_relative_to(folder)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )

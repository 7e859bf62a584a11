"""Waits for an export or import of the catalog that a running node does; shows how far it is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from photonic.cli.client import Answer, NodeClient
from photonic.errors import ImportCancelled, PhotonicError


def finish_task(
    node: NodeClient, path: str, body: Mapping[str, object], *, is_quiet: bool
) -> Answer:
    """Begin a task by POST to `path`, wait for its end and return what it then is.

    Raises what ended it early, and ImportCancelled if the node was stopped meanwhile.
    """
    with ExitStack() as stack:
        progress = None
        if not is_quiet and sys.stderr.isatty():
            progress = stack.enter_context(_progress())
        changes = node.changes()
        next(changes)
        told = node.post(path, body)
        bar = progress.add_task(told["task"], total=None) if progress else None
        while not told["finished"]:
            if progress is not None and bar is not None:
                progress.update(bar, completed=told["done"], total=told["total"])
            next(changes)
            told = _find(node.get("/catalog-tasks")["items"], told)
    if told.get("problem"):
        raise _error(told["problem"])
    return told


def _find(tasks: list[Answer], wanted: Answer) -> Answer:
    for told in tasks:
        if (told["task"], told["folder"]) == (wanted["task"], wanted["folder"]):
            return told
    raise ImportCancelled(f"the node does not know of the {wanted['task']} any more")


def _error(problem: Mapping[str, Any]) -> PhotonicError:
    """Return the error that a problem tells, in the node's own words."""
    kinds: list[type[PhotonicError]] = [PhotonicError]
    for kind in kinds:  # grows while it is walked: subclasses of subclasses
        kinds += kind.__subclasses__()
    kind = next((kind for kind in kinds if kind.code == problem["code"]), PhotonicError)
    error = kind.__new__(kind)
    Exception.__init__(error, problem["message"])
    error.fix = str(problem["fix"])
    return error


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )

"""`photonic restore FOLDER`: a library from the home folder of a node that is gone, or its photos.

FOLDER is only read, and may be on a disk that is mounted read-only. Interrupted or repeated, it
goes on with what is missing. Without --originals a new home is made; a node started there shows
everything, and the recovery kit makes it an admin of the library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.console import Console

from photonic.cli import output
from photonic.cli.loading import load_node, load_settings, set_up_logs
from photonic.cli.options import invocation_of
from photonic.cli.recover import read_kit
from photonic.errors import RestoreIncomplete, UsageInvalid
from photonic.home import CLI_LOG

if TYPE_CHECKING:
    from photonic.config import Settings
    from photonic.restoration import Restored

_SHOWN_MAX = 20


def run(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="Home folder of the node that is left; it is only read.")
    ],
    originals: Annotated[
        Path | None,
        typer.Option(
            "--originals",
            metavar="DIR",
            help="Write the photos as plain files with XMP sidecars to DIR, and make no home.",
        ),
    ] = None,
    kit: Annotated[
        str | None,
        typer.Option(
            "--kit",
            help="The recovery kit, or a file with it: opens what is sealed, and makes the new"
            " home's node an admin.",
        ),
    ] = None,
    role: Annotated[
        str | None, typer.Option("--role", help="mobile, central or archive; else central.")
    ] = None,
    node_name: Annotated[
        str | None, typer.Option("--node-name", help="What this node is called on the others.")
    ] = None,
    share_blocks: Annotated[
        bool,
        typer.Option(
            "--share-blocks",
            help="Where the file system can, copy nothing: one bad sector then ends both.",
        ),
    ] = False,
) -> None:
    """Restore a library from an archive's folder alone, on a machine that never met it."""
    invocation = invocation_of(context)
    folder = folder.expanduser().absolute()
    text = read_kit(kit) if kit is not None else None
    if originals is not None and (role or node_name or share_blocks):
        raise UsageInvalid("--originals makes no home: leave out what is about one")
    flags: dict[str, object] = {"home": invocation.home, "role": role, "name": node_name}
    settings = load_settings(flags).model_copy(update={"log_level": "error"})
    with _progress(is_quiet=invocation.json) as tell:
        if originals is not None:
            target = originals.expanduser().absolute()
            restored = load_node().restore_files_with(folder, target, text, tell)
        else:
            target = settings.home
            restored = _restore_home(settings, folder, tell, text, shares=share_blocks)
    if invocation.json:
        output.print_json({**asdict(restored), "whole": restored.is_whole, "to": str(target)})
    else:
        _show(restored, target, is_home=originals is None, has_kit=text is not None)
    if not restored.is_whole:
        raise RestoreIncomplete(_summary(restored))


def _restore_home(
    settings: Settings,
    folder: Path,
    tell: Callable[[str, int], None],
    kit: str | None,
    *,
    shares: bool,
) -> Restored:
    set_up_logs(settings, None)
    restored = load_node().restore_with(settings, folder, kit, tell, shares=shares)
    set_up_logs(settings, settings.home / CLI_LOG)
    if kit is not None:

        async def recover() -> None:
            await load_node().recover_with(settings, kit, alone=True)

        anyio.run(recover, backend="trio")
    return restored


def _show(restored: Restored, target: Path, *, is_home: bool, has_kit: bool) -> None:
    before = f", {restored.known:,} were there already" if restored.known else ""
    output.print_line(
        f"library {restored.name} ({restored.library}): {restored.photos:,} photos,"
        f" {restored.changes:,} changes; {restored.files:,} files"
        f" ({output.readable_bytes(restored.size_bytes)}) verified and copied to {target}{before}"
    )
    for lack in restored.lacks[:_SHOWN_MAX]:
        output.print_line(str(lack))
    if sum(restored.lacking.values()) > _SHOWN_MAX:
        output.note(f"… and others: all of them are in {target / 'lacking.txt'}")
    for note in restored.notes[:_SHOWN_MAX]:
        output.note(note)
    if restored.sealed:
        output.note(
            f"Of {restored.sealed:,} photos something is sealed (places, mostly) and stays so."
            " The recovery kit opens it: give the same command with --kit, or `photonic recover"
            " KIT --alone` in the new home."
        )
    if is_home:
        output.note(f"Start its node: `photonic --home {target} node`.")
        if not has_kit:
            output.note(
                "It shows and exports everything. To edit and to invite others it must be an"
                " admin: `photonic recover KIT --alone` with the library's recovery kit."
            )


def _summary(restored: Restored) -> str:
    told = [
        f"1 file is {why}" if count == 1 else f"{count:,} files are {why}"
        for why, count in sorted(restored.lacking.items())
    ]
    if restored.lost_changes:
        told.append(f"about {restored.lost_changes:,} changes are lost to damage")
    if restored.refused:
        told.append(f"{restored.refused:,} changes are forged or damaged, and were refused")
    return "; ".join(told) or "parts of the folder cannot be read"


@contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Show what is done, where somebody looks."""
    if is_quiet or not sys.stderr.isatty():
        yield lambda _what, _count: None
        return
    with Console(stderr=True).status("reading the archive") as line:
        yield lambda what, count: line.update(f"{what}: {count:,}")

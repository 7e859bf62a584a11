"""`photonic verify`: read stored files again and say whether they are what they were.

The running node does the work. Interrupting this command does not stop it; `--status` shows it.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from photonic import limits
from photonic.cli import output
from photonic.cli.choosing import find_photo, query_of
from photonic.cli.client import Answer, NodeClient, connect
from photonic.cli.options import invocation_of
from photonic.errors import ImportCancelled, PhotonicError, UsageInvalid, VerificationFailed

_BAD = ("damaged", "lost", "unreadable")


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(help="A query, or ids of photos; without either, all that is stored."),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only tell how the regular verification stands.")
    ] = False,
    pause: Annotated[
        bool, typer.Option("--pause", help="Do not verify by itself until --resume.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Verify by itself again.")] = False,
) -> None:
    """Verify stored files now, every byte; what is damaged is repaired from other nodes."""
    invocation = invocation_of(context)
    if status + pause + resume > 1 or (words and (status or pause or resume)):
        raise UsageInvalid("a query or ids, or one of --status, --pause and --resume")
    with connect(invocation) as node:
        if status or pause or resume:
            scrub = node.get("/scrub") if status else node.put("/scrub", {"paused": pause})
            told = scrub | {
                "verifications": node.get("/verifications")["items"],
                "calendar": node.get("/scrub/calendar"),
            }
            if invocation.json:
                output.print_json(told)
            else:
                _print_scrub(told)
            return
        shows_progress = not invocation.json and sys.stderr.isatty()
        done = verify(node, _chosen(node, words or []), shows_progress=shows_progress)
    if invocation.json:
        output.print_json(done)
    else:
        _print_summary(done)
    if done["problem"]:
        raise PhotonicError(f"the verification ended early: {done['problem']}")
    bad = sum(done[state] for state in _BAD)
    if bad:
        raise VerificationFailed(f"{bad:,} of {done['blobs']:,} files were not right")


def verify(node: NodeClient, body: dict[str, object], *, shows_progress: bool) -> Answer:
    """Verify through the node, wait for the end, and return what was found."""
    with ExitStack() as stack:
        progress = stack.enter_context(_progress()) if shows_progress else None
        task = progress.add_task("verifying", total=None) if progress else None
        changes = node.changes()
        next(changes)
        told = node.post("/verifications", body)
        while not told["finished"]:
            if progress is not None and task is not None:
                size = output.readable_bytes(told["bytes"])
                words = f"verifying {told['counts']}, {size}"
                progress.update(
                    task, description=words, completed=told["done"], total=told["total"]
                )
            next(changes)
            told = _find(node.get("/verifications")["items"], told["id"])
    return told


def _chosen(node: NodeClient, words: list[str]) -> dict[str, object]:
    """Return what to ask for: one word may be an id or a query, several are ids."""
    if not words:
        return {}
    if len(words) == 1 and not _is_id(words[0]):
        return {"q": query_of(words[0])}
    return {"ids": list(dict.fromkeys(find_photo(node, word)["id"] for word in words))}


def _is_id(word: str) -> bool:
    return len(word) >= limits.SHORT_ID_DIGITS // 2 and not word.strip("0123456789abcdefABCDEF")


def _find(items: list[Answer], wanted: str) -> Answer:
    for told in items:
        if told["id"] == wanted:
            return told
    raise ImportCancelled("the node does not know of this verification any more: it was restarted")


def _print_summary(done: Answer) -> None:
    size = output.readable_bytes(done["bytes"])
    wrong = [f"{done[state]:,} {state}" for state in ("mended", *_BAD) if done[state]]
    judged = ", ".join([f"{done['sound']:,} sound", *wrong]) if wrong else "all sound"
    if not done["blobs"]:
        judged = "nothing of it is stored here"
    output.print_line(f"{done['blobs']:,} files verified, {size}: {judged}")
    if done["absent"]:
        output.print_line(f"{done['absent']:,} originals are not on this node: not verified")
    for finding in done["findings"]:
        name = output.clean(finding["name"] or "a file of no photo")
        output.print_line(f"{finding['state']}: {name}  {finding['blob']}")
        output.print_line(f"   {output.clean(finding['detail'])}")


def _print_scrub(scrub: Answer) -> None:
    rhythm = f"every {scrub['days']} days" if scrub["days"] else "only when it is asked for"
    pairs: dict[str, object] = {
        "verified": f"{rhythm}, paused" if scrub["paused"] and scrub["days"] else rhythm,
        "oldest": (scrub["oldest"] or "none")[:19].replace("T", " "),
        "overdue": f"{scrub['overdue']:,} files, {output.readable_bytes(scrub['overdue_bytes'])}",
        "since the start": f"{scrub['verified']:,} files,"
        f" {output.readable_bytes(scrub['verified_bytes'])}",
        "waiting for repair": f"{scrub['damaged']:,}",
        "repaired": f"{scrub['repaired']:,}",
        "not given by the disk": f"{scrub['unreadable']:,}",
    }
    output.print_pairs(pairs)
    for line in calendar_in_words(scrub["calendar"]):
        output.print_line(line)
    for told in scrub["verifications"]:
        if not told["finished"]:
            total = "?" if told["total"] is None else f"{told['total']:,}"
            output.print_line(f"verifying: {told['done']:,} of {total} {told['counts']}")


def calendar_in_words(calendar: Answer) -> list[str]:
    """Say when what is stored is verified again, part by part, and by when all of it was."""
    lines = [
        f"due {_span(part)}: {part['files']:,} files, {output.readable_bytes(part['bytes'])}"
        for part in calendar["parts"]
    ]
    if calendar["all_by"]:
        lines.append(
            f"all verified once more by {calendar['all_by'][:10]} at {calendar['mb_s']:g} MB/s"
        )
        last = calendar["parts"][-1]["end"]
        if calendar["all_by"] > last and calendar["parts"][-1]["begin"] != last:
            lines.append("that is too slow for the period: raise `scrub_mb_s` or `scrub_days`")
    return lines


def _span(part: Answer) -> str:
    begin, end = part["begin"][:10], part["end"][:10]
    return "now" if part["begin"] == part["end"] else f"{begin} to {end}"


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )

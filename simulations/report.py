"""`python -m simulations report`: traces and outcomes as one HTML file that needs nothing else.

A file of which the first line is an event is a trace, and is drawn; one of outcomes is added up.
There is no script in the page; what is told over a dot or a line is told by its title.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import msgspec

from simulations import curves, pages
from simulations.diagram import space_time
from simulations.drawing import Frame, alone
from simulations.outcomes import Outcome
from simulations.story import Story, tell
from simulations.tallies import Tally, tally
from simulations.trace import read

_WIDE, _NARROW = (1_200.0, 92.0, 126.0), (420.0, 4.0, 8.0)  # width, left, right

PICTURES: dict[str, Callable[[Story, Frame], Element]] = {
    "space-time": space_time,
    "copies": curves.copies,
    "conflicts": curves.conflicts,
    "bytes": curves.moved,
}


class ReportInvalid(ValueError):
    """A file that is neither a trace nor outcomes; the text says which one and where."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("report", help="draw traces and add up outcomes, as one HTML file")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="traces or outcomes")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the HTML file")
    parser.add_argument("--pictures", type=Path, help="write the pictures into this folder, too")
    parser.set_defaults(work=main)


def main(wanted: argparse.Namespace) -> int:
    try:
        stories, tallies = load(wanted.files)
    except (ReportInvalid, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    wanted.out.write_bytes(html(stories, tallies))
    sys.stdout.write(f"{wanted.out}\n")
    if wanted.pictures is not None:
        for story in stories:
            for path in write_pictures(story, wanted.pictures):
                sys.stdout.write(f"{path}\n")
    return 0


def load(paths: Iterable[Path]) -> tuple[list[Story], list[Tally]]:
    """Read files of both kinds. Raises ReportInvalid and OSError."""
    stories, outcomes = list[Story](), list[Outcome]()
    for path in paths:
        try:
            with path.open("rb") as file:
                first = file.readline()
            if b'"kind"' in first and b'"facts"' in first:
                stories.append(tell(read(path)))
            else:
                decode = msgspec.json.Decoder(Outcome).decode
                outcomes += [decode(line) for line in path.read_bytes().splitlines()]
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise ReportInvalid(f"{path}: neither a trace nor outcomes: {error!r}") from error
    return stories, tally(outcomes)


def frames(story: Story) -> tuple[Frame, Frame]:
    """Return where a story is drawn, for wide and for narrow screens."""
    return Frame(*_WIDE, story.until_s), Frame(*_NARROW, story.until_s)


def html(stories: Sequence[Story], tallies: Sequence[Tally]) -> bytes:
    """Return the whole page."""
    articles = chain(
        (pages.of_many(each) for each in tallies),
        (pages.of_one(each, _drawn(each)) for each in stories),
    )
    page = pages.page([story.title for story in stories], articles)
    return f"<!doctype html>\n{tostring(page, encoding='unicode', method='html')}\n".encode()


def _drawn(story: Story) -> dict[str, list[Element]]:
    return {name: [draw(story, f) for f in frames(story)] for name, draw in PICTURES.items()}


def write_pictures(story: Story, folder: Path) -> list[Path]:
    """Write each picture of a story as a file `SCENARIO-PICTURE.svg`; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    begins = re.sub(r"[^\w-]+", "-", story.scenario) or "trace"  # no path comes from a trace
    written = []
    for name, draw in PICTURES.items():
        path = folder / f"{begins}-{name}.svg"
        path.write_bytes(alone(draw(story, frames(story)[0])))
        written.append(path)
    return written

"""Tables for people. They are cut to the width of a terminal, and whole in a file or a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from photonic.cli.output import clean

_WHOLE = 10_000  # columns: a file has no width to cut to


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table without lines, cut to the terminal's width; headings that end in `#` count."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(
            heading.removesuffix("#"),
            justify="right" if heading.endswith("#") else "left",
            overflow="ellipsis",
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*(Text(clean("" if cell is None else str(cell))) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WHOLE
    console.print(table)

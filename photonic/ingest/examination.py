"""What the node and its worker processes say to each other about a file.

Apart from both, so that the node does not load the parsers of foreign bytes: workers run them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from photonic.ids import BlobId
from photonic.photos import PhotoFacts, Rendition


class Examine(msgspec.Struct, frozen=True):
    """Look at the file at `path` (the bytes of its name) as if it were called `name`.

    The name's extension says what kind of file it is; in the store files have none.
    """

    path: bytes
    name: str


class Examined(msgspec.Struct, tag="examined", frozen=True):
    """What is in a file. `damage` says what is wrong with it, if it can be shown all the same."""

    facts: PhotoFacts
    renditions: tuple[Rendition, ...]
    damage: str | None = None


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """The file cannot be read: the code and message of the error."""

    code: str
    message: str


class Ready(msgspec.Struct, tag="ready", frozen=True):
    """A worker's first word: which walls it stands behind (`confinement.WALLS`)."""

    walls: tuple[str, ...]


Answer = Examined | Failed


class Examiner(Protocol):
    """Who looks at files: `workers.Workers`."""

    async def examine(
        self, path: Path, name: str | None = None, blob: BlobId | None = None
    ) -> Examined:
        """Raises PhotonicError for a file that cannot be shown."""
        ...

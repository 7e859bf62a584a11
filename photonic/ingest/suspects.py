"""Files that ended the processes that read them: twice, and they are left alone.

By the hash of their bytes, whatever they are called, and over restarts: a page that asks for a
preview must not cost a worker each time. Another version of photonic, whose decoders may be better,
looks again. A list that cannot be read begins anew, for it costs two workers a file and no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from photonic import __version__, limits
from photonic.errors import FileSetAside
from photonic.ids import BlobId
from photonic.world import World

log = logging.getLogger(__name__)


class Suspect(msgspec.Struct, frozen=True):
    """A file that is left alone: what it was called, what happened, and to which version."""

    name: str
    reason: str
    version: str
    at_ms: int

    def error(self) -> FileSetAside:
        return FileSetAside(f"{self.name} is not looked into any more: {self.reason}")


class Suspects:
    """The files that are left alone, the oldest first. Any thread, one at a time."""

    def __init__(
        self,
        path: Path,
        world: World,
        on_new: Callable[[str, Suspect], None] = lambda blob, suspect: None,
    ) -> None:
        """`on_new` hears of each by `announce`, which is for the event loop's thread."""
        self._path, self._world, self._on_new = path, world, on_new
        self._found = _load(path)

    def list(self) -> list[Suspect]:
        """Return those that are left alone by this version."""
        return [one for one in self._found.values() if one.version == __version__]

    def get(self, blob: BlobId) -> Suspect | None:
        """Return why a file is left alone; None if it may be looked into."""
        found = self._found.get(blob.hex())
        return found if found is not None and found.version == __version__ else None

    def put_aside(self, blob: BlobId, name: str, reason: str) -> Suspect:
        """Leave a file alone from now on; durable when it returns. Blocking. Raises OSError."""
        suspect = Suspect(name, reason, __version__, self._world.clock.now_ms())
        found = {key: one for key, one in self._found.items() if key != blob.hex()}
        found[blob.hex()] = suspect
        while len(found) > limits.SUSPECTS_MAX:
            del found[next(iter(found))]
        self._found = found
        self._world.files.write_durable(self._path, msgspec.json.format(msgspec.json.encode(found)))
        return suspect

    def announce(self, blob: BlobId, suspect: Suspect) -> None:
        """Tell of a file that was put aside."""
        self._on_new(blob.hex(), suspect)


def _load(path: Path) -> dict[str, Suspect]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Suspect])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        log.warning("the list of suspect files begins anew: %s", error)
        return {}

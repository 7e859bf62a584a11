"""Which files in the tree somebody wrote: sidecars that are not as they were put there. Blocks.

A sidecar belongs to the photo beside it (`name.ext.xmp`, `name_01.ext.xmp`). Whatever else others
put into the tree is theirs, and nothing is done with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from photonic import limits
from photonic.ids import BlobId, ChangeId, digest
from photonic.photos import SIDECAR_SUFFIX
from photonic.tree.builder import parse_kept_name
from photonic.tree.disk import TreeDisk, read_displaced
from photonic.tree.ledger import Entry, TreeLedger
from photonic.tree.picture import number_of

_DUPLICATE = re.compile(r"^(.*)_\d{2,3}(\.[^./]*)$")


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A sidecar that somebody wrote; `entry` is what was put there, None if nothing was.

    `number`: which duplicate it is, 0: the photo's own.
    """

    path: str
    photo: BlobId
    number: int
    data: bytes
    status: os.stat_result
    entry: Entry | None


def is_sidecar(path: str) -> bool:
    return path.casefold().endswith(SIDECAR_SUFFIX) and not path.rpartition("/")[2].startswith(".")


def find_written(ledger: TreeLedger, disk: TreeDisk, paths: Iterable[str]) -> Iterator[WrittenFile]:
    """Yield those of some sidecars that are not what was put there."""
    waiting = iter(dict.fromkeys(path for path in paths if is_sidecar(path)))
    while some := list(islice(waiting, limits.TREE_BATCH_MAX)):
        asked = {name for path in some for name in (path, *_originals(path))}
        entries = ledger.entries_at(list(asked))
        for path in some:
            found = _written(disk, path, entries)
            if found is not None:
                yield found


def _written(disk: TreeDisk, path: str, entries: dict[str, Entry]) -> WrittenFile | None:
    entry = entries.get(path)
    originals = [entries[name] for name in _originals(path) if name in entries]
    originals = [one for one in originals if one.sidecar is None and one.inode != 0]
    there = disk.look(path)
    if there is None or (entry is not None and entry.sidecar is None):
        return None
    if entry is not None:
        originals = [one for one in originals if one.photo == entry.photo]
    elif not originals:
        return None
    now = (there.st_size, there.st_mtime_ns, there.st_ino)
    if entry is not None and now == entry[4:]:
        return None
    read = disk.read(path)
    if read is None:
        return None
    photo = entry.photo if entry is not None else originals[0].photo
    return WrittenFile(path, photo, _number(path, originals), read[0], read[1], entry)


def _number(path: str, originals: list[Entry]) -> int:
    """Return which sidecar of its photo a file is; by its name alone if the photo is not there."""
    name = path.rpartition("/")[2]
    for bare in [one.path for one in originals] or reversed(_originals(path)):
        number = number_of(bare.rpartition("/")[2], name)
        if number is not None:
            return number
    return 0


def _originals(path: str) -> list[str]:
    """Return where the photo may lie that a sidecar belongs to, the likelier first."""
    bare = path[: -len(SIDECAR_SUFFIX)]
    duplicate = _DUPLICATE.match(bare)
    return [bare, duplicate[1] + duplicate[2]] if duplicate else [bare]


def is_as_put(written: WrittenFile) -> bool:
    """Whether a file has the bytes that were put there, though something touched it."""
    return written.entry is not None and digest(written.data) == written.entry.blob


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A sidecar that was replaced, with what it has now: somebody may have had it open."""

    photo: BlobId
    change: ChangeId  # the version that it was
    file: Path
    data: bytes


def find_kept(disk: TreeDisk, before_ns: int) -> list[KeptFile]:
    """Return replaced files to which nothing happened since `before_ns`; remove what is none."""
    found = []
    for name, path, status in disk.displaced():
        if max(status.st_mtime_ns, status.st_ctime_ns) > before_ns:
            continue
        known, data = parse_kept_name(name), read_displaced(path)
        if known is None or data is None:
            path.unlink(missing_ok=True)
        else:
            found.append(KeptFile(*known, path, data))
    return found

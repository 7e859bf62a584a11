"""Where the libraries of one daemon live: the first in the home folder itself, each further one in
a whole home folder of its own below it.

    HOME/tenants/NAME/               laid out as every home folder (layout.py)
    HOME/tenants/NAME/lodging.json   whether the daemon serves it, and which ports it takes

A name is what people and URLs say: lower-case letters, digits and dashes, so that it is a plain
name of a folder everywhere, and no path. Nothing heavy is imported: the command line asks this
before it asks anything else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from photonic import limits
from photonic.errors import HomeUnusable, LibraryExists, LibraryNameInvalid, TooManyLibraries
from photonic.world import SystemFiles

FIRST = ""  # the name of the library that lives in the home folder itself
TENANTS = "tenants"
_FILE = "lodging.json"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Lodging:
    """One further library: its folder, and what the daemon is to do with it."""

    name: str
    home: Path
    slot: int  # from 1; no two have the same, so that they take different ports
    serves: bool = True


def check_library_name(text: str) -> str:
    """Return `text` if a library may be called so here. Raises LibraryNameInvalid."""
    if not _NAME.fullmatch(text):
        raise LibraryNameInvalid(f"{text!r} cannot be the name of a library on this machine")
    return text


def home_of(home: Path, name: str) -> Path:
    """Return the home folder of a library. Raises LibraryNameInvalid."""
    return home if name == FIRST else home / TENANTS / check_library_name(name)


def find_lodging(home: Path, name: str) -> Lodging | None:
    """Return what is there of this name, served or not; None for nothing, and for the first."""
    return next((one for one in lodgings(home) if one.name == name), None)


def lodgings(home: Path) -> list[Lodging]:
    """Return all further libraries of a home folder, by name.

    A folder with another name, without its file or with one that cannot be read is left alone.
    """
    try:
        names = sorted(path.name for path in (home / TENANTS).iterdir())
    except OSError:
        return []
    found = [_read(home / TENANTS / name) for name in names if _NAME.fullmatch(name)]
    return [one for one in found if one is not None]


def _read(folder: Path) -> Lodging | None:
    try:
        told = json.loads((folder / _FILE).read_bytes())
        slot, serves = int(told["slot"]), bool(told["serves"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Lodging(folder.name, folder, slot, serves) if slot >= 1 else None


def make_lodging(home: Path, name: str) -> Lodging:
    """Make the folder of a further library, which is not served yet.

    Raises LibraryNameInvalid, LibraryExists, TooManyLibraries, HomeUnusable.
    """
    folder = home_of(home, check_library_name(name))
    others = lodgings(home)
    if len(others) + 1 >= limits.LIBRARIES_MAX:
        raise TooManyLibraries(f"there are {len(others) + 1} libraries on this machine already")
    try:
        (home / TENANTS).mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise LibraryExists(f"{folder} is there already") from None
    except OSError as error:
        raise HomeUnusable(str(folder), error.strerror or str(error)) from error
    taken = {one.slot for one in others}
    slot = next(slot for slot in range(1, limits.LIBRARIES_MAX + 1) if slot not in taken)
    made = Lodging(name, folder, slot, serves=False)
    write_lodging(made)
    return made


def write_lodging(lodging: Lodging) -> None:
    """Say what the daemon is to do with it; one that runs hears of it. Raises HomeUnusable."""
    path = lodging.home / _FILE
    told = json.dumps({"slot": lodging.slot, "serves": lodging.serves})
    try:
        SystemFiles().write_durable(path, told.encode("ascii"))
    except OSError as error:
        raise HomeUnusable(str(path), error.strerror or str(error)) from error


def let_in(lodging: Lodging) -> None:
    """Have the daemon serve it."""
    write_lodging(replace(lodging, serves=True))


def put_out(lodging: Lodging) -> None:
    """Have the daemon serve it no longer; all of its files stay."""
    write_lodging(replace(lodging, serves=False))

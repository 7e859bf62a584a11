"""A library's life until only the archive's disk is left: with that, restoring begins."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files

PLACE = {"latitude": 64.1472093, "longitude": -21.9424091}


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of the library: one folder, the kit on paper, and what people remember."""

    home: Path  # of the archive, which does not run any more
    export: Path  # of its catalog, as the archive itself wrote it
    kit: str
    library: str
    originals: dict[str, str]  # photo -> sha256 of the file that was imported
    sidecars: set[str]  # sha256 of the sidecars that were imported
    contested: str  # a photo with two titles
    placed: str  # a photo whose place was set by hand, and is sealed


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def live(root: Path, *, sealed: bool = False) -> Left:
    """Have a laptop, a studio and an archive work together, and lose all but the archive."""
    files = {sha256(path): path for path in make_camera_files(root / "camera")}
    names = ("laptop", "studio", "attic")
    with daemons(*(root / name for name in names)) as (laptop, studio, attic):
        attic.role = "archive"
        laptop.start("--name", "laptop")
        kit = json.loads(photonic(laptop.home, "--json", "recovery-kit").stdout)["kit"]
        library = laptop.status()["library"]["id"]
        photonic(laptop.home, "import", str(root / "camera"), check=False)
        photos = sorted(laptop.photos())
        join(laptop, studio)
        scopes = ("--sealed",) if sealed else ()
        code = photonic(laptop.home, "invite", "--role", "archive", *scopes).stdout.strip()
        photonic(attic.home, "join", code)
        studio.start("--name", "studio", "--peer", laptop.listen[0])
        studio.wait_until(lambda: _has_all(studio, len(photos)))
        contested, placed, tagged = photos[0], photos[1], photos[2]
        laptop.send("PATCH", f"/photos/{placed}", {"gps": PLACE})
        laptop.send("PATCH", f"/photos/{tagged}", {"tags": {"add": ["travel/iceland"]}})
        laptop.send("POST", "/albums", {"name": "Best", "query": "rating>=3"})
        _contest(laptop, studio, contested)
        attic.start("--name", "attic", "--peer", laptop.listen[0], "--peer", studio.listen[0])
        attic.wait_until(lambda: _has_all(attic, len(photos)))
        attic.wait_until(
            lambda: (
                attic.get(f"/photos/{contested}")["conflicts"] == ["title"]
                and len(attic.get("/albums")["items"]) == 1
            )
        )
        originals = {
            photo: hashlib.sha256(laptop.bytes(f"/photos/{photo}/original")).hexdigest()
            for photo in photos
        }
        for other in (laptop, studio):
            other.stop()
        photonic(attic.home, "export-catalog", str(root / "export"))
        attic.kill()
    assert set(originals.values()) <= files.keys()
    sidecars = {digest for digest, path in files.items() if path.suffix == ".xmp"}
    sidecars |= {sha256(path) for path in (root / "camera").rglob("*.xmp")}
    return Left(
        root / "attic", root / "export", kit, library, originals, sidecars, contested, placed
    )


def _contest(laptop: Daemon, studio: Daemon, photo: str) -> None:
    """Have two nodes that do not see each other give one photo a title each."""
    studio.stop()
    laptop.send("PATCH", f"/photos/{photo}", {"title": "Sunrise"})
    laptop.stop()
    studio.start()
    studio.send("PATCH", f"/photos/{photo}", {"title": "Sunset"})
    laptop.start("--name", "laptop", "--peer", studio.listen[0])
    laptop.wait_until(lambda: laptop.get(f"/photos/{photo}")["conflicts"] == ["title"])


def _has_all(node: Daemon, photos: int) -> bool:
    status = node.status()
    wants = status["wants"]
    return bool(
        status["holdings"]["held"] == photos
        and wants["blobs_held"] == wants["blobs_wanted"] > photos
    )


def snapshot(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return what a folder is, to the last change of any file, folder or mode in it."""
    found: dict[str, tuple[int, ...]] = {}
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in (*folders, *names))):
            status = path.lstat()
            found[str(path.relative_to(folder))] = (
                status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
                status.st_nlink,
            )  # fmt: skip
    return found


def records(export: Path, stem: str) -> list[dict[str, Any]]:
    """Return the lines of an exported catalog."""
    lines: list[dict[str, Any]] = []
    for path in sorted(export.glob(f"{stem}-*.jsonl")):
        lines += map(json.loads, path.read_text().splitlines())
    return lines

"""What a real daemon shows, as observations: read over REST, as any page or script would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blake3 import blake3

from simulations.daemons import Daemon
from simulations.observations import Observation, PhotoSeen, VersionSeen

_PAGE = 200
Named = Callable[[str], str]  # how the scenario calls a peer


def observe(
    name: str,
    node: Daemon,
    at_s: float,
    called: Named,
    *,
    is_member: bool = True,
    reads_originals: bool = False,
) -> Observation:
    """Look at a running daemon once. `reads_originals`: every byte of what it says to hold.

    Photos come and go while one looks; each is as it was at one moment of the look.
    """
    photos = {photo: _photo(node, photo, called) for photo in _all_photos(node)}
    members, status = node.get("/members")["items"], node.status()
    held = [photo for photo, seen in photos.items() if seen.held]
    read = _read(node, held) if reads_originals else None
    return Observation(
        node=name,
        at_s=at_s,
        is_member=is_member,
        photos=photos,
        known={called(m["id"]): m["known"] for m in members if m["known"] is not None},
        revoked=tuple(sorted(called(m["id"]) for m in members if m["revoked"])),
        connected=tuple(sorted(called(m["id"]) for m in members if m["connected"])),
        problems=tuple(sorted({problem["code"] for problem in status["problems"]})),
        wrong=tuple(photo for photo in held if read is not None and photo not in read),
        stored=read,
        memory_bytes=_resident_bytes(node),
    )


def changes(node: Daemon, photo: str) -> frozenset[str]:
    """Return the ids of all changes of a photo that a node knows."""
    said = _pages(node, f"/photos/{photo}/log")
    return frozenset(one["change"] for one in said)


def _all_photos(node: Daemon) -> list[str]:
    """Return all photos, those in the trash too."""
    listed = [item["id"] for item in _pages(node, "/photos")]
    return listed + [item["photo"]["id"] for item in _pages(node, "/trash")]


def _pages(node: Daemon, path: str) -> list[Any]:
    found, cursor = list[Any](), None
    while True:
        page = node.get(path, limit=_PAGE, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


def _photo(node: Daemon, photo: str, called: Named) -> PhotoSeen:
    shown = node.get(f"/photos/{photo}")
    versions = {
        field: tuple(sorted(_version(one, called) for one in value["versions"]))
        for field, value in shown["fields"].items()
        if value["versions"]
    }
    return PhotoSeen(
        held=shown["held"],
        trashed=shown["trashed"],
        versions=versions,
        conflicts=tuple(sorted(shown["conflicts"])),
        tags=tuple(sorted(shown["tags"])),
        holders=tuple(sorted(called(one["node"]) for one in shown["holders"] if one["held"])),
        changes=changes(node, photo),
    )


def _version(one: Any, called: Named) -> VersionSeen:
    value = json.dumps(one["value"], sort_keys=True)
    return VersionSeen(one["change"], called(one["author"]), value)


def _read(node: Daemon, photos: list[str]) -> frozenset[str]:
    """Return those whose original comes out as what its name says."""
    return frozenset(
        photo
        for photo in photos
        if blake3(node.bytes(f"/photos/{photo}/original")).hexdigest() == photo
    )


def _resident_bytes(node: Daemon) -> int | None:
    assert node.process is not None
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    kibibytes = next((line.split()[1] for line in lines if line.startswith("VmRSS:")), None)
    return int(kibibytes) * 1024 if kibibytes is not None else None

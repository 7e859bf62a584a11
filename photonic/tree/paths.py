"""Where photos lie in the tree: which path a photo is given, and which of them hold. Pure.

A path is decided once, by the first node that publishes the photo, and written into the catalog as
a *claim* (`fields.PATH`): from then on it follows from the catalog alone, and neither a shoot that
is renamed nor another template moves it. Whoever decides knows every claim that is here and takes a
name that is free. Nodes that decide apart may claim otherwise:

- one photo at two paths: it lies at both, so that neither of what was published vanishes;
- two photos at one path: the earlier claim has it, and the other photo's name gets a mark made of
  its own id. That is the only case in which what one node published is another thing afterwards.

`settled` is a function of the set of claims, so it is the same on all nodes. No photo can be given
another one's marked name: a mark that is not of the photo itself gets one that is.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter

from photonic import limits, names
from photonic.ids import BlobId, ChangeId
from photonic.photos import SIDECAR_SUFFIX

TEMPLATE = "{year}/{date} {shoot}/{name}"
PARTS = ("year", "month", "day", "date", "shoot", "folder", "camera", "kind", "name")

_MARK_DIGITS = 16  # two photos of one name that have so many in common were made to
_SUFFIX_BYTES_MAX = 32
_MARKED = re.compile(rf"~([0-9a-f]{{{_MARK_DIGITS}}})(?=\.[^.]*$|$)")
_TAKEN = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
# What cameras call their folders says nothing of the picture.
_CAMERA_FOLDER = re.compile(r"dcim|\d{3}[a-z0-9_]{5}|private|avchd|clip|misc", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Claim:
    """A word of the catalog that a photo lies at a path; the earliest by (at, change) has it."""

    photo: BlobId
    path: str
    at: int
    change: ChangeId

    @property
    def rank(self) -> tuple[int, ChangeId]:
        return self.at, self.change


@dataclass(frozen=True, slots=True)
class Naming:
    """What a path is made of."""

    photo: BlobId
    name: str
    folder: str = ""
    moment: str = ""  # when it was taken, or imported: "2024-05-17T09:30:12"
    shoot: str | None = None
    camera: str | None = None
    kind: str = "image"


def check_template(template: str) -> str:
    """Return a template that names a file in folders. Raises ValueError, in words."""
    fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    unknown = [field for field in fields if field not in PARTS]
    if unknown:
        raise ValueError(f"{{{unknown[0]}}} is not among {', '.join(PARTS)}")
    if any(spec or way for _, _, spec, way in Formatter().parse(template)):
        raise ValueError("a part is {name}, without anything behind a colon or a !")
    if not template.rpartition("/")[2] == "{name}":
        raise ValueError("the last part of a path is {name}, alone, so that darktable knows it")
    if template.startswith("/") or any(one in ("", ".", "..") for one in template.split("/")):
        raise ValueError("a template is a relative path without empty parts, . and ..")
    return template


def wanted_path(template: str, naming: Naming) -> str:
    """Return the path that a template gives to a photo, in the form that `legal` gives."""
    found = _TAKEN.match(naming.moment)
    year, month, day = found.groups() if found else ("undated", "", "")
    values = {
        "year": year,
        "month": month,
        "day": day,
        "date": f"{year}-{month}-{day}" if found else "undated",
        "shoot": naming.shoot or _told_folder(naming.folder),
        "folder": _told_folder(naming.folder),
        "camera": naming.camera or "",
        "kind": naming.kind,
    }
    folders = [
        " ".join(re.sub(r"[/\\]", "_", part.format_map(values)).split())
        for part in template.split("/")[:-1]
    ]
    name = naming.name.replace("/", "_") or naming.photo.hex()
    return legal("/".join([*(folder for folder in folders if folder), name]))


def _told_folder(folder: str) -> str:
    """Return the last part of a folder that a person gave a name to."""
    parts = [part for part in folder.split("/") if part.strip() not in ("", ".", "..")]
    told = [part for part in parts if not _CAMERA_FOLDER.fullmatch(part.strip())]
    return told[-1] if told else ""


def legal(path: str) -> str:
    """Return a path as it may lie in a tree; the same again if it is one.

    It leads down and nowhere else, no file system dislikes it, and it is no sidecar's name.
    """
    folder, _, name = path.rpartition("/")
    parts = names.path_below(folder, name).parts
    shown = [f"_{part[1:]}" if part.startswith(".") else part for part in parts]
    if shown[-1].casefold().endswith(SIDECAR_SUFFIX):
        shown[-1] += "_"
    return "/".join(shown)


def key_of(path: str) -> str:
    """Return what two paths have in common that are one on some file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def marked(path: str, photo: BlobId) -> str:
    """Return a path of which no other photo has the like, made from one that others may have."""
    folder, slash, name = path.rpartition("/")
    pure = PurePosixPath(name)
    mark = f"~{photo.hex()[:_MARK_DIGITS]}"
    is_short = len(pure.suffix.encode()) <= _SUFFIX_BYTES_MAX
    stem, suffix = (pure.stem, pure.suffix) if is_short else (name, "")
    room = limits.EXPORT_NAME_BYTES_MAX - len(mark) - len(suffix.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore")
    return f"{folder}{slash}{stem}{mark}{suffix}"


def is_marked(path: str, photo: BlobId) -> bool:
    """Whether a path bears the mark of a photo, so that no other may have it."""
    found = _MARKED.search(key_of(path).rpartition("/")[2])
    return found is not None and found[1] == photo.hex()[:_MARK_DIGITS]


def is_plain(path: str) -> bool:
    """Whether a path bears no mark at all."""
    return _MARKED.search(key_of(path).rpartition("/")[2]) is None


def decide(wanted: str, photo: BlobId, is_taken: Callable[[str], bool]) -> str:
    """Return the path to claim for a photo: the wanted one, or with its mark if that is taken.

    `is_taken` tells of a key (`key_of`) whether another photo's claim has it.
    """
    if is_plain(wanted) and not is_taken(key_of(wanted)):
        return wanted
    return wanted if is_marked(wanted, photo) else marked(wanted, photo)


def settled(claims: Iterable[Claim]) -> dict[BlobId, tuple[str, ...]]:
    """Return where each photo lies, by the claims of the keys that these photos have in common.

    What follows for a key follows from the claims of that key alone, so a part of them is enough if
    it has all claims of each key that it has any of. The first path of a photo is that of its
    earliest claim.
    """
    by_key: dict[str, list[Claim]] = defaultdict(list)
    some = set(claims)
    for claim in some:
        by_key[key_of(claim.path)].append(claim)
    owners = {key: _owner(key_claims) for key, key_claims in by_key.items()}
    found: dict[BlobId, dict[str, str]] = defaultdict(dict)
    for claim in sorted(some, key=lambda claim: claim.rank):
        path = path_of(claim, owners[key_of(claim.path)])
        found[claim.photo].setdefault(key_of(path), path)
    return {photo: tuple(paths.values()) for photo, paths in found.items()}


def path_of(claim: Claim, owner: Claim | None) -> str:
    """Return where a claim puts its photo, `owner` being the claim that has the path."""
    if is_marked(claim.path, claim.photo):
        return claim.path
    if owner is not None and owner.photo == claim.photo:
        return owner.path
    return marked(claim.path, claim.photo)


def _owner(claims: Iterable[Claim]) -> Claim | None:
    """Return the claim that has a path; None where it bears a mark, which is its photo's alone."""
    plain = [claim for claim in claims if is_plain(claim.path)]
    return min(plain, key=lambda claim: claim.rank, default=None)


def folders_of(paths: Iterable[str]) -> Mapping[str, None]:
    """Return every folder that paths lie in, a folder before those in it."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            found["/".join(parts[:depth])] = None
    return found

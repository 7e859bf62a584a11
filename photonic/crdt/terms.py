"""What a photo is found by: its terms. Pure.

A term is a kind and a key. The keys of names, tags and folders are folded, so that case and accents
do not matter; a tag or folder has a term for each of its levels. Of what nearly every photo has,
the term says that it is lacking. Where a photo was taken is no term: that would be on the disk.
`query.py` must ask for terms exactly as they are made here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from photonic.crdt.projection import PhotoRow, integer, number
from photonic.search.sample import PICK, REJECT
from photonic.search.words import fold, path_key, tag_key

CAMERA, LENS, LABEL, TYPE = "camera", "lens", "label", "type"
TAG, FOLDER, ALBUM, SHOOT, STACK, CONFLICT = "tag", "folder", "album", "shoot", "stack", "conflict"
RATING, ISO, APERTURE, FOCAL = "rating", "iso", "aperture", "focal"
FLAG = "flag"
HAS, LACKS = "has", "lacks"
SEALED = "sealed"  # something of it could not be opened here
IS = "is"  # trashed, removal-held
HELD, MISSING, WITHIN_REACH, COPIES = "held", "missing", "reach", "copies"

NAMES: Final = frozenset((CAMERA, LENS, LABEL))  # kinds whose key is the folded name
WORDED: Final = frozenset((CAMERA, LENS, TAG, FOLDER))  # kinds in which words are looked for
NUMERIC: Final = frozenset((RATING, ISO, APERTURE, FOCAL, COPIES))
LOCAL: Final = frozenset((HELD, MISSING, WITHIN_REACH, COPIES))  # not in the photo's changes
SINGLE: Final = NAMES | NUMERIC | {TYPE, SHOOT, STACK}  # a photo has one term of the kind at most
LACKED: Final = frozenset(
    ("aperture", "camera", "focal", "folder", "height", "iso", "lens", "tag", "taken", "width")
)
FEW_COPIES: Final = (0, 1)  # how many copies a photo has is a term only where they are few


class Term(NamedTuple):
    kind: str
    key: str
    shown: str

    @property
    def value(self) -> float | None:
        return float(self.key) if self.kind in NUMERIC else None


Cause: TypeAlias = tuple[Hashable, ...]
"""Something of a photo that gives it terms: the kind of term, then values. Many photos share it."""


def causes_of(row: PhotoRow) -> list[Cause]:
    """Return what gives a photo those of its terms that follow from its changes."""
    facts = row.facts
    found: list[Cause] = [
        (TYPE, facts.media_type),
        (CAMERA, facts.camera_model),
        (LENS, facts.lens),
        (ISO, facts.iso),
        (APERTURE, facts.aperture),
        (FOCAL, facts.focal_mm),
        (FOLDER, row.folder),
        (TAG, row.tags),
    ]
    if row.taken is None or type(facts.width) is not int or type(facts.height) is not int:
        found.append((LACKS, row.taken is None, integer(facts.width), integer(facts.height)))
    if row.rating:
        found.append((RATING, row.rating))
    if row.flag is not None:
        found.append((FLAG, row.flag))
    if row.label:
        found.append((LABEL, row.label))
    if row.position is not None:
        found.append((HAS, "place"))  # where it is, `positions.py` knows alone
    if row.title or row.caption or row.shoot or row.stack or row.albums or row.conflicts:
        found += _rare_causes(row)
    if row.has_sidecar:
        found.append((HAS, "sidecar"))
    if row.sealed:
        found.append((HAS, SEALED))
    return found


def _rare_causes(row: PhotoRow) -> Iterator[Cause]:
    if row.title:
        yield (HAS, "title")
    if row.caption:
        yield (HAS, "caption")
    singles = ((SHOOT, row.shoot), (STACK, row.stack))
    groups = ((ALBUM, row.albums), (CONFLICT, row.conflicts))
    for kind, values in (*((k, (v,)) for k, v in singles if v is not None), *groups):
        if values:
            yield (HAS, kind)
        for value in values:
            yield (kind, value)


def local_causes(
    copies: int, is_held: bool, missing: Iterable[str], within_reach: Iterable[str]
) -> list[Cause]:
    """Return what gives a photo the terms that say where its blobs are.

    `missing`: kinds of blobs that are not here; `within_reach`: in hex, the nodes that say they
    hold an original that is not here.
    """
    found: list[Cause] = [(HELD, HELD)] if is_held else []
    if copies in FEW_COPIES:
        found.append((COPIES, copies))
    found += ((MISSING, kind) for kind in missing)
    found += ((WITHIN_REACH, node) for node in within_reach)
    return found


def terms_of(cause: Cause) -> tuple[Term, ...]:
    """Return the terms of a cause; it is asked once for all photos that share it."""
    kind, *values = cause
    match kind, values:
        case "lacks", [is_undated, width, height]:
            lacking = {
                "taken": is_undated is True,
                "width": width is None,
                "height": height is None,
            }
            return tuple(_lack(name) for name, is_so in lacking.items() if is_so)
        case "tag", [tuple() as tags]:
            return tuple(
                dict.fromkeys(term for tag in tags for term in _levels(TAG, tag_key(tag), tag))
            ) or (_lack(TAG),)
        case "folder", [str() as folder]:
            return _levels(FOLDER, path_key(folder), folder) or (_lack(FOLDER),)
        case (("camera" | "lens" | "label"), [str() as name]) if name:
            named = Term(kind, fold(name), name)
            return (named, Term(HAS, kind, kind)) if kind == LABEL else (named,)
        case (("camera" | "lens"), _):
            return (_lack(kind),)
        case (("iso" | "aperture" | "focal"), [value]):
            finite = integer(value) if kind == ISO else _real(value)
            return (_lack(kind) if finite is None else Term(kind, repr(finite), repr(finite)),)
        case "flag", [value]:
            return (Term(FLAG, value, value),) if value in (PICK, REJECT) else ()
    return (Term(str(kind), str(values[0]), str(values[0])),)


def _levels(kind: str, path: str, shown: str) -> tuple[Term, ...]:
    """Return a term for each level of a path key; each is shown as its own part of `shown`."""
    if not path:
        return ()
    ends = [at for at, char in enumerate(path) if char == "/"]
    whole = Term(kind, path, _tidy(kind, shown, path))
    parts = whole.shown.split("/")
    levels = [Term(kind, path[:end], "/".join(parts[: i + 1])) for i, end in enumerate(ends)]
    return (*levels, whole)


def _tidy(kind: str, shown: str, path: str) -> str:
    """Return a path as it was written, with one stroke between levels; else its key."""
    plain = shown.replace("|", "/") if kind == TAG else shown
    tidy = "/".join(level for part in plain.split("/") if (level := part.strip()))
    return tidy if tidy.count("/") == path.count("/") else path


def _real(value: object) -> float | None:
    return number(float(value)) if isinstance(value, int | float) else None


def _lack(name: str) -> Term:
    return Term(LACKS, name, name)

"""What a query may ask of one photo, as values, and how each field of it is read.

The fields are the ones that `criteria` has conditions for. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from photonic.ids import BlobId
from photonic.search.words import path_key, stem_key, tag_key

PICK, REJECT = "pick", "reject"
REJECTED_RATING: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a query may ask of one photo. None or empty: the photo has no such value.

    Texts are as they are shown; folding them is the business of `matches`. Numbers are finite.
    """

    photo: BlobId
    name: str = ""
    folder: str = ""  # "2024/05-17", "" at the top
    title: str | None = None
    caption: str | None = None
    tags: tuple[str, ...] = ()  # with "/" or "|" between levels
    albums: tuple[tuple[str, str], ...] = ()  # hex id and name
    camera: str | None = None
    lens: str | None = None
    rating: int | None = None  # -1 rejected, 0-5
    label: str | None = None
    flag: str | None = None  # pick, reject
    taken: str | None = None  # local time, ISO 8601, without zone
    added_ms: int = 0  # since 1970, UTC
    latitude: float | None = None  # degrees; only with longitude
    longitude: float | None = None
    kind: str = "image"  # raw, image, video
    media_type: str = ""
    iso: int | None = None
    aperture: float | None = None
    focal: float | None = None  # mm
    width: int | None = None  # pixels
    height: int | None = None
    shoot: str | None = None
    stack: str | None = None
    conflicts: tuple[str, ...] = ()  # names of contested fields
    copies: int = 0  # live members that say they hold the original
    held: bool = False  # by this node
    trashed: bool = False
    removal_held: bool = False  # the deletion brake keeps it in sight
    has_sidecar: bool = False
    has_raw: bool = False  # there is a raw file of the same shot; see `shot_of`


TextField: TypeAlias = Literal["name", "title", "caption", "camera", "lens", "album"]
NameField: TypeAlias = Literal["camera", "lens", "label", "album"]
ValueField: TypeAlias = Literal["kind", "type", "album", "shoot", "stack", "conflict"]
NumberField: TypeAlias = Literal[
    "rating", "copies", "iso", "aperture", "focal", "width", "height"
]  # fmt: skip
PathField: TypeAlias = Literal["folder", "tag"]
HasField: TypeAlias = Literal[
    "album", "aperture", "camera", "caption", "conflict", "flag", "focal", "folder", "height",
    "iso", "label", "lens", "place", "rating", "raw", "shoot", "sidecar", "stack", "tag", "taken",
    "title", "width",
]  # fmt: skip


_SECOND_CHARS: Final = len("2024-05-17T09:30:12")


def shot_of(name: str, taken: str | None) -> tuple[str, str] | None:
    """Return what files of one press of the shutter have in common; None if nobody can say.

    A camera that writes a raw file and a JPEG calls both alike, and they are of the same second.
    Where somebody has put them since does not matter.
    """
    stem = stem_key(name)
    return (stem, taken[:_SECOND_CHARS]) if stem and taken is not None else None


def texts(sample: Sample, field: TextField | None = None) -> tuple[str, ...]:
    """Return the texts in which words are looked for: of one field, or of all free text."""
    match field:
        case None:
            single = (sample.name, sample.title, sample.caption, sample.folder)
            found = (*single, sample.camera, sample.lens, *sample.tags)
        case "album":
            found = tuple(name for _, name in sample.albums)
        case _:
            found = (getattr(sample, field),)
    return tuple(text for text in found if text)


def names(sample: Sample, field: NameField) -> tuple[str, ...]:
    if field == "album":
        return tuple(name for _, name in sample.albums)
    name: str | None = getattr(sample, field)
    return (name,) if name else ()


def values(sample: Sample, field: ValueField) -> tuple[str | None, ...]:
    match field:
        case "album":
            return tuple(album for album, _ in sample.albums)
        case "conflict":
            return sample.conflicts
        case "type":
            return (sample.media_type,)
        case _:
            return (getattr(sample, field),)


def keys(sample: Sample, field: PathField) -> tuple[str, ...]:
    if field == "folder":
        return (path_key(sample.folder),)
    return tuple(tag_key(tag) for tag in sample.tags)


NUMBERS: dict[str, Callable[[Sample], float | None]] = {
    "rating": lambda sample: sample.rating or 0,
    "copies": lambda sample: sample.copies,
    "iso": lambda sample: sample.iso,
    "aperture": lambda sample: sample.aperture,
    "focal": lambda sample: sample.focal,
    "width": lambda sample: sample.width,
    "height": lambda sample: sample.height,
}
HAS: dict[str, Callable[[Sample], bool]] = {
    "album": lambda sample: bool(sample.albums),
    "aperture": lambda sample: sample.aperture is not None,
    "camera": lambda sample: bool(sample.camera),
    "caption": lambda sample: bool(sample.caption),
    "conflict": lambda sample: bool(sample.conflicts),
    "flag": lambda sample: sample.flag in (PICK, REJECT) or sample.rating == REJECTED_RATING,
    "focal": lambda sample: sample.focal is not None,
    "folder": lambda sample: bool(path_key(sample.folder)),
    "height": lambda sample: sample.height is not None,
    "iso": lambda sample: sample.iso is not None,
    "label": lambda sample: bool(sample.label),
    "lens": lambda sample: bool(sample.lens),
    "place": lambda sample: sample.latitude is not None and sample.longitude is not None,
    "rating": lambda sample: bool(sample.rating),
    "raw": lambda sample: sample.has_raw,
    "shoot": lambda sample: sample.shoot is not None,
    "sidecar": lambda sample: sample.has_sidecar,
    "stack": lambda sample: sample.stack is not None,
    "tag": lambda sample: any(tag_key(tag) for tag in sample.tags),
    "taken": lambda sample: sample.taken is not None,
    "title": lambda sample: bool(sample.title),
    "width": lambda sample: sample.width is not None,
}

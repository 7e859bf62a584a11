"""What the index keeps of a photo: a pure projection of its folded state.

The row is derived and disposable (invariant I9): the same changes give the same row on every node.
What a peer wrote that is not what it should be is shown as nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from photonic.crdt.changes import SignedChange
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import (
    ALBUMS,
    CAPTION,
    FACTS,
    FLAG,
    FOLDER,
    GPS,
    IMPORTED,
    LABEL,
    NAME,
    ORIGINAL,
    PREVIEW_PREFIX,
    RATING,
    SHOOT_OF,
    SIDECAR_PREFIX,
    STACK_OF,
    TAGS,
    TITLE,
    TRASHED,
    Merge,
    merge_of,
)
from photonic.crdt.fold import Field, SubjectState, Version
from photonic.crdt.originals import blob_ref, first_own
from photonic.crdt.policy import AUTO, Display
from photonic.crdt.sealing import is_sealed
from photonic.crdt.timeline import begin_of, moment_text
from photonic.ids import BlobId, NodeId
from photonic.photos import RAW_TYPES, VIDEO_TYPES, BlobRef, PhotoFacts, Position
from photonic.search.sample import Sample

ORIGINAL_KIND, PREVIEW_KIND, SIDECAR_KIND = "original", "preview", "sidecar"
_RAW, _VIDEO = frozenset(RAW_TYPES.values()), frozenset(VIDEO_TYPES.values())
_INTEGER_END, _EXACT_MAX = 1 << 63, 1 << 53
_NO_FACTS = PhotoFacts(media_type="")
_NOBODY: Any = object()  # said anything of it
_TEXTS = (LABEL, FLAG, TITLE, CAPTION)


class BlobRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A blob that a photo needs."""

    ref: BlobRef
    kind: str
    edge_px: int = 0


class PutAway(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who put a photo into the trash, and when by their clock."""

    author: NodeId
    at_ms: int


class PhotoRow(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A photo as it is listed and searched."""

    photo: BlobId
    name: str
    folder: str
    taken: str | None  # "2024-05-17T09:30:12.250"
    sorted_by: str  # taken, or when it was imported: what the timeline goes by
    added_ms: int
    rating: int | None
    label: str | None
    flag: str | None
    title: str | None
    caption: str | None
    kind: str  # raw, image, video
    facts: PhotoFacts
    position: Position | None
    tags: tuple[str, ...]
    albums: tuple[str, ...]
    shoot: str | None
    stack: str | None
    conflicts: tuple[str, ...]
    blobs: tuple[BlobRow, ...]  # the original that is shown is the first
    removal: PutAway | None
    sealed: tuple[str, ...] = ()  # fields that are shown as nothing, for they could not be opened

    @property
    def trashed(self) -> bool:
        return self.removal is not None

    @property
    def has_sidecar(self) -> bool:
        return any(blob.kind == SIDECAR_KIND for blob in self.blobs)

    @property
    def original(self) -> BlobRef:
        return self.blobs[0].ref

    def preview(self, edge_px: int) -> BlobRow | None:
        """Return the smallest preview of at least `edge_px`, or the largest there is."""
        previews = sorted(
            (blob for blob in self.blobs if blob.kind == PREVIEW_KIND), key=lambda b: b.edge_px
        )
        fitting = [blob for blob in previews if blob.edge_px >= edge_px]
        return fitting[0] if fitting else (previews[-1] if previews else None)


def project(state: SubjectState, display: Display = AUTO) -> PhotoRow | None:
    """Return the row of a photo, or None while nobody who may has said what its original is."""
    originals = state.fields.get(ORIGINAL)
    if originals is None or (shown := _original(state, originals, display)) is None:
        return None
    facts, fields = _facts(state.fact(FACTS)), state.fields

    def pick(name: str, embedded: Any) -> Any:
        field = fields.get(name)
        if field is None:
            return embedded
        version = display.pick(name, field)
        return version.value if version else None

    trashed = fields.get(TRASHED)
    removal = display.pick(TRASHED, trashed) if trashed else None
    return _row(
        state.subject.key,
        shown,
        facts=facts,
        pick=pick,
        fact=state.fact,
        tags=tags(state, facts),
        albums=tuple(sorted(state.tags.get(ALBUMS, ()))),
        conflicts=state.contested(),
        named=_named(state),
        removal=removal,
    )


def _original(state: SubjectState, originals: Field, display: Display) -> Version | None:
    """Return the original to list a photo by: no photo vanishes because people differ on it.

    The blob that the photo is named by goes before any other, as it was named first; and where a
    rule leaves the choice to a person (`manual`), the automatic pick stands in until it is made.
    The contest stays to be seen.
    """
    if len(originals.versions) > 1:
        said = {v.change: (v.value, v.at) for v in originals.versions}
        earliest = first_own(state.subject, said, state.lineage)
        if earliest is not None:
            return next(v for v in originals.versions if v.change == earliest)
    return display.pick(ORIGINAL, originals) or AUTO.pick(ORIGINAL, originals)


def project_alone(signed: SignedChange) -> PhotoRow | None:
    """Return what `project` makes of a photo of which this change is all that there is.

    Most photos are such, and folding a single change is most of the work of projecting it.
    """
    change = signed.change
    sets = change.sets
    if ORIGINAL not in sets:
        return None
    facts, author = _facts(sets.get(FACTS)), NodeId(change.author)
    added = change.adds.get(TAGS, ())
    assert is_alone(signed), "what removes something must be folded"
    return _row(
        change.key,
        Version(signed.id, sets[ORIGINAL], author, change.at),
        facts=facts,
        pick=sets.get,
        fact=sets.get,
        tags=tuple(sorted({*facts.keywords, *added})) if added or facts.keywords else (),
        albums=tuple(sorted({*change.adds.get(ALBUMS, ())})),
        conflicts=(),
        named=sorted(sets.items()),
        removal=Version(signed.id, sets[TRASHED], author, change.at) if TRASHED in sets else None,
    )


def is_alone(signed: SignedChange) -> bool:
    """Whether `project_alone` can tell what a photo with no other change is."""
    return not signed.change.removes


def _row(
    key: bytes,
    shown: Version,
    *,
    facts: PhotoFacts,
    pick: Callable[[str, Any], Any],
    fact: Callable[[str, Any], Any],
    tags: tuple[str, ...],
    albums: tuple[str, ...],
    conflicts: tuple[str, ...],
    named: Iterable[tuple[str, Any]],
    removal: Version | None,
) -> PhotoRow | None:
    """Return a row: `pick` gives what is shown of a register, `fact` what is picked of a fact."""
    first = blob_ref(shown.value)
    if first is None:
        return None
    imported_ms = fact(IMPORTED, None)
    is_moment = type(imported_ms) is int and 0 <= imported_ms < _INTEGER_END
    added_ms = imported_ms if is_moment else stamp_ms(shown.at)
    taken = facts.taken if facts.taken is not None and begin_of(facts.taken) is not None else None
    is_removed = removal is not None and removal.value is True
    place = pick(GPS, facts.position)
    return PhotoRow(
        photo=BlobId(key),
        name=_text(fact(NAME, None)) or "",
        folder=_text(fact(FOLDER, None)) or "",
        taken=taken,
        sorted_by=taken or moment_text(added_ms),
        added_ms=added_ms,
        rating=integer(pick(RATING, facts.rating)),
        label=_text(pick(LABEL, facts.label)),
        flag=_text(pick(FLAG, None)),
        title=_text(pick(TITLE, facts.title)),
        caption=_text(pick(CAPTION, facts.caption)),
        kind=kind_of(facts.media_type),
        facts=facts,
        position=_position(place),
        tags=tags,
        albums=albums,
        shoot=_text(pick(SHOOT_OF, None)),
        stack=_text(pick(STACK_OF, None)),
        conflicts=conflicts,
        blobs=_blobs(first, named),
        removal=PutAway(removal.author, stamp_ms(removal.at)) if removal and is_removed else None,
        sealed=(GPS,) if _is_place_sealed(place, pick, fact) else (),
    )


def _is_place_sealed(
    place: Any, pick: Callable[[str, Any], Any], fact: Callable[[str, Any], Any]
) -> bool:
    """Whether the place that would be shown is there and could not be opened."""
    if is_sealed(place):
        return True
    says_nothing = place is None and pick(GPS, _NOBODY) is _NOBODY
    return says_nothing and is_sealed(fact(FACTS, None))


def tags(state: SubjectState, facts: PhotoFacts) -> tuple[str, ...]:
    """Return the photo's tags: those of the file that nobody took away, and those people gave."""
    embedded = set(facts.keywords) - state.ended_embedded(TAGS)
    return tuple(sorted(embedded | state.tags.get(TAGS, {}).keys()))


def sample_of(
    row: PhotoRow,
    *,
    copies: int = 0,
    held: bool = False,
    removal_held: bool = False,
    has_raw: bool = False,
    album_names: Mapping[str, str] = {},
) -> Sample:
    """Return what a query may ask of a photo; `album_names` by the hex ids of the albums.

    `removal_held`: the deletion brake keeps it out of the trash. `has_raw`: there is another photo,
    a raw one that is not in the trash, of the same shot (`sample.shot_of`).
    """
    facts, position = row.facts, row.position
    return Sample(
        photo=row.photo,
        name=row.name,
        folder=row.folder,
        title=row.title,
        caption=row.caption,
        tags=row.tags,
        albums=tuple((album, album_names.get(album, "")) for album in row.albums),
        camera=facts.camera_model,
        lens=facts.lens,
        rating=row.rating,
        label=row.label,
        flag=row.flag,
        taken=row.taken,
        added_ms=row.added_ms,
        latitude=position.latitude if position else None,
        longitude=position.longitude if position else None,
        kind=row.kind,
        media_type=facts.media_type,
        iso=integer(facts.iso),
        aperture=number(facts.aperture),
        focal=number(facts.focal_mm),
        width=integer(facts.width),
        height=integer(facts.height),
        shoot=row.shoot,
        stack=row.stack,
        conflicts=row.conflicts,
        copies=copies,
        held=held,
        trashed=row.trashed and not removal_held,
        removal_held=row.trashed and removal_held,
        has_sidecar=row.has_sidecar,
        has_raw=has_raw,
    )


def _named(state: SubjectState) -> Iterator[tuple[str, Any]]:
    """Yield every value of every field: of what people contest all of them count."""
    for name, field in state.fields.items():
        is_fact = len(field.versions) > 1 and merge_of(state.subject.kind, name) is Merge.FACT
        for version in field.versions[:1] if is_fact else field.versions:
            yield name, version.value


def _blobs(first: BlobRef, named: Iterable[tuple[str, Any]]) -> tuple[BlobRow, ...]:
    """Return every blob that the fields name, each once."""
    rows = {first.blob: BlobRow(first, ORIGINAL_KIND)}
    for name, value in named:
        if name == ORIGINAL or name.startswith(SIDECAR_PREFIX):
            ref, edge = blob_ref(value), 0
            kind = ORIGINAL_KIND if name == ORIGINAL else SIDECAR_KIND
        elif name.startswith(PREVIEW_PREFIX):
            ref = blob_ref(value[2]) if isinstance(value, list | tuple) and len(value) > 2 else None
            kind, edge = PREVIEW_KIND, _edge(name)
        else:
            continue
        if ref is not None:
            rows.setdefault(ref.blob, BlobRow(ref, kind, edge))
    return tuple(rows.values())


def _edge(name: str) -> int:
    digits = name.removeprefix(PREVIEW_PREFIX)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0


def _facts(value: Any) -> PhotoFacts:
    found: PhotoFacts | None = _convert(value, PhotoFacts)
    return found or _NO_FACTS


def _position(value: Any) -> Position | None:
    found = value if type(value) is Position else value and _convert(value, Position)
    if not found:
        return None
    is_place = abs(found.latitude) <= 90 and abs(found.longitude) <= 180
    return found if is_place else None  # nor is what is not a number one


def _convert(value: Any, kind: type[Any]) -> Any:
    """Read a value that a peer wrote; None if it has not the shape that it should have."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None


def kind_of(media_type: str) -> str:
    """Return raw, image or video."""
    if media_type in _RAW:
        return "raw"
    return "video" if media_type in _VIDEO else "image"


def integer(value: object) -> int | None:
    """Return a whole number that a float holds exactly, too, else None."""
    if type(value) is not int:
        return None
    return value if -_EXACT_MAX <= value <= _EXACT_MAX else None


def number(value: float | None) -> float | None:
    """Return a finite number, else None."""
    return value if value is not None and math.isfinite(value) else None


def _text(value: object) -> str | None:
    return value if type(value) is str else None

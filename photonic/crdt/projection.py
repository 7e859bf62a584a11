"""What the index keeps of a photo: a pure projection of its folded state.

The row is derived and disposable (invariant I9): the same changes give the same row on every node,
but for `held`, which says what this node's own store has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import (
    CAPTION,
    FACTS,
    FOLDER,
    IMPORTED,
    LABEL,
    NAME,
    ORIGINAL,
    PREVIEW_PREFIX,
    RATING,
    SIDECAR_PREFIX,
    TAGS,
    TITLE,
    Merge,
    merge_of,
)
from photonic.crdt.fold import SubjectState
from photonic.crdt.policy import displayed
from photonic.ids import BlobId
from photonic.photos import RAW_TYPES, VIDEO_TYPES, BlobRef, PhotoFacts

ORIGINAL_KIND, PREVIEW_KIND, SIDECAR_KIND = "original", "preview", "sidecar"
_YEAR_9999_MS = 253_402_300_799_000
_RAW, _VIDEO = frozenset(RAW_TYPES.values()), frozenset(VIDEO_TYPES.values())


@dataclass(frozen=True, slots=True)
class BlobRow:
    """A blob that a photo needs."""

    ref: BlobRef
    kind: str
    edge_px: int = 0


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """A photo as it is listed and searched."""

    photo: BlobId
    name: str
    folder: str
    taken: str | None
    sorted_by: str  # taken, or when it was imported: what the timeline goes by
    rating: int | None
    label: str | None
    title: str | None
    caption: str | None
    kind: str  # raw, image, video
    facts: PhotoFacts
    tags: tuple[str, ...]
    conflicts: tuple[str, ...]
    blobs: tuple[BlobRow, ...]

    @property
    def original(self) -> BlobRef:
        return next(blob.ref for blob in self.blobs if blob.kind == ORIGINAL_KIND)

    def preview(self, edge_px: int) -> BlobRow | None:
        """Return the smallest preview of at least `edge_px`, or the largest there is."""
        previews = sorted(
            (blob for blob in self.blobs if blob.kind == PREVIEW_KIND), key=lambda b: b.edge_px
        )
        fitting = [blob for blob in previews if blob.edge_px >= edge_px]
        return fitting[0] if fitting else (previews[-1] if previews else None)


def project(state: SubjectState) -> PhotoRow | None:
    """Return the row of a photo, or None while nobody who may has said what its original is."""
    originals = state.fields.get(ORIGINAL)
    if originals is None or (shown := displayed(ORIGINAL, originals)) is None:
        return None
    first = _blob_ref(shown.value)
    if first is None:
        return None
    facts = _convert(state.fact(FACTS), PhotoFacts) or PhotoFacts(media_type="")
    imported_ms = state.fact(IMPORTED)
    moment = imported_ms if isinstance(imported_ms, int) else stamp_ms(shown.at)
    return PhotoRow(
        photo=BlobId(state.subject.key),
        name=str(state.fact(NAME, "")),
        folder=str(state.fact(FOLDER, "")),
        taken=facts.taken,
        sorted_by=facts.taken or _iso(moment),
        rating=shown_value(state, RATING, facts.rating),
        label=shown_value(state, LABEL, facts.label),
        title=shown_value(state, TITLE, facts.title),
        caption=shown_value(state, CAPTION, facts.caption),
        kind=_kind(facts.media_type),
        facts=facts,
        tags=tags(state, facts),
        conflicts=state.contested(),
        blobs=_blobs(state, first),
    )


def shown_value(state: SubjectState, name: str, embedded: Any) -> Any:
    """Return what to show for a field: what people said, else what the file itself says."""
    field = state.fields.get(name)
    if field is None:
        return embedded
    version = displayed(name, field)
    return version.value if version else None


def tags(state: SubjectState, facts: PhotoFacts) -> tuple[str, ...]:
    """Return the photo's tags: those of the file that nobody took away, and those people gave."""
    embedded = set(facts.keywords) - state.ended_embedded.get(TAGS, frozenset())
    return tuple(sorted(embedded | state.tags.get(TAGS, {}).keys()))


def _blobs(state: SubjectState, first: BlobRef) -> tuple[BlobRow, ...]:
    """Return every blob that the state names: of what people contest all of them are kept."""
    rows = {first.blob: BlobRow(first, ORIGINAL_KIND)}
    for name, field in state.fields.items():
        is_fact = merge_of(state.subject.kind, name) is Merge.FACT
        for version in field.versions[:1] if is_fact else field.versions:
            if name == ORIGINAL or name.startswith(SIDECAR_PREFIX):
                ref, edge = _blob_ref(version.value), 0
                kind = ORIGINAL_KIND if name == ORIGINAL else SIDECAR_KIND
            elif name.startswith(PREVIEW_PREFIX):
                value = version.value if isinstance(version.value, (list, tuple)) else ()
                ref = _blob_ref(value[2]) if len(value) > 2 else None
                kind, edge = PREVIEW_KIND, _edge(name)
            else:
                continue
            if ref is not None:
                rows.setdefault(ref.blob, BlobRow(ref, kind, edge))
    return tuple(rows.values())


def _edge(name: str) -> int:
    digits = name.removeprefix(PREVIEW_PREFIX)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0


def _blob_ref(value: Any) -> BlobRef | None:
    ref = _convert(value, BlobRef)
    if ref is None or len(ref.blob) != 32 or len(ref.chunks) != 32:
        return None
    return ref if 0 <= ref.size_bytes < 1 << 63 else None


def _convert(value: Any, kind: type[Any]) -> Any:
    """Read a value that a peer wrote; None if it has not the shape that it should have."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None


def _kind(media_type: str) -> str:
    if media_type in _RAW:
        return "raw"
    return "video" if media_type in _VIDEO else "image"


def _iso(moment_ms: int) -> str:
    moment_ms = min(max(moment_ms, 0), _YEAR_9999_MS)
    return datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")

"""What the catalog is told of a photo that was taken in, and of a sidecar that came later. Pure.

A change has a bounded length, and a legitimate photo always fits: what is too long is shortened,
beginning with what stands in the photo's own bytes anyway. Nothing is lost by it, for original and
sidecars are kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from photonic import limits
from photonic.crdt.changes import Draft
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
)
from photonic.crdt.fold import SubjectState
from photonic.ids import BlobId, Subject, digest, photo_subject
from photonic.photos import BlobRef, Marks, NewPhoto, Sidecar

MAIN_SIDECAR = SIDECAR_PREFIX + "xmp"

# What is left for a draft's own words beside parents, author, signature and the rest of a change.
_BYTES_MAX = limits.CHANGE_BYTES_MAX - 34 * limits.CHANGE_PARENTS_MAX - 1 * limits.KIB
_encoder = msgspec.msgpack.Encoder()


def introduction(photo: NewPhoto, now_ms: int) -> Draft:
    """Return the first change of a photo."""
    sets: dict[str, Any] = {
        ORIGINAL: plain(photo.original),
        NAME: photo.name,
        FOLDER: photo.folder,
        FACTS: msgspec.to_builtins(photo.facts),
        IMPORTED: now_ms,
    }
    for preview in photo.previews:
        made = [preview.width, preview.height, plain(preview.ref)]
        sets[f"{PREVIEW_PREFIX}{preview.edge_px}"] = made
    tags: Sequence[str] = ()
    if photo.sidecar is not None:
        sets[MAIN_SIDECAR] = plain(photo.sidecar.ref)
        sets |= said(photo.sidecar.marks)
        tags = photo.sidecar.marks.keywords
    for other in photo.other_sidecars:
        sets[sidecar_field(other.name)] = plain(other.ref)
    return fitting(photo_subject(photo.original.blob), sets, tags)


def amendment(
    state: SubjectState, sidecars: Sequence[Sidecar], read: Callable[[BlobId], Marks | None]
) -> Draft | None:
    """Return what sidecars, the main one first, say beyond what is known of a photo, if anything.

    A sidecar that is among the versions of the photo's sidecars says nothing new. Of another one
    counts what it says otherwise than the one before it did, which `read` gives if it can: a
    program that writes its file anew does not repeat its old words against what others said since.
    """
    there = {
        name: {blob_of(version.value) for version in field.versions}
        for name, field in state.fields.items()
        if name.startswith(SIDECAR_PREFIX)
    }
    sets: dict[str, Any] = {}
    tags: Sequence[str] = ()
    for position, sidecar in enumerate(sidecars):
        if any(sidecar.ref.blob in blobs for blobs in there.values()):
            continue
        field = MAIN_SIDECAR
        if position > 0 or len(there.get(MAIN_SIDECAR, ())) > 1:
            # A contest is a person's to settle, not that of the file that happens to come next.
            field = sidecar_field(sidecar.name)
        if position == 0:
            before = [blob for blob in there.get(field, ()) if blob is not None]
            base = (read(before[0]) if len(before) == 1 else None) or Marks()
            old = said(base)
            sets |= {
                name: value
                for name, value in said(sidecar.marks).items()
                if old.get(name) != value and not is_so(state, name, value)
            }
            known = {*base.keywords, *state.tags.get(TAGS, {})}
            tags = [word for word in sidecar.marks.keywords if word not in known]
        sets[field] = plain(sidecar.ref)
        there[field] = {sidecar.ref.blob}
    return fitting(state.subject, sets, tags) if sets else None


def sidecar_field(name: str) -> str:
    """Return the field of a sidecar that does not speak for its photo."""
    if len(name.encode()) > limits.SIDECAR_NAME_BYTES_MAX:
        kept = name.encode()[: limits.SIDECAR_NAME_BYTES_MAX - 12].decode("utf-8", "ignore")
        name = f"{kept}~{digest(name.encode()).hex()[:10]}"
    return SIDECAR_PREFIX + name


def said(marks: Marks) -> dict[str, Any]:
    """Return the registers that a sidecar says something of."""
    words = {
        RATING: marks.rating,
        LABEL: marks.label,
        TITLE: marks.title,
        CAPTION: marks.caption,
    }
    return {name: value for name, value in words.items() if value is not None}


def is_so(state: SubjectState, name: str, value: object) -> bool:
    field = state.fields.get(name)
    return field is not None and all(version.value == value for version in field.versions)


def plain(ref: BlobRef) -> Any:
    return msgspec.to_builtins(ref, builtin_types=(bytes,))


def blob_of(value: Any) -> BlobId | None:
    is_ref = isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes)
    return BlobId(value[0]) if is_ref else None


# --- what is too long ----------------------------------------------------------------------------


def fitting(subject: Subject, sets: dict[str, Any], tags: Sequence[str]) -> Draft:
    for shorten in (_shorten_facts, _shorten_place, _shorten_caption):
        if len(_encoder.encode((sets, list(tags)))) <= _BYTES_MAX:
            break
        sets = {**sets, **shorten(sets)}
    return Draft(subject, sets, {TAGS: tuple(tags)} if tags else {})


def _shorten_facts(sets: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the long words of the file itself: they stand in it."""
    facts = sets.get(FACTS)
    if facts is None:
        return {}
    return {FACTS: {k: v for k, v in facts.items() if k not in ("caption", "keywords")}}


def _shorten_place(sets: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the end of a long folder, which tells more than its beginning."""
    texts = {NAME: sets.get(NAME, ""), FOLDER: sets.get(FOLDER, "")}
    return {
        name: value.encode()[-limits.PLACE_BYTES_MAX :].decode("utf-8", "ignore")
        for name, value in texts.items()
        if name in sets
    }


def _shorten_caption(sets: Mapping[str, Any]) -> dict[str, Any]:
    value = sets.get(CAPTION, "")
    return {CAPTION: value[: limits.CAPTION_CHARS_MAX // 4]} if CAPTION in sets else {}

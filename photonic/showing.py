"""Catalog values as views: what the REST face shows of photos, fields and versions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from photonic.blobs.store import Held
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import ALBUMS, EDITABLE, FACTS, GPS, TAGS, Merge, merge_of
from photonic.crdt.fold import Field, SubjectState
from photonic.crdt.policy import Display
from photonic.crdt.projection import PhotoRow
from photonic.crdt.query import Listed
from photonic.ids import PHOTO, BlobId, NodeId, peer_id
from photonic.photo_views import (
    FieldView,
    HolderView,
    PhotoDetail,
    PhotoSummary,
    VersionView,
)
from photonic.photos import PhotoFacts

NameOf = Callable[[NodeId], str | None]

_YEAR_9999_MS = 253_402_300_799_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One photo as the catalog has it, with what is needed to show it."""

    state: SubjectState
    row: PhotoRow
    display: Display
    members: Sequence[NodeId]
    holders: frozenset[NodeId]  # to fetch from
    uncounted: frozenset[NodeId]  # members whose copies do not count


def detail(
    shown: Shown,
    name_of: NameOf,
    me: NodeId,
    held: Held | None,
    *,
    removal_held: bool,
    same_pixels_as: Sequence[BlobId] = (),
) -> PhotoDetail:
    """Return one photo with all of its versions; `held` is what this node, `me`, holds of it."""
    verified_at = iso_utc(held.verified_at_ms) if held else None
    state, row = shown.state, shown.row
    names = dict.fromkeys((*EDITABLE, *(name for name in state.fields if _is_shown(name))))
    return PhotoDetail(
        id=row.photo.hex(),
        name=row.name,
        taken=row.taken,
        rating=row.rating if isinstance(row.rating, int) else None,
        media_type=row.facts.media_type,
        bytes=row.original.size_bytes,
        width=row.facts.width,
        height=row.facts.height,
        held=held is not None,
        conflicts=list(row.conflicts),
        label=row.label,
        title=row.title,
        flag=row.flag,
        trashed=row.trashed and not removal_held,
        removal_held=removal_held,
        added=iso_utc(row.added_ms),
        fields={name: _field(shown, name, name_of) for name in names},
        holders=[
            HolderView(
                peer_id(node),
                name_of(node),
                node in shown.holders,
                verified_at if node == me else None,
                node not in shown.uncounted,
            )
            for node in sorted(shown.members)
        ],
        facts=msgspec.to_builtins(row.facts),
        tags=list(row.tags),
        albums=list(row.albums),
        same_pixels_as=[photo.hex() for photo in same_pixels_as],
        sealed=list(row.sealed),
    )


def summary(item: Listed) -> PhotoSummary:
    """Return a photo of a list."""
    row = item.row
    return PhotoSummary(
        id=row.photo.hex(),
        name=row.name,
        taken=row.taken,
        rating=row.rating,
        media_type=row.media_type,
        bytes=row.size_bytes,
        width=row.width,
        height=row.height,
        held=item.is_held,
        conflicts=row.conflicts.split(),
        label=row.label,
        title=row.title,
        flag=row.flag,
        trashed=row.trashed,
        removal_held=row.removal_held,
        added=iso_utc(row.added_ms),
    )


def versions(field: Field, name_of: NameOf) -> list[VersionView]:
    """Return the versions of a field, the latest first."""
    return [
        VersionView(
            change=version.change.hex(),
            value=plain(version.value),
            author=peer_id(version.author),
            author_name=name_of(version.author),
            at=iso_utc(stamp_ms(version.at)),
        )
        for version in field.versions
    ]


def _field(shown: Shown, name: str, name_of: NameOf) -> FieldView:
    field = shown.state.fields.get(name)
    if field is None:
        return FieldView(plain(embedded(shown.row.facts, name)), False, [])
    version = shown.display.pick(name, field)
    value = plain(version.value) if version else None
    return FieldView(value, field.is_contested, versions(field, name_of))


def embedded(facts: PhotoFacts, name: str) -> Any:
    """Return what a photo's own file says of a field; of a set, its words."""
    if name == TAGS:
        return facts.keywords
    if name == ALBUMS:
        return ()
    return getattr(facts, "position" if name == GPS else name, None) if name in EDITABLE else None


def facts_of(state: SubjectState) -> PhotoFacts:
    """Return what a photo's file says about itself; nothing if a peer wrote nonsense there."""
    try:
        return msgspec.convert(state.fact(FACTS), PhotoFacts)
    except (msgspec.ValidationError, TypeError, ValueError):
        return PhotoFacts(media_type="")


def _is_shown(name: str) -> bool:
    return merge_of(PHOTO, name) is Merge.CONTESTED


def plain(value: Any) -> Any:
    """Make a value fit for JSON: bytes as hex digits, structs as objects, nothing for a seal."""
    if isinstance(value, msgspec.msgpack.Ext):
        return None  # PhotoDetail.sealed names the field
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return msgspec.to_builtins(value)


def iso_utc(moment_ms: int) -> str:
    """Return a moment as ISO 8601 with milliseconds, in UTC; a clock may be far off."""
    moment = datetime.fromtimestamp(min(max(moment_ms, 0), _YEAR_9999_MS) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

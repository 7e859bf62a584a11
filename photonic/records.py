"""What an export says of a change, a photo, an album, a member and a policy: one JSON object each.

Pure. docs/export-format.md is the page for whoever reads them. Names may be added and are never
changed. Bytes are 64 hex digits and the like, moments are ISO 8601 in UTC; what JSON cannot carry
(a value that a newer photonic wrote) is shown as well as it can be, for `data` has it exactly.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from photonic import limits
from photonic.crdt.changes import SignedChange, read_body
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import (
    ALBUM_GONE,
    ALBUM_NAME,
    ALBUM_QUERY,
    ALBUMS,
    CAPTION,
    FACTS,
    FLAG,
    GPS,
    IMPORTED,
    LABEL,
    RATING,
    SHOOT_OF,
    STACK_OF,
    TITLE,
    TRASHED,
    Merge,
    merge_of,
)
from photonic.crdt.fold import Field, SubjectState
from photonic.crdt.policy import Display
from photonic.crdt.projection import ORIGINAL_KIND, PREVIEW_KIND, PhotoRow
from photonic.crdt.roster import Member
from photonic.crdt.sealing import is_sealed
from photonic.ids import PHOTO, NodeId, peer_id
from photonic.photos import BlobRef, Marks, PhotoFacts, Position

_YEAR_9999_MS = 253_402_300_799_000
_DEPTH_MAX = 32


@dataclass(frozen=True, slots=True)
class Readings:
    """How an export reads the catalog: the display policy, and what nodes are called."""

    display: Display
    names: Mapping[NodeId, str] = field(default_factory=dict)

    def shown(self, state: SubjectState, name: str, otherwise: Any = None) -> Any:
        """Return the value that is shown for a field; `otherwise` if nobody said anything."""
        entry = state.fields.get(name)
        if entry is None:
            return otherwise
        version = self.display.pick(name, entry)
        return version.value if version else None

    def fields(self, state: SubjectState) -> dict[str, Any]:
        """Return every field that people write, with all of its versions, latest first."""
        contested = set(state.contested())
        return {
            name: {
                "value": plain(self.shown(state, name)),
                "contested": name in contested,
                "versions": self._versions(entry),
            }
            for name, entry in state.fields.items()
            if merge_of(state.subject.kind, name) is not Merge.FACT
        }

    def _versions(self, entry: Field) -> list[dict[str, Any]]:
        return [
            {
                "change": version.change.hex(),
                "value": plain(version.value),
                "author": _shown_node(version.author),
                "author_name": self.names.get(version.author),
                "at": moment(version.at),
            }
            for version in entry.versions
        ]


def change_record(signed: SignedChange, *, is_effective: bool) -> dict[str, Any]:
    """Return what is said of a change; `data` is the signed bytes themselves, in base64."""
    change = signed.change
    return {
        "id": signed.id.hex(),
        "kind": change.kind,
        "key": change.key.hex(),
        "parents": [parent.hex() for parent in change.parents],
        "author": change.author.hex(),
        "seq": change.seq,
        "at": change.at,
        "time": moment(change.at),
        "sets": plain(change.sets),
        "adds": plain(change.adds),
        "removes": plain(change.removes),
        "act": change.act.hex(),
        "effective": is_effective,
        "data": b64encode(signed.data).decode(),
        **_opened(signed),
    }


def _opened(signed: SignedChange) -> dict[str, str]:
    """Return what a change sets as it is read here, where in `data` something of it is sealed.

    Another library has other keys: an import there seals anew what stands here.
    """
    change = signed.change
    if change.kind != PHOTO or not change.sets.keys() & {GPS, FACTS}:
        return {}
    said = read_body(signed.data).sets
    if not any(is_sealed(value) for value in said.values()) or said == change.sets:
        return {}
    return {"opened": b64encode(msgspec.msgpack.encode(change.sets)).decode()}


def photo_record(
    row: PhotoRow,
    state: SubjectState,
    readings: Readings,
    holders: Mapping[NodeId, bool],
    sidecar: str | None,
) -> dict[str, Any]:
    """Return what is said of a photo; `sidecar` is the path of its XMP in the export, if any.

    `holders`: who says to hold its original, and whether that counts as a copy.
    """
    facts = row.facts
    return {
        "id": row.photo.hex(),
        "name": row.name,
        "folder": row.folder,
        "taken": row.taken,
        "added": _added(state),
        "kind": row.kind,
        "rating": plain(readings.shown(state, RATING, facts.rating)),
        "label": plain(readings.shown(state, LABEL, facts.label)),
        "flag": plain(readings.shown(state, FLAG)),
        "title": plain(readings.shown(state, TITLE, facts.title)),
        "caption": plain(readings.shown(state, CAPTION, facts.caption)),
        "gps": plain(_readable(readings.shown(state, GPS, facts.position))),
        "sealed": list(row.sealed),
        "tags": list(row.tags),
        "albums": sorted(state.tags.get(ALBUMS, {})),
        "shoot": plain(readings.shown(state, SHOOT_OF)),
        "stack": plain(readings.shown(state, STACK_OF)),
        "trashed": readings.shown(state, TRASHED) is True,
        "conflicts": list(row.conflicts),
        "facts": msgspec.to_builtins(facts),
        "original": _blob(row.original),
        "other_originals": [
            _blob(blob.ref)
            for blob in row.blobs
            if blob.kind == ORIGINAL_KIND and blob.ref != row.original
        ],
        "previews": [
            {"edge_px": blob.edge_px, **_blob(blob.ref)}
            for blob in row.blobs
            if blob.kind == PREVIEW_KIND
        ],
        "sidecars": [
            _blob(blob.ref) for blob in row.blobs if blob.kind not in (ORIGINAL_KIND, PREVIEW_KIND)
        ],
        "holders": [
            {"node": _shown_node(node), "name": readings.names.get(node), "counts": counts}
            for node, counts in sorted(holders.items())
        ],
        "sidecar": sidecar,
        "fields": readings.fields(state),
    }


def photo_marks(
    row: PhotoRow, state: SubjectState, readings: Readings
) -> tuple[Marks, Position | None]:
    """Return what of a photo an XMP sidecar can say. A flag `reject` is a rating of -1 there."""
    facts = row.facts
    rating = readings.shown(state, RATING, facts.rating)
    is_rating = isinstance(rating, int) and not isinstance(rating, bool) and -1 <= rating <= 5
    if readings.shown(state, FLAG) == "reject":
        rating, is_rating = -1, True
    words = {
        name: value if isinstance(value, str) else None
        for name, value in (
            (LABEL, readings.shown(state, LABEL, facts.label)),
            (TITLE, readings.shown(state, TITLE, facts.title)),
            (CAPTION, readings.shown(state, CAPTION, facts.caption)),
        )
    }
    marks = Marks(
        rating=rating if is_rating else None,
        label=words[LABEL],
        title=words[TITLE],
        caption=words[CAPTION],
        keywords=row.tags,
    )
    return marks, _position(readings.shown(state, GPS, facts.position))


def says_what_the_file_does(marks: Marks, position: Position | None, facts: PhotoFacts) -> bool:
    """Whether a sidecar would say nothing beyond what stands in the photo's own file."""
    embedded = Marks(
        rating=facts.rating,
        label=facts.label,
        title=facts.title,
        caption=facts.caption,
        keywords=tuple(sorted(set(facts.keywords))),
    )
    return marks == embedded and position == facts.position


def album_record(state: SubjectState, readings: Readings) -> dict[str, Any]:
    """Return what is said of an album; one without a query has the photos that name it."""
    return {
        "id": state.subject.key.hex(),
        "name": plain(readings.shown(state, ALBUM_NAME)),
        "query": plain(readings.shown(state, ALBUM_QUERY)),
        "gone": readings.shown(state, ALBUM_GONE) is True,
        "conflicts": list(state.contested()),
        "fields": readings.fields(state),
    }


def member_record(member: Member) -> dict[str, Any]:
    """Return what is said of a node that was admitted; `cut`: its last change that counts."""
    certificate = member.certificate
    return {
        "id": peer_id(member.node),
        "key": member.node.hex(),
        "name": certificate.name,
        "role": certificate.role,
        "scopes": list(certificate.scopes),
        "expires": None if certificate.expires_ms is None else iso_utc(certificate.expires_ms),
        "cut": member.cut,
    }


def policy_record(state: SubjectState, readings: Readings) -> dict[str, Any]:
    """Return what is said of a policy, whose key is text where it can be."""
    key = state.subject.key
    return {
        "key": key.hex(),
        "name": key.decode("ascii", "replace"),
        "fields": readings.fields(state),
    }


def moment(stamp: int) -> str:
    """Return the wall time of a change's stamp as ISO 8601."""
    return iso_utc(stamp_ms(stamp))


def iso_utc(moment_ms: int) -> str:
    bounded_ms = min(max(moment_ms, 0), _YEAR_9999_MS)
    told = datetime.fromtimestamp(bounded_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return told.replace("+00:00", "Z")


def plain(value: Any, depth: int = 0) -> Any:
    """Make a value fit for JSON: bytes as hex digits, structs as objects, keys as text.

    What is nested deeper than any value of ours is left out.
    """
    if depth > _DEPTH_MAX:
        return None
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case Mapping():
            return {
                key if isinstance(key, str) else str(plain(key)): plain(item, depth + 1)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [plain(item, depth + 1) for item in value]
        case msgspec.Struct():
            return plain(msgspec.to_builtins(value), depth + 1)
        case msgspec.msgpack.Ext():
            return {"ext": value.code, "data": bytes(value.data).hex()}
        case datetime():
            return value.isoformat()
    return str(value)


@lru_cache(limits.PEERS_KNOWN_MAX)
def _shown_node(node: NodeId) -> str:
    """Return a peer ID; those of a few nodes stand in a million lines."""
    return peer_id(node)


def _readable(value: Any) -> Any:
    return None if is_sealed(value) else value


def _added(state: SubjectState) -> str | None:
    moment_ms = state.fact(IMPORTED)
    return iso_utc(moment_ms) if isinstance(moment_ms, int) else None


def _blob(ref: BlobRef) -> dict[str, Any]:
    return {"blob": ref.blob.hex(), "bytes": ref.size_bytes, "chunks": ref.chunks.hex()}


def _position(value: Any) -> Position | None:
    try:
        found = msgspec.convert(value, Position, from_attributes=True)
    except (msgspec.ValidationError, TypeError, ValueError):
        return None
    is_place = abs(found.latitude) <= 90 and abs(found.longitude) <= 180
    return found if is_place and math.isfinite(found.altitude_m or 0.0) else None
